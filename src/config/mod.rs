//! Configuration: from the environment at start, and from the cloud while running.
//!
//! Everything is parsed here, once, into types that cannot be wrong; everything that is wrong is
//! reported together.

mod environment;
mod network;
mod persisted;
mod storage;
mod update;
mod view;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use environment::is_placeholder;
pub use environment::{Lookup, Problem, Problems, VARIABLES, Variable, process_environment};
pub use persisted::{Persisted, PersistedError};
pub use storage::{Storage, Unset};
pub use update::{InvalidUpdate, Update};
pub use view::view;

use crate::agent::Address;
use crate::logging::Levels;
use crate::s3::{Network, Roots};

/// What the operator decides.
#[derive(Debug, Clone)]
pub struct Config {
    /// The translator's name; the device's id is this and `-0`.
    pub device_name: DeviceName,
    /// Edge Core's socket.
    pub edge_socket: PathBuf,
    /// Where the SageMaker Edge Agent listens.
    pub agent: Address,
    /// Certificate authorities that may vouch for S3, beside the built-in ones.
    pub roots: Roots,
    /// How S3 is reached.
    pub network: Network,
    /// The directory of models and data; the agent must see it under the same path.
    pub models_path: PathBuf,
    /// How many bytes a model may unpack to.
    pub model_max_bytes: u64,
    /// How many earlier versions of each model are kept.
    pub keep_versions: usize,
    /// Whether models that should be loaded are loaded again after a restart.
    pub restore: bool,
    /// How long a command may hold its request before it is acknowledged without its result.
    pub sync_window: Duration,
    /// The largest resource value, in bytes.
    pub value_limit: usize,
    /// The form of results.
    pub reply_format: ReplyFormat,
    /// Where the running process can be asked something.
    pub control_socket: PathBuf,
    /// What is logged.
    pub log_levels: Levels,
    /// Whether what the cloud changes is kept beyond this process.
    pub persist: bool,
    /// S3, as far as it is set; the cloud may change it.
    pub storage: Storage,
}

/// A translator's name, 1 to 128 characters, none of them a control character or `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceName(String);

impl DeviceName {
    /// Checks a name. Edge Core fails over a device id of 300 characters, and has paths of ids.
    pub fn parse(text: &str) -> Result<Self, String> {
        let length = text.chars().count();
        if (1..=128).contains(&length) && !text.chars().any(|c| c.is_control() || c == '/') {
            Ok(Self(text.to_owned()))
        } else {
            Err("must have 1 to 128 characters, none of them a control character or /".to_owned())
        }
    }

    /// The translator's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of the translator's one device.
    pub fn device_id(&self) -> String {
        format!("{}-0", self.0)
    }
}

/// The form of a result value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReplyFormat {
    /// `{"error","reply","response","details"}` with `jsonrpc`, `id` and `method`.
    #[default]
    Sapt,
    /// A plain JSON-RPC 2.0 response.
    JsonRpc,
}
