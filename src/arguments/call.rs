//! `sapt call`: words to a request.

use miniserde::json::to_string;
use serde_json::Value;

use super::{Invocation, misused};
use crate::command::METHODS;

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// This line.
    Line(String),
    /// What comes on standard input, as [`one_line`] has it.
    StandardInput,
}

const HELP: &str = "\
Usage: sapt call [--json] METHOD [NAME=TEXT | NAME:=JSON]...
       sapt call [--json] REQUEST
       sapt call --list

Has the running translator do a command, as if the cloud had POSTed it, and prints
its reply. This is how a gateway is used by hand, and without the cloud.

  METHOD      one of the methods below, or config
  NAME=TEXT   a parameter that is text
  NAME:=JSON  a parameter that is a number, true, a list or an object
  REQUEST     a whole request as JSON, or - to read one from standard input, where
              others cannot see its secrets
  --json      print the reply as the line of JSON that it is, errors too
  --list      print the methods

  sapt call loadModel name=demo s3_filename=demo-1.0.tar.gz
  sapt call predict model_name=demo input_data_url=file:///x.bmp capture_enable:=true
  sapt call config awsRegion=eu-west-1

While a model is pulled, standard error tells how far it is. Ctrl-C ends only this
process: the command goes on in the translator, and its log tells what came of it.
The translator is reached over SAPT_CONTROL_SOCKET, by root or its own user.

Exit codes: 0 the command succeeded, 1 it failed, 2 the translator cannot be reached
or has not answered, 64 wrong arguments.

Methods:
";

pub(super) fn help() -> String {
    HELP.to_owned() + &list("  ")
}

/// The methods, a line each.
fn list(indent: &str) -> String {
    let mut text = String::new();
    let config = ["awsRegion", "awsS3Bucket", "awsS3ModelsDirectory", "awsS3DataDirectory", "auth"];
    for (method, parameters) in METHODS.iter().chain(&[("config", &config[..])]) {
        text += indent;
        text += method;
        for parameter in *parameters {
            text.push(' ');
            text += parameter;
        }
        text.push('\n');
    }
    text
}

pub(super) fn parse(words: &[&str]) -> Invocation {
    let mut raw = false;
    let mut method = None;
    let mut parameters = Vec::new();
    for word in words {
        match *word {
            "--json" => raw = true,
            "--list" if words.len() == 1 => return Invocation::Print(list("")),
            word if word.starts_with("--") => {
                return misused(&format!("cannot make sense of {word:?} here"), "call");
            }
            word if method.is_none() => method = Some(word),
            word => parameters.push(word),
        }
    }
    let Some(method) = method else {
        return misused("a method or a request is missing", "call");
    };
    let whole = method == "-" || method.starts_with('{');
    let request = match (method, &parameters[..]) {
        (_, [word, ..]) if whole => Err(format!("there is {word:?} after a whole request")),
        ("-", _) => Ok(Request::StandardInput),
        (text, _) if whole => one_line(text).map(Request::Line),
        (method, parameters) => compose(method, parameters).map(Request::Line),
    };
    match request {
        Ok(request) => Invocation::Call { request, raw },
        Err(reason) => misused(&reason, "call"),
    }
}

/// A request as the control socket takes it: one line.
pub fn one_line(text: &str) -> Result<String, String> {
    json(text).map_err(|reason| format!("the request is not JSON: {reason}"))
}

/// JSON in one line. An end of a line is never part of a text in it.
fn json(text: &str) -> Result<String, String> {
    match serde_json::from_slice::<Value>(text.as_bytes()) {
        Ok(_) => Ok(text.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }).collect()),
        Err(error) => Err(error.to_string()),
    }
}

/// The request with these parameters, `NAME=TEXT` or `NAME:=JSON`.
fn compose(method: &str, parameters: &[&str]) -> Result<String, String> {
    let mut names = Vec::new();
    let mut params = String::new();
    for parameter in parameters {
        let wrong = || format!("{parameter:?} is neither NAME=TEXT nor NAME:=JSON");
        let (name, value) = parameter.split_once('=').ok_or_else(wrong)?;
        let (name, value) = match name.strip_suffix(':') {
            Some(name) => {
                let no_json = |reason| format!("what follows {name}:= is not JSON: {reason}");
                (name, json(value).map_err(no_json)?)
            }
            None => (name, to_string(value)),
        };
        if name.is_empty() {
            return Err(wrong());
        }
        if names.contains(&name) {
            return Err(format!("{name} is given twice"));
        }
        names.push(name);
        let comma = if params.is_empty() { "" } else { "," };
        params += &format!("{comma}{}:{value}", to_string(name));
    }
    Ok(match method {
        "config" => format!(r#"{{"jsonrpc":"2.0","id":"call","config":{{{params}}}}}"#),
        method => format!(
            r#"{{"jsonrpc":"2.0","id":"call","method":{},"params":{{{params}}}}}"#,
            to_string(method)
        ),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::arguments::tests::{assert_misused, parse};

    fn sent(words: &[&str]) -> Value {
        let words = [&["call"], words].concat();
        match parse(&words) {
            Invocation::Call { request: Request::Line(line), raw: false } => {
                assert!(!line.contains('\n'));
                serde_json::from_str(&line).unwrap()
            }
            other => panic!("{words:?}: {other:?}"),
        }
    }

    #[test]
    fn words_make_a_request() {
        assert_eq!(
            sent(&["listModels"]),
            json!({"jsonrpc": "2.0", "id": "call", "method": "listModels", "params": {}})
        );
        let load = ["loadModel", "name=1", "url=s3://b/k?a:=b=c", "note=", "quote=\"\n\\"];
        assert_eq!(
            sent(&load)["params"],
            json!({"name": "1", "url": "s3://b/k?a:=b=c", "note": "", "quote": "\"\n\\"})
        );
        let predict = [
            "predict",
            "model_name=m",
            "capture_enable:=true",
            "presign_s:= 60 ",
            "preprocess:={\n\"scale\":0.5}",
            "aux_data:=[]",
        ];
        assert_eq!(
            sent(&predict)["params"],
            json!({"model_name": "m", "capture_enable": true, "presign_s": 60,
                   "preprocess": {"scale": 0.5}, "aux_data": []})
        );
        assert_eq!(
            sent(&["config", "awsRegion=eu-west-1"]),
            json!({"jsonrpc": "2.0", "id": "call", "config": {"awsRegion": "eu-west-1"}})
        );
    }

    #[test]
    fn whole_requests() {
        assert_eq!(sent(&["{\"id\":1,\n\"method\":\"x\"}"]), json!({"id": 1, "method": "x"}));
        let read = Invocation::Call { request: Request::StandardInput, raw: true };
        assert_eq!(parse(&["call", "-", "--json"]), read);
        assert_misused(&["call", "{"], "not JSON");
        assert_misused(&["call", "{}", "name=x"], "name=x");
        assert_misused(&["call", "-", "name=x"], "name=x");
    }

    #[test]
    fn every_method_is_listed_and_nothing_else() {
        let Invocation::Print(list) = parse(&["call", "--list"]) else { panic!() };
        assert!(help().contains("\n  loadModel name s3_filename url sha256\n"));
        assert!(list.starts_with("listModels\nloadModel name s3_filename url sha256\n"), "{list}");
        assert_eq!(list.lines().count(), METHODS.len() + 1);
        // That config has these keys.
        let keys = list.lines().last().unwrap().strip_prefix("config ").unwrap();
        let unknown = crate::config::Update::parse(&json!({"x": 1})).unwrap_err().to_string();
        assert!(keys.split(' ').all(|key| unknown.contains(key)), "{unknown}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (words, part) in [
            (&["call"][..], "missing"),
            (&["call", "--json"], "missing"),
            (&["call", "--list", "x"], "--list"),
            (&["call", "--fast", "listModels"], "--fast"),
            (&["call", "loadModel", "m"], "\"m\""),
            (&["call", "loadModel", "=m"], "=m"),
            (&["call", "loadModel", ":=1"], ":=1"),
            (&["call", "loadModel", "name=a", "name:=1"], "twice"),
            (&["call", "predict", "capture_enable:=yes"], "capture_enable:="),
            (&["call", "predict", "a:=1,\"b\":2"], "a:="),
        ] {
            assert_misused(words, part);
        }
    }
}
