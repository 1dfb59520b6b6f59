//! What existing cloud applications parse has not changed: each sequence in `compat.jsonl`, which
//! was recorded with the first implementation in JavaScript, is played here, and the last value of
//! the command resource, the calls to S3 and the written files are compared.
//!
//! A line has the command that Edge Core delivered (`<-`, with its operation and resource where
//! they are not EXECUTE and 5701), the values that were written (`write`), the methods' states
//! after each (`status`), the changed configuration (`cfg_changed`), the calls to the agent and to
//! S3, and the files left below the models directory (`tree`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use lab::edge_core::Status;
use lab::gateway::{DEVICE, Gateway};
use lab::models;
use serde_json::{Map, Value, json};
use support::{Failure, done, finish, json_tensor, plan, put_object, s3_calls, tree};

/// Where this implementation answers otherwise, on purpose.
const DIFFERENCES: [Difference; 7] = [
    Difference {
        case: "loadModel-already-loaded",
        ours: Ours::NoCalls,
        reason: "a model that would be refused after the pull is refused before it",
    },
    Difference {
        case: "describeModel-not-loaded",
        ours: Ours::Words("model nope is not loaded; use loadModel first"),
        reason: "the agent's words speak of a url that the caller never gave",
    },
    Difference {
        case: "unloadModel-not-loaded",
        ours: Ours::Words("model nope is not loaded"),
        reason: "the same state has the same words for every command",
    },
    Difference {
        case: "predict-not-loaded",
        ours: Ours::Words("model nope is not loaded; use loadModel first"),
        reason: "the same state has the same words for every command",
    },
    Difference {
        case: "predict-missing-input",
        ours: Ours::Words("no such file: looked at "),
        reason: "an error says what was tried: the places where the file was looked for",
    },
    Difference {
        case: "config-with-id",
        ours: Ours::Refused("\"unknownKey\" is not a key that can be set"),
        reason: "a misspelt key must not look as if it had been set",
    },
    Difference {
        case: "config-on-5702-WRITE",
        ours: Ours::Refused("\"b2\" is not the name of a bucket"),
        reason: "S3 has no bucket of two characters: what cannot be is told before it is used",
    },
];

struct Difference {
    case: &'static str,
    ours: Ours,
    reason: &'static str,
}

enum Ours {
    /// The error has these words.
    Words(&'static str),
    /// It is an error with these words, where it was none.
    Refused(&'static str),
    /// S3 is not called.
    NoCalls,
}

const LISTING: [&str; 4] = ["listModels", "listModels-empty", "listModels-two", "rpc-id-number"];
const LOADING: [&str; 2] = ["loadModel-README", "loadModel-already-loaded"];
const LOADED: [&str; 4] =
    ["describeModel-not-loaded", "unloadModel-README", "unloadModel-not-loaded", "reloadModel"];
const PREDICTING: [&str; 4] =
    ["predict-file-file", "predict-file-s3", "predict-s3-file", "predict-s3-s3"];
const CAPTURING: [&str; 2] = ["predict-capture-true-uuid", "predict-capture-aux"];
const FAILING: [&str; 4] =
    ["predict-missing-input", "predict-not-loaded", "bad-unknown-method", "bad-no-method"];
const CONFIGURING: [&str; 4] =
    ["config-data-dir", "config-with-id", "config-auth", "config-on-5702-WRITE"];

#[test]
fn listing() {
    LISTING.iter().for_each(|case| play(case));
}

#[test]
fn loading() {
    LOADING.iter().for_each(|case| play(case));
}

#[test]
fn what_is_loaded() {
    LOADED.iter().for_each(|case| play(case));
}

#[test]
fn predicting() {
    PREDICTING.iter().for_each(|case| play(case));
}

#[test]
fn capturing() {
    CAPTURING.iter().for_each(|case| play(case));
}

#[test]
fn failing() {
    FAILING.iter().for_each(|case| play(case));
}

#[test]
fn configuring() {
    CONFIGURING.iter().for_each(|case| play(case));
}

#[test]
fn every_recorded_case_is_played() {
    let mut played: Vec<&str> =
        [&LISTING[..], &LOADING, &LOADED, &PREDICTING, &CAPTURING, &FAILING, &CONFIGURING].concat();
    let recorded = recorded();
    let mut names: Vec<&str> = recorded.iter().map(|case| case["case"].as_str().unwrap()).collect();
    played.sort_unstable();
    names.sort_unstable();
    assert_eq!(played, names);
    assert!(DIFFERENCES.iter().all(|difference| names.contains(&difference.case)));
    assert!(DIFFERENCES.iter().all(|difference| !difference.reason.is_empty()));
}

fn recorded() -> Vec<Value> {
    include_str!("compat.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Plays one case on a gateway of its own, and compares.
fn play(name: &str) {
    let case = recorded().into_iter().find(|case| case["case"] == name).expect(name);
    let difference = DIFFERENCES.iter().find(|difference| difference.case == name);
    let ours = difference.map(|difference| &difference.ours);
    // Existing installations have a sub-directory written for sed.
    let gateway = plan().set("SAPT_AWS_S3_MODELS_DIR", "compiled-models\\/").start();
    set_up(&gateway, name);
    let (files, calls) = (tree(&gateway), s3_calls(&gateway).len());

    let sequence = case["seq"].as_array().unwrap();
    let value = deliver(&gateway, &sequence[0]);
    let last = sequence.iter().rfind(|step| step.get("write").is_some()).unwrap();
    compare_value(&gateway, name, &value, &last["write"], ours);
    if value["reply"] == "ok" {
        let method = value["method"].as_str().unwrap();
        assert_eq!(gateway.value(5703)[method], last["status"][method], "{name}");
    }
    if let (Some(changed), false) = (last["cfg_changed"].as_object(), value["reply"] == "error") {
        let shown = gateway.wait_for_value(5702, |shown| shown["config"]["commands"].is_object());
        for (key, value) in changed {
            assert_eq!(&shown["config"][key], value, "{name}");
        }
    }

    let written: Vec<String> =
        tree(&gateway).into_iter().filter(|file| !files.contains(file)).collect();
    assert_eq!(without_time(&written), without_time(&written_then(&case)), "{name}");
    let called: Vec<(String, String)> = s3_calls(&gateway).split_off(calls);
    let called: Vec<String> =
        called.into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    let called_then = match ours {
        Some(Ours::NoCalls) => Vec::new(),
        _ => called_then(&case),
    };
    assert_eq!(without_time(&called), without_time(&called_then), "{name}");
    finish(gateway);
}

/// Brings about what the case begins with.
fn set_up(gateway: &Gateway, case: &str) {
    let graph = models::speed();
    // Loaded from another object than the one that the case names.
    let load = |name: &str| {
        gateway.put_model("before.tar.gz", &graph);
        done(gateway, "loadModel", json!({"name": name, "s3_filename": "before.tar.gz"}));
    };
    // The package of the recording, and the graph that this agent can load.
    let package = || {
        let graph = std::fs::read(lab::program::workspace().join("lab/models/speed/speed.onnx"));
        let files: [(&str, &[u8]); 5] = [
            ("compiled.params", b"p"),
            ("compiled.so", b"s"),
            ("compiled_model.json", b"{}"),
            ("manifest", b"{}"),
            ("model.onnx", &graph.unwrap()),
        ];
        gateway.put_model("keras-model-1.0.tar.gz", &models::archive(&files));
    };
    match case {
        "listModels-two" => {
            load("demo-keras");
            load("other");
        }
        "loadModel-README" => package(),
        "loadModel-already-loaded" | "reloadModel" => {
            load("demo-keras");
            package();
        }
        "listModels" | "rpc-id-number" | "unloadModel-README" => load("demo-keras"),
        _ if case.starts_with("predict") => {
            load("demo-keras");
            let tensor = json_tensor(&vec![0x3f; 4 * 224 * 224 * 3]);
            gateway.put_data("tensor.json", &tensor);
            put_object(gateway, "tensor.json", &tensor);
        }
        _ => {}
    }
}

/// Has Edge Core deliver the command, and returns the value of the command resource after it.
fn deliver(gateway: &Gateway, step: &Value) -> Value {
    let command = step["<-"].to_string();
    match (step["op"].as_i64(), step["rid"].as_u64()) {
        (None, None) => gateway.command(&command),
        (Some(2), Some(5702)) => {
            let reply = gateway.edge.put(DEVICE, "/33311/0/5702", command.as_bytes());
            assert_eq!(reply.status, Status::Changed);
            gateway.value(5701)
        }
        other => panic!("{other:?} was not recorded"),
    }
}

fn compare_value(gateway: &Gateway, name: &str, now: &Value, then: &Value, ours: Option<&Ours>) {
    if let Some(Ours::Refused(words)) = ours {
        assert_eq!(then["reply"], "ok", "{name}");
        assert!(Failure::of(now, &now["id"]).error.contains(words), "{name}: {now}");
        return;
    }
    assert_eq!(now["reply"], then["reply"], "{name}: {now}");
    if then["reply"] == "ok" {
        // What is new: whose result it is.
        let mut rest = now.as_object().unwrap().clone();
        for key in ["jsonrpc", "id", "method"] {
            assert!(rest.remove(key).is_some(), "{name}: {now}");
        }
        let details = rest.get_mut("details").and_then(Value::as_object_mut);
        let capture = details.and_then(|details| details.remove("capture_id"));
        assert_eq!(capture.is_some(), name.starts_with("predict-capture"), "{name}: {now}");
        let root = gateway.plan().models();
        let rest = Value::Object(rest).to_string().replace(root.to_str().unwrap(), "/models");
        let rest: Map<String, Value> = serde_json::from_str(&rest).unwrap();
        assert_eq!(
            value_without_time(&rest),
            value_without_time(then.as_object().unwrap()),
            "{name}"
        );
        return;
    }
    let failure = Failure::of(now, &now["id"]);
    for key in ["response", "details"] {
        assert_eq!(now.get(key), then.get(key), "{name}: {now}");
    }
    let Some(error) = then["error"].as_str() else {
        return;
    };
    // What the agent said is inside of what the gRPC library wrote.
    let said: Option<Value> = serde_json::from_str(error).ok();
    let said = said.as_ref().and_then(|error| error["details"].as_str()).unwrap_or(error);
    match ours {
        Some(Ours::Words(words)) => {
            assert!(failure.error.contains(words), "{name}: {failure:?}");
            // Otherwise it is no difference.
            assert!(!failure.error.contains(said), "{name}: {failure:?}");
        }
        _ => assert!(failure.error.contains(said), "{name}: {said:?}, {failure:?}"),
    }
}

/// The files that the recorded command wrote: of the other cases, those were there before.
fn written_then(case: &Value) -> Vec<String> {
    let files = case["tree"].as_array().unwrap().iter();
    let mut files: Vec<String> = files.map(|file| file.as_str().unwrap().to_owned()).collect();
    match case["case"].as_str().unwrap() {
        "listModels-two" | "unloadModel-not-loaded" | "loadModel-already-loaded" => Vec::new(),
        "loadModel-README" => {
            files.push("demo-keras/model.onnx".to_owned());
            files
        }
        // The version before it is kept, too.
        "reloadModel" => {
            files.push("demo-keras/model.onnx".to_owned());
            files.push(".sapt/versions/demo-keras/1/speed.onnx".to_owned());
            files
        }
        _ => files,
    }
}

/// The calls to S3 as they were, in this lab's bucket.
fn called_then(case: &Value) -> Vec<String> {
    let calls = case["s3"].as_array().unwrap().iter();
    calls
        .map(|call| {
            let path = call[1].as_str().unwrap().replace("/sagemaker-rig/", "/sagemaker-lab/");
            format!("{} {path}", call[0].as_str().unwrap())
        })
        .collect()
}

fn value_without_time(value: &Map<String, Value>) -> Value {
    let text = without_time(&[Value::Object(value.clone()).to_string()]).remove(0);
    serde_json::from_str(&text).unwrap()
}

/// With `MILLIS` for milliseconds since 1970, which have 13 digits from 2001 to 2286.
fn without_time(texts: &[String]) -> Vec<String> {
    let each = |text: &String| {
        let mut result = String::new();
        let mut digits = String::new();
        for character in text.chars().chain([' ']) {
            if character.is_ascii_digit() {
                digits.push(character);
                continue;
            }
            result.push_str(if digits.len() == 13 { "MILLIS" } else { &digits });
            digits.clear();
            result.push(character);
        }
        result.trim_end().to_owned()
    };
    let mut texts: Vec<String> = texts.iter().map(each).collect();
    texts.sort();
    texts
}
