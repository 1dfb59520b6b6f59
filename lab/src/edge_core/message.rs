//! JSON-RPC 2.0, as Edge Core reads and writes it.

use serde_json::{Value, json};

use super::record::Content;

/// A message from a client, sorted by what Edge Core does with it.
#[derive(Debug, PartialEq)]
pub(super) enum Message {
    /// To be answered.
    Request(Request),
    /// A request that breaks JSON-RPC itself: answered with -32600 and this id.
    Invalid { id: Value, why: &'static str },
    /// The answer to a request of Edge Core's.
    Response { id: Value, content: Content },
    /// Dropped without a word.
    Ignored(&'static str),
}

/// A request from a client.
#[derive(Debug, PartialEq)]
pub(super) struct Request {
    /// A string, a number or null; echoed in the answer.
    pub(super) id: Value,
    pub(super) method: String,
    pub(super) params: Option<Value>,
}

/// An error answer, without the standing texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RpcError {
    pub(super) code: i64,
    /// The `data` of the error object.
    pub(super) detail: String,
}

impl RpcError {
    pub(super) fn new(code: i64, detail: impl Into<String>) -> RpcError {
        RpcError { code, detail: detail.into() }
    }

    /// The error object.
    pub(super) fn object(&self) -> Value {
        json!({"code": self.code, "message": meaning(self.code), "data": self.detail})
    }
}

/// Reads one frame's text. An error closes the connection.
pub(super) fn parse(text: &[u8]) -> Result<Message, String> {
    let text = std::str::from_utf8(text).map_err(|error| format!("not UTF-8: {error}"))?;
    let value: Value =
        serde_json::from_str(text).map_err(|error| format!("not one JSON value: {error}"))?;
    if has_nul(&value) {
        return Err("a string contains \\u0000".to_owned());
    }
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Array(_) => return Ok(Message::Ignored("a batch")),
        _ => return Err("neither an object nor an array".to_owned()),
    };
    let field = |name| fields.get(name).cloned();
    let Some(id) = field("id") else {
        return Ok(Message::Ignored("a message without id"));
    };
    let Some(method) = field("method") else {
        let content = match (field("result"), field("error")) {
            // A result means success, whatever else is there.
            (Some(result), _) => Content::Result(result),
            (None, Some(error)) => Content::Error(error),
            (None, None) => {
                return Ok(Message::Ignored("a message without method, result and error"));
            }
        };
        return Ok(Message::Response { id, content });
    };
    let invalid = |id, why| Ok(Message::Invalid { id, why });
    let Value::String(method) = method else {
        return invalid(Value::Null, "\"method\" is not a string");
    };
    if field("jsonrpc") != Some(Value::from("2.0")) {
        return invalid(Value::Null, "\"jsonrpc\" MUST be exactly \"2.0\"");
    }
    if !(id.is_string() || id.is_number() || id.is_null()) {
        return invalid(Value::Null, "\"id\" MUST contain a String, Number, or NULL value");
    }
    let params = field("params");
    if params.as_ref().is_some_and(|params| !params.is_object() && !params.is_array()) {
        return invalid(id, "\"params\" MUST be Array or Object if included");
    }
    Ok(Message::Request(Request { id, method, params }))
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The `message` of the error object.
fn meaning(code: i64) -> &'static str {
    match code {
        -32600 => "Invalid Request",
        -32601 => "Method not found",
        -32602 => "Invalid params",
        -30000 => "Internal error.",
        -30001 => "Protocol translator not registered.",
        -30002 => "Protocol translator already registered.",
        -30003 => "Protocol translator name reserved.",
        -30004 => "The maximum number of registered endpoints is already in use.",
        -30005 => "Cannot register endpoint, because it's already registered.",
        -30101 => "Illegal value.",
        -30102 => "Resource not found.",
        -30103 => "Invalid json structure.",
        -30104 => "Resource not readable.",
        -30105 => "Resource not writable.",
        -30106 => "Write request to protocol translator failed.",
        _ => "Unknown error.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Message {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn requests_carry_any_id_but_need_one() {
        for id in ["\"7\"", "7", "null"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":{{}}}}"#);
            let Message::Request(request) = request(&text) else { panic!("{text}") };
            assert_eq!(request.id.to_string(), id);
        }
        assert!(matches!(request(r#"{"jsonrpc":"2.0","method":"m"}"#), Message::Ignored(_)));
        assert!(matches!(
            request(r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#),
            Message::Ignored(_)
        ));
        let listed = request(r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#);
        assert!(matches!(listed, Message::Invalid { id: Value::Null, .. }));
    }

    #[test]
    fn json_rpc_itself_is_checked() {
        for text in [r#"{"id":"1","method":"m"}"#, r#"{"jsonrpc":"1.0","id":"1","method":"m"}"#] {
            assert!(matches!(request(text), Message::Invalid { id: Value::Null, .. }), "{text}");
        }
        let params = request(r#"{"jsonrpc":"2.0","id":"1","method":"m","params":"x"}"#);
        assert!(matches!(params, Message::Invalid { id: Value::String(_), .. }));
    }

    #[test]
    fn a_result_means_success_even_beside_an_error() {
        let both = request(r#"{"id":"0","result":"ok","error":{"code":1}}"#);
        assert!(matches!(both, Message::Response { content: Content::Result(_), .. }));
        let error = request(r#"{"id":"0","error":{"code":1}}"#);
        assert!(matches!(error, Message::Response { content: Content::Error(_), .. }));
        assert!(matches!(request(r#"{"id":"0"}"#), Message::Ignored(_)));
    }

    #[test]
    fn what_is_not_one_json_value_closes() {
        for text in ["", "{", "{}{}", "{}\0", r#"{"a":"\u0000"}"#, r#"{"\u0000":1}"#, "5", "\"x\""]
        {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse(b" {} \n").is_ok());
    }
}
