//! `sapt prepare`: an env file to the files of an installation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// As it is documented, with what an operator fills in.
const ENV_FILE: &str = r#"
#
# You will need to set/customize each of these
#
if [ -z "${SAPT_AWS_ACCESS_KEY_ID}" ]; then
	export SAPT_AWS_ACCESS_KEY_ID="AKIAEXAMPLE"
fi

if [ -z "${SAPT_AWS_SECRET_ACCESS_KEY}" ]; then
    export SAPT_AWS_SECRET_ACCESS_KEY="hunter2/\"+\$x"
fi

if [ -z "${SAPT_AWS_S3_BUCKET}" ]; then
    export SAPT_AWS_S3_BUCKET="my-sagemaker-bucket"
fi

if [ -z "${SAPT_AWS_S3_MODELS_DIR}" ]; then
    export SAPT_AWS_S3_MODELS_DIR="DEMO-Sagemaker-Edge\/compilation-output"
fi

SAPT_AWS_S3_DATA_DIR=data
SAPT_EDGE_SOCKET=/var/snap/edge/edge.sock
SAGEMAKER_EDGE_CORE_DEVICE_FLEET_NAME=jetsons
MVS_PELION_GW_DEVICE_ID=016f324f
"#;

struct Place(TempDir);

impl Place {
    fn new(env_file: &[u8]) -> Self {
        let place = Self(TempDir::new().unwrap());
        fs::write(place.path("my.env"), env_file).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Files with their modes and inodes, which say whether one was replaced.
    fn files(&self) -> Vec<(String, u32, u64)> {
        let mut files: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                let there = entry.metadata().unwrap();
                let name = entry.file_name().into_string().unwrap();
                (name, there.mode() & 0o7777, there.ino())
            })
            .collect();
        files.sort();
        files
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sapt"));
        command.env_clear().current_dir(self.0.path()).args(["prepare", "my.env"]).args(options);
        command
    }

    /// Exit code, standard output, standard error. No secret is in them.
    fn run(&self, options: &[&str]) -> (i32, String, String) {
        told(&mut self.command(options))
    }
}

fn told(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(!out.contains("hunter2") && !err.contains("hunter2"), "{out}{err}");
    (output.status.code().unwrap(), out, err)
}

fn manifest() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("edge-agent.yaml").display().to_string()
}

#[test]
fn everything_is_made_and_the_second_time_nothing_changes() {
    let place = Place::new(ENV_FILE.as_bytes());
    let manifest = manifest();
    let all = ["--service", ".", "--agent", ".", "--pod", ".", "--manifest", &manifest];
    let all = [&all[..], &["--machine", "armhf"]].concat();
    let dry = [&all[..], &["--dry-run"]].concat();
    let names = [
        "./sagemaker_agent.env",
        "./neo_config.json",
        "./sapt.env",
        "./edge-agent.yaml",
        "./sapt-credentials.yaml",
    ];
    let lines = |word: &str| names.map(|name| format!("{word} {name}\n")).concat();
    assert_eq!(place.run(&dry), (0, lines("would change"), String::new()));
    assert_eq!(place.files().len(), 1);
    assert_eq!(place.run(&all), (0, lines("changed"), String::new()));
    let made = place.files();
    let modes: Vec<_> = made.iter().map(|(name, mode, _)| (name.as_str(), *mode)).collect();
    for (name, mode) in [
        ("sapt.env", 0o600),
        ("edge-agent.yaml", 0o600),
        ("sapt-credentials.yaml", 0o600),
        ("neo_config.json", 0o644),
        ("sagemaker_agent.env", 0o644),
    ] {
        assert!(modes.contains(&(name, mode)), "{name}: {modes:?}");
    }
    assert_eq!(modes.len(), 6);
    assert_eq!(place.run(&all), (0, lines("unchanged"), String::new()));
    assert_eq!(place.run(&dry), (0, lines("unchanged"), String::new()));
    assert_eq!(place.files(), made);

    assert!(
        place.read("sapt.env").contains("\nSAPT_AWS_SECRET_ACCESS_KEY=\"hunter2/\\\"+\\$x\"\n")
    );
    assert!(!place.read("sapt.env").contains("MVS_") && !place.read("sapt.env").contains("FLEET"));
    let configuration: Value = serde_json::from_str(&place.read("neo_config.json")).unwrap();
    assert_eq!(configuration["sagemaker_edge_core_device_fleet_name"], "jetsons");
    assert!(
        place
            .read("sagemaker_agent.env")
            .contains("SAGEMAKER_EDGE_AGENT_MESSAGE_LIMIT=\"524288000\"\n")
    );
    let pod = place.read("edge-agent.yaml");
    assert!(!pod.contains("hunter2") && !pod.contains("AKIAEXAMPLE"), "{pod}");
    for part in [
        "nodeName: \"016f324f\"",
        "sapt:0.1.0-armhf",
        "path: \"/var/snap/edge\"",
        "value: \"/edge-core/edge.sock\"",
        "value: \"my-sagemaker-bucket\"",
    ] {
        assert!(pod.contains(part), "{part}: {pod}");
    }
    assert!(place.read("sapt-credentials.yaml").contains(r#": "hunter2/\"+$x""#));
}

#[test]
fn only_what_differs_is_replaced() {
    let place = Place::new(ENV_FILE.as_bytes());
    let all = ["--service", ".", "--agent", "."];
    place.run(&all);
    fs::set_permissions(place.path("sapt.env"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::remove_file(place.path("neo_config.json")).unwrap();
    fs::write(place.path("elsewhere"), "kept").unwrap();
    symlink("elsewhere", place.path("neo_config.json")).unwrap();
    let (_, out, _) = place.run(&all);
    assert_eq!(
        out,
        "unchanged ./sagemaker_agent.env\nchanged ./neo_config.json\nchanged ./sapt.env\n"
    );
    assert_eq!(place.read("elsewhere"), "kept");
    assert_eq!(fs::metadata(place.path("sapt.env")).unwrap().mode() & 0o777, 0o600);
    let changed = ENV_FILE.replace("=jetsons", "=others");
    fs::write(place.path("my.env"), changed).unwrap();
    let (_, out, _) = place.run(&all);
    assert_eq!(out.matches("unchanged").count(), 2, "{out}");
    assert!(out.contains("\nchanged ./neo_config.json"), "{out}");
}

#[test]
fn the_environment_counts_before_a_block_and_that_is_told() {
    let place = Place::new(ENV_FILE.as_bytes());
    let mut command = place.command(&["--service", "."]);
    command.env("SAPT_AWS_S3_BUCKET", "from-outside").env("SAPT_AWS_S3_DATA_DIR", "outside");
    let (code, _, err) = told(&mut command);
    assert_eq!(code, 0);
    assert!(
        err.starts_with("line 14: SAPT_AWS_S3_BUCKET has the value of this process's"),
        "{err}"
    );
    let made = place.read("sapt.env");
    assert!(made.contains("=\"from-outside\"") && made.contains("_DATA_DIR=\"data\""), "{made}");
    command.env("SAPT_AWS_S3_BUCKET", "line\nbreak");
    assert_eq!(told(&mut command).0, 64);
}

#[test]
fn everything_that_is_wrong_is_told_and_nothing_written() {
    let wrong = format!(
        "{}SAPT_VALUE_LIMIT=1\nSAGEMAKER_EDGE_CORE_CAPTURE_DATA_BATCH_SIZE=0\nSAGEMAKER_EDGE_X=1\n\
         SAGEMAKER_EDGE_AGENT_MESSAGE_LIMIT=-1\n",
        ENV_FILE
            .replace("my-sagemaker-bucket", "AWS_SAGEMAKER_S3_BUCKET_GOES_HERE")
            .replace("016f324f", "MVS_PELION_GW_DEVICE_ID")
    );
    let place = Place::new(wrong.as_bytes());
    let manifest = manifest();
    let (code, out, err) =
        place.run(&["--agent", ".", "--service", ".", "--pod", ".", "--manifest", &manifest]);
    assert_eq!((code, out.as_str()), (64, ""));
    for part in [
        "line 14, SAPT_AWS_S3_BUCKET: still holds the placeholder",
        "line 25, SAPT_VALUE_LIMIT: must be",
        "line 26, SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BATCH_SIZE: must be a whole number",
        "line 27, SAGEMAKER_EDGE_X: the agent has no such setting",
        "line 28, SAGEMAKER_EDGE_AGENT_MESSAGE_LIMIT: must be",
        "line 24, MVS_PELION_GW_DEVICE_ID: must be",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert_eq!(err.lines().count(), 7, "{err}");
    assert_eq!(place.files().len(), 1);
}

#[test]
fn hostile_files_are_data_or_refused() {
    for (line, told) in [
        ("SAPT_PT_DEVICE_NAME=\"$(touch made)\"", "variables and commands"),
        ("SAPT_PT_DEVICE_NAME=`touch made`", "commands are not run"),
        ("touch made", "neither"),
        ("SAPT_PT_DEVICE_NAME=\"a\nb\"", "not closed"),
        ("SAPT_PT_DEVICE_NAME=a\0b", "control character"),
    ] {
        let place = Place::new(line.as_bytes());
        let (code, _, err) = place.run(&["--service", "."]);
        assert!(code == 64 && err.contains("line 1") && err.contains(told), "{line}: {err}");
        assert_eq!(place.files().len(), 1, "{line}");
    }
    let place = Place::new(b"SAPT_PT_DEVICE_NAME='$(touch made); `x` \"y\"'\n");
    assert_eq!(place.run(&["--service", "."]).0, 0);
    assert!(place.read("sapt.env").contains(r#"="\$(touch made); \`x\` \"y\"""#));
    assert!(!place.path("made").exists());
    let long = format!("SAPT_PT_DEVICE_NAME={}\n", "x".repeat(1 << 20));
    assert!(Place::new(long.as_bytes()).run(&[]).2.contains("line 1: has 1048596 bytes"));
    let many = Place::new("x\n".repeat(1000).as_bytes()).run(&[]).2;
    assert!(many.lines().count() < 50 && many.contains("more"), "{many}");
    let (code, _, err) = Place::new("x".repeat(5 << 20).as_bytes()).run(&[]);
    assert!(code == 1 && err.contains("4 MiB"), "{err}");
}

#[test]
fn what_cannot_be_read_or_written_is_told() {
    let place = Place::new(ENV_FILE.as_bytes());
    let (code, _, err) = place.run(&["--agent", "nowhere"]);
    assert!(code == 1 && err.contains("nowhere/"), "{err}");
    let (code, _, err) = place.run(&["--pod", ".", "--manifest", "nowhere.yaml"]);
    assert!(code == 1 && err.contains("nowhere.yaml"), "{err}");
    let (code, _, err) = place.run(&["--into", "."]);
    assert!(code == 64 && err.contains("--into"), "{err}");
}

/// A shell reads what is written as it was meant.
#[test]
fn a_shell_agrees() {
    let place = Place::new(ENV_FILE.as_bytes());
    place.run(&["--service", "."]);
    for file in ["my.env", "sapt.env"] {
        let script = format!(
            ". ./{file}; printf '%s|%s' \"$SAPT_AWS_SECRET_ACCESS_KEY\" \"$SAPT_AWS_S3_MODELS_DIR\""
        );
        let mut shell = Command::new("sh");
        shell.env_clear().current_dir(place.0.path()).args(["-c", &script]);
        let output = shell.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, "hunter2/\"+$x|DEMO-Sagemaker-Edge\\/compilation-output", "{file}");
    }
}
