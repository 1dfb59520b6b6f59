//! What requests are signed with.

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
