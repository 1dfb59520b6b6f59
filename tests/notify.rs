//! What the service manager is told: the protocol of `sd_notify(3)`.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as tests may")]

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use lab::gateway::{PATIENCE, Plan};

/// What is told until it begins so.
fn told(manager: &UnixDatagram, beginning: &str) -> String {
    let mut bytes = [0; 4096];
    loop {
        let count = manager.recv(&mut bytes).unwrap();
        let text = String::from_utf8(bytes[..count].to_vec()).unwrap();
        if text.starts_with(beginning) {
            return text;
        }
        assert!(text.starts_with("WATCHDOG=1\nSTATUS="), "{text}");
    }
}

#[test]
fn that_it_serves_lives_and_ends() {
    let plan = Plan::new(env!("CARGO_BIN_EXE_sapt"));
    let by_path = plan.directory().join("notify.sock").to_str().unwrap().to_owned();
    let hidden = format!("sapt-tests-{}", std::process::id());
    let path = SocketAddr::from_pathname(&by_path).unwrap();
    // The second gateway is another one.
    let named = SocketAddr::from_abstract_name(&hidden).unwrap();
    for (plan, name, address) in [
        (plan, by_path, path),
        (Plan::new(env!("CARGO_BIN_EXE_sapt")), format!("@{hidden}"), named),
    ] {
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let plan = plan.set("NOTIFY_SOCKET", &name).set("WATCHDOG_USEC", "300000");
        let mut gateway = plan.start();
        assert!(told(&manager, "READY=1").contains("\nSTATUS="));
        // It is registered, and the agent answers soon.
        let ready = "WATCHDOG=1\nSTATUS=ready: registered with Edge Core at ";
        told(&manager, ready);
        told(&manager, ready);
        assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
        told(&manager, "STOPPING=1");
    }
}
