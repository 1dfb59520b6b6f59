//! `sapt-agent`: parse the arguments, serve, exit.

use std::io::Write;
use std::process::ExitCode;

use sapt_agent::arguments::{self, Command};
use sapt_agent::configuration::Configuration;
use sapt_agent::serve;

/// `EX_USAGE` of `sysexits.h`: the arguments or the configuration are wrong, a restart will not help.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args_os().skip(1)) {
        Ok(Command::Serve(arguments)) => arguments,
        Ok(Command::Help) => return print(arguments::HELP),
        Ok(Command::Version) => return print(concat!("sapt-agent ", env!("CARGO_PKG_VERSION"))),
        Ok(Command::Licences) => return print(arguments::LICENCES),
        Err(error) => return fail(USAGE, &error),
    };
    let configuration = match &arguments.configuration {
        None => Configuration::standard(&arguments.address),
        Some(path) => match Configuration::read(path) {
            Ok(configuration) => configuration,
            Err(error) => return fail(USAGE, &error),
        },
    };
    match serve::run(&arguments, configuration) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(1, &error),
    }
}

fn print(text: &str) -> ExitCode {
    match writeln!(std::io::stdout(), "{}", text.trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes the error; where standard error is closed, the exit code still tells.
fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "sapt-agent: {error}");
    ExitCode::from(code)
}
