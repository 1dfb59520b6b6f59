//! The `sapt` program.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::io::Errno;
use sapt::arguments::{Invocation, Request, one_line};
use sapt::check::check;
use sapt::config::{Config, process_environment};
use sapt::control::call::{End, call};
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
            let (end, text) = call(&control_socket()?, &line, raw);
            match end {
                End::Done => print(&text),
                End::Failed if raw => print(&text),
                _ => eprint!("{text}"),
            }
            Ok(end as u8)
        }
        Invocation::Check(order) => {
            let report = check(&order, &process_environment).map_err(|error| told(&error))?;
            let coloured = rustix::stdio::stdout().is_terminal();
            print(&if order.json { report.json() } else { report.table(coloured) });
            Ok(if report.is_good() { 0 } else { 1 })
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
    let mut rest = text.as_bytes();
    // Not `Stdout`, which would link a buffer and a lock for nothing.
    loop {
        match rustix::io::write(rustix::stdio::stdout(), rest) {
            Ok(written @ 1..) => rest = rest.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            // Nobody is there to be told when this fails, as under `sapt --help | head -1`.
            Ok(0) | Err(_) => return,
        }
    }
}

fn control_socket() -> Result<PathBuf, String> {
    Config::control_socket(&process_environment).map_err(|problems| told(&problems))
}

fn standard_input() -> Result<String, String> {
    let (mut input, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        // Not `Stdin`, which would link a buffer and a lock for nothing.
        match rustix::io::read(rustix::stdio::stdin(), &mut chunk) {
            Ok(0) => break,
            Ok(read) => input.extend_from_slice(chunk.get(..read).unwrap_or_default()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(told(&format_args!("standard input: {error}"))),
        }
    }
    String::from_utf8(input).map_err(|_| told(&"standard input is not UTF-8"))
}
