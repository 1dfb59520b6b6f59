//! The socket's file: who may connect, and whose it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::gateway::PATIENCE;
use lab::program::Program;
use serde_json::json;

use crate::support::{done, finish, gateway, plan};
use crate::{command, health, sapt, told};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn is_for_the_translators_user_only() {
    let plan = plan();
    let directory = plan.directory().join("run/sapt");
    let socket = directory.join("control.sock");
    let mut gateway = plan.set("SAPT_CONTROL_SOCKET", socket.to_str().unwrap()).start();
    assert_eq!((mode(&directory), mode(&socket)), (0o700, 0o600));
    let told = told(command(&socket, &["health"]).output().unwrap());
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
    assert!(!socket.exists());
}

#[test]
fn what_a_killed_run_has_left_is_replaced() {
    let mut gateway = gateway();
    gateway.sapt.kill();
    assert!(gateway.plan().control_socket().exists());
    assert!(!health(&gateway, &[]).0);
    gateway.sapt = gateway.start_sapt();
    gateway.wait_until_registered();
    gateway.sapt.wait_for_line("registered with Edge Core", PATIENCE).unwrap();
    assert!(health(&gateway, &[]).1.contains(&format!("process {}", gateway.sapt.id())));
    finish(gateway);
}

#[test]
fn one_that_answers_is_left_alone() {
    let gateway = gateway();
    let elsewhere = tempfile::tempdir().unwrap();
    let mut second = Command::new(env!("CARGO_BIN_EXE_sapt"));
    second
        .env_clear()
        .env("SAPT_PT_DEVICE_NAME", "second")
        .env("SAPT_EDGE_SOCKET", gateway.plan().edge_socket())
        .env("SAPT_AGENT_ADDRESS", format!("unix:{}", gateway.plan().agent_socket().display()))
        .env("SAPT_CONTROL_SOCKET", gateway.plan().control_socket())
        .env("SAPT_MODELS_PATH", elsewhere.path());
    let mut second = Program::start(&mut second);
    second.wait_for_line("another process answers at the control socket", PATIENCE).unwrap();
    gateway.edge.wait_for_device("second-0", PATIENCE).unwrap();
    assert_eq!(second.terminate(PATIENCE), Some(0));
    assert!(health(&gateway, &[]).1.contains(&format!("process {}", gateway.sapt.id())));
    finish(gateway);
}

#[test]
fn without_one_it_runs_and_says_what_to_do() {
    let plan = plan();
    let file = plan.directory().join("file");
    fs::write(&file, "kept").unwrap();
    let below = file.join("control.sock");
    for path in ["/proc/no/control.sock", file.to_str().unwrap(), below.to_str().unwrap()] {
        let gateway = crate::support::plan().set("SAPT_CONTROL_SOCKET", path).start();
        assert_eq!(done(&gateway, "listModels", json!({}))["response"], json!([]));
        let said = gateway.sapt.said();
        let lines = said.lines().filter(|line| line.contains("SAPT_CONTROL_SOCKET"));
        let lines: Vec<&str> = lines.collect();
        assert_eq!(lines.len(), 1, "{said}");
        assert!(lines[0].contains(path) && lines[0].contains("\"ERROR\""), "{said}");
        finish(gateway);
    }
    assert_eq!(fs::read(&file).unwrap(), b"kept");
}

#[test]
fn a_path_that_is_none_is_misuse() {
    for arguments in [&["health"][..], &["call", "listModels"]] {
        let told = told(command(Path::new("control.sock"), arguments).output().unwrap());
        assert_eq!(told.code, Some(64), "{told:?}");
        assert!(told.err.contains("SAPT_CONTROL_SOCKET: must be an absolute path"), "{told:?}");
    }
    let gateway = gateway();
    assert_eq!(sapt(&gateway, &["health", "--soon"]).code, Some(64));
    assert_eq!(sapt(&gateway, &["call", "predict", "x"]).code, Some(64));
    finish(gateway);
}
