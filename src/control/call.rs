//! `sapt call`: a command for the running translator, and its reply for people.

use std::io::{IsTerminal, Write, stderr, stdout};
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

/// Sends the request, shows on standard error how far it is, and prints its reply: on standard
/// output what came of it, or as `raw` the line that came; on standard error why it failed.
pub fn call(socket: &Path, request: &str, raw: bool) -> End {
    // Nobody is there to be told where this fails.
    let print = |text: String| drop(stdout().write_all(text.as_bytes()));
    let (line, reply) = match ask(socket, request) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("sapt: {error}");
            return End::Unreachable;
        }
    };
    let error = reply.get("error");
    match error {
        _ if raw => print(line),
        Some(error) => eprint!("{}", failure(error)),
        None => print(readable(reply.get("result").unwrap_or(&Value::Null))),
    }
    if error.is_some() { End::Failed } else { End::Done }
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
                if let Some(progress) = message.get("params") {
                    display.show(progress, &mut stderr());
                }
            }
            _ => {
                display.clear(&mut stderr());
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
