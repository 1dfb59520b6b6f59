//! The budgets of size, memory and speed, measured.
//!
//! `cargo bench --bench budgets` builds the `sapt` that is shipped and measures it between the
//! lab's Edge Core, `sapt-agent` and an object server of this bench. What a budget compares with is
//! measured in the same run, in turn with it. Prints a table, and exits with 0 whatever is in it:
//! on a machine that does something else too, numbers prove little.

// A measurement that cannot be made ends with the reason.
#![allow(clippy::expect_used, clippy::panic)]

mod idle;
mod latency;
mod loading;
mod model;
mod object_server;
mod process;
mod pull;
mod table;

use std::path::PathBuf;

use table::Table;

const HELP: &str = "\
Usage: cargo bench --bench budgets [-- [--quick] [--sapt PATH]]

  --quick      The large model has 256 MiB instead of 1 GiB
  --sapt PATH  Measure this binary, instead of building one for this machine
";

const MIB: u64 = 1024 * 1024;

struct Wanted {
    large_model: u64,
    sapt: Option<PathBuf>,
}

fn main() {
    let wanted = wanted(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprint!("{problem}\n\n{HELP}");
        std::process::exit(64);
    });
    let sapt = wanted.sapt.unwrap_or_else(process::build);
    println!("Measuring {}\n", sapt.display());
    let mut table = Table::new();
    process::size(&sapt, &mut table);
    latency::start(&sapt, &mut table);
    latency::calls(&sapt, &mut table);
    idle::rest(&sapt, &mut table);
    pull::speed(&sapt, &mut table);
    pull::memory(&sapt, wanted.large_model, &mut table);
    println!("\n{table}");
}

fn wanted(arguments: impl IntoIterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted { large_model: 1024 * MIB, sapt: None };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo gives every bench.
            "--bench" => {}
            "--quick" => wanted.large_model = 256 * MIB,
            "--sapt" => {
                let path = arguments.next().ok_or("--sapt needs the path of a binary")?;
                wanted.sapt = Some(PathBuf::from(path));
            }
            other => return Err(format!("{other:?} is not an option")),
        }
    }
    Ok(wanted)
}
