//! `sapt check`: each line of it, with what to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use lab::gateway::{BUCKET, DATA, Gateway, MODELS, PATIENCE, Plan};
use lab::models;
use lab::s3::{Fault, Method, Options};
use serde_json::{Value, json};

use support::{done, gateway, plan};

const SECRET: &str = "lab/secret+access/key+of/the/stand-in+01";

/// What `sapt check` has found.
struct Checked {
    code: i32,
    report: Value,
}

impl Checked {
    fn row(&self, name: &str) -> &Value {
        let rows = self.report["checks"].as_array().unwrap().iter();
        let mut rows = rows.filter(|row| row["name"] == name);
        let row = rows.next().unwrap_or_else(|| panic!("there is no {name}: {}", self.report));
        assert!(rows.next().is_none(), "{name} is there twice: {}", self.report);
        row
    }

    /// The line is in this state, and says all of these parts.
    #[track_caller]
    fn says(&self, name: &str, state: &str, parts: &[&str]) {
        let row = self.row(name);
        assert_eq!(row["state"], state, "{row}");
        for part in parts {
            assert!(row.to_string().contains(part), "{part:?} is not in {row}");
        }
    }

    /// The names of the lines in this state.
    fn names(&self, state: &str) -> Vec<&str> {
        let rows = self.report["checks"].as_array().unwrap().iter();
        rows.filter(|row| row["state"] == state).map(|row| row["name"].as_str().unwrap()).collect()
    }
}

fn ran(command: &mut Command) -> Checked {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let (out, err) = (output.stdout, output.stderr);
    let (out, err) = (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap());
    assert_eq!(err, "");
    assert!(!out.contains(SECRET) && !out.contains("hunter2"), "{out}");
    assert!(out.ends_with("}\n") && out.lines().count() == 1, "{out}");
    let report: Value = serde_json::from_str(&out).unwrap();
    let code = output.status.code().unwrap();
    assert_eq!(report["ok"], code == 0, "{report}");
    Checked { code, report }
}

fn check(gateway: &Gateway, options: &[&str]) -> Checked {
    ran(gateway.sapt_command().args(["check", "--json"]).args(options))
}

/// With another value of one variable than the translator has.
fn check_with(gateway: &Gateway, variable: &str, value: &str) -> Checked {
    ran(gateway.sapt_command().env(variable, value).args(["check", "--json"]))
}

/// Nothing of it is there but S3.
fn only_s3(plan: Plan) -> Gateway {
    let mut gateway = plan.without_agent().without_waiting().start();
    gateway.sapt.kill();
    gateway
}

#[test]
fn all_is_well() {
    let gateway = gateway();
    gateway.put_model("digits.tar.gz", &models::digits());
    done(&gateway, "loadModel", json!({"name": "digits", "s3_filename": "digits.tar.gz"}));
    let before = gateway.edge.connections();
    let checked = check(&gateway, &["--write"]);
    assert_eq!(checked.code, 0, "{}", checked.report);
    assert_eq!((checked.names("failed").len(), checked.names("skipped").len()), (0, 0));
    checked.says("configuration", "ok", &["sagemaker-edge-agent-0", "a key from"]);
    checked.says("translator", "ok", &[&format!("process {}", gateway.sapt.id())]);
    checked.says("Edge Core", "ok", &["registered with Edge Core at"]);
    checked.says("agent", "ok", &["agent.sock"]);
    checked.says("loaded models", "ok", &["digits"]);
    checked.says("models directory", "ok", &["mode 0"]);
    checked.says("free space", "ok", &["MiB"]);
    checked.says("S3 bucket", "ok", &[BUCKET]);
    checked.says("S3 models", "ok", &["digits.tar.gz"]);
    checked.says("S3 data", "ok", &["written and deleted"]);
    checked.says("clock", "ok", &[]);
    assert_eq!(gateway.s3.read(BUCKET, &format!("{DATA}/.sapt-check")), None);
    // Nothing was disturbed.
    assert_eq!(gateway.edge.connections(), before);
    assert_eq!(done(&gateway, "listModels", json!({}))["response"][0]["name"], "digits");

    let table = gateway.sapt_command().arg("check").output().unwrap();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.is_ascii() && !table.contains('\x1b') && !table.contains(SECRET), "{table}");
    let column = "configuration".len().max("models directory".len()) + 2;
    for line in table.lines().filter(|line| *line != "nothing failed") {
        let state = &line[column..];
        assert!(state.starts_with("ok       ") || state.starts_with("skipped  "), "{line}");
    }
    support::finish(gateway);
}

#[test]
fn without_write_nothing_is_written() {
    let gateway = only_s3(plan());
    check(&gateway, &[]).says("S3 data", "skipped", &["--write"]);
    assert!(gateway.s3.requests().iter().all(|request| request.method != "PUT"));
}

#[test]
fn a_translator_that_does_not_run() {
    let mut gateway = gateway();
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
    let connections = gateway.edge.connections();
    let checked = check(&gateway, &[]);
    assert_eq!(checked.code, 1);
    assert_eq!(checked.names("failed"), ["translator"], "{}", checked.report);
    checked.says("translator", "failed", &["cannot reach the translator", "see whether it runs"]);
    checked.says("Edge Core", "skipped", &["edge.sock", "does not run"]);
    // The agent is asked without it.
    checked.says("agent", "ok", &[]);
    checked.says("loaded models", "ok", &["none"]);
    assert_eq!(gateway.edge.connections(), connections, "Edge Core was left alone");
    gateway.edge.stop();
    check(&gateway, &[]).says("Edge Core", "failed", &["edge.sock", "start Edge Core"]);
}

#[test]
fn edge_core_that_does_not_answer_is_told_by_the_translator() {
    let mut gateway = gateway();
    gateway.edge.stop();
    let begin = Instant::now();
    let checked = loop {
        let checked = check(&gateway, &[]);
        if checked.row("Edge Core")["state"] == "failed" {
            break checked;
        }
        assert!(begin.elapsed() < PATIENCE, "{}", checked.report);
    };
    assert_eq!(checked.code, 1);
    checked.says("translator", "ok", &[]);
    checked.says("Edge Core", "failed", &["not registered with Edge Core at"]);
}

#[test]
fn an_agent_that_is_not_there() {
    for with_translator in [true, false] {
        let mut gateway = plan().without_agent().start();
        if !with_translator {
            gateway.sapt.kill();
        }
        let checked = check(&gateway, &[]);
        assert_eq!(checked.code, 1);
        checked.says("agent", "failed", &["cannot reach the agent at unix:", "agent.sock"]);
        assert_ne!(checked.row("agent")["fix"], "", "{}", checked.report);
        checked.says("loaded models", "skipped", &["agent"]);
    }
}

#[test]
fn a_model_that_should_be_loaded_and_is_not() {
    let mut gateway = plan().set("SAPT_RESTORE", "0").start();
    gateway.put_model("digits.tar.gz", &models::digits());
    done(&gateway, "loadModel", json!({"name": "digits", "s3_filename": "digits.tar.gz"}));
    gateway.agent.take().unwrap().kill();
    gateway.restart_agent();
    let checked = check(&gateway, &[]);
    assert_eq!(checked.names("failed"), ["loaded models"], "{}", checked.report);
    checked.says("loaded models", "failed", &["none; missing: digits", "SAPT_RESTORE is 0"]);
    // The translator has the models directory open, and keeps it.
    assert!(Path::new(&gateway.plan().models().join(".sapt/lock")).exists());
    done(&gateway, "loadModel", json!({"name": "digits", "s3_filename": "digits.tar.gz"}));
    check(&gateway, &[]).says("loaded models", "ok", &["digits"]);
}

#[test]
fn each_way_in_which_s3_is_wrong() {
    let gateway = only_s3(plan());
    gateway.put_model("m.tar.gz", b"m");
    for (variable, value, parts) in [
        ("SAPT_AWS_SECRET_ACCESS_KEY", "hunter2", ["SignatureDoesNotMatch", "SAPT_AWS_SECRET"]),
        ("SAPT_AWS_ACCESS_KEY_ID", "AKIANOBODY", ["InvalidAccessKeyId", "SAPT_AWS_ACCESS_KEY_ID"]),
        ("SAPT_AWS_S3_BUCKET", "sagemaker-nobody", ["NoSuchBucket", "SAPT_AWS_S3_BUCKET"]),
        ("SAPT_AWS_REGION", "eu-west-3", ["region us-east-1", "set SAPT_AWS_REGION=us-east-1"]),
        ("SAPT_AWS_ENDPOINT_URL", "http://127.0.0.1:9", ["127.0.0.1:9", "SAPT_AWS_ENDPOINT_URL"]),
    ] {
        let checked = check_with(&gateway, variable, value);
        checked.says("S3 bucket", "failed", &parts);
        let skips = variable != "SAPT_AWS_REGION";
        let data = checked.row("S3 data");
        assert_eq!(data["state"], "skipped", "{data}");
        assert_eq!(data["seen"] != "writing is only tried with --write", skips, "{data}");
    }
    let elsewhere = check_with(&gateway, "SAPT_AWS_S3_MODELS_DIR", "elsewhere");
    elsewhere.says("S3 models", "skipped", &["elsewhere/", "correct SAPT_AWS_S3_MODELS_DIR"]);
    let nothing =
        ran(gateway.sapt_command().env_remove("SAPT_AWS_S3_BUCKET").args(["check", "--json"]));
    nothing.says("S3 bucket", "skipped", &["set SAPT_AWS_S3_BUCKET"]);
    check(&gateway, &[]).says("S3 models", "ok", &[&format!("{MODELS}/m.tar.gz")]);
    check(&gateway, &[]).says("S3 bucket", "ok", &[]);
}

#[test]
fn a_clock_that_is_wrong() {
    let options = Options { clock_shift_s: 86_400, ..Options::default() };
    let gateway = only_s3(plan().with_s3(options));
    let checked = check(&gateway, &["--write"]);
    checked.says("clock", "failed", &["s behind S3's", "NTP"]);
    // It is corrected for requests.
    checked.says("S3 bucket", "ok", &[]);
    checked.says("S3 data", "ok", &["written and deleted"]);
}

#[test]
fn an_object_that_may_not_be_written() {
    let gateway = only_s3(plan());
    gateway.s3.fail_next(Method::Put, Fault::Status(403, "AccessDenied"));
    let checked = check(&gateway, &["--write"]);
    assert_eq!(checked.row("S3 data")["state"], "failed", "{}", checked.report);
}

#[test]
fn a_key_that_may_do_little() {
    let gateway = only_s3(plan());
    gateway.s3.fail_next(Method::Get, Fault::Status(403, "AccessDenied"));
    gateway.s3.fail_next(Method::Delete, Fault::Status(403, "AccessDenied"));
    let checked = check(&gateway, &["--write"]);
    // It may be all that is needed.
    checked.says("S3 bucket", "skipped", &["knows the key", "s3:ListBucket"]);
    checked.says("S3 data", "ok", &[".sapt-check was written, and stays: DELETE", "AccessDenied"]);
    assert!(gateway.s3.read(BUCKET, &format!("{DATA}/.sapt-check")).is_some());
}

#[test]
fn a_models_directory_that_is_not_there() {
    let gateway = only_s3(plan());
    let checked = check_with(&gateway, "SAPT_MODELS_PATH", "/nowhere/models");
    checked.says("models directory", "failed", &["/nowhere/models", "make it"]);
}

#[test]
fn a_wrong_configuration_is_told_whole() {
    let checked =
        ran(Command::new(env!("CARGO_BIN_EXE_sapt")).env_clear().args(["check", "--json"]).envs([
            ("SAPT_VALUE_LIMIT", "1"),
            ("SAPT_AWS_SECRET_ACCESS_KEY", "hunter2"),
            ("SAPT_AWS_S3_BUCKET", "BUCKET_GOES_HERE"),
        ]));
    assert_eq!((checked.code, checked.names("failed")), (1, vec!["configuration"]));
    let parts = ["SAPT_VALUE_LIMIT", "SAPT_AWS_ACCESS_KEY_ID: is missing", "placeholder"];
    checked.says("configuration", "failed", &parts);
}

#[test]
fn the_environment_of_a_service() {
    let gateway = only_s3(plan());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sapt.env");
    let mut text = String::new();
    for (name, value) in gateway.sapt_command().get_envs() {
        text += &format!("{}=\"{}\"\n", name.to_str().unwrap(), value.unwrap().to_str().unwrap());
    }
    fs::write(&file, text).unwrap();
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sapt"));
        // It counts alone.
        command.env_clear().env("SAPT_AWS_S3_BUCKET", "other");
        command.args(["check", "--json", "--environment"]).arg(&file);
        command
    };
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    ran(&mut run()).says("configuration", "failed", &["others can read", "chmod 600"]);
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let checked = ran(&mut run());
    checked.says("configuration", "ok", &["sapt.env"]);
    checked.says("S3 bucket", "ok", &[BUCKET]);
    fs::write(&file, "X=$(id)\n").unwrap();
    for missing in [false, true] {
        if missing {
            fs::remove_file(&file).unwrap();
        }
        let output = run().output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains("sapt.env") && output.stdout.is_empty(), "{told}");
    }
}
