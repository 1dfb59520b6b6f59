//! `sapt`, the SageMaker Agent Protocol Translator.
//!
//! See `ARCHITECTURE.md` for the map.

pub mod agent;
pub mod allocator;
pub mod arguments;
pub mod blocking;
pub mod check;
pub mod clock;
pub mod command;
pub mod config;
pub mod control;
pub mod device;
pub mod edge;
pub mod licences;
pub mod logging;
pub mod model_name;
pub mod notify;
pub mod prepare;
pub mod run;
pub mod s3;
pub mod secret;
pub mod store;
pub mod tensor;
pub mod whole_file;

/// What this program calls itself in requests.
const USER_AGENT: &str = concat!("sapt/", env!("CARGO_PKG_VERSION"));
