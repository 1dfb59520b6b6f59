//! Models that should be loaded are loaded again after restarts, from the disk and without network.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::rc::Rc;

use lab::bridge::Bridge;
use lab::gateway::{Gateway, PATIENCE};
use lab::models;
use lab::s3::{Options, S3};
use sapt::agent::{Address, Client};
use sapt::model_name::ModelName;
use serde_json::{Value, json};

use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{done, failed, finish, load, plan, s3_calls};

/// The models that should be loaded, as they are shown.
fn shown(gateway: &Gateway) -> Value {
    gateway.value(5705)["models"].clone()
}

/// Waits until all models that should be loaded are in this state.
fn wait_until(gateway: &Gateway, state: &str) -> Value {
    let health = gateway.wait_for_value(5705, |health| {
        let models = health["models"].as_array().unwrap();
        !models.is_empty() && models.iter().all(|model| model["state"] == state)
    });
    health["models"].clone()
}

/// What the agent has, by itself.
fn agents(gateway: &Gateway) -> Vec<String> {
    let executor = Rc::new(smol::LocalExecutor::new());
    let client = Client::new(Address::Unix(gateway.plan().agent_socket()), executor.clone());
    let listed = smol::block_on(executor.run(client.list_models())).unwrap();
    let mut names: Vec<String> = listed.into_iter().map(|model| model.name).collect();
    names.sort();
    names
}

fn shape(gateway: &Gateway, name: &str) -> Value {
    let described = done(gateway, "describeModel", json!({"name": name}));
    described["response"]["input_tensor_metadatas"][0]["shape"].clone()
}

/// Another S3, which has nothing: whatever is loaded from now on comes from the disk.
fn empty_s3(gateway: &mut Gateway) {
    gateway.s3 = S3::start(Options::default());
}

fn restart_sapt(gateway: &mut Gateway) {
    gateway.sapt.kill();
    gateway.sapt = gateway.start_sapt();
    gateway.sapt.wait_for_line("registered with Edge Core", PATIENCE).unwrap();
}

#[test]
fn after_the_agent_restarted() {
    let mut gateway = plan().start();
    load(&gateway, "first", &one(Uint8, &[4]));
    load(&gateway, "second", &one(Uint8, &[5]));
    let source = |name: &str| format!("s3://sagemaker-lab/compiled-models/{name}.tar.gz");
    let loaded = json!([
        {"name": "first", "state": "loaded", "source": source("first")},
        {"name": "second", "state": "loaded", "source": source("second")},
    ]);
    gateway.wait_for_value(5705, |health| health["models"] == loaded);
    for _ in 0..2 {
        gateway.agent.as_mut().unwrap().kill();
        // Nobody has asked for anything: the connection ended.
        wait_until(&gateway, "waiting");
        gateway.restart_agent();
        wait_until(&gateway, "loaded");
        assert_eq!(agents(&gateway), ["first", "second"]);
    }
    assert_eq!(s3_calls(&gateway).len(), 2, "each model was pulled once");
    finish(gateway);
}

#[test]
fn after_sapt_and_the_agent_restarted_and_s3_is_gone() {
    let mut gateway = plan().start();
    load(&gateway, "first", &one(Uint8, &[4]));
    load(&gateway, "second", &one(Uint8, &[5]));
    empty_s3(&mut gateway);
    // The agent has all: nothing has to be done.
    restart_sapt(&mut gateway);
    wait_until(&gateway, "loaded");
    assert!(!gateway.sapt.said().contains("loaded again"), "{}", gateway.sapt.said());
    // Both, in either order.
    gateway.agent.as_mut().unwrap().kill();
    restart_sapt(&mut gateway);
    wait_until(&gateway, "waiting");
    gateway.restart_agent();
    wait_until(&gateway, "loaded");
    assert_eq!(agents(&gateway), ["first", "second"]);
    gateway.sapt.kill();
    gateway.agent.as_mut().unwrap().kill();
    gateway.restart_agent();
    restart_sapt(&mut gateway);
    wait_until(&gateway, "loaded");
    assert_eq!((shape(&gateway, "first"), shape(&gateway, "second")), (json!([4]), json!([5])));
    assert_eq!(s3_calls(&gateway), []);
    finish(gateway);
}

#[test]
fn what_was_unloaded_stays_unloaded() {
    let mut gateway = plan().start();
    load(&gateway, "first", &one(Uint8, &[4]));
    load(&gateway, "second", &one(Uint8, &[5]));
    done(&gateway, "unloadModel", json!({"name": "first"}));
    gateway.wait_for_value(5705, |health| health["models"].as_array().unwrap().len() == 1);
    gateway.agent.as_mut().unwrap().kill();
    // The agent is not there to do it, and it holds all the same.
    failed(&gateway, "unloadModel", json!({"name": "second"})).says("UNAVAILABLE", &["agent"]);
    restart_sapt(&mut gateway);
    gateway.restart_agent();
    gateway.wait_for_value(5705, |health| health["agent"]["state"] == "answering");
    assert_eq!(shown(&gateway), json!([]));
    for name in ["first", "second"] {
        failed(&gateway, "describeModel", json!({"name": name})).says("NOT_FOUND", &[name]);
    }
    assert_eq!(agents(&gateway), [""; 0]);
    // The files are there, and are used.
    let calls = s3_calls(&gateway).len();
    done(&gateway, "loadModel", json!({"name": "first", "s3_filename": "first.tar.gz"}));
    assert_eq!(s3_calls(&gateway).len(), calls + 1);
    assert_eq!(agents(&gateway), ["first"]);
    finish(gateway);
}

#[test]
fn a_wish_can_be_ended_although_the_agent_does_not_have_the_model() {
    let mut gateway = plan().start();
    load(&gateway, "gone", &one(Uint8, &[4]));
    gateway.sapt.kill();
    gateway.agent.as_mut().unwrap().kill();
    gateway.restart_agent();
    fs::remove_dir_all(gateway.plan().models().join("gone")).unwrap();
    restart_sapt(&mut gateway);
    let models = wait_until(&gateway, "failed");
    assert!(
        models[0]["detail"].as_str().unwrap().contains("files of gone are missing"),
        "{models}"
    );
    let failure = failed(&gateway, "describeModel", json!({"name": "gone"}));
    failure.says("NOT_FOUND", &["should be loaded", "missing", "unloadModel"]);
    failed(&gateway, "unloadModel", json!({"name": "gone"})).says("NOT_FOUND", &["not loaded"]);
    gateway.wait_for_value(5705, |health| health["models"] == json!([]));
    let failure = failed(&gateway, "describeModel", json!({"name": "gone"}));
    failure.says("NOT_FOUND", &["not loaded; use loadModel"]);
    // What is not whole is not used again.
    done(&gateway, "loadModel", json!({"name": "gone", "s3_filename": "gone.tar.gz"}));
    assert_eq!(shape(&gateway, "gone"), json!([4]));
    finish(gateway);
}

#[test]
fn nothing_is_restored_where_the_operator_does_not_want_it() {
    let mut gateway = plan().set("SAPT_RESTORE", "0").start();
    load(&gateway, "m", &one(Uint8, &[4]));
    gateway.agent.as_mut().unwrap().kill();
    gateway.restart_agent();
    failed(&gateway, "describeModel", json!({"name": "m"})).says("NOT_FOUND", &["use loadModel"]);
    let models = wait_until(&gateway, "waiting");
    assert!(models[0]["detail"].as_str().unwrap().contains("SAPT_RESTORE"), "{models}");
    assert_eq!(agents(&gateway), [""; 0]);
    done(&gateway, "loadModel", json!({"name": "m", "s3_filename": "m.tar.gz"}));
    wait_until(&gateway, "loaded");
    finish(gateway);
}

#[test]
fn a_version_that_the_agent_loaded_before_it_was_taken_back_is_replaced() {
    let plan = plan();
    let at = plan.directory().join("bridge.sock");
    let bridge = Bridge::unix(&at, &plan.agent_socket());
    let address = format!("unix:{}", at.display());
    let plan = plan.set("SAPT_AGENT_ADDRESS", &address).set("SAPT_SYNC_WINDOW_S", "0");
    let mut gateway = plan.start();
    gateway.put_model("1.tar.gz", &models::archive(&[("m.onnx", &one(Uint8, &[4]))]));
    gateway.put_model("2.tar.gz", &models::archive(&[("m.onnx", &one(Uint8, &[2, 2]))]));
    let send = |gateway: &Gateway, method: &str, file: &str| {
        let params = json!({"name": "m", "s3_filename": file});
        gateway.command(&support::request(method, method, &params));
    };
    send(&gateway, "loadModel", "1.tar.gz");
    gateway.wait_for_value(5704, |value| value["response"] == "succeeded");
    // Only LoadModel names the path.
    let path = gateway.plan().models().join("m").display().to_string();
    bridge.hold(path.as_bytes());
    send(&gateway, "reloadModel", "2.tar.gz");
    bridge.held(PATIENCE).unwrap();
    // What the agent would have done with the request.
    let executor = Rc::new(smol::LocalExecutor::new());
    let client = Client::new(Address::Unix(gateway.plan().agent_socket()), executor.clone());
    let name = ModelName::parse("m").unwrap();
    let model = smol::block_on(executor.run(client.load_model(&name, &path))).unwrap();
    assert_eq!(model.inputs[0].shape, [2, 2]);
    gateway.sapt.kill();
    bridge.hold(b"nothing has this in it");
    gateway.sapt = gateway.start_sapt();
    gateway.sapt.wait_for_line("m: loaded again", PATIENCE).unwrap();
    let model = smol::block_on(executor.run(client.describe_model(&name))).unwrap();
    assert_eq!(model.inputs[0].shape, [4], "the version that is on the disk");
    finish(gateway);
}

#[test]
fn a_model_that_the_agent_refuses_is_told_and_does_not_hold_up_others() {
    let mut gateway = plan().start();
    load(&gateway, "bad", &one(Uint8, &[4]));
    load(&gateway, "good", &one(Uint8, &[5]));
    gateway.sapt.kill();
    gateway.agent.as_mut().unwrap().kill();
    gateway.restart_agent();
    let file = gateway.plan().models().join("bad/model.onnx");
    fs::write(file, "no graph").unwrap();
    restart_sapt(&mut gateway);
    let health = gateway.wait_for_value(5705, |health| {
        health["models"][0]["state"] == "failed" && health["models"][1]["state"] == "loaded"
    });
    assert_eq!(health["models"][0]["name"], "bad", "{health}");
    let detail = health["models"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("LoadModel"), "{detail}");
    failed(&gateway, "describeModel", json!({"name": "bad"})).says("NOT_FOUND", &["LoadModel"]);
    let said = gateway.sapt.said();
    assert_eq!(said.matches("could not be loaded again").count(), 1, "{said}");
    // Its files are not what was unpacked: they are pulled again, and it is loaded.
    done(&gateway, "loadModel", json!({"name": "bad", "s3_filename": "bad.tar.gz"}));
    wait_until(&gateway, "loaded");
    finish(gateway);
}
