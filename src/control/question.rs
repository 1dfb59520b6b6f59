//! One question to the running translator, for who makes something of the answer.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::client::Client;

/// Why there is no answer to make something of; with what to do.
#[derive(Debug)]
pub enum Unanswered {
    /// The translator was not reached, or did not answer.
    NoAnswer(String),
    /// It answered with an error.
    Refused(String),
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NoAnswer(reason) | Self::Refused(reason)) = self;
        f.write_str(reason)
    }
}

/// Asks the translator at this control socket, with a method that takes no parameters.
pub fn ask(socket: &Path, method: &str, timeout: Duration) -> Result<Value, Unanswered> {
    let (_, mut answer) = Client::ask(socket, method, timeout)
        .map_err(|error| Unanswered::NoAnswer(error.to_string()))?;
    match answer.get_mut("result") {
        Some(result) => Ok(result.take()),
        None => {
            let message = answer.get("error").and_then(|error| error.get("message")?.as_str());
            Err(Unanswered::Refused(message.unwrap_or("it gave no reason").to_owned()))
        }
    }
}
