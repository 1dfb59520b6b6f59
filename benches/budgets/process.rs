//! The binary, and what the kernel tells of its process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lab::program;

use crate::MIB;
use crate::table::Table;

/// Builds the `sapt` that is shipped, for this machine.
pub(crate) fn build() -> PathBuf {
    let build = program::workspace().join("musl-targets/build");
    let status = Command::new(build).args(["--only", "sapt", std::env::consts::ARCH]).status();
    assert!(status.is_ok_and(|status| status.success()), "sapt cannot be built; --sapt names one");
    program::workspace().join("dist").join(std::env::consts::ARCH).join("sapt")
}

/// How large the file is. The budget is that of x86_64.
pub(crate) fn size(sapt: &Path, table: &mut Table) {
    let length = fs::metadata(sapt).expect("it is built").len();
    let measured = length as f64 / MIB as f64;
    table.add("size of the binary", (2.0, measured), "MiB", &format!("{length} bytes"));
}

/// A line of `/proc/ID/status` that is a number of kB, in MiB: `VmRSS` is what the process holds
/// in memory now, `VmHWM` the most that it ever held, `RssAnon` the part of the former that is not
/// pages of files.
pub(crate) fn memory(id: u32, line: &str) -> f64 {
    status(id, line) as f64 / 1024.0
}

/// How often it was woken so far, all its threads together.
pub(crate) fn wakes(id: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
    let threads = threads.filter_map(|thread| thread.ok()?.file_name().to_str()?.parse().ok());
    threads.map(|thread: u32| status(thread, "voluntary_ctxt_switches")).sum()
}

/// How long it was on a processor so far, all its threads together, in ms. Threads that have ended are
/// not counted.
pub(crate) fn processor_time(id: u32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{id}/task")).expect("it runs");
    let nanoseconds = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    nanoseconds.sum::<u64>() as f64 / 1e6
}

/// How many threads it has.
pub(crate) fn threads(id: u32) -> u64 {
    status(id, "Threads")
}

fn status(id: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
    let number = status.lines().find_map(|found| {
        let number = found.strip_prefix(line)?.strip_prefix(':')?.trim();
        number.trim_end_matches(" kB").parse().ok()
    });
    number.unwrap_or_else(|| panic!("/proc has no {line}"))
}
