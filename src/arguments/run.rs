//! `sapt run`.

use crate::config::VARIABLES;

pub(super) fn help() -> String {
    let mut text = "\
Usage: sapt [run]

Registers a translator and its device with Edge Core, and does the commands that
the cloud POSTs to /33311/0/5701 until SIGTERM or SIGINT. Log lines are JSON, on
standard error.

Environment:
"
    .to_owned();
    for variable in VARIABLES {
        text += &format!(
            "  {}\n      {} (default: {})\n",
            variable.name, variable.purpose, variable.default
        );
    }
    text += "\
Directories in S3 may be written with \\/ for /. Values that still hold a template's
placeholder are refused. Without the S3 variables everything works but what needs S3.
Of the sources of a key for S3 the first that is set counts, in the order above.
The agent is at SAPT_AGENT_ADDRESS; where that is not set, at the socket
SAPT_SAGE_SOCKET_FILE, or while that is not there at localhost:SAPT_MAP_PORT.

Exit codes: 0 after SIGTERM or SIGINT, 64 for a wrong configuration, 1 for a system
that it cannot run on.
";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_variables_are_listed() {
        for variable in VARIABLES {
            assert!(help().contains(&format!("  {}\n", variable.name)));
        }
    }
}
