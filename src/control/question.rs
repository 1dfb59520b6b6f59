//! One question to the running translator, for who makes something of the answer.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::client::{Client, Deadline, Error};

/// Why there is no answer to make something of; with what to do.
#[derive(Debug)]
pub enum Unanswered {
    /// The translator was not reached, or did not answer.
    NoAnswer(String),
    /// It answered with an error.
    Refused(String),
}

/// Asks the translator at this control socket, with a method that takes no parameters.
pub fn ask(socket: &Path, method: &str, timeout: Duration) -> Result<Value, Unanswered> {
    let mut answer =
        answer(socket, method, timeout).map_err(|error| Unanswered::NoAnswer(error.to_string()))?;
    match answer.get_mut("result").map(Value::take) {
        Some(result) => Ok(result),
        None => {
            let message = answer.get("error").and_then(|error| error.get("message")?.as_str());
            Err(Unanswered::Refused(message.unwrap_or("it gave no reason").to_owned()))
        }
    }
}

fn answer(socket: &Path, method: &str, timeout: Duration) -> Result<Value, Error> {
    let mut client = Client::connect(socket, Deadline::within(timeout))?;
    client.say(&format!(r#"{{"jsonrpc":"2.0","id":"check","method":"{method}"}}"#))?;
    loop {
        let (_, message) = client.next()?;
        // What has a method tells how far it is.
        if message.get("method").is_none() {
            return Ok(message);
        }
    }
}
