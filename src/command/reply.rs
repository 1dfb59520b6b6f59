//! What comes of a command, and the two forms it is written in. Pure.

use miniserde::json::{self, Number, Object, Value};

use super::error::Error;
use super::method::Method;
use super::request::Id;
use crate::config::ReplyFormat;

/// The result of a command, or why there is none.
#[derive(Debug)]
pub struct Reply {
    id: Id,
    method: Option<Method>,
    outcome: Result<Success, Error>,
}

/// The result of a command.
#[derive(Debug)]
pub struct Success {
    /// The result itself.
    pub response: Value,
    /// What belongs to it.
    pub details: Option<Value>,
}

impl Success {
    /// A result in one word.
    pub fn word(word: &str) -> Self {
        Self { response: text(word), details: None }
    }
}

impl From<Value> for Success {
    fn from(response: Value) -> Self {
        Self { response, details: None }
    }
}

impl Reply {
    /// The reply to the request with this id.
    pub fn new(id: Id, method: Option<Method>, outcome: Result<Success, Error>) -> Self {
        Self { id, method, outcome }
    }

    /// The value for the command resource while a command is still running, at most `limit` bytes:
    /// its result follows.
    pub fn dispatched(
        id: Id,
        method: Option<&Method>,
        format: ReplyFormat,
        limit: usize,
    ) -> String {
        let encode = |id| {
            let details = method.map(|method| text(method.name()));
            let success = Success { response: text("request dispatched"), details };
            Self::new(id, method.cloned(), Ok(success)).encode(format)
        };
        let text = encode(id);
        // Only an id of the caller's own making can be that long.
        if text.len() <= limit { text } else { encode(Id::Null) }
    }

    /// The value for the command resource, at most `limit` bytes: a longer result becomes an error
    /// that says so.
    pub fn encode_within(self, format: ReplyFormat, limit: usize) -> String {
        let (id, method) = (self.id.clone(), self.method.clone());
        let text = self.encode(format);
        if text.len() <= limit {
            return text;
        }
        let too_large = |id| {
            let error = Error::TooLarge { size: text.len(), limit };
            Self::new(id, method.clone(), Err(error)).encode(format)
        };
        let told = too_large(id);
        // Only an id of the caller's own making can be that long.
        if told.len() <= limit { told } else { too_large(Id::Null) }
    }

    /// The value for the command resource.
    pub fn encode(self, format: ReplyFormat) -> String {
        let mut members = vec![("jsonrpc", text("2.0")), ("id", number_or_text(self.id))];
        match format {
            ReplyFormat::Sapt => {
                members.extend(self.method.map(|method| ("method", text(method.name()))));
                members.extend(result(self.outcome));
            }
            ReplyFormat::JsonRpc => members.push(match self.outcome {
                Ok(Success { response, details: None }) => ("result", response),
                Ok(Success { response, details: Some(details) }) => {
                    ("result", object([("response", response), ("details", details)]))
                }
                Err(error) => ("error", rpc_error(&error)),
            }),
        }
        json::to_string(&object(members))
    }
}

/// A JSON object of these members.
pub(crate) fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    // One by one: collecting would link a whole sort for every type of iterator.
    let mut object = Object::new();
    for (name, value) in members {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// A JSON string.
pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// The four keys that cloud applications have always parsed. A failed command's `details` is only
/// there where the method is not known, as it always was; the code is new.
fn result(outcome: Result<Success, Error>) -> Vec<(&'static str, Value)> {
    match outcome {
        Ok(Success { response, details }) => {
            let mut members =
                vec![("error", text("none")), ("reply", text("ok")), ("response", response)];
            members.extend(details.map(|details| ("details", details)));
            members
        }
        Err(error) => {
            let mut members = vec![
                ("error", text(&error.to_string())),
                ("code", text(error.code())),
                ("reply", text("error")),
            ];
            match &error {
                Error::UnknownMethod(name) => {
                    members.push(("response", text("Invalid Command")));
                    members.push(("details", text(name)));
                }
                Error::NotARequest(_) | Error::NotJson(_) => {
                    members.push(("response", text("Invalid Command")));
                }
                _ => members.push(("response", text(""))),
            }
            members
        }
    }
}

/// JSON-RPC 2.0, section 5.1.
fn rpc_error(error: &Error) -> Value {
    object([
        ("code", Value::Number(Number::I64(error.number()))),
        ("message", text(&error.to_string())),
        ("data", object([("code", text(error.code()))])),
    ])
}

fn number_or_text(id: Id) -> Value {
    match id {
        Id::Null => Value::Null,
        Id::Text(text) => Value::String(text),
        Id::Number(number) => Value::Number(
            number
                .as_u64()
                .map(Number::U64)
                .or_else(|| number.as_i64().map(Number::I64))
                .unwrap_or_else(|| Number::F64(number.as_f64().unwrap_or_default())),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn encoded(reply: Reply, format: ReplyFormat) -> serde_json::Value {
        serde_json::from_str(&reply.encode(format)).unwrap()
    }

    fn listed() -> Reply {
        let success = Success::from(Value::Array(json::Array::new()));
        Reply::new(Id::Text("1".to_owned()), Some(Method::ListModels), Ok(success))
    }

    fn unknown() -> Reply {
        let error = Error::UnknownMethod("frobnicate".to_owned());
        let method = Some(Method::Unknown("frobnicate".to_owned()));
        Reply::new(Id::Number(7.into()), method, Err(error))
    }

    #[test]
    fn the_form_that_applications_parse() {
        assert_eq!(
            encoded(listed(), ReplyFormat::Sapt),
            json!({"jsonrpc": "2.0", "id": "1", "method": "listModels", "error": "none",
                   "reply": "ok", "response": []})
        );
        let wrong = encoded(unknown(), ReplyFormat::Sapt);
        assert_eq!(wrong["reply"], "error");
        assert_eq!(wrong["response"], "Invalid Command");
        assert_eq!(wrong["details"], "frobnicate");
        assert_eq!(wrong["id"], 7);
        assert_eq!(wrong["code"], "UNKNOWN_METHOD");
        let dispatched = |id: &str, limit| -> serde_json::Value {
            let (id, method) = (Id::Text(id.to_owned()), Some(&Method::Predict));
            let text = Reply::dispatched(id, method, ReplyFormat::Sapt, limit);
            assert!(text.len() <= limit);
            serde_json::from_str(&text).unwrap()
        };
        assert_eq!(dispatched("7", 1024)["id"], "7");
        assert_eq!(
            dispatched(&"7".repeat(2000), 1024),
            json!({"jsonrpc": "2.0", "id": null, "method": "predict", "error": "none",
                   "reply": "ok", "response": "request dispatched", "details": "predict"})
        );
    }

    #[test]
    fn what_does_not_fit_becomes_an_error() {
        let reply = |id: &str| {
            let success = Success::word(&"x".repeat(2000));
            Reply::new(Id::Text(id.to_owned()), Some(Method::ListModels), Ok(success))
        };
        for format in [ReplyFormat::Sapt, ReplyFormat::JsonRpc] {
            let text = reply("7").encode_within(format, 1024);
            assert!(text.len() <= 1024 && text.contains("TOO_LARGE") && text.contains("\"7\""));
            let text = reply(&"7".repeat(2000)).encode_within(format, 1024);
            assert!(text.len() <= 1024 && text.contains("TOO_LARGE"));
            assert!(reply("7").encode_within(format, 4096).contains("xxx"));
        }
    }

    #[test]
    fn plain_json_rpc() {
        assert_eq!(
            encoded(listed(), ReplyFormat::JsonRpc),
            json!({"jsonrpc": "2.0", "id": "1", "result": []})
        );
        let wrong = encoded(unknown(), ReplyFormat::JsonRpc);
        assert_eq!(wrong["error"]["code"], -32601);
        assert_eq!(wrong["error"]["data"]["code"], "UNKNOWN_METHOD");
        assert!(wrong.get("result").is_none());
    }
}
