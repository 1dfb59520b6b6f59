//! The `sapt` program.

use std::io::Write;
use std::process::ExitCode;

use sapt::arguments::Invocation;
use sapt::run::{self, run};

/// `EX_USAGE` of sysexits.h: the operator has to change something.
const MISUSED: u8 = 64;

fn main() -> ExitCode {
    match Invocation::parse(std::env::args_os().skip(1)) {
        Invocation::Run => match run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("sapt: {error}");
                match error {
                    run::Error::Configuration(_) => ExitCode::from(MISUSED),
                    _ => ExitCode::FAILURE,
                }
            }
        },
        Invocation::Print(text) => {
            // Nobody is there to be told when this fails, as under `sapt --help | head -1`.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Invocation::Misused(text) => {
            eprint!("{text}");
            ExitCode::from(MISUSED)
        }
    }
}
