//! The command line. One file a command.

mod call;
mod check;
mod health;
mod options;
mod prepare;
mod run;
mod version;

use std::ffi::OsString;
use std::time::Duration;

pub use call::{Request, one_line};

use crate::control::probe::Probe;
use crate::licences;
use crate::prepare::Order;

/// What the process is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Invocation {
    /// Run the translator.
    Run,
    /// Ask the running translator how it is, and wait so long for its answer.
    Health(Probe, Duration),
    /// Have the running translator do this command.
    Call {
        /// What to send.
        request: Request,
        /// Whether the reply is printed as it comes.
        raw: bool,
    },
    /// Look whether all is as it should be.
    Check(crate::check::Order),
    /// Write an installation's files.
    Prepare(Order),
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
            ["-h" | "--help" | "help"] => Self::Print(HELP.to_owned()),
            ["-V" | "--version" | "version"] => Self::Print(version::text()),
            [command, "-h" | "--help"] | ["help", command] if help(command).is_some() => {
                Self::Print(help(command).unwrap_or_default())
            }
            ["licenses"] => Self::Print(licences::text()),
            ["health", ref options @ ..] => health::parse(options),
            ["call", ref words @ ..] => call::parse(words),
            ["check", ref words @ ..] => check::parse(words),
            ["prepare", ref words @ ..] => prepare::parse(words),
            [word, ..] => misused(&format!("cannot make sense of {word:?} here"), ""),
        }
    }
}

/// The help of a command that there is.
fn help(command: &str) -> Option<String> {
    match command {
        "run" => Some(run::help()),
        "health" => Some(health::HELP.to_owned()),
        "call" => Some(call::help()),
        "check" => Some(check::HELP.to_owned()),
        "prepare" => Some(prepare::HELP.to_owned()),
        "version" => Some(version::HELP.to_owned()),
        "licenses" => Some(LICENSES_HELP.to_owned()),
        "help" | "-h" | "--help" => Some("Usage: sapt help [COMMAND]\n\nPrints help.\n".to_owned()),
        _ => None,
    }
}

/// What is wrong, and whose help to see; that of all where `command` is empty.
fn misused(reason: &str, command: &str) -> Invocation {
    let space = if command.is_empty() { "" } else { " " };
    Invocation::Misused(format!(
        "sapt{space}{command}: {reason}; see sapt{space}{command} --help\n"
    ))
}

const HELP: &str = "\
sapt, the SageMaker Agent Protocol Translator: makes the SageMaker Edge Agent on a
Pelion Edge gateway a device that the cloud can command.

Usage: sapt [COMMAND]

Commands:
  run       Run the translator (the default)
  health    Tell whether the running translator lives, or is ready
  call      Have the running translator do a command, as the cloud would
  check     Look whether this gateway is as it should be, and tell what to do
  prepare   Check an installation's env file, and write its files
  version   Print version, revision and target
  licenses  Print what is linked into this program, and its licences
  help      Print this, or the help of a command

Configuration is in the environment; sapt help run lists its variables.
Exit codes: 0 after SIGTERM or SIGINT, 64 for a wrong configuration or wrong
arguments, 1 for a system that it cannot run on. Those of the others are in their
help.
";

const LICENSES_HELP: &str = "\
Usage: sapt licenses

Prints the crates that are linked into this program, their licences and notices.
";

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse(words: &[&str]) -> Invocation {
        Invocation::parse(words.iter().map(OsString::from))
    }

    pub(super) fn assert_misused(words: &[&str], part: &str) {
        let Invocation::Misused(told) = parse(words) else { panic!("{words:?} are understood") };
        assert!(told.contains(part) && told.contains("--help"), "{words:?}: {told}");
    }

    #[test]
    fn running_is_the_default() {
        assert_eq!(parse(&[]), Invocation::Run);
        assert_eq!(parse(&["run"]), Invocation::Run);
    }

    #[test]
    fn help_is_complete() {
        let Invocation::Print(all) = parse(&["--help"]) else { panic!() };
        for command in ["run", "health", "call", "check", "prepare", "version", "licenses", "help"]
        {
            assert!(all.contains(&format!("\n  {command} ")));
            let Invocation::Print(help) = parse(&[command, "--help"]) else { panic!("{command}") };
            assert!(
                help.starts_with(&format!("Usage: sapt [{command}"))
                    || help.starts_with(&format!("Usage: sapt {command}")),
                "{help}"
            );
            assert_eq!(parse(&["help", command]), Invocation::Print(help.clone()));
            assert_eq!(parse(&[command, "-h"]), Invocation::Print(help));
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_misused(&["predict"], "predict");
        assert_misused(&["run", "fast"], "run");
        assert_misused(&["help", "me"], "help");
        assert_misused(&["version", "now"], "version");
    }
}
