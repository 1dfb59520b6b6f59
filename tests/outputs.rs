//! What `predict` gives: files, objects, inline values and captures. The models are graphs whose
//! outputs are their inputs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use lab::gateway::{BUCKET, DEVICE, Gateway, PATIENCE};
use lab::s3::{Fault, Gate, Method};
use serde_json::{Value, json};
use support::array::{floats, parse_npy};
use support::onnx::Element::{Float32, Int64, Uint8};
use support::onnx::{identity, one};
use support::{
    Failure, data, done, failed, finish, gateway, load, plan, predicted, put_object, request,
    s3_calls, stored, tree,
};

/// The part of an output's URL that is the time, between these.
fn milliseconds(url: &str, before: &str, after: &str) -> u64 {
    let part = url.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    part.and_then(|part| part.parse().ok()).unwrap_or_else(|| panic!("{before}*{after}: {url}"))
}

fn predict(output_url: &str) -> Value {
    json!({"model_name": "m", "input_data_url": "file:///x", "output_url": output_url})
}

#[test]
fn any_extension_but_npy_gives_a_json_tensor() {
    let gateway = gateway();
    load(&gateway, "m", &one(Float32, &[1, 2]));
    let content = floats(&[1.0, -2.5]);
    gateway.put_data("x", &content);
    let mut files = vec!["m/model.onnx".to_owned()];
    for (url, before, after) in [
        ("file:///out.json", "file:///models/out-y-", ".json"),
        ("file:///out.data", "file:///models/out-y-", ".data"),
        ("file:///out", "file:///models/out-y-", ""),
        ("file:///a.b/c.d.txt", "file:///models/a.b/c.d-y-", ".txt"),
        ("file:///deep/er/still/out.npy.json", "file:///models/deep/er/still/out.npy-y-", ".json"),
        ("s3:///out.bin", "s3://data/out-y-", ".bin"),
        ("s3:///deep/er/out.json", "s3://data/deep/er/out-y-", ".json"),
        ("s3://sagemaker-lab/elsewhere/out.json", "s3://sagemaker-lab/elsewhere/out-y-", ".json"),
    ] {
        let urls = stored(&gateway, predict(url));
        assert_eq!(urls.len(), 1);
        milliseconds(&urls[0], before, after);
        let file = match urls[0].strip_prefix("s3://sagemaker-lab/") {
            Some(key) => gateway.s3.read(BUCKET, key).expect(key),
            None => gateway.output(&urls[0]),
        };
        assert_eq!(
            serde_json::from_slice::<Value>(&file).unwrap(),
            json!({"name": "y", "type": 5, "shape": [1, 2],
                   "b64_data": data_encoding::BASE64.encode(&content)})
        );
        files.extend(urls[0].strip_prefix("file:///models/").map(str::to_owned));
    }
    files.sort();
    // Nothing else is there, so no temporary file either.
    assert_eq!(tree(&gateway), files);
    finish(gateway);
}

#[test]
fn npy_is_as_numpy_writes_it() {
    let gateway = gateway();
    let tensors: [(&str, &str, _, &[i64]); 3] =
        [("a", "f", Float32, &[1, 2]), ("b", "u", Uint8, &[3]), ("c", "i", Int64, &[1, 1, 1])];
    load(&gateway, "m", &identity(&tensors));
    gateway.put_data("a", &floats(&[0.5, -1.0]));
    gateway.put_data("b", &[1, 2, 255]);
    gateway.put_data("c", &(-7_i64).to_le_bytes());
    for url in ["file:///n/out.npy", "s3:///n/out.NPY"] {
        let mut params = predict(url);
        params["input_data_url"] = json!({"a": "file:///a", "b": "file:///b", "c": "file:///c"});
        let urls = stored(&gateway, params);
        for (url, (name, header, content)) in urls.iter().zip([
            (
                "-f-",
                "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }",
                floats(&[0.5, -1.0]),
            ),
            ("-u-", "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), }", vec![1, 2, 255]),
            (
                "-i-",
                "{'descr': '<i8', 'fortran_order': False, 'shape': (1, 1, 1), }",
                (-7_i64).to_le_bytes().to_vec(),
            ),
        ]) {
            assert!(url.contains(name), "{url}");
            assert_eq!(parse_npy(&gateway.output(url)), (header.to_owned(), content), "{url}");
        }
        assert_eq!(urls.len(), 3);
    }
    finish(gateway);
}

#[test]
fn without_an_output_url_the_tensors_come_back_where_they_fit() {
    let gateway = plan().set("SAPT_VALUE_LIMIT", "4096").start();
    load(&gateway, "m", &one(Uint8, &[1, 5000]));
    load(&gateway, "small", &one(Uint8, &[2600]));
    gateway.put_data("x", &[7; 5000]);
    let told =
        failed(&gateway, "predict", json!({"model_name": "m", "input_data_url": "file:///x"}));
    told.says("TOO_LARGE", &["6668 bytes", "output_url", "SAPT_VALUE_LIMIT"]);
    let url = stored(&gateway, predict("file:///out.json")).remove(0);
    let tensor: Value = serde_json::from_slice(&gateway.output(&url)).unwrap();
    assert_eq!(data(&tensor), [7; 5000]);
    let small = vec![9; 2600];
    gateway.put_data("small", &small);
    let params = json!({"model_name": "small", "input_data_url": "file:///small"});
    assert_eq!(data(&predicted(&gateway, params.clone())[0]), small);
    // An id of the caller's own can make it too large after all; the reply still fits and has it.
    let id = "i".repeat(700);
    let reply = gateway.post(request(&id, "predict", &params).as_bytes());
    assert!(reply.value.len() <= 4096);
    let reply: Value = serde_json::from_slice(&reply.value).unwrap();
    Failure::of(&reply, &json!(id)).says("TOO_LARGE", &["4096"]);
    finish(gateway);
}

#[test]
fn unsafe_tensor_names_become_safe_distinct_file_names() {
    let gateway = gateway();
    let long = "n".repeat(300);
    let longer = "n".repeat(301);
    let names = [
        "a/../../b",
        "a%2F..%2F..%2Fb",
        "..",
        "ä b",
        "A",
        "a",
        "x\ny",
        "\u{1f600}",
        &long,
        &longer,
    ];
    let inputs: Vec<String> = (0..names.len()).map(|number| format!("in{number}")).collect();
    let tensors: Vec<(&str, &str, _, &[i64])> = inputs
        .iter()
        .zip(&names)
        .map(|(input, output)| (input.as_str(), *output, Uint8, &[1][..]))
        .collect();
    load(&gateway, "m", &identity(&tensors));
    let urls: serde_json::Map<String, Value> = (0..names.len())
        .map(|number| {
            gateway.put_data(&format!("x{number}"), &[number as u8]);
            (format!("in{number}"), json!(format!("file:///x{number}")))
        })
        .collect();
    for place in ["file:///d/out.json", "s3:///d/out.json"] {
        let mut params = predict(place);
        params["input_data_url"] = json!(urls);
        let outputs = stored(&gateway, params);
        assert_eq!(outputs.iter().collect::<HashSet<_>>().len(), names.len(), "{outputs:?}");
        for (number, (url, name)) in outputs.iter().zip(&names).enumerate() {
            let file =
                url.rsplit_once("/d/").expect("all are in the directory that was asked for").1;
            assert!(file.starts_with("out-") && !file.contains('/') && file.is_ascii(), "{url}");
            assert!(file.len() <= 255, "{url}");
            let tensor: Value = serde_json::from_slice(&gateway.output(url)).unwrap();
            assert_eq!(data(&tensor), [number as u8], "{url}");
            if name.bytes().all(|byte| byte.is_ascii_alphanumeric()) && name.len() < 10 {
                assert_eq!(tensor["name"], **name);
                assert!(file.contains(&format!("out-{name}-")), "{url}");
            }
        }
    }
    assert_eq!(tree(&gateway).len(), 1 + names.len());
    finish(gateway);
}

#[test]
fn predictions_at_once_never_mix_and_too_many_are_told_so() {
    // How many are taken at once.
    const AT_ONCE: usize = 8;
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    let graph = one(Uint8, &[1000]);
    gateway.put_model("m.tar.gz", &lab::models::archive(&[("model.onnx", &graph)]));
    let results = gateway.edge.observe(DEVICE, "/33311/0/5704");
    let result = || -> Value {
        serde_json::from_slice(&results.recv_timeout(PATIENCE).expect("a result")).unwrap()
    };
    let send =
        |id: &str, method: &str, params: Value| gateway.command(&request(id, method, &params));
    send("load", "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}));
    assert_eq!(result()["response"], "succeeded");
    let content = |number: usize| vec![number as u8 + 1; 1000];
    let gates: Vec<Gate> = (0..AT_ONCE)
        .map(|number| {
            put_object(&gateway, &format!("x{number}"), &content(number));
            let gate = Gate::new();
            gateway.s3.fail_next(Method::Get, Fault::Hold(500, gate.clone()));
            gate
        })
        .collect();
    let params = |number: usize| {
        // Half of them to the same file, half to the same object.
        let output = if number.is_multiple_of(2) { "file:///out.json" } else { "s3:///out.json" };
        json!({"model_name": "m", "input_data_url": format!("s3:///x{number}"), "output_url": output})
    };
    for (number, gate) in gates.iter().enumerate() {
        let reply = send(&number.to_string(), "predict", params(number));
        assert_eq!(reply["response"], "request dispatched");
        gate.reached();
    }
    for id in ["ninth", "tenth"] {
        send(id, "predict", params(0));
        Failure::of(&result(), &json!(id)).says("BUSY", &["predictions", "later"]);
    }
    // All have half of their input; the last begins.
    gates.iter().rev().for_each(Gate::release);
    let mut outputs = BTreeMap::new();
    for _ in 0..AT_ONCE {
        let reply = result();
        assert_eq!(reply["response"], "successful", "{reply}");
        let id = reply["id"].as_str().unwrap().to_owned();
        let url = reply["details"]["output"][0]["url"].as_str().unwrap().to_owned();
        outputs.insert(id, url);
    }
    assert_eq!(outputs.len(), AT_ONCE);
    assert_eq!(outputs.values().collect::<HashSet<_>>().len(), AT_ONCE, "{outputs:?}");
    for (id, url) in &outputs {
        let tensor: Value = serde_json::from_slice(&gateway.output(url)).unwrap();
        assert_eq!(data(&tensor), content(id.parse().unwrap()), "{id}: {url}");
    }
    send("again", "predict", params(1));
    assert_eq!(result()["response"], "successful");
    finish(gateway);
}

#[test]
fn outputs_that_cannot_be_stored_are_an_error_and_leave_nothing() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let before = tree(&gateway);
    failed(&gateway, "predict", predict("file:///m/out.json"))
        .says("STORE_ERROR", &["belongs to an installed model"]);
    failed(&gateway, "predict", predict("file:///.sapt/out.json"))
        .says("STORE_ERROR", &["belongs to"]);
    fs::write(gateway.plan().models().join("file"), b"").unwrap();
    failed(&gateway, "predict", predict("file:///file/out.json")).says("STORE_ERROR", &["file"]);
    fs::remove_file(gateway.plan().models().join("file")).unwrap();
    failed(&gateway, "predict", predict("s3://no-such-bucket/out.json"))
        .says("S3_ERROR", &["PUT s3://no-such-bucket/out-y-", "NoSuchBucket"]);
    gateway.s3.fail_next(Method::Put, Fault::Status(403, "AccessDenied"));
    failed(&gateway, "predict", predict("s3:///out.json"))
        .says("S3_ERROR", &["PUT s3://sagemaker-lab/data/out-y-", "AccessDenied"]);
    assert_eq!(tree(&gateway), before);
    stored(&gateway, predict("s3:///out.json"));
    finish(gateway);
}

#[test]
fn s3_over_https() {
    let gateway = plan().with_https().start();
    load(&gateway, "m", &one(Uint8, &[4]));
    put_object(&gateway, "x", b"data");
    let mut params = predict("s3:///out.json");
    params["input_data_url"] = json!("s3:///x");
    let url = stored(&gateway, params).remove(0);
    assert_eq!(gateway.output(&url), br#"{"name":"y","type":0,"shape":[4],"b64_data":"ZGF0YQ=="}"#);
    let methods: Vec<String> = s3_calls(&gateway).into_iter().map(|(method, _)| method).collect();
    assert_eq!(methods, ["GET", "GET", "PUT"]);
    finish(gateway);
}

#[test]
fn an_authority_that_nobody_told_of_is_not_trusted() {
    let gateway = plan().with_https().unset("SAPT_CA_BUNDLE").start();
    failed(&gateway, "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}))
        .says("S3_ERROR", &["TLS failed", "SAPT_CA_BUNDLE"]);
    assert_eq!(s3_calls(&gateway), []);
    finish(gateway);
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// The manifest of a capture, once the agent has written all.
fn manifest(gateway: &Gateway, id: &str) -> Value {
    let all = files(&gateway.plan().directory().join("captured"));
    let name = format!("{id}.jsonl");
    let path = all.iter().find(|path| path.ends_with(&name)).unwrap_or_else(|| panic!("{all:?}"));
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn captures_have_the_tensors_the_callers_data_and_an_id() {
    let mut gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let capture = |id: &str, more: Value| {
        let mut params =
            json!({"model_name": "m", "input_data_url": "file:///x", "capture_enable": true});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = gateway.command(&request(id, "predict", &params));
        assert_eq!(reply["response"], "successful", "{reply}");
        assert!(reply["details"].get("capture_error").is_none(), "{reply}");
        reply["details"]["capture_id"].as_str().map(str::to_owned)
    };
    let given = "6f0f1d50-4d3f-4a53-9c3a-0b5ad8a3b001";
    let requested = "6f0f1d50-4d3f-4a53-9c3a-0b5ad8a3b009";
    assert_eq!(capture("1", json!({"capture_id": given})).as_deref(), Some(given));
    let aux = json!({"output_url": "file:///out.json", "aux_data": [
        {"name": "note", "encoding": "JSON", "b64_data": "eyJhIjoxfQ=="},
        {"name": "row", "encoding": "CSV", "b64_data": "MSwy"}]});
    assert_eq!(capture(requested, aux).as_deref(), Some(requested));
    let new =
        [capture("1", json!({})).unwrap(), capture("1", json!({"capture_id": null})).unwrap()];
    for id in &new {
        let id = uuid::Uuid::parse_str(id).unwrap();
        assert_eq!(id.get_version_num(), 4);
    }
    assert_ne!(new[0], new[1]);
    // Not wanted, so nothing is told of it.
    assert_eq!(capture(given, json!({"capture_enable": false, "aux_data": []})), None);

    // At its end the agent writes what it still has.
    gateway.agent.take().expect("it runs").terminate(PATIENCE);
    let plain = manifest(&gateway, given);
    assert_eq!(plain["eventMetadata"]["modelName"], "m");
    assert_eq!(plain["eventMetadata"]["eventId"], given);
    let entry = |mode: &str, name: &str| {
        json!({"name": name, "mode": mode, "observedContentType": "octet-stream", "dataType": "UINT8",
               "shape": [4], "encoding": "BASE64", "data": "ZGF0YQ=="})
    };
    assert_eq!(plain["deviceFleetInputs"], json!([entry("Input", "x")]));
    assert_eq!(plain["deviceFleetOutputs"], json!([entry("Output", "y")]));
    assert_eq!(plain["deviceFleetAuxiliaryInputs"], json!([]));
    let auxiliary = manifest(&gateway, requested);
    let auxiliary = auxiliary["deviceFleetAuxiliaryInputs"].as_array().unwrap();
    let kinds: Vec<_> = auxiliary
        .iter()
        .map(|entry| {
            (
                entry["name"].as_str().unwrap(),
                entry["observedContentType"].as_str().unwrap(),
                entry["data"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(kinds, [("note", "json", "eyJhIjoxfQ=="), ("row", "csv", "MSwy")]);
    assert_eq!(files(&gateway.plan().directory().join("captured")).len(), 4);
    finish(gateway);
}

#[test]
fn a_capture_that_is_refused_does_not_spoil_its_prediction() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let id = "6f0f1d50-4d3f-4a53-9c3a-0b5ad8a3b001";
    let mut params = predict("file:///out.json");
    params["capture_enable"] = json!(true);
    params["capture_id"] = json!(id);
    assert!(done(&gateway, "predict", params.clone())["details"].get("capture_error").is_none());
    let again = done(&gateway, "predict", params.clone());
    assert_eq!(again["details"]["capture_id"], id);
    let told = again["details"]["capture_error"].as_str().expect("the id is taken");
    assert!(told.contains("ALREADY_EXISTS") && told.contains("CaptureData"), "{told}");
    let url = again["details"]["output"][0]["url"].as_str().unwrap();
    let tensor: Value = serde_json::from_slice(&gateway.output(url)).unwrap();
    assert_eq!(data(&tensor), b"data");
    // Wrong capture parameters are found before anything is done.
    let before = tree(&gateway);
    for (key, value, part) in [
        ("capture_id", json!("not-a-uuid"), "UUID"),
        ("capture_enable", json!("yes"), "true or false"),
        ("aux_data", json!({}), "array"),
        (
            "aux_data",
            json!([{"name": "n", "encoding": "XML", "b64_data": ""}]),
            "CSV, JSON, NONE or BASE64",
        ),
        ("aux_data", json!([{"name": "n", "encoding": "JSON", "b64_data": "%"}]), "base64"),
        ("aux_data", json!([{"encoding": "JSON", "b64_data": ""}]), "name"),
        ("aux_data", json!([5]), "encoding"),
    ] {
        let mut wrong = params.clone();
        wrong[key] = value;
        failed(&gateway, "predict", wrong).says("INVALID_PARAMS", &[key, part]);
    }
    assert_eq!(tree(&gateway), before);
    finish(gateway);
}
