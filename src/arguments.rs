//! The command line.

use std::ffi::OsString;

use crate::config::VARIABLES;
use crate::licences;

/// What the process is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run the translator.
    Run,
    /// Print this and exit 0.
    Print(String),
    /// Print this on standard error and exit 64.
    Misused(String),
}

impl Invocation {
    /// Reads the arguments, without the program's name.
    pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Self {
        let words: Vec<String> =
            arguments.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            [] | ["run"] => Self::Run,
            ["-h" | "--help" | "help"] => Self::Print(help()),
            ["run", "-h" | "--help"] | ["help", "run"] => Self::Print(run_help()),
            ["-V" | "--version" | "version"] => {
                Self::Print(format!("sapt {}\n", env!("CARGO_PKG_VERSION")))
            }
            ["version", "-h" | "--help"] | ["help", "version"] => {
                Self::Print("Usage: sapt version\n\nPrints the version.\n".to_owned())
            }
            ["licenses"] => Self::Print(licences::text()),
            ["licenses", "-h" | "--help"] | ["help", "licenses"] => Self::Print(
                "Usage: sapt licenses\n\nPrints what is linked into sapt, and its licences.\n"
                    .to_owned(),
            ),
            ["help", "-h" | "--help" | "help"] => {
                Self::Print("Usage: sapt help [COMMAND]\n\nPrints help.\n".to_owned())
            }
            [word, ..] => Self::Misused(format!(
                "sapt: cannot make sense of {word:?} here; see sapt --help for what there is\n"
            )),
        }
    }
}

fn help() -> String {
    "\
sapt, the SageMaker Agent Protocol Translator: makes the SageMaker Edge Agent on a
Pelion Edge gateway a device that the cloud can command.

Usage: sapt [COMMAND]

Commands:
  run      Run the translator (the default)
  version  Print the version
  licenses Print what is linked into it, and its licences
  help     Print this, or the help of a command

Configuration is in the environment; sapt help run lists its variables.
Exit codes: 0 after SIGTERM or SIGINT, 64 for a wrong configuration or wrong
arguments, 1 for a system that it cannot run on.
"
    .to_owned()
}

fn run_help() -> String {
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
";
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Invocation {
        Invocation::parse(words.iter().map(OsString::from))
    }

    #[test]
    fn running_is_the_default() {
        assert_eq!(parse(&[]), Invocation::Run);
        assert_eq!(parse(&["run"]), Invocation::Run);
    }

    #[test]
    fn help_is_complete() {
        let Invocation::Print(help) = parse(&["help", "run"]) else { panic!() };
        for variable in VARIABLES {
            assert!(help.contains(variable.name));
        }
        let Invocation::Print(all) = parse(&["--help"]) else { panic!() };
        for command in ["run", "version", "licenses", "help"] {
            assert!(all.contains(command));
            assert!(matches!(parse(&[command, "--help"]), Invocation::Print(_)), "{command}");
            assert!(matches!(parse(&["help", command]), Invocation::Print(_)), "{command}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let Invocation::Misused(words) = parse(&["predict"]) else { panic!() };
        assert!(words.contains("predict") && words.contains("--help"));
        assert!(matches!(parse(&["run", "fast"]), Invocation::Misused(_)));
    }
}
