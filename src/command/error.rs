//! What goes wrong with a command, told to who sent it.

use std::fmt;

use super::location::InvalidLocation;
use super::method::METHODS;
use crate::config::{InvalidUpdate, PersistedError, Unset};
use crate::model_name::InvalidModelName;
use crate::{agent, s3, store, tensor};

/// Why a command was not done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The request is not JSON; holds the parser's words.
    NotJson(String),
    /// The request is JSON, and no JSON-RPC request.
    NotARequest(&'static str),
    /// There is no such method.
    UnknownMethod(String),
    /// A parameter is missing.
    MissingParameter(&'static str),
    /// A parameter is not what it must be.
    Parameter(&'static str, String),
    /// A model's name breaks the rule for it.
    ModelName(InvalidModelName),
    /// A URL names no place for data.
    Location(InvalidLocation),
    /// A change of the configuration is wrong.
    Configuration(InvalidUpdate),
    /// A change of the configuration was to be kept, and could not be.
    NotPersisted(PersistedError),
    /// A setting that the command needs is missing.
    Unset(Unset),
    /// As many commands of this kind run as may.
    Busy(&'static str),
    /// The process is about to end.
    ShuttingDown,
    /// A model of this name is loaded.
    AlreadyLoaded(String),
    /// No model of this name is loaded.
    NotLoaded(String),
    /// A model that should be loaded is not, and loading it again failed; holds why.
    NotRestored(String, String),
    /// A model that should be loaded is not, and its files are gone.
    FilesMissing(String),
    /// The agent failed or refused.
    Agent(agent::Error),
    /// S3 failed or refused.
    S3(s3::Error),
    /// The models directory failed or refused.
    Store(store::Error),
    /// An input does not fit the model.
    Tensor(tensor::Error),
    /// Several inputs were given that are not the model's.
    Inputs(String),
    /// The agent refused a new model, or the models directory did; tells what became of the
    /// previous one.
    NotReplaced(Box<Error>, &'static str),
    /// A result does not fit into a resource value.
    TooLarge {
        /// What it would take, in bytes.
        size: usize,
        /// What there is.
        limit: usize,
    },
}

impl Error {
    /// A stable code for programs.
    pub fn code(&self) -> &str {
        match self {
            Self::NotJson(_) => "PARSE_ERROR",
            Self::NotARequest(_) => "INVALID_REQUEST",
            Self::UnknownMethod(_) => "UNKNOWN_METHOD",
            Self::MissingParameter(_)
            | Self::Parameter(..)
            | Self::ModelName(_)
            | Self::Location(_)
            | Self::Configuration(_) => "INVALID_PARAMS",
            Self::Unset(_) => "NOT_CONFIGURED",
            Self::Busy(_) => "BUSY",
            Self::ShuttingDown => "SHUTTING_DOWN",
            Self::AlreadyLoaded(_) => "ALREADY_EXISTS",
            Self::NotLoaded(_) | Self::NotRestored(..) | Self::FilesMissing(_) => "NOT_FOUND",
            Self::Agent(error) => error.code(),
            Self::S3(_) => "S3_ERROR",
            Self::Store(store::Error::Checksum { .. }) => "CHECKSUM_MISMATCH",
            Self::Store(_) | Self::NotPersisted(_) => "STORE_ERROR",
            Self::Tensor(_) | Self::Inputs(_) => "INVALID_INPUT",
            Self::NotReplaced(error, _) => error.code(),
            Self::TooLarge { .. } => "TOO_LARGE",
        }
    }

    /// The number for it in a JSON-RPC 2.0 response (its section 5.1).
    pub fn number(&self) -> i64 {
        match self.code() {
            "PARSE_ERROR" => -32700,
            "INVALID_REQUEST" => -32600,
            "UNKNOWN_METHOD" => -32601,
            "INVALID_PARAMS" => -32602,
            _ => -32000,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJson(words) => write!(f, "the request is not JSON: {words}"),
            Self::NotARequest(reason) => write!(f, "this is not a JSON-RPC request: {reason}"),
            Self::UnknownMethod(name) => {
                write!(f, "there is no method {name:?}; the methods are")?;
                METHODS.iter().try_for_each(|(name, _)| write!(f, " {name}"))
            }
            Self::MissingParameter(name) => write!(f, "params.{name} is missing"),
            Self::Parameter(name, wanted) => write!(f, "{name} must be {wanted}"),
            Self::ModelName(error) => error.fmt(f),
            Self::Location(error) => error.fmt(f),
            Self::Configuration(error) => error.fmt(f),
            Self::NotPersisted(error) => write!(
                f,
                "the configuration was not changed, because it could not be kept: {error}; make \
                 room or set the mode there, or leave SAPT_PERSIST_CONFIG out"
            ),
            Self::Unset(error) => error.fmt(f),
            Self::Busy(what) => write!(f, "too many {what} are under way; send it again later"),
            Self::ShuttingDown => {
                f.write_str("the translator is shutting down; send it again when it is back")
            }
            Self::AlreadyLoaded(name) => write!(
                f,
                "model with the same name is already loaded: {name}; use reloadModel to replace \
                 it, or unloadModel first"
            ),
            Self::NotLoaded(name) => write!(f, "model {name} is not loaded; use loadModel first"),
            Self::NotRestored(name, reason) => write!(
                f,
                "model {name} should be loaded and is not: {reason}; it is tried again from time \
                 to time"
            ),
            Self::FilesMissing(name) => write!(
                f,
                "the files of {name} are missing; use loadModel to pull them again, or \
                 unloadModel where it is not needed any more"
            ),
            Self::Agent(error) => error.fmt(f),
            Self::S3(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Tensor(error) => error.fmt(f),
            Self::Inputs(reason) => f.write_str(reason),
            Self::NotReplaced(error, previous) => write!(f, "{error}; {previous}"),
            Self::TooLarge { size, limit } => write!(
                f,
                "the result takes {size} bytes, and a resource value has room for {limit}; give \
                 predict an output_url to have its outputs stored, or raise SAPT_VALUE_LIMIT (at \
                 most 65535)"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::ModelName(error) => Some(error),
            Self::Location(error) => Some(error),
            Self::Configuration(error) => Some(error),
            Self::NotPersisted(error) => Some(error),
            Self::Unset(error) => Some(error),
            Self::Agent(error) => Some(error),
            Self::S3(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::Tensor(error) => Some(error),
            Self::NotReplaced(error, _) => Some(error.as_ref()),
            _ => None,
        }
    }
}

impl From<Unset> for Error {
    fn from(error: Unset) -> Self {
        Self::Unset(error)
    }
}

impl From<agent::Error> for Error {
    fn from(error: agent::Error) -> Self {
        Self::Agent(error)
    }
}

impl From<s3::Error> for Error {
    fn from(error: s3::Error) -> Self {
        Self::S3(error)
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}

impl From<tensor::Error> for Error {
    fn from(error: tensor::Error) -> Self {
        Self::Tensor(error)
    }
}
