//! What bad input gets: always an acknowledged request whose value is an error with the request's
//! id, a stable code and a sentence. Nothing stays behind, and the next command works.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use lab::edge_core::Status;
use lab::gateway::{DEVICE, Gateway};
use serde_json::{Value, json};
use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{
    Failure, data, done, failed, finish, gateway, load, plan, predicted, request, s3_calls, tree,
};

/// Sends this, and returns the value that its own reply carries.
fn sent(gateway: &Gateway, payload: &[u8]) -> Value {
    let shown = String::from_utf8_lossy(payload);
    let reply = gateway.post(payload);
    assert_eq!(reply.status, Status::Changed, "{shown}: {}", gateway.sapt.said());
    serde_json::from_slice(&reply.value).unwrap_or_else(|error| {
        panic!("{shown}: {error}: {}", String::from_utf8_lossy(&reply.value))
    })
}

fn still_works(gateway: &Gateway) {
    let listed = done(gateway, "listModels", json!({}));
    assert_eq!(listed["response"], json!([]));
    assert_eq!(tree(gateway), Vec::<String>::new());
    assert_eq!(s3_calls(gateway), []);
}

#[test]
fn what_is_no_json() {
    let gateway = gateway();
    for payload in [
        &b""[..],
        b" ",
        b"listModels",
        b"{",
        b"{\"method\":\"listModels\"",
        b"{\"method\":\"listModels\"} {}",
        b"{'method':'listModels'}",
        b"{\"method\":\"list\xffModels\"}",
        b"\xef\xbb\xbf{\"method\":\"listModels\"}",
        b"\xff\xfe{\0}\0",
        b"\0",
        b"{\"id\":1e999,\"method\":\"listModels\"}",
        b"{\"id\":\"\\ud800\",\"method\":\"listModels\"}",
        &b"[".repeat(20_000),
        &b"{\"a\":".repeat(10_000),
    ] {
        let reply = sent(&gateway, payload);
        Failure::of(&reply, &Value::Null).says("PARSE_ERROR", &["the request is not JSON"]);
        assert_eq!(reply["response"], "Invalid Command");
    }
    still_works(&gateway);
    finish(gateway);
}

#[test]
fn what_is_json_but_no_request() {
    let gateway = gateway();
    for (payload, part) in [
        ("[]", "batches"),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"listModels"}]"#, "batches"),
        ("null", "object"),
        ("5", "object"),
        (r#""listModels""#, "object"),
        ("{}", "no method"),
        (r#"{"id":{},"method":"listModels"}"#, "id"),
        (r#"{"id":[1],"method":"listModels"}"#, "id"),
        (r#"{"id":true,"method":"listModels"}"#, "id"),
    ] {
        let failure = Failure::of(&sent(&gateway, payload.as_bytes()), &Value::Null);
        failure.says("INVALID_REQUEST", &["not a JSON-RPC request", part]);
    }
    for (method, part) in [("5", "string"), ("null", "string"), ("[]", "string"), ("{}", "string")]
    {
        let payload = format!(r#"{{"id":"x","method":{method}}}"#);
        let failure = Failure::of(&sent(&gateway, payload.as_bytes()), &json!("x"));
        failure.says("INVALID_REQUEST", &[part]);
    }
    still_works(&gateway);
    finish(gateway);
}

#[test]
fn unknown_methods_are_named_with_those_that_exist() {
    let gateway = gateway();
    let long = "m".repeat(5000);
    for method in [
        "frobnicate",
        "",
        "listmodels",
        "ListModels",
        "toString",
        "constructor",
        "__proto__",
        "config",
        "a\nb",
        "\u{0}",
        &long,
    ] {
        let reply = gateway.command(&request("7", method, &json!({})));
        Failure::of(&reply, &json!("7")).says("UNKNOWN_METHOD", &["listModels", "predict"]);
        assert_eq!(reply["response"], "Invalid Command");
        let short: String = method.chars().take(64).collect();
        assert_eq!(reply["details"], short);
    }
    // However many are made up, none becomes a method with a state.
    assert_eq!(gateway.value(5703), json!({}));
    still_works(&gateway);
    finish(gateway);
}

#[test]
fn ids_come_back_as_they_went() {
    let gateway = gateway();
    let long = "i".repeat(4000);
    for id in [
        json!("1"),
        json!(""),
        json!("ä\u{1f600}\"\\\n\u{0}"),
        json!(long),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(1e300),
        Value::Null,
    ] {
        let listed =
            sent(&gateway, json!({"id": id, "method": "listModels"}).to_string().as_bytes());
        assert_eq!((&listed["id"], &listed["reply"]), (&id, &json!("ok")));
        let unknown = sent(&gateway, json!({"id": id, "method": "x"}).to_string().as_bytes());
        Failure::of(&unknown, &id).says("UNKNOWN_METHOD", &[]);
    }
    // A number that no integer type holds is what every reader of JSON makes of it.
    let wide = "123456789012345678901234567890";
    let listed = sent(&gateway, format!(r#"{{"id":{wide},"method":"listModels"}}"#).as_bytes());
    assert_eq!(listed["id"].as_f64(), wide.parse().ok());
    // No value has room for this one: the reply still comes, and says so.
    let huge = "i".repeat(40_000);
    let reply = gateway.post(json!({"id": huge, "method": "listModels"}).to_string().as_bytes());
    assert!(reply.value.len() <= 16 * 1024);
    let reply: Value = serde_json::from_slice(&reply.value).unwrap();
    Failure::of(&reply, &Value::Null).says("TOO_LARGE", &["40", "16384"]);
    still_works(&gateway);
    finish(gateway);
}

#[test]
fn parameters_that_are_missing_or_of_the_wrong_type() {
    let gateway = gateway();
    let predict = |more: Value| {
        let mut params = json!({"model_name": "m", "input_data_url": "file:///x"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    for (method, params, part) in [
        ("loadModel", json!({}), "params.name is missing"),
        ("loadModel", json!(null), "params.name is missing"),
        ("loadModel", json!(["m", "m.tar.gz"]), "params must be an object"),
        ("loadModel", json!("m"), "params must be an object"),
        ("loadModel", json!({"name": "m"}), "params.s3_filename is missing"),
        ("loadModel", json!({"s3_filename": "m"}), "params.name is missing"),
        ("loadModel", json!({"name": 5, "s3_filename": "m"}), "name must be a string"),
        ("loadModel", json!({"name": "m", "s3_filename": 5}), "s3_filename must be a string"),
        ("loadModel", json!({"name": "m", "s3_filename": ""}), "s3_filename must be a string"),
        ("reloadModel", json!({"name": "m"}), "params.s3_filename is missing"),
        ("describeModel", json!({"name": null}), "name must be a string"),
        ("describeModel", json!({"name": ["m"]}), "name must be a string"),
        ("unloadModel", json!({}), "params.name is missing"),
        ("predict", json!({}), "is missing"),
        ("predict", json!({"model_name": "m"}), "params.input_data_url is missing"),
        ("predict", json!({"input_data_url": "file:///x"}), "params.model_name is missing"),
        ("predict", predict(json!({"input_data_url": 5})), "input_data_url must be"),
        ("predict", predict(json!({"input_data_url": []})), "input_data_url must be"),
        ("predict", predict(json!({"output_url": 5})), "output_url must be"),
        ("predict", predict(json!({"output_url": ""})), "output_url must be"),
        ("predict", predict(json!({"capture_enable": "true"})), "capture_enable must be"),
        ("predict", predict(json!({"aux_data": "x"})), "aux_data must be"),
        ("getDataCaptureStatus", json!({}), "params.capture_id is missing"),
        ("getDataCaptureStatus", json!({"capture_id": 5}), "capture_id must be"),
        ("getDataCaptureStatus", json!({"capture_id": "5"}), "capture_id must be a UUID"),
    ] {
        let failure = failed(&gateway, method, params);
        failure.says("INVALID_PARAMS", &[part]);
    }
    still_works(&gateway);
    finish(gateway);
}

#[test]
fn hostile_names_and_urls_reach_nothing() {
    let gateway = gateway();
    let outside = gateway.plan().directory().join("outside");
    std::fs::write(&outside, b"data").unwrap();
    let long = "n".repeat(256);
    for name in [
        "..",
        ".",
        "../outside",
        "/etc",
        "a/b",
        "a.b",
        ".sapt",
        "-a",
        "a-",
        "a b",
        "x; touch FILE",
        "$(touch FILE)",
        "`touch FILE`",
        "a\0b",
        "a\nb",
        "ä",
        "%2e%2e",
        &long,
    ] {
        for method in ["loadModel", "reloadModel", "describeModel", "unloadModel"] {
            failed(&gateway, method, json!({"name": name, "s3_filename": "m.tar.gz"}))
                .says("INVALID_PARAMS", &["is not a model name"]);
        }
        failed(&gateway, "predict", json!({"model_name": name, "input_data_url": "file:///x"}))
            .says("INVALID_PARAMS", &["is not a model name"]);
    }
    let long = format!("file:///{}", "u".repeat(5000));
    for url in [
        "x",
        "/x",
        "http://x/y",
        "FILE:///x",
        "file:/x",
        "file://x",
        "file://",
        "file:///",
        "file:///..",
        "file:///../outside",
        "file:///a/../../outside",
        "file:///a/",
        "file:///a\0b",
        "s3://",
        "s3:///",
        "s3://bucket",
        "s3://a b/x",
        "s3://../x",
        &long,
    ] {
        for params in [
            json!({"model_name": "m", "input_data_url": url}),
            json!({"model_name": "m", "input_data_url": {"x": url}}),
            json!({"model_name": "m", "input_data_url": "file:///x", "output_url": url}),
        ] {
            failed(&gateway, "predict", params)
                .says("INVALID_PARAMS", &["is not a place for data"]);
        }
    }
    still_works(&gateway);

    load(&gateway, "m", &one(Uint8, &[4]));
    let models = gateway.plan().models();
    std::os::unix::fs::symlink(&outside, models.join("data/link")).unwrap();
    std::os::unix::fs::symlink(gateway.plan().directory(), models.join("up")).unwrap();
    let before = tree(&gateway);
    let predict = |input: &str, output: Value| {
        failed(
            &gateway,
            "predict",
            json!({"model_name": "m", "input_data_url": input, "output_url": output}),
        )
    };
    predict("file:///link", Value::Null)
        .says("STORE_ERROR", &["leads out of the models directory"]);
    predict("file:///up/outside", Value::Null)
        .says("STORE_ERROR", &["leads out of the models directory"]);
    predict("file:///.sapt/lock", Value::Null).says("STORE_ERROR", &["belongs to"]);
    predict("file:///data", Value::Null).says("STORE_ERROR", &["not a file"]);
    gateway.put_data("x", b"data");
    predict("file:///x", json!("file:///up/out.json"))
        .says("STORE_ERROR", &["leads out of the models directory"]);
    predict("file:///x", json!("file:///.sapt/staging/out.json"))
        .says("STORE_ERROR", &["belongs to"]);
    assert_eq!(tree(&gateway), before);
    let mut beside = std::fs::read_dir(gateway.plan().directory()).unwrap().flatten();
    assert!(!beside.any(|entry| entry.file_name().to_string_lossy().starts_with("out-")));
    finish(gateway);
}

#[test]
fn whatever_is_wrong_the_reply_fits_and_says_what() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let huge = "x".repeat(30_000);
    for (method, params) in [
        ("loadModel", json!({"name": huge, "s3_filename": "m"})),
        ("loadModel", json!({"name": "n", "s3_filename": huge})),
        ("reloadModel", json!({"name": "m", "s3_filename": huge})),
        ("predict", json!({"model_name": huge, "input_data_url": "file:///x"})),
        ("predict", json!({"model_name": "m", "input_data_url": huge})),
        ("predict", json!({"model_name": "m", "input_data_url": format!("s3:///{huge}")})),
        ("predict", json!({"model_name": "m", "input_data_url": {huge.clone(): "file:///x"}})),
        (
            "predict",
            json!({"model_name": "m", "input_data_url": "file:///x", "output_url": format!("s3:///{huge}")}),
        ),
        (
            "predict",
            json!({"model_name": "m", "input_data_url": "file:///x", "preprocess": {huge.clone(): 1}}),
        ),
        ("getDataCaptureStatus", json!({"capture_id": huge})),
    ] {
        let failure = failed(&gateway, method, params.clone());
        assert!(
            matches!(failure.code.as_str(), "INVALID_PARAMS" | "INVALID_INPUT"),
            "{method} {:.60}: {}",
            params.to_string(),
            failure.error
        );
        assert!(failure.error.len() < 2000, "{}", failure.error);
    }
    let reply = gateway.command(&json!({"id": 1, "config": {huge.clone(): 1}}).to_string());
    Failure::of(&reply, &json!(1)).says("INVALID_PARAMS", &["awsRegion"]);
    let reply = gateway.command(&json!({"id": 1, "config": {"awsRegion": huge}}).to_string());
    let failure = Failure::of(&reply, &json!(1));
    failure.says("INVALID_PARAMS", &["awsRegion"]);
    for key in ["awsS3Bucket", "awsS3DataDirectory"] {
        let reply = gateway.command(&json!({"id": 1, "config": {key: huge}}).to_string());
        Failure::of(&reply, &json!(1)).says("INVALID_PARAMS", &[key]);
    }
    let params = json!({"model_name": "m", "input_data_url": "file:///x"});
    assert_eq!(data(&predicted(&gateway, params)[0]), b"data");
    finish(gateway);
}

#[test]
fn unknown_parameters_are_passed_over() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    for (method, params) in [
        ("listModels", json!({"more": [1, {"x": null}]})),
        ("describeModel", json!({"name": "m", "more": 1})),
        ("predict", json!({"model_name": "m", "input_data_url": "file:///x", "more": {"a": 1}})),
        ("unloadModel", json!({"name": "m", "more": 1})),
        ("loadModel", json!({"name": "m", "s3_filename": "m.tar.gz", "more": 1})),
    ] {
        done(&gateway, method, params);
    }
    let reply = gateway.command(r#"{"id":"1","method":"listModels","more":{},"jsonrpc":3}"#);
    assert_eq!(reply["reply"], "ok");
    finish(gateway);
}

#[test]
fn only_what_was_never_a_command_is_refused() {
    let gateway = gateway();
    let list = request("1", "listModels", &json!({}));
    for resource in [5703, 5704, 5705] {
        let path = format!("/33311/0/{resource}");
        assert_eq!(gateway.edge.post(DEVICE, &path, list.as_bytes()).status, Status::NotAllowed);
        assert_eq!(gateway.edge.put(DEVICE, &path, list.as_bytes()).status, Status::NotAllowed);
    }
    assert_eq!(
        gateway.edge.put(DEVICE, "/33311/0/5701", list.as_bytes()).status,
        Status::NotAllowed
    );
    assert_eq!(
        gateway.edge.post(DEVICE, "/33311/0/5702", list.as_bytes()).status,
        Status::NotAllowed
    );
    assert_eq!(
        gateway.edge.post(DEVICE, "/33311/0/5799", list.as_bytes()).status,
        Status::NotFound
    );
    // What is put into the configuration and is no change of it is an error of the same kind.
    let put = |payload: &[u8]| gateway.edge.put(DEVICE, "/33311/0/5702", payload).status;
    let before = gateway.value(5702);
    for payload in [&b"nonsense"[..], b"{}", b"[]", b"\xff"] {
        assert_eq!(put(payload), Status::Changed);
        assert_eq!(gateway.value(5701)["reply"], "error");
        gateway.wait_for_value(5702, |value| *value == before);
    }
    still_works(&gateway);
    finish(gateway);
}

#[test]
fn plain_json_rpc_on_request() {
    let gateway = plan().set("SAPT_REPLY_FORMAT", "jsonrpc").start();
    // JSON-RPC 2.0, section 5: exactly one of result and error, the version, the id.
    let response = |payload: &str| {
        let reply = sent(&gateway, payload.as_bytes());
        let object = reply.as_object().unwrap();
        assert_eq!(object["jsonrpc"], "2.0");
        assert!(object.contains_key("id"), "{reply}");
        assert_eq!(object.len(), 3, "{reply}");
        assert!(object.contains_key("result") != object.contains_key("error"), "{reply}");
        if let Some(error) = object.get("error") {
            let error = error.as_object().unwrap();
            assert!(error["code"].is_i64() && error["message"].is_string(), "{reply}");
            assert!(error["data"]["code"].is_string(), "{reply}");
        }
        reply
    };
    assert_eq!(
        response(r#"{"jsonrpc":"2.0","id":"1","method":"listModels"}"#),
        json!({"jsonrpc": "2.0", "id": "1", "result": []})
    );
    for (payload, id, number, code) in [
        ("nonsense", json!(null), -32700, "PARSE_ERROR"),
        ("[]", json!(null), -32600, "INVALID_REQUEST"),
        (r#"{"id":5}"#, json!(5), -32600, "INVALID_REQUEST"),
        (r#"{"id":5,"method":"frobnicate"}"#, json!(5), -32601, "UNKNOWN_METHOD"),
        (r#"{"id":5,"method":"loadModel"}"#, json!(5), -32602, "INVALID_PARAMS"),
        (r#"{"id":5,"config":{"x":1}}"#, json!(5), -32602, "INVALID_PARAMS"),
        (r#"{"id":5,"method":"unloadModel","params":{"name":"m"}}"#, json!(5), -32000, "NOT_FOUND"),
    ] {
        let reply = response(payload);
        assert_eq!(reply["id"], id);
        assert_eq!(
            (&reply["error"]["code"], &reply["error"]["data"]["code"]),
            (&json!(number), &json!(code))
        );
    }
    let archive = lab::models::archive(&[("model.onnx", &one(Uint8, &[4]))]);
    gateway.put_model("m.tar.gz", &archive);
    let load = request("l", "loadModel", &json!({"name": "m", "s3_filename": "m.tar.gz"}));
    assert_eq!(response(&load), json!({"jsonrpc": "2.0", "id": "l", "result": "succeeded"}));
    gateway.put_data("x", b"data");
    let predict =
        request("p", "predict", &json!({"model_name": "m", "input_data_url": "file:///x"}));
    assert_eq!(
        response(&predict)["result"],
        json!({"response": "successful", "details": {"output":
            [{"name": "y", "type": 0, "shape": [4], "b64_data": "ZGF0YQ=="}]}})
    );
    assert_eq!(
        response(r#"{"id":5,"config":{"awsRegion":"eu-west-1"}}"#)["result"],
        "config updated"
    );
    finish(gateway);
}
