//! Edge Core goes away, refuses or keeps silent at each step, and `sapt` comes back.

use std::thread;
use std::time::Duration;

use lab::edge_core::{Content, Direction, EdgeCore, Exchange, Fault, Options, Status};
use lab::gateway::{DEVICE, Gateway, PATIENCE, Plan};
use lab::models;
use lab::s3::{self, Gate, Method};
use serde_json::Value;

const COMMAND: &str = "/33311/0/5701";

const LIST: &str = r#"{"id":"list","method":"listModels"}"#;
const LOAD: &str = r#"{"id":"load","method":"loadModel","params":{"name":"digits","s3_filename":"digits.tar.gz"}}"#;

const REGISTER: &str = "protocol_translator_register";
const REGISTER_DEVICE: &str = "device_register";
const WRITE: &str = "write";

fn plan() -> Plan {
    Plan::new(env!("CARGO_BIN_EXE_sapt"))
}

/// A gateway whose Edge Core has these faults from the start, and is registered with in the end.
fn gateway_with(faults: impl IntoIterator<Item = Fault>) -> Gateway {
    let plan = plan();
    let edge = EdgeCore::start(&plan.edge_socket());
    faults.into_iter().for_each(|fault| edge.fail_next(fault));
    plan.start_with(edge)
}

/// How often the device was registered.
fn registrations(record: &[Exchange]) -> usize {
    let registering = record.iter().filter(|exchange| exchange.method() == Some(REGISTER_DEVICE));
    let succeeded = |request: &&Exchange| {
        record.iter().any(|exchange| {
            exchange.direction == Direction::FromEdgeCore
                && exchange.connection == request.connection
                && exchange.id == request.id
                && matches!(exchange.content, Content::Result(_))
        })
    };
    registering.filter(succeeded).count()
}

fn wait_for_registrations(gateway: &Gateway, count: usize) {
    let found = gateway.edge.wait_for_record(PATIENCE, |record| registrations(record) >= count);
    assert!(found.is_ok(), "{found:?}; sapt said:\n{}", gateway.sapt.said());
    gateway.wait_until_registered();
}

fn wait_for_line(gateway: &Gateway, part: &str) -> String {
    let found = gateway.sapt.wait_for_line(part, PATIENCE);
    assert!(found.is_ok(), "{found:?}");
    found.unwrap_or_default()
}

fn has_id(value: &Value, id: &str) -> bool {
    value["id"] == id && value["response"] != "request dispatched"
}

/// The session is as it was before anything happened.
fn assert_works(gateway: &Gateway) {
    let reply = gateway.command(r#"{"id":"works","method":"listModels"}"#);
    assert!(has_id(&reply, "works") && reply["reply"] == "ok", "{reply}");
    assert_eq!(gateway.value(5704), reply);
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}

#[test]
fn cut_at_the_handshake() {
    let gateway = gateway_with(vec![Fault::CutAtHandshake; 3]);
    wait_for_line(&gateway, "did not accept the WebSocket");
    assert_works(&gateway);
}

#[test]
fn stalled_at_the_handshake() {
    let gateway = gateway_with([Fault::StallAtHandshake]);
    wait_for_line(&gateway, "did not answer the WebSocket handshake within 5 s");
    assert_works(&gateway);
}

#[test]
fn cut_on_or_after_each_registration() {
    for method in [REGISTER, REGISTER_DEVICE] {
        for fault in [Fault::CutOn(method), Fault::CutAfter(method)] {
            let gateway = gateway_with([fault.clone()]);
            let connected = gateway.edge.wait_for_record(PATIENCE, |record| {
                record.iter().any(|exchange| {
                    exchange.connection == 1 && exchange.method() == Some(REGISTER_DEVICE)
                })
            });
            assert!(connected.is_ok(), "{fault:?}: {connected:?}");
            wait_for_line(&gateway, "Edge Core closed the connection; connecting again in");
            // After it, the device had been registered once already.
            let before = usize::from(fault == Fault::CutAfter(REGISTER_DEVICE));
            wait_for_registrations(&gateway, before + 1);
            assert_works(&gateway);
        }
    }
}

#[test]
fn several_faults_one_after_the_other() {
    let gateway = gateway_with([
        Fault::CutAtHandshake,
        Fault::CutOn(REGISTER),
        Fault::CutAfter(REGISTER),
        Fault::Refuse(REGISTER, -30003),
        Fault::CutOn(REGISTER_DEVICE),
        Fault::Refuse(REGISTER_DEVICE, -30005),
    ]);
    assert_works(&gateway);
}

#[test]
fn an_unanswered_registration_is_given_up() {
    let gateway = gateway_with([Fault::Ignore(REGISTER)]);
    wait_for_line(&gateway, "did not answer protocol_translator_register within 5 s");
    assert_works(&gateway);
}

#[test]
fn an_unanswered_registration_of_the_device_is_given_up() {
    let gateway = gateway_with([Fault::Ignore(REGISTER_DEVICE)]);
    wait_for_line(&gateway, "did not answer device_register within 5 s");
    assert_works(&gateway);
}

#[test]
fn an_unanswered_write_is_given_up() {
    let gateway = plan().start();
    gateway.edge.fail_next(Fault::Ignore(WRITE));
    let reply = gateway.post(LIST.as_bytes());
    assert_eq!(reply.status, Status::NotFound, "its translator left");
    wait_for_line(&gateway, "did not answer write within 5 s");
    wait_for_registrations(&gateway, 2);
    gateway.wait_for_value(5704, |value| has_id(value, "list"));
    assert_works(&gateway);
}

#[test]
fn a_cut_write_is_made_up_for() {
    for fault in [Fault::CutOn(WRITE), Fault::CutAfter(WRITE)] {
        let plan = plan();
        // What the lost connection owes must not hold up the next: less than any deadline of ours.
        let options = Options { request_timeout: Duration::from_secs(3), ..Options::default() };
        let edge = EdgeCore::start_with(&plan.edge_socket(), options);
        let gateway = plan.start_with(edge);
        gateway.edge.fail_next(fault);
        let reply = gateway.post(LIST.as_bytes());
        assert_eq!(reply.status, Status::NotFound, "its translator left");
        wait_for_registrations(&gateway, 2);
        let again = gateway.post(br#"{"id":"again","method":"listModels"}"#);
        assert_eq!(again.status, Status::Changed, "{}", gateway.sapt.said());
        assert!(has_id(&gateway.value(5704), "again"));
        assert_works(&gateway);
    }
}

#[test]
fn a_command_that_arrived_is_done_although_its_connection_is_lost() {
    let gateway = plan().start();
    gateway.edge.fail_next(Fault::CutAfterDelivery);
    let reply = gateway.post(LIST.as_bytes());
    assert_eq!(reply.status, Status::NotFound);
    wait_for_registrations(&gateway, 2);
    for resource in [5701, 5704] {
        let result = gateway.wait_for_value(resource, |value| has_id(value, "list"));
        assert_eq!(result["reply"], "ok");
    }
    assert_works(&gateway);
}

#[test]
fn a_reserved_name_is_told_and_waited_for() {
    let gateway = gateway_with(vec![Fault::Refuse(REGISTER, -30003); 3]);
    let line = wait_for_line(&gateway, "-30003");
    assert!(line.contains("another translator has this name"), "{line}");
    assert!(line.contains("SAPT_PT_DEVICE_NAME"), "{line}");
    assert!(line.contains("connecting again in"), "{line}");
    assert_works(&gateway);
}

#[test]
fn the_second_of_one_name_takes_over_when_the_first_ends() {
    let mut gateway = plan().start();
    let elsewhere = tempfile::tempdir().expect("there is room");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sapt"));
    command
        .env_clear()
        .env("SAPT_EDGE_SOCKET", gateway.plan().edge_socket())
        .env("SAPT_AGENT_ADDRESS", format!("unix:{}", gateway.plan().agent_socket().display()))
        .env("SAPT_CONTROL_SOCKET", elsewhere.path().join("control.sock"))
        .env("SAPT_MODELS_PATH", elsewhere.path());
    let second = lab::program::Program::start(&mut command);
    let told = second.wait_for_line("another translator has this name", PATIENCE);
    assert!(told.is_ok(), "{told:?}");
    assert!(has_id(&gateway.command(LIST), "list"), "the first is not disturbed");
    assert_eq!(gateway.sapt.terminate(PATIENCE), Some(0));
    let registered = second.wait_for_line("registered with Edge Core", PATIENCE);
    assert!(registered.is_ok(), "{registered:?}");
    gateway.wait_until_registered();
    assert!(has_id(&gateway.command(LIST), "list"));
}

#[test]
fn a_full_edge_core_is_told_and_waited_for() {
    let gateway = gateway_with(vec![Fault::Refuse(REGISTER_DEVICE, -30004); 3]);
    let line = wait_for_line(&gateway, "-30004");
    assert!(line.contains("as many devices as Edge Core takes"), "{line}");
    wait_for_line(&gateway, "trying again in");
    assert_eq!(gateway.edge.connections(), 1, "the connection is kept");
    assert_works(&gateway);
}

#[test]
fn a_device_that_is_registered_already_is_unregistered() {
    let gateway = gateway_with([Fault::Refuse(REGISTER_DEVICE, -30005)]);
    let line = wait_for_line(&gateway, "-30005");
    assert!(line.contains("another translator has registered this device"), "{line}");
    let record = gateway.edge.record();
    let methods: Vec<&str> = record.iter().filter_map(Exchange::method).collect();
    assert_eq!(
        methods[..4],
        [REGISTER, REGISTER_DEVICE, "device_unregister", REGISTER_DEVICE],
        "{methods:?}"
    );
    assert_works(&gateway);
}

#[test]
fn a_write_that_finds_nothing_registered_registers_anew() {
    for code in [-30001, -30102] {
        let gateway = plan().start();
        gateway.edge.fail_next(Fault::Refuse(WRITE, code));
        let reply = gateway.post(LIST.as_bytes());
        // Which write it was decides whether the request was acknowledged before.
        assert!(matches!(reply.status, Status::NotFound | Status::Changed), "{reply:?}");
        wait_for_line(&gateway, &format!("({code})"));
        wait_for_registrations(&gateway, 2);
        gateway.wait_for_value(5704, |value| has_id(value, "list"));
        assert_works(&gateway);
    }
}

#[test]
fn edge_core_comes_after_sapt() {
    let plan = plan().without_waiting();
    let mut edge = EdgeCore::start(&plan.edge_socket());
    edge.stop();
    let mut gateway = plan.start_with(edge);
    let line = wait_for_line(&gateway, "cannot connect to Edge Core at");
    assert!(line.contains("SAPT_EDGE_SOCKET") && line.contains("connecting again in"), "{line}");
    gateway.edge.restart();
    gateway.wait_until_registered();
    assert_works(&gateway);
}

#[test]
fn edge_core_is_stopped_and_started_while_nothing_runs() {
    let mut gateway = plan().start();
    gateway.command(LIST);
    gateway.edge.stop();
    wait_for_line(&gateway, "cannot connect to Edge Core at");
    gateway.edge.restart();
    gateway.wait_until_registered();
    // The last result is there again, for who has not read it yet.
    assert!(has_id(&gateway.value(5701), "list"));
    assert!(has_id(&gateway.value(5704), "list"));
    assert_works(&gateway);
}

#[test]
fn edge_core_is_killed_and_its_socket_recreated() {
    let mut gateway = plan().start();
    // The socket's file stays, and refuses.
    gateway.edge.kill();
    wait_for_line(&gateway, "cannot connect to Edge Core at");
    gateway.edge.restart();
    gateway.wait_until_registered();
    assert_works(&gateway);
}

#[test]
fn many_restarts_in_a_row() {
    let mut gateway = plan().start();
    for round in 2..12 {
        gateway.edge.restart();
        wait_for_registrations(&gateway, round);
        assert_works(&gateway);
    }
    assert_eq!(registrations(&gateway.edge.record()), 11);
}

#[test]
fn edge_core_is_restarted_during_a_load() {
    let mut gateway = plan().start();
    let gate = held_load(&gateway);
    let (edge, post) = (&gateway.edge, LOAD.as_bytes());
    thread::scope(|scope| {
        let load = scope.spawn(|| edge.post(DEVICE, COMMAND, post));
        gate.reached();
        edge.disconnect();
        assert_eq!(load.join().map(|reply| reply.status).ok(), Some(Status::NotFound));
    });
    gateway.edge.restart();
    gateway.wait_until_registered();
    assert_works(&gateway);
    gate.release();
    assert_loaded(&gateway);
}

#[test]
fn a_load_that_ends_while_edge_core_is_away_is_readable_afterwards() {
    let mut gateway = plan().start();
    let gate = held_load(&gateway);
    let (edge, post) = (&gateway.edge, LOAD.as_bytes());
    thread::scope(|scope| {
        let load = scope.spawn(|| edge.post(DEVICE, COMMAND, post));
        gate.reached();
        edge.disconnect();
        let _ = load.join();
    });
    gateway.edge.kill();
    gate.release();
    wait_for_line(&gateway, r#"loadModel (id \"load\"): done"#);
    gateway.edge.restart();
    gateway.wait_until_registered();
    assert_loaded(&gateway);
}

#[test]
fn a_dispatched_load_survives_its_connection() {
    let mut gateway = plan().set("SAPT_SYNC_WINDOW_S", "0").start();
    let results = gateway.edge.observe(DEVICE, "/33311/0/5704");
    let gate = held_load(&gateway);
    assert_eq!(gateway.command(LOAD)["response"], "request dispatched");
    gate.reached();
    gateway.edge.restart();
    gateway.wait_until_registered();
    gate.release();
    assert_loaded(&gateway);
    // Who observed it before is told.
    let told = results.iter().find(|value| {
        serde_json::from_slice(value).is_ok_and(|value: Value| has_id(&value, "load"))
    });
    assert!(told.is_some());
}

/// Lets the next load stop half-way.
fn held_load(gateway: &Gateway) -> Gate {
    let gate = Gate::new();
    gateway.put_model("digits.tar.gz", &models::digits());
    gateway.s3.fail_next(Method::Get, s3::Fault::Hold(1000, gate.clone()));
    gate
}

fn assert_loaded(gateway: &Gateway) {
    for resource in [5701, 5704] {
        let result = gateway.wait_for_value(resource, |value| has_id(value, "load"));
        assert_eq!(result["response"], "succeeded", "{resource}");
    }
    assert_eq!(gateway.edge.violations(), Vec::<String>::new());
}
