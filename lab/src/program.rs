//! The project's own programs, as processes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program that runs; killed when dropped. What it says on standard error is kept.
pub struct Program {
    child: Child,
    said: Arc<Said>,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    lines: Vec<String>,
    ended: bool,
}

impl Program {
    /// Starts it.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let said = Arc::new(Said::default());
        let (stderr, heard) = (child.stderr.take().expect("it is piped"), said.clone());
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                heard.add(Some(line));
            }
            heard.add(None);
        });
        Self { child, said }
    }

    /// Waits until it has said a line with this in it, and returns the line.
    pub fn wait_for_line(&self, part: &str, limit: Duration) -> Result<String, String> {
        let until = Instant::now() + limit;
        let mut lines = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.lines.iter().find(|line| line.contains(part)) {
                return Ok(line.clone());
            }
            let left = until.saturating_duration_since(Instant::now());
            if lines.ended || left.is_zero() {
                let all = lines.lines.join("\n");
                return Err(format!("it never said {part:?}; it said:\n{all}"));
            }
            lines =
                self.said.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// All that it has said so far.
    pub fn said(&self) -> String {
        self.said.lines.lock().unwrap_or_else(PoisonError::into_inner).lines.join("\n")
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it SIGTERM and waits for its exit code; `None` where it ends by a signal or not at
    /// all.
    pub fn terminate(&mut self, limit: Duration) -> Option<i32> {
        self.signal(Signal::TERM);
        self.wait(limit)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // It may have ended by itself.
        let _ = kill_process(id.expect("processes have ids"), signal);
    }

    /// Ends it at once, as the kernel would for lack of memory.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its exit code; `None` where it ends by a signal or not at all.
    pub fn wait(&mut self, limit: Duration) -> Option<i32> {
        // Its standard error is closed when it ends.
        let until = Instant::now() + limit;
        let mut lines = self.said.lines.lock().unwrap_or_else(PoisonError::into_inner);
        while !lines.ended {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            lines =
                self.said.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.child.wait().ok()?.code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Said {
    fn add(&self, line: Option<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            Some(line) => lines.lines.push(line),
            None => lines.ended = true,
        }
        self.more.notify_all();
    }
}

/// Where the programs are that were built together with the one that runs.
pub fn directory() -> PathBuf {
    let me = std::env::current_exe().expect("this program has a path");
    let beside = me.parent().expect("it is in a directory");
    // Tests are one further down, in `deps`.
    let beside = if beside.ends_with("deps") { beside.parent().unwrap_or(beside) } else { beside };
    beside.to_owned()
}

/// The program that the environment names for one of this workspace, in `SAPT` or `SAPT_AGENT`: it may
/// be for another machine, run by an emulator.
pub fn named(name: &str) -> Option<PathBuf> {
    std::env::var_os(name.to_uppercase().replace('-', "_")).map(PathBuf::from)
}

/// A program of this workspace, or the one that is named instead; built where it is not there yet, as
/// when only one package's tests are run.
pub fn find(name: &str) -> PathBuf {
    if let Some(path) = named(name) {
        return path;
    }
    let path = directory().join(name);
    if !path.exists() {
        build(&[name]).unwrap_or_else(|error| panic!("{error}"));
    }
    path
}

/// Builds programs of this workspace, as the one that runs was built.
pub fn build(packages: &[&str]) -> Result<(), String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg("build").current_dir(workspace());
    let directory = directory();
    if directory.ends_with("release") {
        command.arg("--release");
    }
    if let Some(target) = directory.parent() {
        command.arg("--target-dir").arg(target);
    }
    for package in packages {
        command.args(["-p", package]);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}")),
        Err(error) => Err(format!("{command:?}: {error}")),
    }
}

/// The root of the sources.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("lab is below the root")
}
