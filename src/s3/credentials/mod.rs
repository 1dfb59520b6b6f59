//! What requests are signed with, and where that comes from.
//!
//! [`Provider`] is what the client asks before each request. It knows one [`Source`]: the first
//! that is set. What that source cannot give is an error, never a reason to try another one.

mod answer;
mod container;
mod directory;
mod error;
mod instance;
mod location;
mod profile;
mod provider;
mod refresh;
mod remote;
mod role_alias;
mod source;

pub use container::{Authorization, Container};
pub use error::{CredentialsError, Reason};
pub use location::{InvalidLocation, WebLocation};
pub use profile::Profile;
pub use provider::Provider;
pub use role_alias::RoleAlias;
pub use source::{Files, Server, Source};

use std::time::SystemTime;

use crate::secret::Secret;

/// An access key, long-lived or temporary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Names the key; travels in clear with every request.
    pub access_key_id: String,
    /// Never travels: signatures are made with it.
    pub secret_access_key: Secret,
    /// Comes with temporary keys, and travels with every request made with them.
    pub session_token: Option<Secret>,
}

/// Credentials as a remote source gives them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    credentials: Credentials,
    /// When they end; never, where the source does not say.
    expires: Option<SystemTime>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_id_only() {
        let credentials = Credentials {
            access_key_id: "AKID".into(),
            secret_access_key: Secret::new("hunter2"),
            session_token: Some(Secret::new("hunter3")),
        };
        let shown = format!("{credentials:?}");
        assert!(shown.contains("AKID") && !shown.contains("hunter"), "{shown}");
    }
}
