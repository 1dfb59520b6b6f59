//! What the whole-process tests share: sending commands, and looking at what they leave.

#![allow(dead_code, reason = "each test program uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

pub(crate) mod array;
pub(crate) mod onnx;
pub(crate) mod picture;

use std::fs;
use std::path::Path;

use data_encoding::BASE64;
use lab::gateway::{BUCKET, DATA, Gateway, PATIENCE, Plan};
use lab::models;
use serde_json::{Value, json};

/// A whole gateway with the `sapt` that is tested.
pub(crate) fn plan() -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_sapt"))
}

/// The same, started.
pub(crate) fn gateway() -> Gateway {
    plan().start()
}

/// A command as the cloud writes it.
pub(crate) fn request(id: &str, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

/// Sends a command that has to succeed, and returns its result value.
pub(crate) fn done(gateway: &Gateway, method: &str, params: Value) -> Value {
    let reply = gateway.command(&request("1", method, &params));
    assert_eq!((&reply["reply"], &reply["error"]), (&json!("ok"), &json!("none")), "{reply}");
    assert_eq!((&reply["id"], &reply["method"]), (&json!("1"), &json!(method)), "{reply}");
    reply
}

/// Why a command was not done.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: String,
    pub(crate) error: String,
}

impl Failure {
    /// Looks at a result value, which has to be an error that answers this id.
    pub(crate) fn of(reply: &Value, id: &Value) -> Self {
        assert_eq!((&reply["reply"], &reply["id"]), (&json!("error"), id), "{reply}");
        let text = |key: &str| reply[key].as_str().unwrap_or_default().to_owned();
        let failure = Self { code: text("code"), error: text("error") };
        assert!(!failure.code.is_empty() && failure.error.contains(' '), "{reply}");
        failure
    }

    /// The code is this one, and the sentence has all of these parts.
    #[track_caller]
    pub(crate) fn says(&self, code: &str, parts: &[&str]) {
        assert_eq!(self.code, code, "{self:?}");
        for part in parts {
            assert!(self.error.contains(part), "{part:?} is not in {self:?}");
        }
    }
}

/// Sends a command that has to fail.
pub(crate) fn failed(gateway: &Gateway, method: &str, params: Value) -> Failure {
    let reply = gateway.command(&request("1", method, &params));
    Failure::of(&reply, &json!("1"))
}

/// Puts a graph into S3 and has it loaded.
pub(crate) fn load(gateway: &Gateway, name: &str, graph: &[u8]) {
    let file = format!("{name}.tar.gz");
    gateway.put_model(&file, &models::archive(&[("model.onnx", graph)]));
    done(gateway, "loadModel", json!({"name": name, "s3_filename": file}));
}

/// The outputs of a prediction whose result carries them.
pub(crate) fn predicted(gateway: &Gateway, params: Value) -> Vec<Value> {
    let reply = done(gateway, "predict", params);
    assert_eq!(reply["response"], "successful");
    reply["details"]["output"].as_array().expect("a list of outputs").clone()
}

/// The URLs of a prediction's stored outputs.
pub(crate) fn stored(gateway: &Gateway, params: Value) -> Vec<String> {
    let outputs = predicted(gateway, params);
    outputs.iter().map(|output| output["url"].as_str().expect("a URL").to_owned()).collect()
}

/// The bytes of a JSON tensor.
pub(crate) fn data(tensor: &Value) -> Vec<u8> {
    let text = tensor["b64_data"].as_str().unwrap_or_else(|| panic!("no data: {tensor}"));
    BASE64.decode(text.as_bytes()).unwrap()
}

/// A JSON tensor without name and shape.
pub(crate) fn json_tensor(data: &[u8]) -> Vec<u8> {
    json!({"b64_data": BASE64.encode(data)}).to_string().into_bytes()
}

/// Puts an object where `s3:///NAME` finds it.
pub(crate) fn put_object(gateway: &Gateway, name: &str, content: &[u8]) {
    gateway.s3.put(BUCKET, &format!("{DATA}/{name}"), content);
}

/// Every file below the models directory, sorted, without inputs and the translator's own lock and
/// records; so whatever was left half done is here.
pub(crate) fn tree(gateway: &Gateway) -> Vec<String> {
    let root = gateway.plan().models();
    let mut files = Vec::new();
    collect(&root, &root, &mut files);
    files.retain(|file| {
        !["data/", ".sapt/lock", ".sapt/records/"].iter().any(|own| file.starts_with(own))
    });
    files.sort();
    files
}

fn collect(root: &Path, directory: &Path, files: &mut Vec<String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            collect(root, &path, files);
        } else {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// The S3 calls so far, as method and path.
pub(crate) fn s3_calls(gateway: &Gateway) -> Vec<(String, String)> {
    let requests = gateway.s3.requests().into_iter();
    requests.map(|request| (request.method, request.target)).collect()
}

/// Ends a test: Edge Core has nothing to complain of, nothing panicked, the secret was never said,
/// and SIGTERM ends the process with 0.
pub(crate) fn finish(mut gateway: Gateway) {
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
    let code = gateway.sapt.terminate(PATIENCE);
    let said = gateway.sapt.said();
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert!(!said.contains(&lab::s3::Options::default().secret_access_key), "{said}");
}
