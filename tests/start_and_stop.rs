//! The process: its arguments, its configuration, and how it ends.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as tests may")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use lab::edge_core::{EdgeCore, Fault, Status};
use lab::gateway::{DEVICE, Gateway, PATIENCE, Plan};
use lab::models;
use lab::program::Program;
use lab::s3::{self, Gate, Method};
use rustix::process::Signal;
use serde_json::{Value, json};

const LIST: &str = r#"{"id":"list","method":"listModels"}"#;
const LOAD: &str = r#"{"id":"load","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;

const FINISHING: &str = "SIGTERM came: finishing what runs";

fn plan() -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_sapt"))
}

fn sapt() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sapt"));
    command.env_clear();
    command
}

fn output(arguments: &[&str]) -> Output {
    sapt().args(arguments).output().unwrap()
}

/// What a program that must not run says on its way out.
fn refused(command: &mut Command, exit_code: i32) -> String {
    let mut program = Program::start(command);
    assert_eq!(program.wait(PATIENCE), Some(exit_code), "{}", program.said());
    program.said()
}

#[test]
fn help_and_version_are_printed() {
    for arguments in [&["--help"][..], &["-h"], &["help"]] {
        let output = output(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{arguments:?}");
        assert!(text.contains("Usage: sapt") && text.contains("64"), "{text}");
    }
    for arguments in [&["help", "run"][..], &["run", "--help"], &["run", "-h"]] {
        let output = output(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{arguments:?}");
        for variable in ["SAPT_EDGE_SOCKET", "SAPT_AGENT_ADDRESS", "SAPT_VALUE_LIMIT"] {
            assert!(text.contains(variable), "{text}");
        }
    }
    for arguments in [&["version"][..], &["--version"], &["-V"]] {
        let output = output(arguments);
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("sapt {}", env!("CARGO_PKG_VERSION")));
        assert!(lines[1].strip_prefix("revision ").is_some_and(|revision| !revision.is_empty()));
        assert!(lines[2].strip_prefix("target ").is_some_and(|target| target.contains("linux")));
        assert_eq!(lines.len(), 3);
        assert!(output.status.success());
    }
}

#[test]
fn what_is_not_understood_is_told_with_exit_code_64() {
    for arguments in [&["predict"][..], &["run", "fast"], &["--verbose"], &["help", "me"]] {
        let output = output(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty());
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("--help"), "{told}");
    }
}

#[test]
fn all_problems_of_the_configuration_are_told_together() {
    let wrong = [
        ("SAPT_PT_DEVICE_NAME", "a/b"),
        ("SAPT_EDGE_SOCKET", "edge.sock"),
        ("SAPT_AGENT_ADDRESS", "http://agent"),
        ("SAPT_SAGE_SOCKET_FILE", "agent.sock"),
        ("SAPT_MAP_PORT", "70000"),
        ("SAPT_MODELS_PATH", "models"),
        ("SAPT_CA_BUNDLE", "/nowhere/at-all.pem"),
        ("SAPT_AWS_REGION", "us east"),
        ("SAPT_AWS_S3_BUCKET", "a/b"),
        ("SAPT_AWS_ENDPOINT_URL", "https://operator:hunter3@s3.example/"),
        ("SAPT_SYNC_WINDOW_S", "soon"),
        ("SAPT_VALUE_LIMIT", "70000"),
        ("SAPT_REPLY_FORMAT", "xml"),
        ("SAPT_CONTROL_SOCKET", "control.sock"),
        ("SAPT_LOG_LEVEL", "LOUD"),
        // The id that belongs to it is missing.
        ("SAPT_AWS_SECRET_ACCESS_KEY", "hunter2"),
    ];
    let told = refused(sapt().envs(wrong), 64);
    for (variable, _) in wrong.iter().filter(|(name, _)| *name != "SAPT_AWS_SECRET_ACCESS_KEY") {
        assert!(told.contains(&format!("\n  {variable}: ")), "{variable}: {told}");
    }
    assert!(told.contains("\n  SAPT_AWS_ACCESS_KEY_ID: "), "{told}");
    assert!(!told.contains("hunter"), "{told}");
}

#[test]
fn placeholders_of_the_template_are_told_together() {
    let template = [
        ("SAPT_AWS_REGION", "YOUR_AWS_REGION_GOES_HERE"),
        ("SAPT_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_GOES_HERE"),
        ("SAPT_AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY_GOES_HERE"),
        ("SAPT_AWS_S3_BUCKET", "AWS_SAGEMAKER_S3_BUCKET_GOES_HERE"),
    ];
    let told = refused(sapt().envs(template), 64);
    for (variable, value) in template {
        assert!(told.contains(variable), "{told}");
        assert!(!told.contains(value), "{told}");
    }
}

#[test]
fn a_models_path_that_cannot_be_one_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("models");
    std::fs::write(&file, b"").unwrap();
    let told = refused(sapt().env("SAPT_MODELS_PATH", &file), 1);
    assert!(told.contains(&file.display().to_string()), "{told}");
}

#[test]
fn a_second_on_the_same_models_directory_is_told_why_it_cannot() {
    let gateway = plan().start();
    let mut second = gateway.start_sapt();
    assert_eq!(second.wait(PATIENCE), Some(1), "{}", second.said());
    let told = second.said();
    assert!(told.contains("another process has the models directory open"), "{told}");
    assert!(told.contains(&gateway.plan().models().display().to_string()), "{told}");
    assert_eq!(gateway.command(LIST)["reply"], "ok");
}

#[test]
fn without_s3_everything_works_but_what_needs_it() {
    let none = [
        "SAPT_AWS_REGION",
        "SAPT_AWS_ENDPOINT_URL",
        "SAPT_AWS_ACCESS_KEY_ID",
        "SAPT_AWS_SECRET_ACCESS_KEY",
        "SAPT_AWS_S3_BUCKET",
        "SAPT_AWS_S3_MODELS_DIR",
        "SAPT_AWS_S3_DATA_DIR",
    ];
    let gateway = none.into_iter().fold(plan(), Plan::unset).start();
    assert_eq!(gateway.command(LIST)["response"], json!([]));
    assert_eq!(gateway.value(5702)["config"]["awsRegion"], "us-east-1");
    let health = gateway.value(5705);
    assert!(health["storage"].as_str().unwrap().ends_with("is not set"), "{health}");
    let reply = gateway.command(LOAD);
    assert_eq!(reply["code"], "NOT_CONFIGURED");
    assert!(reply["error"].as_str().unwrap().contains("SAPT_AWS_S3_MODELS_DIR"), "{reply}");
}

#[test]
fn what_is_missing_is_named() {
    for (unset, command) in [
        (&["SAPT_AWS_S3_BUCKET"][..], LOAD),
        (&["SAPT_AWS_S3_MODELS_DIR"], LOAD),
        (&["SAPT_AWS_ACCESS_KEY_ID", "SAPT_AWS_SECRET_ACCESS_KEY"], LOAD),
        (
            &["SAPT_AWS_S3_DATA_DIR"],
            r#"{"id":"load","method":"predict","params":{"model_name":"digits","input_data_url":"s3:///x"}}"#,
        ),
    ] {
        let gateway = unset.iter().fold(plan(), |plan, variable| plan.unset(variable)).start();
        let reply = gateway.command(command);
        assert_eq!(reply["code"], "NOT_CONFIGURED", "{reply}");
        for variable in unset {
            assert!(reply["error"].as_str().unwrap().contains(variable), "{reply}");
            assert!(gateway.value(5705)["storage"].as_str().unwrap().contains(variable));
        }
    }
}

#[test]
fn log_lines_are_json_without_secrets() {
    let gateway = plan().set("SAPT_LOG_LEVEL", "ALL").start();
    gateway.put_model("digits.tar.gz", &models::digits());
    assert_eq!(gateway.command(LOAD)["reply"], "ok");
    let said = gateway.sapt.said();
    for line in said.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        for key in ["time", "level", "part", "message"] {
            assert!(line[key].is_string(), "{line}");
        }
    }
    let secret = s3::Options::default().secret_access_key;
    assert!(!said.contains(&secret));
    for exchange in gateway.edge.record() {
        for (path, value) in exchange.values() {
            assert!(!String::from_utf8_lossy(&value).contains(&secret), "{path}");
        }
    }
}

#[test]
fn only_the_levels_that_are_wanted_are_logged() {
    let mut gateway = plan().set("SAPT_LOG_LEVEL", "ERROR").start();
    gateway.command(r#"{"id":"x","method":"frobnicate"}"#);
    gateway.sapt.terminate(PATIENCE);
    let said = gateway.sapt.said();
    assert!(said.contains("UNKNOWN_METHOD"), "{said}");
    assert!(said.lines().all(|line| line.contains(r#""level":"ERROR""#)), "{said}");
}

#[test]
fn a_signal_ends_an_idle_session_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut gateway = plan().start();
        gateway.command(LIST);
        gateway.sapt.signal(signal);
        assert_eq!(gateway.sapt.wait(PATIENCE), Some(0), "{}", gateway.sapt.said());
        gateway.edge.wait_for_goodbyes(1, PATIENCE).unwrap();
        assert!(gateway.sapt.said().contains("sapt ends"));
        assert_eq!(gateway.edge.violations(), Vec::<String>::new());
    }
}

#[test]
fn a_signal_ends_it_while_edge_core_is_not_to_be_had() {
    for fault in [
        None,
        Some(Fault::StallAtHandshake),
        Some(Fault::Ignore("protocol_translator_register")),
        Some(Fault::Ignore("device_register")),
        Some(Fault::Refuse("device_register", -30004)),
    ] {
        let plan = plan().without_waiting();
        let mut edge = EdgeCore::start(&plan.edge_socket());
        match &fault {
            None => edge.stop(),
            Some(fault) => (0..100).for_each(|_| edge.fail_next(fault.clone())),
        }
        let mut gateway = plan.start_with(edge);
        gateway.sapt.wait_for_line("the agent answers", PATIENCE).unwrap();
        let code = gateway.sapt.terminate(PATIENCE);
        assert_eq!(code, Some(0), "{fault:?}: {}", gateway.sapt.said());
    }
}

/// A gateway with a load that waits half-way.
fn loading(plan: Plan) -> (Gateway, Gate) {
    let gateway = plan.start();
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.s3.fail_next(Method::Get, s3::Fault::Hold(1000, gate.clone()));
    (gateway, gate)
}

#[test]
fn a_command_that_ends_soon_is_finished_first() {
    let (mut gateway, gate) = loading(plan());
    let reply = thread::scope(|scope| {
        let load = scope.spawn(|| gateway.command(LOAD));
        gate.reached();
        gateway.sapt.signal(Signal::TERM);
        gateway.sapt.wait_for_line(FINISHING, PATIENCE).unwrap();
        gate.release();
        load.join().unwrap()
    });
    assert_eq!(reply["response"], "succeeded");
    assert_eq!(gateway.sapt.wait(PATIENCE), Some(0), "{}", gateway.sapt.said());
    gateway.edge.wait_for_goodbyes(1, PATIENCE).unwrap();
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn a_dispatched_command_is_finished_first_and_new_ones_are_refused() {
    let (mut gateway, gate) = loading(plan().set("SAPT_SYNC_WINDOW_S", "0"));
    let results = gateway.edge.observe(DEVICE, "/33311/0/5704");
    assert_eq!(gateway.command(LOAD)["response"], "request dispatched");
    gate.reached();
    gateway.sapt.signal(Signal::TERM);
    gateway.sapt.wait_for_line(FINISHING, PATIENCE).unwrap();
    let refused = gateway.command(LIST);
    assert_eq!(refused["code"], "SHUTTING_DOWN", "{refused}");
    gate.release();
    assert_eq!(gateway.sapt.wait(PATIENCE), Some(0), "{}", gateway.sapt.said());
    gateway.edge.wait_for_goodbyes(1, PATIENCE).unwrap();
    let results: Vec<Value> =
        results.try_iter().map(|value| serde_json::from_slice(&value).unwrap()).collect();
    assert_eq!(results.last().unwrap()["response"], "succeeded", "{results:?}");
}

#[test]
fn a_command_that_does_not_end_is_given_up() {
    let (mut gateway, gate) = loading(plan());
    thread::scope(|scope| {
        let (edge, sapt) = (&gateway.edge, &mut gateway.sapt);
        let load = scope.spawn(|| edge.post(DEVICE, "/33311/0/5701", LOAD.as_bytes()));
        gate.reached();
        // The window of 5 s, and room for a slow machine.
        assert_eq!(sapt.terminate(Duration::from_secs(20)), Some(0), "{}", sapt.said());
        assert_eq!(load.join().unwrap().status, Status::NotFound);
    });
    assert!(gateway.sapt.said().contains("given up"), "{}", gateway.sapt.said());
    gateway.edge.wait_for_goodbyes(1, PATIENCE).unwrap();
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let (mut gateway, gate) = loading(plan().set("SAPT_SYNC_WINDOW_S", "0"));
    gateway.command(LOAD);
    gate.reached();
    gateway.sapt.signal(Signal::TERM);
    gateway.sapt.wait_for_line(FINISHING, PATIENCE).unwrap();
    gateway.sapt.signal(Signal::TERM);
    assert_eq!(gateway.sapt.wait(PATIENCE), Some(0), "{}", gateway.sapt.said());
    let said = gateway.sapt.said();
    assert!(said.contains("a second signal came") && !said.contains("given up"), "{said}");
}

#[test]
fn a_closed_standard_error_does_not_end_it() {
    let plan = plan();
    let edge = EdgeCore::start(&plan.edge_socket());
    let models = plan.models();
    let mut child = sapt()
        .env("SAPT_EDGE_SOCKET", plan.edge_socket())
        .env("SAPT_CONTROL_SOCKET", plan.control_socket())
        .env("SAPT_MODELS_PATH", models)
        .env("SAPT_AGENT_ADDRESS", format!("unix:{}", plan.agent_socket().display()))
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    edge.wait_for_device(DEVICE, PATIENCE).unwrap();
    let reply = edge.post(DEVICE, "/33311/0/5701", LIST.as_bytes());
    assert_eq!(reply.status, Status::Changed);
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(9), "it ran until it was killed");
}
