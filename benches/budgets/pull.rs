//! How fast a model is pulled and unpacked, and in how much memory.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::loading::{load, start};
use crate::table::{Table, median, milliseconds};
use crate::{MIB, model, object_server, process};

/// Each is done so often, in turn, and the median counts.
const ROUNDS: usize = 5;

const LENGTH: u64 = 256 * MIB;

/// `loadModel` against `curl | tar xz`, both until all is on the disk: a model that a power
/// failure takes away is not pulled.
pub(crate) fn speed(sapt: &Path, table: &mut Table) {
    let directory = TempDir::new().expect("there is room");
    let archive = directory.path().join("model.tar.gz");
    model::write(&archive, LENGTH);
    let url = object_server::serve(&archive);
    let rounds: Vec<[Duration; 3]> = (0..ROUNDS)
        .map(|_| {
            // What one gateway has unpacked it would not pull again.
            let gateway = start(sapt, &url);
            let unpacked = directory.path().join("unpacked");
            let (unflushed, flushed) = curl(&url, &unpacked);
            let pulled = load(&gateway);
            fs::remove_dir_all(unpacked).expect("it is there");
            [unflushed, flushed, pulled]
        })
        .collect();
    let [unflushed, flushed, pulled] =
        [0, 1, 2].map(|which| median(rounds.iter().map(|round| round[which]).collect()));
    let remark = format!(
        "{:.0} over {:.0} ms with its flush to disk, {:.0} without; medians of {ROUNDS}",
        milliseconds(pulled),
        milliseconds(flushed),
        milliseconds(unflushed),
    );
    let ratio = pulled.as_secs_f64() / flushed.as_secs_f64();
    table.add("loadModel of 256 MiB, over curl | tar xz", (1.1, ratio), "x", &remark);
}

/// The most memory that was ever held, after a large model was pulled.
pub(crate) fn memory(sapt: &Path, length: u64, table: &mut Table) {
    let directory = TempDir::new().expect("there is room");
    let archive = directory.path().join("model.tar.gz");
    model::write(&archive, length);
    let gateway = start(sapt, &object_server::serve(&archive));
    let time = load(&gateway);
    let peak = process::memory(gateway.sapt.id(), "VmHWM");
    let remark = format!("{} MiB in {:.1} s", length / MIB, time.as_secs_f64());
    table.add("most memory held while pulling", (12.0, peak), "MiB", &remark);
}

/// Until the last process has ended, and until all is on the disk.
fn curl(url: &str, unpacked: &Path) -> (Duration, Duration) {
    fs::create_dir(unpacked).expect("there is room");
    let pipe = "curl --silent --show-error --fail \"$0\" | tar xz -C \"$1\"";
    let flush = "find \"$1\" -type f -exec sync {} +";
    let [pipe, flush] = [pipe, flush].map(|script| {
        let mut command = Command::new("sh");
        command.args(["-c", script, url]).arg(unpacked);
        command
    });
    let begin = Instant::now();
    run(pipe);
    let unflushed = begin.elapsed();
    run(flush);
    (unflushed, begin.elapsed())
}

fn run(mut command: Command) {
    let status = command.status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} failed");
}
