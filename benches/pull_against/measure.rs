//! Everyone pulls, in turn, again and again.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::tool::Tool;
use crate::usage::Usage;
use crate::{MIB, loading, model, object_server};

/// The medians of so many rounds count.
const ROUNDS: usize = 3;

/// One pull.
#[derive(Clone, Copy)]
struct Pull {
    /// Until all is unpacked, and until it is on the disk: what a power failure takes away was not
    /// pulled. `sapt` tells only of the latter.
    unpacked: Option<Duration>,
    flushed: Duration,
    usage: Usage,
}

/// Pulls an archive with so many bytes of weights in it by every means, and prints the table.
pub(crate) fn pull(sapt: &Path, tools: &[Tool], size: u64) {
    let directory = TempDir::new().expect("there is room");
    let archive = directory.path().join("model.tar.gz");
    model::write(&archive, size);
    let url = object_server::serve(&archive);
    let mut pulls: Vec<(&str, Vec<Pull>)> = vec![("sapt, loadModel", Vec::new())];
    pulls.extend(tools.iter().map(|tool| (tool.name, Vec::new())));
    for _ in 0..ROUNDS {
        for (index, (_, pulls)) in pulls.iter_mut().enumerate() {
            let pulled = match index.checked_sub(1).and_then(|index| tools.get(index)) {
                None => with_sapt(sapt, &url),
                Some(tool) => with_tool(tool, &url, &directory.path().join("unpacked")),
            };
            pulls.push(pulled);
        }
    }
    println!(
        "| {} MiB, median of {ROUNDS} | on the disk | before the flush | CPU | most memory |",
        size / MIB
    );
    println!("|---|---|---|---|---|");
    for (name, pulls) in pulls {
        let unpacked = middle(&pulls, |pull| pull.unpacked.unwrap_or_default());
        let unpacked = pulls.iter().any(|pull| pull.unpacked.is_some()).then_some(unpacked);
        println!(
            "| {name} | {:.2} s | {} | {:.2} s | {:.1} MiB |",
            middle(&pulls, |pull| pull.flushed).as_secs_f64(),
            unpacked.map_or(String::new(), |time| format!("{:.2} s", time.as_secs_f64())),
            middle(&pulls, |pull| pull.usage.cpu).as_secs_f64(),
            middle(&pulls, |pull| pull.usage.memory_kib) as f64 / 1024.0,
        );
    }
    println!();
}

fn middle<T: Ord + Copy>(pulls: &[Pull], of: impl Fn(&Pull) -> T) -> T {
    let mut values: Vec<T> = pulls.iter().map(of).collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().expect("something was measured")
}

/// A fresh process, whose start is not counted.
fn with_sapt(sapt: &Path, url: &str) -> Pull {
    let gateway = loading::start(sapt, url);
    let before = Usage::of(gateway.sapt.id());
    let flushed = loading::load(&gateway);
    let usage = Usage::of(gateway.sapt.id()) - before;
    Pull { unpacked: None, flushed, usage }
}

fn with_tool(tool: &Tool, url: &str, into: &Path) -> Pull {
    fs::create_dir(into).expect("there is room");
    let begin = Instant::now();
    let usage = Usage::of_pipe(tool.commands(url, into));
    let unpacked = begin.elapsed();
    let mut flush = Command::new("find");
    flush.arg(into).args(["-type", "f", "-exec", "sync", "{}", "+"]);
    assert!(flush.status().is_ok_and(|status| status.success()), "{flush:?} failed");
    let flushed = begin.elapsed();
    fs::remove_dir_all(into).expect("it is there");
    Pull { unpacked: Some(unpacked), flushed, usage }
}
