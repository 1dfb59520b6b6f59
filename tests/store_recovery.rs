//! `sapt` is killed at bad moments, and the next start puts the models directory in order.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as tests may")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lab::bridge::Bridge;
use lab::gateway::{Gateway, PATIENCE, Plan};
use lab::models;
use lab::s3::{Fault, Gate, Method};
use serde_json::json;

const LOAD: &str = r#"{"id":"load","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;
const RELOAD: &str = r#"{"id":"reload","method":"reloadModel","params":{"name":"digits","s3_filename":"next.tar.gz"}}"#;

fn plan() -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_sapt")).set("SAPT_SYNC_WINDOW_S", "0")
}

/// A gateway with the first version of a model loaded, and the next one in S3.
fn loaded(plan: Plan) -> Gateway {
    let gateway = plan.start();
    gateway.put_model("digits.tar.gz", &models::digits());
    // Long, also when it is compressed.
    let mut noise = vec![0; 100_000];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    gateway.put_model("next.tar.gz", &models::archive(&[("a-first.bin", &noise), ("b.onnx", b"")]));
    gateway.command(LOAD);
    let loaded = gateway.wait_for_value(5704, |value| value["id"] == "load");
    assert_eq!(loaded["response"], "succeeded");
    gateway
}

/// Files below a directory, by name.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().map(Result::unwrap);
    let file = |entry: fs::DirEntry| {
        (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

/// Names directly below a directory.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Nothing of a killed run is left.
fn assert_tidy(gateway: &Gateway) {
    for directory in ["staging", "previous", "trash"] {
        let directory = gateway.plan().models().join(".sapt").join(directory);
        assert_eq!(names(&directory), [""; 0], "{}", directory.display());
    }
}

/// Kills `sapt` and starts it again.
fn kill_and_start(gateway: &mut Gateway) {
    gateway.sapt.kill();
    gateway.sapt = gateway.start_sapt();
    gateway.sapt.wait_for_line("registered with Edge Core", PATIENCE).unwrap();
}

/// Has the next pull stop half-way, sends the command, and waits until some of it has come.
fn stop_half_way(gateway: &Gateway, command: &str) -> Gate {
    let gate = Gate::new();
    gateway.s3.fail_next(Method::Get, Fault::Hold(30_000, gate.clone()));
    gateway.command(command);
    gate.reached();
    gateway.wait_for_value(5705, |health| {
        health["running"].as_array().is_some_and(|running| {
            running.iter().any(|running| running["bytes"].as_u64().unwrap_or(0) >= 30_000)
        })
    });
    gate
}

#[test]
fn killed_while_the_next_version_is_pulled() {
    let mut gateway = loaded(plan());
    let model = gateway.plan().models().join("digits");
    let before = files(&model);
    let gate = stop_half_way(&gateway, RELOAD);
    let staging = gateway.plan().models().join(".sapt/staging");
    assert_eq!(names(&staging).len(), 1, "the next version is on its way");
    kill_and_start(&mut gateway);
    drop(gate);
    gateway
        .sapt
        .wait_for_line("leftovers of a run that was killed, now removed: 1", PATIENCE)
        .unwrap();
    assert_tidy(&gateway);
    assert_eq!(files(&model), before);
    // The agent has not noticed.
    gateway.command(r#"{"id":"describe","method":"describeModel","params":{"name":"digits"}}"#);
    let described = gateway.wait_for_value(5704, |value| value["id"] == "describe");
    assert_eq!(described["response"]["name"], "digits", "{described}");
}

#[test]
fn killed_while_the_first_version_is_pulled() {
    let mut gateway = plan().start();
    gateway.put_model("digits.tar.gz", &models::digits());
    let gate = stop_half_way(&gateway, LOAD);
    kill_and_start(&mut gateway);
    drop(gate);
    assert_tidy(&gateway);
    assert_eq!(names(&gateway.plan().models()), [".sapt", "data"]);
    gateway.command(LOAD);
    let loaded = gateway.wait_for_value(5704, |value| value["id"] == "load");
    assert_eq!(loaded["response"], "succeeded", "{loaded}");
}

#[test]
fn killed_while_the_next_version_is_on_trial() {
    let plan = plan();
    let at = plan.directory().join("bridge.sock");
    let bridge = Bridge::unix(&at, &plan.agent_socket());
    let mut gateway = loaded(plan.set("SAPT_AGENT_ADDRESS", &format!("unix:{}", at.display())));
    let model = gateway.plan().models().join("digits");
    let before = files(&model);
    // Only LoadModel names the path.
    bridge.hold(model.display().to_string().as_bytes());
    gateway.command(RELOAD);
    bridge.held(PATIENCE).unwrap();
    assert_ne!(files(&model), before, "the next version is in place");
    kill_and_start(&mut gateway);
    let line = "digits: its previous version was put back after a run that was killed";
    gateway.sapt.wait_for_line(line, PATIENCE).unwrap();
    assert_tidy(&gateway);
    assert_eq!(files(&model), before);
}

#[test]
fn ended_in_order_while_a_version_is_pulled() {
    let mut gateway = loaded(plan());
    let model = gateway.plan().models().join("digits");
    let before = files(&model);
    let _gate = stop_half_way(&gateway, RELOAD);
    gateway.sapt.signal(rustix::process::Signal::TERM);
    gateway.sapt.wait_for_line("finishing what runs", PATIENCE).unwrap();
    // No need to wait for what does not come.
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0), "{}", gateway.sapt.said());
    gateway.sapt = gateway.start_sapt();
    gateway.sapt.wait_for_line("registered with Edge Core", PATIENCE).unwrap();
    assert_tidy(&gateway);
    assert_eq!(files(&model), before);
    assert_eq!(gateway.value(5702)["config"]["auth"], json!({}));
}
