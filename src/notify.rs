//! Telling the service manager how the process is: the protocol of systemd's `sd_notify(3)`.
//!
//! A datagram of `NAME=value` lines goes to the socket that `NOTIFY_SOCKET` names. Where there is
//! none, nobody wants to know. `sapt-agent` has the same file.

use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, where one is to be told.
#[derive(Debug)]
pub struct Supervisor {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl Supervisor {
    /// The one that started this process; `lookup` tells a variable's value.
    pub fn from_environment(lookup: impl Fn(&str) -> Option<OsString>) -> Option<Self> {
        let address = address(lookup("NOTIFY_SOCKET")?.as_bytes())?;
        let socket = UnixDatagram::unbound().ok()?;
        // What it does not take is lost; nothing here waits for it.
        socket.set_nonblocking(true).ok()?;
        let text = |name| lookup(name).and_then(|value| value.into_string().ok());
        // It may be meant for a parent.
        let mine = text("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = text("WATCHDOG_USEC").filter(|_| mine).and_then(|text| interval(&text));
        Some(Self { socket, address, watchdog })
    }

    /// The process serves. `status` is for people.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", line(status)));
    }

    /// The process's loops turn.
    pub fn alive(&self, status: &str) {
        self.tell(&format!("WATCHDOG=1\nSTATUS={}", line(status)));
    }

    /// The process ends.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=finishing what runs");
    }

    /// How often it has to be told that the process is alive, where it watches: three times in the
    /// time after which it acts.
    pub fn beat(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 3)
    }

    fn tell(&self, state: &str) {
        // Nobody is left to be told that this failed.
        let _ = self.socket.send_to_addr(state.as_bytes(), &self.address);
    }
}

/// A path, or a name in Linux's abstract namespace after an `@`.
fn address(text: &[u8]) -> Option<SocketAddr> {
    match text {
        [b'/', ..] => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(text)).ok(),
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok(),
        _ => None,
    }
}

fn interval(microseconds: &str) -> Option<Duration> {
    microseconds.parse().ok().filter(|count| *count > 0).map(Duration::from_micros)
}

/// What comes from elsewhere adds no lines.
fn line(status: &str) -> String {
    status.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told_at(address: &SocketAddr, name: &str) -> Vec<String> {
        let manager = UnixDatagram::bind_addr(address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let supervisor = Supervisor::from_environment(|variable| match variable {
            "NOTIFY_SOCKET" => Some(name.into()),
            "WATCHDOG_USEC" => Some("30000000".into()),
            "WATCHDOG_PID" => Some(std::process::id().to_string().into()),
            _ => None,
        })
        .unwrap();
        assert_eq!(supervisor.beat(), Some(Duration::from_secs(10)));
        supervisor.ready("not ready: one\nWATCHDOG=trigger");
        supervisor.alive("ready");
        supervisor.stopping();
        let mut told = Vec::new();
        let mut bytes = [0; 200];
        while let Ok(count) = manager.recv(&mut bytes) {
            told.push(String::from_utf8_lossy(&bytes[..count]).into_owned());
        }
        told
    }

    #[test]
    fn a_path_and_an_abstract_name_are_told_the_same() {
        let directory = std::env::temp_dir().join(format!("notify-{}", std::process::id()));
        let path = SocketAddr::from_pathname(&directory).unwrap();
        let by_path = told_at(&path, directory.to_str().unwrap());
        std::fs::remove_file(&directory).unwrap();
        let name = format!("sapt-notify-{}", std::process::id());
        let hidden = SocketAddr::from_abstract_name(&name).unwrap();
        assert_eq!(told_at(&hidden, &format!("@{name}")), by_path);
        assert_eq!(
            by_path,
            [
                "READY=1\nSTATUS=not ready: one WATCHDOG=trigger",
                "WATCHDOG=1\nSTATUS=ready",
                "STOPPING=1\nSTATUS=finishing what runs",
            ]
        );
    }

    #[test]
    fn what_is_no_address_is_nobody() {
        let named = |name: &'static str| {
            Supervisor::from_environment(|variable| {
                (variable == "NOTIFY_SOCKET").then(|| name.into())
            })
        };
        assert!(["", "relative", "vsock:2:1234"].into_iter().all(|name| named(name).is_none()));
        assert!(Supervisor::from_environment(|_| None).is_none());
        assert_eq!(named("/run/systemd/notify").unwrap().beat(), None);
    }

    #[test]
    fn a_watchdog_of_somebody_else_is_not_fed() {
        let supervisor = Supervisor::from_environment(|variable| match variable {
            "NOTIFY_SOCKET" => Some("/run/systemd/notify".into()),
            "WATCHDOG_USEC" => Some("30000000".into()),
            _ => Some("1".into()),
        });
        assert_eq!(supervisor.unwrap().beat(), None);
        assert_eq!([interval("0"), interval("x"), interval("")], [None; 3]);
    }
}
