//! `sapt health`.

use std::time::Duration;

use super::{Invocation, misused};
use crate::control::probe::Probe;

pub(super) const HELP: &str = "\
Usage: sapt health [--ready] [--timeout SECONDS]

Asks the running translator how it is, over its control socket, and prints one line.
For probes: it opens nothing but that socket, whose path is SAPT_CONTROL_SOCKET.

  --ready            whether it is registered with Edge Core and the agent answers;
                     without this only whether it lives: its loops turn
  --timeout SECONDS  how long to wait for the answer, 1 to 3600 (default: 5)

Exit codes: 0 where it is so, 1 where it is not, with the reason; 64 for wrong arguments.
";

pub(super) fn parse(options: &[&str]) -> Invocation {
    let (mut probe, mut timeout) = (Probe::Alive, Duration::from_secs(5));
    let mut options = options.iter();
    while let Some(option) = options.next() {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "--ready" if value.is_empty() => probe = Probe::Ready,
            "--timeout" => {
                let value = if value.is_empty() { options.next().unwrap_or(&"") } else { value };
                match value.parse() {
                    Ok(seconds @ 1..=3600) => timeout = Duration::from_secs(seconds),
                    _ => {
                        return misused("--timeout wants a number of seconds, 1 to 3600", "health");
                    }
                }
            }
            _ => return misused(&format!("cannot make sense of {option:?}"), "health"),
        }
    }
    Invocation::Health(probe, timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::tests::{assert_misused, parse};

    #[test]
    fn options() {
        let health = |probe, seconds| Invocation::Health(probe, Duration::from_secs(seconds));
        assert_eq!(parse(&["health"]), health(Probe::Alive, 5));
        assert_eq!(parse(&["health", "--ready"]), health(Probe::Ready, 5));
        assert_eq!(parse(&["health", "--timeout", "1"]), health(Probe::Alive, 1));
        assert_eq!(parse(&["health", "--timeout=60", "--ready"]), health(Probe::Ready, 60));
        for timeout in ["0", "-1", "3601", "x", ""] {
            assert_misused(&["health", "--timeout", timeout], "1 to 3600");
        }
        assert_misused(&["health", "--timeout"], "1 to 3600");
        assert_misused(&["health", "ready"], "ready");
        assert_misused(&["health", "--ready=yes"], "yes");
    }
}
