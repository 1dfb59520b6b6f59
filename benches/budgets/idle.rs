//! What it holds and does while nothing is asked of it.

use std::path::Path;
use std::thread;
use std::time::Duration;

use lab::gateway::Plan;

use crate::process;
use crate::table::Table;

/// How long it is watched. Longer than any thread is kept for the next piece of work.
const WATCHED: Duration = Duration::from_secs(20);

/// Memory after a few commands, and how often it wakes.
pub(crate) fn rest(sapt: &Path, table: &mut Table) {
    let gateway = Plan::new(sapt).start();
    for _ in 0..10 {
        gateway.command(r#"{"id":"1","method":"listModels"}"#);
    }
    let id = gateway.sapt.id();
    // Health is shown once more within a second.
    thread::sleep(Duration::from_secs(2));
    let before = process::wakes(id);
    thread::sleep(WATCHED);
    let wakes = process::wakes(id) - before;
    let remark = format!(
        "{:.2} MiB of it anonymous; {} threads; the most ever {:.2} MiB",
        process::memory(id, "RssAnon"),
        process::threads(id),
        process::memory(id, "VmHWM"),
    );
    table.add("memory held while idle", (3.0, process::memory(id, "VmRSS")), "MiB", &remark);
    let seconds = WATCHED.as_secs();
    table.show("woken while idle", wakes as f64, "times", &format!("in {seconds} s"));
}
