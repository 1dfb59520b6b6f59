//! `sapt call`: a command for the running translator, and its reply for people.

use std::io::{IsTerminal, stderr};
use std::path::Path;

use serde_json::Value;

use super::client::{Client, Deadline, Error};
use super::progress::Display;
use super::readable::readable;

/// How a call ended, as its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The command succeeded.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The translator could not be reached, or has not answered.
    Unreachable = 2,
}

/// Sends the request, and tells on standard error how far it is. How it ends, and what is to be
/// printed of it: on standard output what came of the command, or as `raw` the line that came; on
/// standard error why it failed.
pub fn call(socket: &Path, request: &str, raw: bool) -> (End, String) {
    let (line, reply) = match ask(socket, request) {
        Ok(answer) => answer,
        Err(error) => return (End::Unreachable, format!("sapt: {error}\n")),
    };
    let (end, text) = match reply.get("error") {
        Some(error) => (End::Failed, failure(error)),
        None => (End::Done, readable(reply.get("result").unwrap_or(&Value::Null))),
    };
    (end, if raw { line } else { text })
}

/// The reply, as it came and what it says.
fn ask(socket: &Path, request: &str) -> Result<(String, Value), Error> {
    let mut client = Client::connect(socket, Deadline::none())?;
    client.say(request)?;
    let mut display = Display::new(stderr().is_terminal());
    loop {
        let answer = client.next();
        match &answer {
            Ok((_, message)) if message.get("method").is_some() => {
                eprint!("{}", display.show(message.get("params").unwrap_or(&Value::Null)));
            }
            _ => {
                eprint!("{}", display.clear());
                return answer;
            }
        }
    }
}

/// Why a command failed.
fn failure(error: &Value) -> String {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or("?").to_owned();
    let code = text(error.get("data").and_then(|data| data.get("code")));
    let hint = match code.as_str() {
        "INVALID_PARAMS" => "Values that are not text are written with :=, as in name:=true.\n",
        _ => "",
    };
    format!("{code}: {}\n{hint}", text(error.get("message")))
}
