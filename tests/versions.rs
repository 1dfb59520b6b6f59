//! Versions of a model: where they come from, which are kept, and what is not pulled again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;

use lab::gateway::{BUCKET, Gateway, PATIENCE};
use lab::models;
use lab::s3::{Fault, Gate, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{Failure, done, failed, finish, gateway, plan, request, s3_calls, tree};

/// A version that its input's shape tells from others.
fn version(number: i64) -> Vec<u8> {
    models::archive(&[("m.onnx", &one(Uint8, &[number]))])
}

fn put(gateway: &Gateway, numbers: &[i64]) {
    for number in numbers {
        gateway.put_model(&format!("{number}.tar.gz"), &version(*number));
    }
}

fn load(gateway: &Gateway, method: &str, number: i64) {
    let file = format!("{number}.tar.gz");
    done(gateway, method, json!({"name": "m", "s3_filename": file}));
    assert_eq!(loaded(gateway), number);
}

/// The version that the agent has.
fn loaded(gateway: &Gateway) -> i64 {
    let described = done(gateway, "describeModel", json!({"name": "m"}));
    described["response"]["input_tensor_metadatas"][0]["shape"][0].as_i64().unwrap()
}

/// Has the next object's content never come: whoever reads it fails the test.
fn hold_next_body(gateway: &Gateway) -> Gate {
    let gate = Gate::new();
    gateway.s3.fail_next(Method::Get, Fault::Hold(0, gate.clone()));
    gate
}

fn hex(content: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(content))
}

#[test]
fn what_is_unpacked_is_not_pulled_again() {
    let gateway = gateway();
    put(&gateway, &[1, 2]);
    load(&gateway, "loadModel", 1);
    done(&gateway, "unloadModel", json!({"name": "m"}));
    // The version in place.
    let _one = hold_next_body(&gateway);
    load(&gateway, "loadModel", 1);
    let _two = hold_next_body(&gateway);
    load(&gateway, "reloadModel", 1);
    // The one before it, there and back.
    load(&gateway, "reloadModel", 2);
    for number in [1, 2, 1] {
        let _gate = hold_next_body(&gateway);
        load(&gateway, "reloadModel", number);
    }
    assert_eq!(tree(&gateway), [".sapt/versions/m/2/m.onnx", "m/m.onnx"]);
    // Another object by the same name.
    gateway.put_model("1.tar.gz", &version(3));
    done(&gateway, "reloadModel", json!({"name": "m", "s3_filename": "1.tar.gz"}));
    assert_eq!(loaded(&gateway), 3);
    let requests = gateway.s3.requests();
    assert!(requests.iter().all(|request| request.method == "GET"), "{requests:?}");
    finish(gateway);
}

#[test]
fn a_version_that_is_not_whole_any_more_is_pulled_again() {
    let gateway = gateway();
    put(&gateway, &[1, 2]);
    load(&gateway, "loadModel", 1);
    load(&gateway, "reloadModel", 2);
    fs::write(gateway.plan().models().join(".sapt/versions/m/1/more"), "").unwrap();
    load(&gateway, "reloadModel", 1);
    let line = gateway.sapt.wait_for_line("is not what was unpacked there", PATIENCE).unwrap();
    assert!(line.contains("versions/m/1"), "{line}");
    assert_eq!(tree(&gateway), [".sapt/versions/m/2/m.onnx", "m/m.onnx"]);
    finish(gateway);
}

#[test]
fn as_many_versions_are_kept_as_the_operator_says() {
    for (keep, kept) in [(0, &[][..]), (2, &[3, 2])] {
        let gateway = plan().set("SAPT_KEEP_VERSIONS", &keep.to_string()).start();
        put(&gateway, &[1, 2, 3, 4]);
        load(&gateway, "loadModel", 1);
        for number in 2..=4 {
            load(&gateway, "reloadModel", number);
        }
        let mut files: Vec<String> =
            kept.iter().map(|id| format!(".sapt/versions/m/{id}/m.onnx")).collect();
        files.sort();
        files.push("m/m.onnx".to_owned());
        assert_eq!(tree(&gateway), files);
        for number in kept {
            let _gate = hold_next_body(&gateway);
            load(&gateway, "reloadModel", *number);
        }
        finish(gateway);
    }
}

#[test]
fn fewer_kept_versions_take_effect_at_the_next_start() {
    let plan = plan().set("SAPT_KEEP_VERSIONS", "1");
    let models = plan.models();
    let mut gateway = plan.start();
    put(&gateway, &[1, 2]);
    load(&gateway, "loadModel", 1);
    load(&gateway, "reloadModel", 2);
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
    let store = sapt::store::Store::open(models).unwrap().keeping(0).unwrap();
    assert_eq!(tree(&gateway), ["m/m.onnx"]);
    drop(store);
}

#[test]
fn a_kept_version_that_the_agent_refuses_goes_on_being_kept() {
    let gateway = gateway();
    put(&gateway, &[1, 2]);
    load(&gateway, "loadModel", 1);
    load(&gateway, "reloadModel", 2);
    // As long as before: it is taken for whole.
    let file = gateway.plan().models().join(".sapt/versions/m/1/m.onnx");
    let length = fs::read(&file).unwrap().len();
    fs::write(&file, vec![b'x'; length]).unwrap();
    let failure = failed(&gateway, "reloadModel", json!({"name": "m", "s3_filename": "1.tar.gz"}));
    assert!(failure.error.contains("the previous version was loaded again"), "{failure:?}");
    assert_eq!(loaded(&gateway), 2);
    assert_eq!(tree(&gateway), [".sapt/versions/m/1/m.onnx", "m/m.onnx"]);
    finish(gateway);
}

#[test]
fn a_digest_is_checked_and_spares_the_pull() {
    let gateway = gateway();
    put(&gateway, &[1, 2]);
    let digests: Vec<String> = [1, 2].map(|number| hex(&version(number))).into();
    let params = |number: usize, digest: &str| -> Value {
        json!({"name": "m", "s3_filename": format!("{number}.tar.gz"), "sha256": digest})
    };
    let wrong = failed(&gateway, "loadModel", params(1, &digests[1]));
    wrong.says("CHECKSUM_MISMATCH", &[&digests[0], &digests[1]]);
    assert_eq!(tree(&gateway), [""; 0]);
    done(&gateway, "loadModel", params(1, &digests[0].to_uppercase()));
    // The object is known, and by the same name it is another: it is not sent.
    let _gate = hold_next_body(&gateway);
    failed(&gateway, "reloadModel", params(1, &digests[1]))
        .says("CHECKSUM_MISMATCH", &[&digests[0], &digests[1]]);
    assert_eq!(loaded(&gateway), 1, "the version that was loaded stays");
    done(&gateway, "reloadModel", params(2, &digests[1]));
    // By its digest it is known wherever it is said to be: S3 is not asked.
    let calls = s3_calls(&gateway).len();
    done(&gateway, "reloadModel", params(9, &digests[0]));
    assert_eq!(loaded(&gateway), 1);
    assert_eq!(s3_calls(&gateway).len(), calls);
    for wrong in ["", "ab", &"x".repeat(64)] {
        failed(&gateway, "reloadModel", params(1, wrong)).says("INVALID_PARAMS", &["sha256"]);
    }
    finish(gateway);
}

#[test]
fn a_version_that_came_without_a_digest_is_pulled_to_compare_it() {
    let gateway = gateway();
    put(&gateway, &[1]);
    load(&gateway, "loadModel", 1);
    let digest = hex(&version(1));
    let params = json!({"name": "m", "s3_filename": "1.tar.gz", "sha256": digest});
    done(&gateway, "reloadModel", params.clone());
    let calls = s3_calls(&gateway).len();
    assert_eq!(calls, 2);
    done(&gateway, "reloadModel", params);
    assert_eq!(s3_calls(&gateway).len(), calls, "now it is known");
    finish(gateway);
}

#[test]
fn an_archive_on_the_gateways_own_disk() {
    // Nothing of S3 is needed.
    let gateway = plan().unset("SAPT_AWS_S3_BUCKET").unset("SAPT_AWS_ACCESS_KEY_ID");
    let gateway = gateway.unset("SAPT_AWS_SECRET_ACCESS_KEY").start();
    let archives = gateway.plan().models().join("data/archives");
    fs::create_dir(&archives).unwrap();
    fs::write(archives.join("m.tar.gz"), version(1)).unwrap();
    let params = json!({"name": "m", "url": "file:///archives/m.tar.gz"});
    done(&gateway, "loadModel", params.clone());
    assert_eq!(loaded(&gateway), 1);
    gateway.wait_for_value(5705, |health| {
        health["models"][0]["source"] == "file:///archives/m.tar.gz"
    });
    done(&gateway, "reloadModel", params.clone());
    gateway.sapt.wait_for_line("is unpacked already", PATIENCE).unwrap();
    // Another file by the same name, put there as files should be.
    fs::write(archives.join("new"), version(2)).unwrap();
    fs::rename(archives.join("new"), archives.join("m.tar.gz")).unwrap();
    done(&gateway, "reloadModel", params.clone());
    assert_eq!(loaded(&gateway), 2);
    // Below the models directory itself, too; cut off it is refused, and version 2 stays.
    let cut = version(3);
    fs::write(gateway.plan().models().join("cut.tar.gz"), &cut[..cut.len() - 20]).unwrap();
    let cut = json!({"name": "m", "url": "file:///cut.tar.gz"});
    failed(&gateway, "reloadModel", cut).says("STORE_ERROR", &["ends too early"]);
    assert_eq!(loaded(&gateway), 2);
    for (url, code, part) in [
        ("file:///nope.tar.gz", "STORE_ERROR", "/data/nope.tar.gz"),
        ("file:///archives", "STORE_ERROR", "not a file"),
        ("file:///../x", "INVALID_PARAMS", ".."),
        ("file:///.sapt/lock", "STORE_ERROR", "store itself"),
        ("s3:///x", "INVALID_PARAMS", "s3_filename"),
        ("ftp://x/y", "INVALID_PARAMS", "ftp://x/y"),
    ] {
        failed(&gateway, "loadModel", json!({"name": "other", "url": url})).says(code, &[part]);
    }
    finish(gateway);
}

#[test]
fn an_archive_in_another_bucket() {
    let gateway = gateway();
    gateway.s3.put("elsewhere", "a b/m.tar.gz", &version(1));
    let params = json!({"name": "m", "url": "s3://elsewhere/a b/m.tar.gz"});
    done(&gateway, "loadModel", params);
    assert_eq!(loaded(&gateway), 1);
    // The same object by its two names.
    put(&gateway, &[2]);
    load(&gateway, "reloadModel", 2);
    let _gate = hold_next_body(&gateway);
    let url = format!("s3://{BUCKET}/compiled-models/2.tar.gz");
    done(&gateway, "reloadModel", json!({"name": "m", "url": url}));
    let both = json!({"name": "m", "url": url, "s3_filename": "2.tar.gz"});
    failed(&gateway, "reloadModel", both).says("INVALID_PARAMS", &["s3_filename or url"]);
    finish(gateway);
}

#[test]
fn a_model_above_the_operators_limit_leaves_nothing() {
    let gateway = plan().set("SAPT_MODEL_MAX_BYTES", "100k").start();
    let files: [(&str, &[u8]); 2] = [("a", &[0; 60_000]), ("b", &[0; 60_000])];
    gateway.put_model("large.tar.gz", &models::archive(&files));
    let params = json!({"name": "m", "s3_filename": "large.tar.gz"});
    failed(&gateway, "loadModel", params).says("STORE_ERROR", &["more than 102400 bytes"]);
    assert_eq!(tree(&gateway), [""; 0]);
    finish(gateway);
}

#[test]
fn three_models_are_pulled_at_once_and_more_wait_for_their_turn() {
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    let gates: Vec<Gate> = (0..5).map(|_| hold_next_body(&gateway)).collect();
    put(&gateway, &[1]);
    for number in 0..5 {
        let params = json!({"name": format!("m{number}"), "s3_filename": "1.tar.gz"});
        gateway.command(&request(&number.to_string(), "loadModel", &params));
    }
    let phases = |health: &Value, wanted: &str| {
        let running = health["running"].as_array().unwrap();
        running.iter().filter(|running| running["phase"] == wanted).count()
    };
    gateway.wait_for_value(5705, |health| {
        phases(health, "pulling") == 3 && phases(health, "waiting") == 2
    });
    assert_eq!(s3_calls(&gateway).len(), 3);
    gates.iter().for_each(Gate::release);
    gateway.wait_for_value(5705, |health| {
        health["running"] == json!([]) && health["models"].as_array().unwrap().len() == 5
    });
    // And not without end.
    let _gates: Vec<Gate> = (0..3).map(|_| hold_next_body(&gateway)).collect();
    for number in 10..50 {
        let params = json!({"name": format!("m{number}"), "s3_filename": "1.tar.gz"});
        gateway.command(&request(&number.to_string(), "loadModel", &params));
    }
    let busy = gateway.wait_for_value(5704, |value| value["code"] == "BUSY");
    Failure::of(&busy, &busy["id"]).says("BUSY", &["loads"]);
}
