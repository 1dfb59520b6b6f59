//! `sapt health`: whether the running translator lives, or can do its work.

use std::path::Path;
use std::time::Duration;

use super::client::{Client, Error};

/// What to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Whether its loops turn.
    Alive,
    /// Whether it is registered with Edge Core and the agent answers.
    Ready,
}

/// Asks the translator at this control socket. Whether all is well, and a line that says what is.
pub fn probe(socket: &Path, probe: Probe, timeout: Duration) -> (bool, String) {
    let (method, not) = match probe {
        Probe::Alive => ("health", "not alive: "),
        Probe::Ready => ("ready", "not ready: "),
    };
    ask(socket, method, timeout).unwrap_or_else(|error| (false, format!("{not}{error}")))
}

fn ask(socket: &Path, method: &str, timeout: Duration) -> Result<(bool, String), Error> {
    let (client, answer) = Client::ask(socket, method, timeout)?;
    let result = answer.get("result");
    let flag = |name| result.and_then(|result| result.get(name)?.as_bool());
    let holds = flag("alive").or(flag("ready"));
    let detail = result.and_then(|result| result.get("detail")?.as_str());
    match (holds, detail) {
        (Some(holds), Some(detail)) => Ok((holds, detail.to_owned())),
        _ => Err(client.not_understood()),
    }
}
