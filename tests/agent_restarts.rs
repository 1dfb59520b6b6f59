//! The agent is absent, restarted, killed or replaced, and is reached in each way there is.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as tests may")]

use std::path::Path;
use std::rc::Rc;
use std::thread;

use lab::bridge::Bridge;
use lab::gateway::{Gateway, PATIENCE, Plan};
use lab::models;
use rustix::process::Signal;
use sapt::agent::{Address, Client};
use sapt::model_name::ModelName;
use serde_json::{Value, json};

const LIST: &str = r#"{"id":"list","method":"listModels"}"#;
const LOAD: &str = r#"{"id":"load","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;
const PREDICT: &str = r#"{"id":"predict","method":"predict","params":{"model_name":"digits","input_data_url":"file:///digit.bin"}}"#;

fn plan() -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_sapt"))
}

/// A gateway with the model loaded, and an input of these bytes for it.
fn loaded(plan: Plan) -> Gateway {
    let gateway = plan.start();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.put_data("digit.bin", &input());
    assert_eq!(gateway.command(LOAD)["response"], "succeeded");
    gateway
}

/// 8 x 8 numbers whose bytes are found nowhere else.
fn input() -> Vec<u8> {
    (0..64_u8).flat_map(|pixel| (f32::from(pixel) * 1.25).to_le_bytes()).collect()
}

fn outputs(reply: &Value) -> u64 {
    assert_eq!(reply["response"], "successful", "{reply}");
    reply["details"]["output"][0]["shape"][1].as_u64().unwrap()
}

/// The agent's answer to somebody who is not `sapt`.
fn with_agent<T>(socket: &Path, ask: impl AsyncFnOnce(Client) -> T) -> T {
    let executor = Rc::new(smol::LocalExecutor::new());
    let client = Client::new(Address::Unix(socket.to_owned()), executor.clone());
    smol::block_on(executor.run(ask(client)))
}

#[test]
fn the_next_command_finds_the_restarted_agent() {
    let mut gateway = loaded(plan().set("SAPT_RESTORE", "0"));
    assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    for _ in 0..3 {
        assert_eq!(gateway.agent.as_mut().unwrap().terminate(PATIENCE), Some(0));
        gateway.restart_agent();
        assert_eq!(gateway.command(LIST)["response"], json!([]));
    }
    // What was known of the model before is not believed any more.
    let reply = gateway.command(PREDICT);
    assert_eq!(reply["code"], "NOT_FOUND", "{reply}");
    assert_eq!(reply["error"], "model digits is not loaded; use loadModel first");
    assert_eq!(gateway.command(LOAD)["response"], "succeeded");
    assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn a_prediction_is_the_first_to_meet_the_restarted_agent() {
    let mut gateway = loaded(plan());
    assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    for _ in 0..3 {
        gateway.agent.as_mut().unwrap().kill();
        gateway.restart_agent();
        // Whether it is the prediction that has the model loaded again, or the watch over the agent.
        assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    }
    assert_eq!(gateway.s3.requests().len(), 1);
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn an_absent_agent_is_told_and_found_when_it_comes() {
    let mut gateway = plan().without_agent().start();
    let health = gateway.wait_for_value(5705, |health| health["agent"]["state"] == "unreachable");
    assert!(health["agent"]["detail"].as_str().unwrap().contains("agent.sock"), "{health}");
    let reply = gateway.command(LIST);
    assert_eq!(reply["code"], "UNAVAILABLE");
    let error = reply["error"].as_str().unwrap();
    let socket = gateway.plan().agent_socket();
    assert!(error.contains(&format!("cannot reach the agent at unix:{}", socket.display())));
    // Nothing is pulled for an agent that is not there.
    gateway.put_model("digits.tar.gz", &models::digits());
    assert_eq!(gateway.command(LOAD)["code"], "UNAVAILABLE");
    assert!(gateway.s3.requests().is_empty());
    gateway.restart_agent();
    assert_eq!(gateway.command(LIST)["response"], json!([]));
    gateway.wait_for_value(5705, |health| {
        health["agent"] == json!({"state": "answering", "detail": ""})
    });
    assert_eq!(gateway.command(LOAD)["response"], "succeeded");
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn an_agent_that_goes_away_is_told() {
    let mut gateway = plan().start();
    gateway.wait_for_value(5705, |health| health["agent"]["state"] == "answering");
    gateway.agent.as_mut().unwrap().kill();
    assert_eq!(gateway.command(LIST)["code"], "UNAVAILABLE");
    gateway.wait_for_value(5705, |health| health["agent"]["state"] == "unreachable");
    assert!(gateway.sapt.wait_for_line("cannot reach the agent", PATIENCE).is_ok());
}

#[test]
fn an_agent_that_hangs_holds_up_only_so_many_commands() {
    let gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    let agent = gateway.agent.as_ref().unwrap();
    agent.signal(Signal::STOP);
    for _ in 0..80 {
        gateway.command(LIST);
    }
    let busy = gateway.wait_for_value(5704, |value| value["code"] == "BUSY");
    assert!(busy["error"].as_str().unwrap().contains("commands"), "{busy}");
    agent.signal(Signal::CONT);
    gateway.wait_for_value(5705, |value| value["running"] == json!([]));
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

/// A gateway whose agent is behind a bridge.
fn bridged() -> (Gateway, Bridge) {
    let plan = plan();
    let at = plan.directory().join("bridge.sock");
    let bridge = Bridge::unix(&at, &plan.agent_socket());
    let address = format!("unix:{}", at.display());
    (loaded(plan.set("SAPT_AGENT_ADDRESS", &address)), bridge)
}

#[test]
fn a_prediction_that_may_have_run_is_not_tried_again() {
    let (mut gateway, bridge) = bridged();
    let input = input();
    bridge.hold(&input);
    let Gateway { edge, agent, .. } = &mut gateway;
    let reply = thread::scope(|scope| {
        let predict =
            scope.spawn(|| edge.post(lab::gateway::DEVICE, "/33311/0/5701", PREDICT.as_bytes()));
        bridge.held(PATIENCE).unwrap();
        agent.as_mut().unwrap().kill();
        predict.join().unwrap()
    });
    let reply: Value = serde_json::from_slice(&reply.value).unwrap();
    assert_eq!(reply["code"], "UNAVAILABLE", "{reply}");
    let error = reply["error"].as_str().unwrap();
    assert!(error.contains("broke off Predict"), "{error}");
    assert!(error.contains("it may have run and was not tried again"), "{error}");
    assert_eq!((bridge.heard(&input), bridge.connections()), (1, 1));
    gateway.restart_agent();
    assert_eq!(gateway.command(LIST)["response"], json!([]));
}

#[test]
fn a_load_that_may_have_run_is_not_tried_again() {
    let (mut gateway, bridge) = bridged();
    // The agent is asked to load by the path, and by nothing else.
    let path = gateway.plan().models().join("second").display().to_string();
    bridge.hold(path.as_bytes());
    gateway.put_model("second.tar.gz", &models::digits());
    let load = LOAD.replace("digits", "second");
    let Gateway { edge, agent, .. } = &mut gateway;
    let reply = thread::scope(|scope| {
        let load =
            scope.spawn(|| edge.post(lab::gateway::DEVICE, "/33311/0/5701", load.as_bytes()));
        bridge.held(PATIENCE).unwrap();
        agent.as_mut().unwrap().kill();
        load.join().unwrap()
    });
    let reply: Value = serde_json::from_slice(&reply.value).unwrap();
    assert_eq!(reply["code"], "UNAVAILABLE", "{reply}");
    let error = reply["error"].as_str().unwrap();
    assert!(error.contains("broke off LoadModel"), "{error}");
    assert!(error.contains("was not tried again"), "{error}");
    assert!(error.contains("its files were removed again"), "{error}");
    assert_eq!(bridge.heard(path.as_bytes()), 1);
    assert!(!Path::new(&path).exists());
}

#[test]
fn a_load_that_the_agent_did_although_its_answer_is_lost_has_succeeded() {
    let (gateway, bridge) = bridged();
    let path = gateway.plan().models().join("second").display().to_string();
    bridge.hold(path.as_bytes());
    gateway.put_model("second.tar.gz", &models::digits());
    let load = LOAD.replace("digits", "second");
    let reply = thread::scope(|scope| {
        let load = scope.spawn(|| gateway.command(&load));
        bridge.held(PATIENCE).unwrap();
        // What the agent would have done with the request.
        let name = ModelName::parse("second").unwrap();
        let model = with_agent(&gateway.plan().agent_socket(), async |client| {
            client.load_model(&name, &path).await
        });
        assert_eq!(model.unwrap().name, "second");
        bridge.cut();
        load.join().unwrap()
    });
    assert_eq!(reply["response"], "succeeded", "{reply}");
    assert_eq!(bridge.heard(path.as_bytes()), 1, "it was asked about, not done again");
    assert!(Path::new(&path).is_dir());
}

#[test]
fn a_connection_that_was_lost_while_nothing_was_said_is_made_again() {
    let (gateway, bridge) = bridged();
    for connection in 2..5 {
        bridge.cut();
        assert_eq!(outputs(&gateway.command(PREDICT)), 10);
        assert_eq!(bridge.connections(), connection);
    }
}

#[test]
fn a_prediction_fits_itself_to_another_model_of_the_same_name() {
    let gateway = loaded(plan());
    let held_out = models::HeldOut::read();
    gateway.put_data("digit.bmp", &held_out.picture("0007.bmp"));
    let predict = PREDICT
        .replace("digit.bin", "digit.bmp")
        .replace("}}", r#","output_url":"file:///out.npy","preprocess":{"resize":"bilinear"}}}"#);
    let shape = |reply: &Value| {
        assert_eq!(reply["response"], "successful", "{reply}");
        let url = reply["details"]["output"][0]["url"].as_str().unwrap();
        let array = gateway.output(url);
        let header = String::from_utf8_lossy(&array[..128.min(array.len())]).into_owned();
        let shape = header.split_once("'shape': ").unwrap().1;
        shape[..=shape.find(')').unwrap()].to_owned()
    };
    assert_eq!(shape(&gateway.command(&predict)), "(1, 10)");
    // Behind the back of `sapt`, as a person on the gateway may.
    gateway.put_model("speed.tar.gz", &models::speed());
    let load = LOAD.replace("digits", "speed");
    assert_eq!(gateway.command(&load)["response"], "succeeded");
    let other = gateway.plan().models().join("speed").display().to_string();
    with_agent(&gateway.plan().agent_socket(), async |client| {
        let name = ModelName::parse("digits").unwrap();
        client.unload_model(&name).await.unwrap();
        client.load_model(&name, &other).await.unwrap();
    });
    assert_eq!(shape(&gateway.command(&predict)), "(1, 1000)");
    // And it is known from now on: input that only fits the first is refused by what it wants.
    let reply = gateway.command(PREDICT);
    assert_eq!(reply["code"], "INVALID_INPUT", "{reply}");
    assert!(reply["error"].as_str().unwrap().contains("224"), "{reply}");
}

#[test]
fn an_agent_at_a_port() {
    let plan = plan();
    let bridge = Bridge::tcp(&plan.agent_socket());
    let address = format!("tcp://127.0.0.1:{}", bridge.port().unwrap());
    let gateway = loaded(plan.set("SAPT_AGENT_ADDRESS", &address));
    assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    assert_eq!(bridge.connections(), 1, "one connection is kept");
    gateway.sapt.wait_for_line(&format!("agent at {address}"), PATIENCE).unwrap();
}

#[test]
fn an_agent_behind_a_port_while_its_socket_is_not_there() {
    let plan = plan();
    let bridge = Bridge::tcp(&plan.agent_socket());
    let missing = plan.directory().join("missing.sock");
    let gateway = loaded(
        plan.unset("SAPT_AGENT_ADDRESS")
            .set("SAPT_SAGE_SOCKET_FILE", &missing.display().to_string())
            .set("SAPT_MAP_PORT", &bridge.port().unwrap().to_string()),
    );
    assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    assert_eq!(bridge.connections(), 1);
}

#[test]
fn an_agent_at_the_sockets_path_although_a_port_is_set() {
    let plan = plan();
    let bridge = Bridge::tcp(&plan.agent_socket());
    let socket = plan.agent_socket().display().to_string();
    let gateway = loaded(
        plan.unset("SAPT_AGENT_ADDRESS")
            .set("SAPT_SAGE_SOCKET_FILE", &socket)
            .set("SAPT_MAP_PORT", &bridge.port().unwrap().to_string()),
    );
    assert_eq!(outputs(&gateway.command(PREDICT)), 10);
    assert_eq!(bridge.connections(), 0);
}
