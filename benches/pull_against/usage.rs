//! What processes take, as the kernel counts it in `/proc`.

use std::fs;
use std::ops::{Add, Sub};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// The time that processes computed, and the most memory that they held, all together. Of a process
/// that one of them starts itself, as `tar` starts `gzip`, only the time is in it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) memory_kib: u64,
}

impl Usage {
    /// Of a process until now, with its threads.
    pub(crate) fn of(id: u32) -> Usage {
        Usage { cpu: cpu(id).expect("it runs"), memory_kib: memory(id).expect("it runs") }
    }

    /// Runs a pipe of programs to its end, and adds up what each took.
    pub(crate) fn of_pipe(commands: Vec<Command>) -> Usage {
        let mut children: Vec<(Child, u64)> = Vec::new();
        let last = commands.len().saturating_sub(1);
        for (index, mut command) in commands.into_iter().enumerate() {
            if let Some((before, _)) = children.last_mut() {
                command.stdin(before.stdout.take().expect("it is piped"));
            } else {
                command.stdin(Stdio::null());
            }
            if index < last {
                command.stdout(Stdio::piped());
            }
            let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
            children.push((child, 0));
        }
        // A process that has ended and was not waited for has kept its times, and lost its memory.
        while children.iter().any(|(child, _)| !has_ended(child.id())) {
            for (child, most) in &mut children {
                *most = memory(child.id()).unwrap_or(0).max(*most);
            }
            thread::sleep(Duration::from_millis(2));
        }
        let mut usage = Usage::default();
        for (mut child, memory_kib) in children {
            let cpu = cpu(child.id()).expect("it was not waited for");
            let status = child.wait().expect("it is a child");
            assert!(status.success(), "a program ended with {status}");
            usage = usage + Usage { cpu, memory_kib };
        }
        usage
    }
}

impl Add for Usage {
    type Output = Usage;

    fn add(self, other: Usage) -> Usage {
        Usage { cpu: self.cpu + other.cpu, memory_kib: self.memory_kib + other.memory_kib }
    }
}

impl Sub<Usage> for Usage {
    type Output = Usage;

    /// What came since then: the most memory is that of now.
    fn sub(self, earlier: Usage) -> Usage {
        Usage { cpu: self.cpu.saturating_sub(earlier.cpu), memory_kib: self.memory_kib }
    }
}

fn memory(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    most.trim().trim_end_matches(" kB").parse().ok()
}

/// proc(5): fields 14 to 17, of this process and of its children that it waited for.
fn cpu(id: u32) -> Option<Duration> {
    // What Linux tells user space, on every machine.
    const TICKS_PER_SECOND: u64 = 100;
    let ticks = |number: usize| stat(id, number)?.parse::<u64>().ok();
    let sum = ticks(14)? + ticks(15)? + ticks(16)? + ticks(17)?;
    Some(Duration::from_millis(sum * 1000 / TICKS_PER_SECOND))
}

fn has_ended(id: u32) -> bool {
    stat(id, 3).is_none_or(|state| state == "Z")
}

/// A field of `/proc/ID/stat`, counted from 1 as in proc(5). The second one may have spaces.
fn stat(id: u32, number: usize) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(number.checked_sub(3)?).map(str::to_owned)
}
