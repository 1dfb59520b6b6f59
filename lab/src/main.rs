//! The demo: the whole way of a cloud command through a gateway, on one machine.

mod demo;
mod picture;
mod serve;

use std::process::ExitCode;

use lab::program;

const HELP: &str = "\
Usage: cargo run --release -p lab [-- serve]

Builds sapt and sapt-agent, starts them between stand-ins for Edge Core and S3 in a
temporary directory, and plays the cloud's commands. Exits 0 only if every step was
right.

  serve   Keep everything up, and print how to send commands by hand

SAPT and SAPT_AGENT name other programs to be used instead of those that it builds,
as dist/x86_64/sapt.
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        [] => build().and_then(|()| demo::run()),
        ["serve"] => build().and_then(|()| serve::run()),
        ["-h" | "--help"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(64);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nNot right: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let mut wanted = vec!["sapt", "sapt-agent"];
    wanted.retain(|name| program::named(name).is_none());
    if wanted.is_empty() {
        return Ok(());
    }
    println!("Building {} (the first time takes some minutes)", wanted.join(" and "));
    program::build(&wanted)
}
