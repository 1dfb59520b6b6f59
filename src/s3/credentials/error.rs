//! Why there are no credentials.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::{Files, Server, Source};
use crate::s3::error::Cause;
use crate::s3::transport::InvalidIdentity;

/// A source gave no credentials. A clone is the same error: it is kept until the source is asked
/// again. No secret is ever part of it.
#[derive(Debug, Clone)]
pub struct CredentialsError(Arc<Failure>);

#[derive(Debug)]
struct Failure {
    source: String,
    advice: &'static str,
    reason: Reason,
}

/// What came back, or did not.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reason {
    /// A file or directory cannot be read.
    Read(PathBuf, io::Error),
    /// A part of the credentials is not there; tells which and where it was looked for.
    Missing(String),
    /// The certificate and key that are to prove who this is cannot be used.
    Identity(InvalidIdentity),
    /// The server that gives them was not reached, or did not answer in order.
    Request(Cause),
    /// The server that gives them refused.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The server's words.
        message: Option<String>,
    },
    /// The answer is not what credentials are given in; tells what is wrong with it.
    Answer(String),
}

impl CredentialsError {
    pub(super) fn new(source: &Source, reason: Reason) -> Self {
        let advice = match source {
            Source::Fixed(_) => "set the access key",
            Source::Files(Files::Directory(_)) => {
                "create the Secret that is mounted there, or correct SAPT_CREDENTIALS_DIR"
            }
            Source::Files(Files::Profile(_)) => {
                "correct the file, or SAPT_AWS_SHARED_CREDENTIALS_FILE and SAPT_AWS_PROFILE"
            }
            Source::Server(Server::RoleAlias(_)) => {
                "check SAPT_AWS_IOT_ENDPOINT and SAPT_AWS_IOT_ROLE_ALIAS, that the certificate is \
                 active, and that its policy allows iot:AssumeRoleWithCertificate for the role alias"
            }
            Source::Server(Server::Container(_)) => {
                "check that the server that gives credentials runs, and \
                 SAPT_AWS_CONTAINER_CREDENTIALS_URI or what else names it"
            }
            Source::Server(Server::Instance(_)) => {
                "check that this is an EC2 instance with a role whose metadata service may be \
                 reached from here, or leave SAPT_AWS_IMDS out"
            }
        };
        Self(Arc::new(Failure { source: source.to_string(), advice, reason }))
    }

    /// What came back, or did not.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// What an operator can do about it, as a phrase.
    pub fn advice(&self) -> &'static str {
        self.0.advice
    }

    /// Whether the source may give credentials later, with nothing changed by the operator.
    pub fn is_transient(&self) -> bool {
        self.0.reason.is_transient()
    }
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { source, reason, .. } = &*self.0;
        write!(f, "{source} gives no credentials: {reason}")
    }
}

impl std::error::Error for CredentialsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.reason {
            Reason::Read(_, error) => Some(error),
            Reason::Identity(error) => Some(error),
            _ => None,
        }
    }
}

impl Reason {
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Request(cause) => cause.is_transient(),
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            Self::Read(..) | Self::Missing(_) | Self::Identity(_) | Self::Answer(_) => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{} was not readable ({error})", path.display()),
            Self::Missing(what) | Self::Answer(what) => f.write_str(what),
            Self::Identity(error) => error.fmt(f),
            Self::Request(cause) => cause.fmt(f),
            Self::Refused { status, message } => {
                write!(f, "it answered {status}")?;
                match message {
                    Some(message) => write!(f, " {message:?}"),
                    None => Ok(()),
                }
            }
        }
    }
}
