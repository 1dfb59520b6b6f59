//! Every command, the whole way: the cloud's POST to Edge Core, `sapt`, the agent, S3, and back.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use std::fs;

use flate2::Compression;
use flate2::write::GzEncoder;
use lab::edge_core::Status;
use lab::gateway::{BUCKET, DEVICE, Gateway, PATIENCE};
use lab::models::{self, HeldOut};
use lab::s3::{Fault, Gate, Method, Options};
use serde_json::{Value, json};
use support::onnx::Element::{Float32, Uint8};
use support::onnx::one;
use support::{
    Failure, data, done, failed, finish, gateway, load, plan, predicted, put_object, request,
    s3_calls, tree,
};

/// A package that the vendor's compiler made, as far as the agent looks at it.
fn compiled_package() -> Vec<u8> {
    models::archive(&[("compiled.so", b"\x7fELF"), ("compiled.params", b""), ("manifest", b"{}")])
}

fn names(gateway: &Gateway) -> Vec<String> {
    let listed = done(gateway, "listModels", json!([]));
    let models = listed["response"].as_array().unwrap().iter();
    models.map(|model| model["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_published_examples_to_the_letter() {
    let gateway = gateway();
    let held_out = HeldOut::read();
    let picture = held_out.picture("0007.bmp");
    gateway.put_model("keras-model-1.0.tar.gz", &models::digits());
    gateway.put_data("keras.bmp", &picture);
    put_object(&gateway, "keras.bmp", &picture);
    let succeeded = |method: &str| {
        json!({"jsonrpc": "2.0", "id": "1", "method": method, "error": "none", "reply": "ok",
               "response": "succeeded"})
    };
    assert_eq!(
        gateway.command(r#"{"jsonrpc":"2.0","id":"1","method":"loadModel","params":{"name":"demo-keras","s3_filename":"keras-model-1.0.tar.gz"}}"#),
        succeeded("loadModel")
    );
    assert_eq!(
        gateway.command(r#"{"jsonrpc":"2.0","id":"1","method":"listModels"}"#),
        json!({"jsonrpc": "2.0", "id": "1", "method": "listModels", "error": "none",
               "reply": "ok", "response": [{
                   "name": "demo-keras",
                   "url": gateway.plan().models().join("demo-keras"),
                   "input_tensor_metadatas":
                       [{"name": "input_1", "shape": [1, 8, 8, 1], "type": 5}],
                   "output_tensor_metadatas":
                       [{"name": "act_softmax", "shape": [1, 10], "type": 5}]}]})
    );
    for (predict, prefix) in [
        (
            r#"{"jsonrpc":"2.0","id":"1","method":"predict","params":{"model_name":"demo-keras","input_data_url":"file:///keras.bmp","output_url":"file:///keras-predicted.data" }}"#,
            "file:///models/keras-predicted-act_softmax-",
        ),
        (
            r#"{"jsonrpc":"2.0","id":"1","method":"predict","params":{"model_name":"demo-keras","input_data_url":"s3:///keras.bmp","output_url":"s3:///keras-predicted.data"}}"#,
            "s3://data/keras-predicted-act_softmax-",
        ),
    ] {
        let reply = gateway.command(predict);
        let url = reply["details"]["output"][0]["url"].as_str().expect("a URL");
        assert_eq!(
            reply,
            json!({"jsonrpc": "2.0", "id": "1", "method": "predict", "error": "none",
                   "reply": "ok", "response": "successful", "details": {"output": [{"url": url}]}})
        );
        let millis = url.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(".data"));
        assert!(millis.is_some_and(|millis| millis.parse::<u64>().is_ok()), "{url}");
        let tensor: Value = serde_json::from_slice(&gateway.output(url)).unwrap();
        let probabilities = support::array::as_floats(&data(&tensor));
        let best = (0..10).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
        assert_eq!(best, Some(held_out.predictions["0007.bmp"]));
    }
    assert_eq!(
        gateway.command(
            r#"{"jsonrpc":"2.0","id":"1","method":"unloadModel","params":{"name":"demo-keras"}}"#
        ),
        succeeded("unloadModel")
    );
    assert_eq!(names(&gateway), Vec::<String>::new());
    finish(gateway);
}

#[test]
fn results_are_observable_and_methods_have_states() {
    let gateway = gateway();
    let results = gateway.edge.observe(DEVICE, "/33311/0/5704");
    let listed = gateway.command(r#"{"jsonrpc":"2.0","id":7,"method":"listModels"}"#);
    let observed: Value = serde_json::from_slice(&results.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!((&observed, &observed["id"]), (&listed, &json!(7)));
    assert_eq!(gateway.value(5704), listed);
    assert_eq!(gateway.value(5703), json!({"listModels": "idle"}));
    failed(&gateway, "unloadModel", json!({"name": "none"}));
    assert_eq!(gateway.value(5703), json!({"listModels": "idle", "unloadModel": "error"}));
    gateway.wait_for_value(5705, |health| {
        health["agent"]["state"] == "answering" && health["running"] == json!([])
    });
    finish(gateway);
}

#[test]
fn describing_tells_what_listing_does() {
    let gateway = gateway();
    load(&gateway, "first", &one(Uint8, &[4]));
    load(&gateway, "second", &one(Float32, &[1, 2]));
    let listed = done(&gateway, "listModels", json!({}));
    for (name, listed) in ["first", "second"].iter().zip(listed["response"].as_array().unwrap()) {
        let described = done(&gateway, "describeModel", json!({"name": name}));
        assert_eq!(&described["response"], listed);
        assert_eq!(&described["response"]["name"], name);
    }
    failed(&gateway, "describeModel", json!({"name": "third"}))
        .says("NOT_FOUND", &["third", "not loaded", "loadModel"]);
    failed(&gateway, "unloadModel", json!({"name": "third"})).says("NOT_FOUND", &["third"]);
    done(&gateway, "unloadModel", json!({"name": "first"}));
    failed(&gateway, "describeModel", json!({"name": "first"})).says("NOT_FOUND", &["first"]);
    assert_eq!(names(&gateway), ["second"]);
    // Its files stay.
    assert_eq!(tree(&gateway), ["first/model.onnx", "second/model.onnx"]);
    finish(gateway);
}

#[test]
fn a_model_is_reloaded_with_its_next_version() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let params = json!({"model_name": "m", "input_data_url": "file:///x"});
    assert_eq!(predicted(&gateway, params.clone())[0]["shape"], json!([4]));
    // The next version has another shape, and its file another name.
    let next = models::archive(&[("next.onnx", &one(Uint8, &[2, 2]))]);
    gateway.put_model("versions/2.tar.gz", &next);
    let reload = json!({"name": "m", "s3_filename": "versions/2.tar.gz"});
    assert_eq!(done(&gateway, "reloadModel", reload.clone())["response"], "succeeded");
    assert_eq!(tree(&gateway), [".sapt/versions/m/1/model.onnx", "m/next.onnx"]);
    assert_eq!(predicted(&gateway, params)[0]["shape"], json!([2, 2]));
    // What is not loaded is loaded.
    done(&gateway, "unloadModel", json!({"name": "m"}));
    done(&gateway, "reloadModel", reload);
    assert_eq!(names(&gateway), ["m"]);
    finish(gateway);
}

#[test]
fn a_reload_that_fails_leaves_the_loaded_version() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let described = done(&gateway, "describeModel", json!({"name": "m"}));
    let works = || {
        assert_eq!(tree(&gateway), ["m/model.onnx"]);
        assert_eq!(done(&gateway, "describeModel", json!({"name": "m"})), described);
        let params = json!({"model_name": "m", "input_data_url": "file:///x"});
        assert_eq!(data(&predicted(&gateway, params)[0]), b"data");
    };
    gateway.put_model("compiled.tar.gz", &compiled_package());
    let reload =
        |file: &str| failed(&gateway, "reloadModel", json!({"name": "m", "s3_filename": file}));
    reload("compiled.tar.gz").says(
        "FAILED_PRECONDITION",
        &["compiled", "ONNX", "the previous version was loaded again"],
    );
    works();
    reload("missing.tar.gz").says("S3_ERROR", &["NoSuchKey", "compiled-models/missing.tar.gz"]);
    works();
    let archive = models::archive(&[("model.onnx", &one(Uint8, &[2, 2]))]);
    gateway.put_model("truncated.tar.gz", &archive[..archive.len() / 2]);
    reload("truncated.tar.gz").says("STORE_ERROR", &["ends too early"]);
    works();
    // Nothing but pulling happened for the last two.
    let file = fs::read(gateway.plan().models().join("m/model.onnx")).unwrap();
    assert_eq!(file, one(Uint8, &[4]));
    finish(gateway);
}

#[test]
fn what_s3_refuses_is_told_and_nothing_is_loaded() {
    let gateway = gateway();
    gateway.put_model("m.tar.gz", &models::archive(&[("model.onnx", &one(Uint8, &[4]))]));
    let load =
        |file: &str| failed(&gateway, "loadModel", json!({"name": "m", "s3_filename": file}));
    load("none.tar.gz").says(
        "S3_ERROR",
        &["GET s3://sagemaker-lab/compiled-models/none.tar.gz", "404", "NoSuchKey"],
    );
    let configure = |config: Value| {
        let reply = gateway.command(&json!({"config": config}).to_string());
        assert_eq!(reply["response"], "config updated", "{reply}");
    };
    configure(json!({"awsS3Bucket": "no-such-bucket"}));
    load("m.tar.gz").says("S3_ERROR", &["NoSuchBucket", "no-such-bucket"]);
    configure(json!({"awsS3Bucket": BUCKET}));
    let lab = Options::default();
    configure(json!({"auth": {"awsAccessKeyId": lab.access_key_id,
                              "awsSecretAccessKey": "not-the-secret"}}));
    let wrong = load("m.tar.gz");
    wrong.says("S3_ERROR", &["403", "SignatureDoesNotMatch"]);
    assert!(!wrong.error.contains("not-the-secret"), "{wrong:?}");
    configure(json!({"auth": {"awsAccessKeyId": "UNKNOWN", "awsSecretAccessKey": "x"}}));
    load("m.tar.gz").says("S3_ERROR", &["403", "InvalidAccessKeyId"]);
    assert_eq!((tree(&gateway), names(&gateway)), (vec![], vec![]));
    configure(json!({"auth": {"awsAccessKeyId": lab.access_key_id,
                              "awsSecretAccessKey": lab.secret_access_key}}));
    done(&gateway, "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}));
    finish(gateway);
}

/// A plain tar of one file, whose name is written as it is.
fn tar_with(name: &[u8], entry: tar::EntryType) -> Vec<u8> {
    let content: &[u8] = if entry == tar::EntryType::Regular { b"content" } else { b"" };
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(entry);
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let mut archive = tar::Builder::new(Vec::new());
    archive.append(&header, content).unwrap();
    archive.into_inner().unwrap()
}

fn gzip(content: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn archives_that_cannot_be_installed_leave_nothing() {
    let gateway = gateway();
    let good = models::archive(&[("model.onnx", &one(Uint8, &[4]))]);
    let mut damaged = good.clone();
    let end = damaged.len() - 8;
    damaged[end] ^= 1;
    for (content, code, part) in [
        (gzip(&tar_with(b"../escaped", tar::EntryType::Regular)), "STORE_ERROR", "\"..\""),
        (tar_with(b"/tmp/escaped", tar::EntryType::Regular), "STORE_ERROR", "absolute"),
        (tar_with(b"disk", tar::EntryType::Block), "STORE_ERROR", "device"),
        (gzip(&tar_with(b"disk", tar::EntryType::Char)), "STORE_ERROR", "device"),
        (good[..good.len() - 20].to_vec(), "STORE_ERROR", "ends too early"),
        (damaged, "STORE_ERROR", "damaged"),
        (Vec::new(), "STORE_ERROR", "archive"),
        (b"<html>no archive</html>".to_vec(), "STORE_ERROR", "not a .tar.gz or .tar"),
        (models::archive(&[]), "STORE_ERROR", "no files"),
        (compiled_package(), "FAILED_PRECONDITION", "compiled"),
        (models::archive(&[("model.onnx", b"no graph")]), "FAILED_PRECONDITION", "ONNX"),
        (models::archive(&[("readme.txt", b"")]), "FAILED_PRECONDITION", ".onnx"),
    ] {
        gateway.put_model("m.tar.gz", &content);
        let failure =
            failed(&gateway, "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}));
        failure.says(code, &[part]);
        assert_eq!(tree(&gateway), Vec::<String>::new(), "{failure:?}");
        assert!(!gateway.plan().directory().join("escaped").exists());
    }
    assert_eq!(names(&gateway), Vec::<String>::new());
    // The same name can be used for a good one, plain or compressed.
    let mut plain = tar::Builder::new(Vec::new());
    let graph = one(Uint8, &[4]);
    let mut header = tar::Header::new_gnu();
    header.set_size(graph.len() as u64);
    header.set_mode(0o644);
    plain.append_data(&mut header, "./model.onnx", &graph[..]).unwrap();
    gateway.put_model("plain.tar", &plain.into_inner().unwrap());
    done(&gateway, "loadModel", json!({"name": "m", "s3_filename": "plain.tar"}));
    assert_eq!(tree(&gateway), ["m/model.onnx"]);
    finish(gateway);
}

#[test]
fn a_connection_that_is_cut_does_not_install_half_a_model() {
    let gateway = gateway();
    let large = vec![7; 200_000];
    gateway.put_model("m.tar", &models::archive(&[("model.onnx", &large)]));
    // However often it is tried again.
    for _ in 0..20 {
        gateway.s3.fail_next(Method::Get, Fault::Truncate(100));
    }
    let params = json!({"name": "m", "s3_filename": "m.tar"});
    // That may take longer than a command holds its request.
    gateway.command(&request("1", "loadModel", &params));
    let result = gateway.wait_for_value(5704, |value| value["id"] == "1");
    Failure::of(&result, &json!("1")).says("S3_ERROR", &["cut off after"]);
    assert_eq!((tree(&gateway), names(&gateway)), (vec![], vec![]));
    finish(gateway);
}

#[test]
fn a_loaded_name_is_not_pulled_again() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    let calls = s3_calls(&gateway).len();
    failed(&gateway, "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}))
        .says("ALREADY_EXISTS", &["model with the same name is already loaded", "reloadModel"]);
    assert_eq!(s3_calls(&gateway).len(), calls);
    assert_eq!(tree(&gateway), ["m/model.onnx"]);
    finish(gateway);
}

#[test]
fn a_missing_setting_is_named_and_the_rest_works() {
    for (unset, named) in [
        (&["SAPT_AWS_S3_BUCKET"][..], "SAPT_AWS_S3_BUCKET"),
        (&["SAPT_AWS_S3_MODELS_DIR"], "SAPT_AWS_S3_MODELS_DIR"),
        (&["SAPT_AWS_ACCESS_KEY_ID", "SAPT_AWS_SECRET_ACCESS_KEY"], "SAPT_AWS_ACCESS_KEY_ID"),
    ] {
        let plan = unset.iter().fold(plan(), |plan, variable| plan.unset(variable));
        let gateway = plan.start();
        failed(&gateway, "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}))
            .says("NOT_CONFIGURED", &[named, "not set"]);
        assert_eq!(names(&gateway), Vec::<String>::new());
        gateway.wait_for_value(5705, |health| {
            health["storage"].as_str().is_some_and(|storage| storage.contains(named))
        });
        assert_eq!(s3_calls(&gateway), []);
        finish(gateway);
    }
    let gateway = plan().unset("SAPT_AWS_S3_DATA_DIR").start();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    failed(&gateway, "predict", json!({"model_name": "m", "input_data_url": "s3:///x"}))
        .says("NOT_CONFIGURED", &["SAPT_AWS_S3_DATA_DIR"]);
    let to_s3 = json!({"model_name": "m", "input_data_url": "file:///x", "output_url": "s3:///y"});
    failed(&gateway, "predict", to_s3).says("NOT_CONFIGURED", &["SAPT_AWS_S3_DATA_DIR"]);
    // A bucket that the URL names needs no prefix.
    gateway.s3.put("other-bucket", "x", b"data");
    let other = json!({"model_name": "m", "input_data_url": "s3://other-bucket/x",
                       "output_url": "s3://other-bucket/deep/y.json"});
    let url = support::stored(&gateway, other).remove(0);
    assert!(url.starts_with("s3://other-bucket/deep/y-y-"), "{url}");
    let key = url.strip_prefix("s3://other-bucket/").unwrap();
    assert!(gateway.s3.read("other-bucket", key).is_some());
    finish(gateway);
}

#[test]
fn a_capture_is_followed_until_it_is_written() {
    let gateway = gateway();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.put_data("x", b"data");
    let capture = |id: &str| {
        let params = json!({"model_name": "m", "input_data_url": "file:///x",
                            "capture_enable": true, "capture_id": id});
        done(&gateway, "predict", params)
    };
    let status = |id: &str| {
        let reply = done(&gateway, "getDataCaptureStatus", json!({"capture_id": id}));
        reply["response"].as_str().unwrap().to_owned()
    };
    let id = |number: usize| format!("6f0f1d50-4d3f-4a53-9c3a-{number:012}");
    assert_eq!(status(&id(0)), "NOT_FOUND");
    assert_eq!(capture(&id(0))["details"]["capture_id"], id(0));
    assert!(["IN_PROGRESS", "SUCCESS"].contains(&status(&id(0)).as_str()));
    // A full batch is written at once.
    for number in 1..10 {
        assert_eq!(capture(&id(number))["details"]["capture_id"], id(number));
    }
    loop {
        match status(&id(0)).as_str() {
            "SUCCESS" => break,
            other => assert_eq!(other, "IN_PROGRESS"),
        }
    }
    let again = capture(&id(0));
    let told = again["details"]["capture_error"].as_str().expect("an id is used once");
    assert!(told.contains("ALREADY_EXISTS"), "{again}");
    failed(&gateway, "getDataCaptureStatus", json!({"capture_id": "7"}))
        .says("INVALID_PARAMS", &["capture_id", "UUID"]);
    finish(gateway);
}

#[test]
fn the_configuration_is_changed_by_execute() {
    let gateway = gateway();
    let before = gateway.value(5702);
    let reply = gateway.command(r#"{"id":"c","config":{"awsS3DataDirectory":"/data\/2/"}}"#);
    assert_eq!(
        reply,
        json!({"jsonrpc": "2.0", "id": "c", "method": "config", "error": "none", "reply": "ok",
               "response": "config updated"})
    );
    let after = gateway.value(5702);
    assert_eq!(after["config"]["awsS3DataDirectory"], "data/2");
    let with = |config: &Value, directory: &str| {
        let mut config = config.clone();
        config["config"]["awsS3DataDirectory"] = json!(directory);
        config
    };
    assert_eq!(with(&before, "data/2"), after);
    // It holds for what follows.
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.s3.put(BUCKET, "data/2/x", b"data");
    let params = json!({"model_name": "m", "input_data_url": "s3:///x", "output_url": "s3:///y"});
    assert!(support::stored(&gateway, params)[0].starts_with("s3://data/2/y-y-"));

    for config in [
        json!({"awsS3DataDirectory": "other", "unknownKey": 5}),
        json!({"awsS3DataDirectory": "other", "awsRegion": 5}),
        json!({"awsS3DataDirectory": "other", "auth": {"awsAccessKeyId": "only"}}),
        json!({"awsS3DataDirectory": "other", "awsS3Bucket": "no bucket"}),
        json!("other"),
    ] {
        let reply = gateway.command(&json!({"id": 3, "config": config}).to_string());
        let failure = Failure::of(&reply, &json!(3));
        failure.says("INVALID_PARAMS", &["config", "nothing was changed"]);
        assert_eq!(gateway.value(5702), after, "{config}");
    }
    let unknown = gateway.command(r#"{"config":{"mqttBrokerHots":"x"}}"#);
    Failure::of(&unknown, &Value::Null)
        .says("INVALID_PARAMS", &["mqttBrokerHots", "awsS3Bucket", "awsS3ModelsDirectory", "auth"]);
    finish(gateway);
}

#[test]
fn the_configuration_is_changed_by_write_and_shows_no_secret() {
    let lab = Options::default();
    let gateway = plan()
        .set("SAPT_AWS_ACCESS_KEY_ID", "OLDKEY")
        .set("SAPT_AWS_SECRET_ACCESS_KEY", "an-old-secret")
        .start();
    gateway.put_model("m.tar.gz", &models::archive(&[("model.onnx", &one(Uint8, &[4]))]));
    let load = json!({"name": "m", "s3_filename": "m.tar.gz"});
    failed(&gateway, "loadModel", load.clone()).says("S3_ERROR", &["InvalidAccessKeyId"]);

    let payload = json!({"config": {"awsS3Bucket": BUCKET, "awsRegion": lab.region,
        "auth": {"awsAccessKeyId": lab.access_key_id, "awsSecretAccessKey": lab.secret_access_key}}});
    let put =
        |payload: &Value| gateway.edge.put(DEVICE, "/33311/0/5702", payload.to_string().as_bytes());
    assert_eq!(put(&payload).status, Status::Changed);
    let shown = gateway.wait_for_value(5702, |value| value["config"]["version"].is_string());
    assert_eq!(shown["config"]["auth"], json!({}));
    for resource in [5701, 5702, 5703, 5704, 5705] {
        let text = gateway.value(resource).to_string();
        assert!(
            !text.contains(&lab.secret_access_key) && !text.contains("an-old-secret"),
            "{text}"
        );
    }
    assert_eq!(gateway.value(5701)["response"], "config updated");
    assert_eq!(gateway.value(5704)["method"], "config");
    done(&gateway, "loadModel", load);

    // What was read can be edited and written back whole.
    let mut whole = shown.clone();
    whole["config"]["awsRegion"] = json!("eu-west-1");
    assert_eq!(put(&whole).status, Status::Changed);
    assert_eq!(gateway.wait_for_value(5702, |value| value["config"]["auth"] == json!({})), whole);
    // A change that is refused is told in 5701, and 5702 is what it was.
    assert_eq!(
        put(&json!({"config": {"awsRegion": "eu-north-1", "x": 1}})).status,
        Status::Changed
    );
    let back = gateway.wait_for_value(5702, |value| value["config"]["version"].is_string());
    assert_eq!(back, whole);
    Failure::of(&gateway.value(5701), &Value::Null).says("INVALID_PARAMS", &["\"x\""]);
    finish(gateway);
}

#[test]
fn commands_that_outlive_the_sync_window_run_at_once_and_two_loads_of_a_name_give_one_model() {
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    let results = gateway.edge.observe(DEVICE, "/33311/0/5704");
    gateway.put_model("m.tar.gz", &models::archive(&[("model.onnx", &one(Uint8, &[4]))]));
    let gate = Gate::new();
    gateway.s3.fail_next(Method::Get, Fault::Hold(10, gate.clone()));
    let params = json!({"name": "m", "s3_filename": "m.tar.gz"});
    let dispatched = |id: &str, method: &str, params: &Value| {
        let reply = gateway.command(&request(id, method, params));
        assert_eq!(
            reply,
            json!({"jsonrpc": "2.0", "id": id, "method": method, "error": "none", "reply": "ok",
                   "response": "request dispatched", "details": method})
        );
    };
    let result = || -> Value {
        serde_json::from_slice(&results.recv_timeout(PATIENCE).expect("a result")).unwrap()
    };
    dispatched("first", "loadModel", &params);
    gate.reached();
    gateway.wait_for_value(5705, |health| health["running"][0]["phase"] == "pulling");
    gateway.wait_for_value(5703, |status| *status == json!({"loadModel": "running"}));
    dispatched("second", "loadModel", &params);
    // The load that is held delays no list.
    dispatched("list", "listModels", &json!({}));
    let listed = result();
    assert_eq!((&listed["id"], &listed["response"]), (&json!("list"), &json!([])));
    assert_eq!(gateway.value(5701), listed);
    gate.release();
    let first = result();
    assert_eq!((&first["id"], &first["response"]), (&json!("first"), &json!("succeeded")));
    Failure::of(&result(), &json!("second")).says("ALREADY_EXISTS", &["already loaded"]);
    assert_eq!(tree(&gateway), ["m/model.onnx"]);
    finish(gateway);
}
