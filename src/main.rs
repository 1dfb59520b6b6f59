//! The `sapt` program.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use sapt::arguments::{Invocation, Request, one_line};
use sapt::config::{Config, process_environment};
use sapt::control::call::call;
use sapt::control::probe::probe;
use sapt::prepare::{self, prepare};
use sapt::run::{self, run};

/// `EX_USAGE` of sysexits.h: the operator has to change something.
const MISUSED: u8 = 64;

fn main() -> ExitCode {
    match invoked(Invocation::parse(std::env::args_os().skip(1))) {
        Ok(code) => ExitCode::from(code),
        Err(reason) => {
            eprint!("{reason}");
            ExitCode::from(MISUSED)
        }
    }
}

/// The exit code, or what the operator has to change.
fn invoked(invocation: Invocation) -> Result<u8, String> {
    match invocation {
        Invocation::Run => match run() {
            Ok(()) => Ok(0),
            Err(error @ run::Error::Configuration(_)) => Err(told(&error)),
            Err(error) => {
                eprint!("{}", told(&error));
                Ok(1)
            }
        },
        Invocation::Health(what, timeout) => {
            let (holds, line) = probe(&control_socket()?, what, timeout);
            print(&(line + "\n"));
            Ok(if holds { 0 } else { 1 })
        }
        Invocation::Call { request, raw } => {
            let line = match request {
                Request::Line(line) => line,
                Request::StandardInput => {
                    one_line(&standard_input()?).map_err(|reason| told(&reason))?
                }
            };
            Ok(call(&control_socket()?, &line, raw) as u8)
        }
        Invocation::Prepare(order) => match prepare(&order, &process_environment) {
            Ok(done) => {
                eprint!("{}", done.remarks);
                print(&done.files);
                Ok(0)
            }
            Err(error @ prepare::Error::Wrong(..)) => Err(told(&error)),
            Err(error) => {
                eprint!("{}", told(&error));
                Ok(1)
            }
        },
        Invocation::Print(text) => {
            print(&text);
            Ok(0)
        }
        Invocation::Misused(text) => Err(text),
    }
}

fn told(error: &dyn std::fmt::Display) -> String {
    format!("sapt: {error}\n")
}

fn print(text: &str) {
    // Nobody is there to be told when this fails, as under `sapt --help | head -1`.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn control_socket() -> Result<PathBuf, String> {
    Config::control_socket(&process_environment).map_err(|problems| told(&problems))
}

fn standard_input() -> Result<String, String> {
    let mut text = String::new();
    match std::io::stdin().read_to_string(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(told(&format_args!("standard input cannot be read: {error}"))),
    }
}
