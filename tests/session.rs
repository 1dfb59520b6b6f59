//! What Edge Core gets from `sapt`, message by message, and what the cloud sees of it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as tests may")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Instant;

use lab::edge_core::{Content, Direction, Exchange, Status};
use lab::gateway::{DEVICE, Gateway, PATIENCE, Plan};
use lab::models;
use lab::program::Program;
use lab::s3::{Fault, Gate, Method};
use rustix::process::Signal;
use serde_json::{Value, json};

const COMMAND: &str = "/33311/0/5701";
const LAST_RESULT: &str = "/33311/0/5704";

const LIST: &str = r#"{"jsonrpc":"2.0","id":"list","method":"listModels"}"#;
const LOAD: &str = r#"{"jsonrpc":"2.0","id":"load","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;

fn plan() -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_sapt"))
}

/// A command whose result comes in its own time.
fn dispatching() -> Plan {
    plan().set("SAPT_SYNC_WINDOW_S", "0")
}

/// Requests of the translator, in order.
fn requests(record: &[Exchange]) -> Vec<&Exchange> {
    let ours = |exchange: &&Exchange| {
        exchange.direction == Direction::ToEdgeCore && exchange.method().is_some()
    };
    record.iter().filter(ours).collect()
}

/// Every value that a resource was given, with its place in the record.
fn values(record: &[Exchange], path: &str) -> Vec<(usize, Value)> {
    let mut found = Vec::new();
    for (place, exchange) in record.iter().enumerate() {
        if exchange.direction == Direction::ToEdgeCore {
            for (_, value) in exchange.values().into_iter().filter(|(at, _)| at == path) {
                found.push((place, serde_json::from_slice(&value).unwrap()));
            }
        }
    }
    found
}

fn has_id(value: &Value, id: &str) -> bool {
    value["id"] == id && value["response"] != "request dispatched"
}

#[test]
fn registers_the_translator_and_its_device() {
    let gateway = plan().set("SAPT_PT_DEVICE_NAME", "sagemaker-edge-agent").start();
    let record = gateway.edge.record();
    let requests = requests(&record);
    assert_eq!(requests[0].method(), Some("protocol_translator_register"));
    assert_eq!(requests[1].method(), Some("device_register"));
    for request in &requests {
        assert!(request.id.is_string(), "{request}");
    }
    let Content::Request { params, .. } = &requests[0].content else { panic!() };
    assert_eq!(*params, json!({"name": "sagemaker-edge-agent"}));
    let Content::Request { params, .. } = &requests[1].content else { panic!() };
    assert_eq!(params["deviceId"], DEVICE);
    let objects = params["objects"].as_array().unwrap();
    assert_eq!(objects.len(), 1);
    assert_eq!(objects[0]["objectId"], 33311);
    let instances = objects[0]["objectInstances"].as_array().unwrap();
    assert_eq!(instances.len(), 1);
    assert_eq!(instances[0]["objectInstanceId"], 0);
    let resources = instances[0]["resources"].as_array().unwrap();
    let shapes: Vec<Value> = resources
        .iter()
        .map(|resource| {
            let mut shape = resource.clone();
            assert!(shape["value"].is_string());
            shape.as_object_mut().unwrap().remove("value");
            shape
        })
        .collect();
    assert_eq!(
        shapes,
        [
            json!({"resourceId": 5701, "operations": 5, "type": "string"}),
            json!({"resourceId": 5702, "operations": 3, "type": "string"}),
            json!({"resourceId": 5703, "operations": 1, "type": "string"}),
            json!({"resourceId": 5704, "operations": 1, "type": "string"}),
            json!({"resourceId": 5705, "operations": 1, "type": "string"}),
        ]
    );
    let values: Vec<Value> = requests[1]
        .values()
        .iter()
        .map(|(_, value)| serde_json::from_slice(value).unwrap())
        .collect();
    assert_eq!(values.len(), 5, "every value is standard base64");
    assert_eq!(values[0], json!({}));
    let config = &values[1]["config"];
    assert_eq!(config["auth"], json!({}));
    assert_eq!(config["awsS3Bucket"], "sagemaker-lab");
    assert_eq!(config["awsS3ModelsDirectory"], "compiled-models");
    assert_eq!(config["awsS3DataDirectory"], "data");
    assert_eq!(config["awsRegion"], "us-east-1");
    assert_eq!(
        config["commands"]["loadModel"],
        json!({"params": ["name", "s3_filename", "url", "sha256"]}),
        "{config}"
    );
    assert_eq!(values[2], json!({}));
    assert_eq!(values[3], json!({}));
    assert_eq!(values[4]["running"], json!([]));
    assert_eq!(values[4]["storage"], "set");
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn registers_under_the_name_that_is_set() {
    let gateway = plan().set("SAPT_PT_DEVICE_NAME", "Kamera 7 ü").without_waiting().start();
    gateway.edge.wait_for_device("Kamera 7 ü-0", PATIENCE).unwrap();
    let reply = gateway.edge.post("Kamera 7 ü-0", COMMAND, LIST.as_bytes());
    assert_eq!(reply.status, Status::Changed);
    assert!(has_id(&serde_json::from_slice(&reply.value).unwrap(), "list"));
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn a_result_is_written_before_its_request_is_acknowledged() {
    let gateway = plan().start();
    let reply = gateway.command(LIST);
    assert!(has_id(&reply, "list"), "{reply}");
    let record = gateway.edge.record();
    let delivered = record
        .iter()
        .find(|exchange| {
            exchange.direction == Direction::FromEdgeCore && exchange.method().is_some()
        })
        .unwrap();
    let acknowledged = record
        .iter()
        .position(|exchange| {
            exchange.direction == Direction::ToEdgeCore && exchange.method().is_none()
        })
        .unwrap();
    // The same string, not a number that looks like it.
    assert_eq!(record[acknowledged].id, delivered.id);
    assert!(delivered.id.is_string());
    assert_eq!(record[acknowledged].content, Content::Result(json!("ok")));
    for path in [COMMAND, LAST_RESULT] {
        let values = values(&record, path);
        let (written, value) = values.last().unwrap();
        assert!(*written < acknowledged, "{path}");
        assert_eq!(*value, reply, "{path}");
        // Edge Core has it, not only heard it.
        let id = &record[*written].id;
        let taken = record.iter().position(|exchange| {
            exchange.direction == Direction::FromEdgeCore
                && exchange.id == *id
                && exchange.content == Content::Result(json!("ok"))
        });
        assert!(taken.unwrap() < acknowledged, "{path}");
    }
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn every_result_is_observable() {
    let gateway = plan().start();
    let results = gateway.edge.observe(DEVICE, LAST_RESULT);
    let commands = gateway.edge.observe(DEVICE, COMMAND);
    for id in ["one", "two", "three"] {
        gateway.command(&format!(r#"{{"id":"{id}","method":"listModels"}}"#));
    }
    gateway.command("nonsense");
    for id in ["one", "two", "three"] {
        let value = results.recv_timeout(PATIENCE).unwrap();
        assert!(has_id(&serde_json::from_slice(&value).unwrap(), id));
    }
    let value: Value = serde_json::from_slice(&results.recv_timeout(PATIENCE).unwrap()).unwrap();
    assert_eq!(value["code"], "PARSE_ERROR");
    assert!(commands.try_recv().is_err(), "Edge Core notifies of nothing that takes a POST");
}

#[test]
fn the_status_resource_shows_what_runs() {
    let gateway = dispatching().start();
    let status = gateway.edge.observe(DEVICE, "/33311/0/5703");
    let next = || -> Value {
        serde_json::from_slice(&status.recv_timeout(PATIENCE).expect("a status")).unwrap()
    };
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.s3.fail_next(Method::Get, Fault::Hold(1000, gate.clone()));
    gateway.command(LOAD);
    assert_eq!(next(), json!({"loadModel": "running"}));
    gate.release();
    assert_eq!(next(), json!({"loadModel": "idle"}));
    gateway.command(r#"{"id":"no","method":"unloadModel","params":{"name":"absent"}}"#);
    gateway.wait_for_value(5703, |status| {
        *status == json!({"loadModel": "idle", "unloadModel": "error"})
    });
    gateway.command(r#"{"id":"yes","method":"unloadModel","params":{"name":"digits"}}"#);
    gateway.wait_for_value(5703, |status| {
        *status == json!({"loadModel": "idle", "unloadModel": "idle"})
    });
}

#[test]
fn a_load_that_is_held_shows_how_far_it_is() {
    let gateway = dispatching().start();
    let began = Instant::now();
    let archive = models::digits();
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &archive);
    gateway.s3.fail_next(Method::Get, Fault::Hold(5000, gate.clone()));
    gateway.command(LOAD);
    gate.reached();
    let health = gateway.wait_for_value(5705, |health| health["running"][0]["bytes"] == 5000);
    let mut running = health["running"].clone();
    // How fast it was is known after a second.
    let rate = running[0].as_object_mut().unwrap().remove("rate").unwrap();
    assert!(rate.is_null() || rate.is_u64(), "{rate}");
    assert_eq!(
        running,
        json!([{"id": "load", "method": "loadModel", "phase": "pulling", "bytes": 5000,
                "total": archive.len()}])
    );
    assert_eq!(health["agent"], json!({"state": "answering", "detail": ""}));
    assert_eq!(health["storage"], "set");
    gate.release();
    gateway.wait_for_value(5704, |value| has_id(value, "load"));
    gateway.wait_for_value(5705, |health| health["running"] == json!([]));
    // However slow this machine is: not more than one a second, and the one at registration.
    let written = values(&gateway.edge.record(), "/33311/0/5705").len();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(written <= seconds + 3, "{written} in {seconds} s");
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn progress_of_a_fast_load_is_not_a_flood() {
    // Several hundred chunks, within what is mostly less than a second.
    let mut noise = vec![0; 4_000_000];
    fastrand::Rng::with_seed(7).fill(&mut noise);
    let gateway = plan().start();
    let began = Instant::now();
    gateway.put_model("noise.tar.gz", &models::archive(&[("noise.bin", &noise)]));
    let load = r#"{"id":"load","method":"loadModel","params":{"name":"noise","s3_filename":"noise.tar.gz"}}"#;
    let reply = gateway.command(load);
    assert_eq!(reply["code"], "FAILED_PRECONDITION", "{reply}");
    let written = values(&gateway.edge.record(), "/33311/0/5705").len();
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(written <= seconds + 3, "{written} in {seconds} s");
}

#[test]
fn a_command_beyond_the_window_is_dispatched_and_its_result_follows() {
    let gateway = dispatching().start();
    let results = gateway.edge.observe(DEVICE, LAST_RESULT);
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.s3.fail_next(Method::Get, Fault::Hold(1000, gate.clone()));
    assert_eq!(
        gateway.command(LOAD),
        json!({"jsonrpc": "2.0", "id": "load", "method": "loadModel", "error": "none",
               "reply": "ok", "response": "request dispatched", "details": "loadModel"})
    );
    gate.reached();
    // The load was acknowledged, so the next command is delivered, and is not held up by it.
    assert_eq!(gateway.command(LIST)["response"], "request dispatched");
    let listed = gateway.wait_for_value(5704, |value| has_id(value, "list"));
    assert_eq!(listed["response"], json!([]));
    gate.release();
    for resource in [5701, 5704] {
        let loaded = gateway.wait_for_value(resource, |value| has_id(value, "load"));
        assert_eq!(loaded["response"], "succeeded", "{resource}");
    }
    // What was only dispatched is no result.
    let observed: Vec<Value> =
        results.try_iter().map(|value| serde_json::from_slice(&value).unwrap()).collect();
    let ids: Vec<&Value> = observed.iter().map(|value| &value["id"]).collect();
    assert_eq!(ids, ["list", "load"]);
    assert!(observed.iter().all(|value| value["response"] != "request dispatched"));
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn a_command_within_the_window_is_waited_for() {
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "50").start();
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.s3.fail_next(Method::Get, Fault::Hold(1000, gate.clone()));
    thread::scope(|scope| {
        let load = scope.spawn(|| gateway.command(LOAD));
        gate.reached();
        assert_eq!(gateway.value(5701), json!({}), "nothing is written before there is a result");
        gate.release();
        assert_eq!(load.join().unwrap()["response"], "succeeded");
    });
}

/// The smallest that can be set.
const LIMIT: usize = 4096;

#[test]
fn no_value_is_longer_than_the_limit() {
    let gateway = plan().set("SAPT_VALUE_LIMIT", &LIMIT.to_string()).start();
    gateway.put_model("digits.tar.gz", &models::digits());
    for number in 0..24 {
        let load = LOAD.replace(r#""digits""#, &format!(r#""digits-{number}""#));
        assert_eq!(gateway.command(&load)["response"], "succeeded");
    }
    let listed = gateway.command(LIST);
    assert_eq!(listed["code"], "TOO_LARGE", "{listed}");
    assert_eq!(listed["id"], "list");
    let long = format!(r#"{{"id":"{}","method":"listModels"}}"#, "7".repeat(2 * LIMIT));
    assert_eq!(gateway.command(&long)["code"], "TOO_LARGE");
    let unknown = format!(r#"{{"id":"unknown","method":"{}"}}"#, "x".repeat(2 * LIMIT));
    assert_eq!(gateway.command(&unknown)["id"], "unknown");
    assert_within(&gateway, LIMIT);
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

/// Stops a program, and returns when none of its threads runs any more.
fn stop(program: &Program) {
    program.signal(Signal::STOP);
    let tasks = format!("/proc/{}/task", program.id());
    let stopped = |task: &Path| {
        let stat = fs::read_to_string(task.join("stat")).unwrap_or_default();
        stat.contains(") T ")
    };
    let all = || fs::read_dir(&tasks).unwrap().all(|task| stopped(&task.unwrap().path()));
    while !all() {
        thread::yield_now();
    }
}

#[test]
fn what_many_commands_do_fits_into_a_value() {
    let gateway = dispatching().set("SAPT_VALUE_LIMIT", &LIMIT.to_string()).start();
    gateway.wait_for_value(5705, |health| health["agent"]["state"] == "answering");
    let agent = gateway.agent.as_ref().unwrap();
    stop(agent);
    for number in 0..50 {
        let list = format!(r#"{{"id":"{number}-{}","method":"listModels"}}"#, "x".repeat(100));
        assert_eq!(gateway.command(&list)["response"], "request dispatched");
    }
    // All of them are there, as far as there is room.
    let shown = |health: &Value| {
        let listed = health["running"].as_array().map_or(0, Vec::len) as u64;
        listed + health["more"].as_u64().unwrap_or(0)
    };
    gateway.wait_for_value(5705, |health| shown(health) == 50 && health["more"].is_u64());
    agent.signal(Signal::CONT);
    gateway.wait_for_value(5705, |health| shown(health) == 0);
    assert_within(&gateway, LIMIT);
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn an_endless_id_does_not_make_a_value_too_long() {
    let gateway = dispatching().start();
    for length in [20_000, 100_000] {
        let long = format!(r#"{{"id":"{}","method":"listModels"}}"#, "7".repeat(length));
        assert_eq!(gateway.command(&long)["response"], "request dispatched");
        gateway.command(LIST);
        gateway.wait_for_value(5704, |value| has_id(value, "list"));
    }
    assert_within(&gateway, 16_384);
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

/// No value that was ever sent is longer.
fn assert_within(gateway: &Gateway, limit: usize) {
    for exchange in requests(&gateway.edge.record()) {
        for (path, value) in exchange.values() {
            let text = String::from_utf8_lossy(&value).into_owned();
            assert!(value.len() <= limit, "{path} has {} bytes: {text}", value.len());
        }
    }
}

#[test]
fn a_write_never_keeps_what_the_cloud_put() {
    let gateway = plan().start();
    let config = r#"{"config":{"awsRegion":"eu-west-3","auth":{"awsAccessKeyId":"AK","awsSecretAccessKey":"s3cr3t"}}}"#;
    let put = gateway.edge.put(DEVICE, "/33311/0/5702", config.as_bytes());
    assert_eq!(put.status, Status::Changed);
    // Edge Core takes the content for the value until the translator writes its own.
    let shown = gateway.wait_for_value(5702, |value| value["config"]["version"].is_string());
    assert_eq!(shown["config"]["awsRegion"], "eu-west-3");
    assert_eq!(shown["config"]["auth"], json!({}));
    let result = gateway.value(5704);
    assert_eq!(result["response"], "config updated");
    for exchange in requests(&gateway.edge.record()) {
        for (_, value) in exchange.values() {
            assert!(!String::from_utf8_lossy(&value).contains("s3cr3t"));
        }
    }
    assert!(!gateway.sapt.said().contains("s3cr3t"));
}

#[test]
fn what_is_not_allowed_does_not_arrive() {
    let gateway = plan().start();
    for path in ["/33311/0/5703", "/33311/0/5704", "/33311/0/5705"] {
        assert_eq!(gateway.edge.post(DEVICE, path, b"x").status, Status::NotAllowed);
        assert_eq!(gateway.edge.put(DEVICE, path, b"x").status, Status::NotAllowed);
    }
    assert_eq!(gateway.edge.put(DEVICE, COMMAND, LIST.as_bytes()).status, Status::NotAllowed);
    assert_eq!(gateway.edge.post(DEVICE, "/33311/0/5702", b"{}").status, Status::NotAllowed);
    assert!(has_id(&gateway.command(LIST), "list"));
}
