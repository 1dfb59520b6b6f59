//! Whether the process lives, and whether it can do its work, in words.

use std::fmt;

use crate::command::AgentHealth;
use crate::device::Device;
use crate::edge::Standing;

/// Whether the device can do its work, and what keeps it from that.
pub fn readiness(device: &Device) -> (bool, String) {
    let (edge, agent) = (device.standing(), device.agent());
    let ending = device.is_draining();
    let readiness = Readiness { ending, edge: &edge, agent: &agent };
    (readiness.is_ready(), readiness.to_string())
}

/// Whether commands of the cloud can be done.
struct Readiness<'a> {
    ending: bool,
    edge: &'a Standing,
    agent: &'a AgentHealth,
}

impl Readiness<'_> {
    /// Whether all is as it should be.
    fn is_ready(&self) -> bool {
        let answering = *self.agent == AgentHealth::Answering;
        !self.ending && self.edge.is_registered() && answering
    }
}

impl fmt::Display for Readiness<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_ready() { "ready: " } else { "not ready: " })?;
        if self.ending {
            return f.write_str("the translator is shutting down");
        }
        let edge = self.edge;
        match self.agent {
            AgentHealth::Answering => write!(f, "{edge}, and the agent answers"),
            AgentHealth::Unknown if !edge.is_registered() => edge.fmt(f),
            AgentHealth::Unknown => {
                write!(f, "{edge}, but the agent has not answered yet; see in a moment")
            }
            AgentHealth::Unreachable(reason) if edge.is_registered() => f.write_str(reason),
            AgentHealth::Unreachable(reason) => write!(f, "{edge}; and {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn both_have_to_be_there() {
        let start = Instant::now();
        let mut edge = Standing::new(Path::new("/tmp/edge.sock"), start);
        let gone = AgentHealth::Unreachable("cannot reach the agent; start it".to_owned());
        let look = |ending: bool, edge: &Standing, agent: &AgentHealth| {
            let readiness = Readiness { ending, edge, agent };
            (readiness.is_ready(), readiness.to_string())
        };
        let (ready, words) = look(false, &edge, &AgentHealth::Unknown);
        assert!(!ready && words.starts_with("not ready: not registered with Edge Core at /tmp"));
        edge.lost("it is not there; start it".to_owned(), start + Duration::from_secs(1));
        let (ready, words) = look(false, &edge, &gone);
        assert!(!ready && words.contains("it is not there; start it; and cannot reach the agent"));
        edge.registered(start + Duration::from_secs(2));
        let (ready, words) = look(false, &edge, &AgentHealth::Unknown);
        assert!(!ready && words.contains("has not answered yet"));
        assert_eq!(
            look(false, &edge, &gone),
            (false, "not ready: cannot reach the agent; start it".to_owned())
        );
        let (ready, words) = look(false, &edge, &AgentHealth::Answering);
        assert!(ready && words.starts_with("ready: registered with Edge Core at /tmp/edge.sock"));
        let (ready, words) = look(true, &edge, &AgentHealth::Answering);
        assert!(!ready && words.contains("shutting down"));
    }
}
