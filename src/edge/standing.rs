//! Whether the device is registered with Edge Core, since when, and why it is not. Pure.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How the session is.
#[derive(Debug, Clone)]
pub struct Standing {
    socket: PathBuf,
    since: Instant,
    problem: Option<String>,
}

impl Standing {
    /// Nobody has tried yet.
    pub fn new(socket: &Path, now: Instant) -> Self {
        let problem = Some("it is being connected to".to_owned());
        Self { socket: socket.to_owned(), since: now, problem }
    }

    /// The device is registered.
    pub fn registered(&mut self, now: Instant) {
        self.since = now;
        self.problem = None;
    }

    /// It is not, or no more, for this reason.
    pub fn lost(&mut self, reason: String, now: Instant) {
        if self.problem.replace(reason).is_none() {
            self.since = now;
        }
    }

    /// Whether the device is registered.
    pub fn is_registered(&self) -> bool {
        self.problem.is_none()
    }
}

/// For how long, not since when: a gateway's clock may not be set yet.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = if self.is_registered() { "" } else { "not " };
        let (socket, seconds) = (self.socket.display(), self.since.elapsed().as_secs());
        write!(f, "{not}registered with Edge Core at {socket} for {seconds} s")?;
        match &self.problem {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn tells_the_last_reason_and_the_first_time() {
        let now = Instant::now();
        let mut standing = Standing::new(Path::new("/e"), now - Duration::from_secs(100));
        standing.lost("first".to_owned(), now);
        standing.lost("second".to_owned(), now);
        let words = standing.to_string();
        assert!(words.starts_with("not registered with Edge Core at /e for 10"), "{words}");
        assert!(words.ends_with(": second"), "{words}");
        standing.registered(now);
        assert!(standing.is_registered());
        standing.lost("third".to_owned(), now);
        assert!(standing.to_string().contains("for 0 s: third"), "{standing}");
    }
}
