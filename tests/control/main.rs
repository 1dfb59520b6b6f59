//! The control socket of the running translator, and the subcommands on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod call;
mod health;
mod protocol;
mod socket;
#[path = "../support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use lab::gateway::{Gateway, PATIENCE, Plan};
use lab::models;
use lab::s3::{Fault, Gate, Method};
use serde_json::Value;

const LOAD: &str = r#"{"id":"load","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;

const FINISHING: &str = "SIGTERM came: finishing what runs";

/// What a subcommand has printed, and its exit code.
#[derive(Debug)]
struct Told {
    code: Option<i32>,
    out: String,
    err: String,
}

/// A subcommand on the control socket at `socket`.
fn command(socket: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sapt"));
    command.env_clear().env("SAPT_CONTROL_SOCKET", socket).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn told(output: std::process::Output) -> Told {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Told { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// What a subcommand says of this gateway's translator.
fn sapt(gateway: &Gateway, arguments: &[&str]) -> Told {
    told(command(&gateway.plan().control_socket(), arguments).output().unwrap())
}

/// The one line that `sapt health` prints, and whether all is well.
fn health(gateway: &Gateway, options: &[&str]) -> (bool, String) {
    let told = sapt(gateway, &[&["health"], options].concat());
    assert_eq!((told.out.lines().count(), told.err.as_str()), (1, ""), "{told:?}");
    assert!(matches!(told.code, Some(0 | 1)), "{told:?}");
    (told.code == Some(0), told.out.trim_end().to_owned())
}

/// Asks until the translator is ready, or is not, and returns what it says then.
fn wait_until_ready(gateway: &Gateway, wanted: bool) -> String {
    let begin = Instant::now();
    loop {
        let (ready, line) = health(gateway, &["--ready"]);
        if ready == wanted {
            return line;
        }
        assert!(begin.elapsed() < PATIENCE, "{line}; sapt said:\n{}", gateway.sapt.said());
    }
}

/// A connection to the control socket.
struct Connection {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Connection {
    fn open(gateway: &Gateway) -> Self {
        let stream = UnixStream::connect(gateway.plan().control_socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        Self { stream, lines }
    }

    fn say(&mut self, text: &[u8]) {
        self.stream.write_all(text).unwrap();
    }

    /// Sends a request and returns the line that follows.
    fn ask(&mut self, request: &str) -> Value {
        self.say(request.as_bytes());
        self.say(b"\n");
        self.next()
    }

    fn next(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert!(line.ends_with('\n'), "{line:?} is no line");
        serde_json::from_str(&line).unwrap()
    }

    /// The reply, after all progress.
    fn reply(&mut self) -> Value {
        loop {
            let message = self.next();
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    fn say_no_more(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The other side closes, and says nothing before.
    fn assert_closed(&mut self) {
        let mut rest = Vec::new();
        // What was sent and not read makes it a reset.
        let _ = self.lines.read_to_end(&mut rest);
        assert_eq!(String::from_utf8_lossy(&rest), "");
    }
}

/// A gateway whose S3 gives half of a model, and the rest when the gate is opened.
fn half_a_model(plan: Plan) -> (Gateway, Gate) {
    let gateway = plan.start();
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.s3.fail_next(Method::Get, Fault::Hold(1000, gate.clone()));
    (gateway, gate)
}
