use std::thread;

use lab::edge_core::{Fault, Status};
use serde_json::json;

use crate::client::{Client, Received, Rig, device, request, rig};

const REGISTER: &str = "protocol_translator_register";

fn send_register(client: &mut Client) {
    client.send_json(json!({"jsonrpc": "2.0", "id": "1", "method": REGISTER,
        "params": {"name": "pt"}}));
}

/// A fault happens once, and is nobody's violation.
fn then_all_is_well(rig: &Rig) {
    drop(rig.camera());
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn cut_at_handshake() {
    let rig = rig();
    rig.edge_core.fail_next(Fault::CutAtHandshake);
    let mut client = Client::connected(rig.edge_core.socket());
    client.send(request("/1/pt", &[]).as_bytes());
    assert_eq!(client.head(), None);
    then_all_is_well(&rig);
}

#[test]
fn stall_at_handshake() {
    let rig = rig();
    rig.edge_core.fail_next(Fault::StallAtHandshake);
    let mut client = Client::connected(rig.edge_core.socket());
    client.send(request("/1/pt", &[]).as_bytes());
    let mut next = Client::connected(rig.edge_core.socket());
    next.send(request("/1/pt", &[]).as_bytes());
    assert!(client.has_nothing());
    drop(client);
    assert!(next.head().unwrap().starts_with("HTTP/1.1 101 "));
    then_all_is_well(&rig);
}

#[test]
fn a_stalled_handshake_ends_with_the_stand_in() {
    let mut rig = rig();
    rig.edge_core.fail_next(Fault::StallAtHandshake);
    let mut client = Client::connected(rig.edge_core.socket());
    client.send(request("/1/pt", &[]).as_bytes());
    rig.edge_core.stop();
    assert_eq!(client.head(), None);
}

#[test]
fn cut_on_a_method() {
    let rig = rig();
    rig.edge_core.fail_next(Fault::CutOn("device_register"));
    let mut client = rig.translator("pt");
    client.send_json(json!({"jsonrpc": "2.0", "id": "1", "method": "device_register",
        "params": device("cam1", json!([]))}));
    assert_eq!(client.receive(), Received::End);
    then_all_is_well(&rig);
}

#[test]
fn cut_after_a_method() {
    let rig = rig();
    rig.edge_core.fail_next(Fault::CutAfter(REGISTER));
    let mut client = rig.translator("pt");
    assert_eq!(client.receive(), Received::End);
    then_all_is_well(&rig);
}

#[test]
fn ignore_a_method() {
    let rig = rig();
    rig.edge_core.fail_next(Fault::Ignore(REGISTER));
    let mut client = rig.client();
    send_register(&mut client);
    client.ping();
    // It was not done either.
    assert_eq!(client.call(REGISTER, json!({"name": "pt"})), Ok(json!("ok")));
    drop(client);
    then_all_is_well(&rig);
}

#[test]
fn refuse_a_method() {
    let rig = rig();
    for (code, closes) in [(-30003, true), (-30002, true), (-32602, true), (-30000, false)] {
        rig.edge_core.fail_next(Fault::Refuse(REGISTER, code));
        let mut client = rig.client();
        assert_eq!(client.call(REGISTER, json!({"name": "pt"})), Err(code));
        if closes {
            assert_eq!(client.receive(), Received::End, "{code}");
        } else {
            client.ping();
        }
    }
    rig.edge_core.fail_next(Fault::Refuse("device_register", -30004));
    let mut client = rig.translator("pt");
    assert_eq!(client.call("device_register", device("cam1", json!([]))), Err(-30004));
    assert_eq!(client.call("device_register", device("cam1", json!([]))), Ok(json!("ok")));
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn cut_after_delivery() {
    let rig = rig();
    let mut client = rig.camera();
    rig.edge_core.fail_next(Fault::CutAfterDelivery);
    thread::scope(|scope| {
        let reply = scope.spawn(|| rig.edge_core.post("cam1", "/33311/0/5701", b"go"));
        assert_eq!(client.receive_json()["method"], "write");
        assert_eq!(client.receive(), Received::End);
        assert_eq!(reply.join().unwrap().status, Status::NotFound);
    });
    then_all_is_well(&rig);
}

#[test]
fn faults_of_one_moment_happen_in_order() {
    let rig = rig();
    rig.edge_core.fail_next(Fault::CutAtHandshake);
    rig.edge_core.fail_next(Fault::Refuse("write", -30101));
    rig.edge_core.fail_next(Fault::Refuse("write", -30102));
    let mut cut = Client::connected(rig.edge_core.socket());
    cut.send(request("/1/pt", &[]).as_bytes());
    assert_eq!(cut.head(), None);
    let mut client = rig.camera();
    for expected in [Err(-30101), Err(-30102), Ok(json!("ok"))] {
        assert_eq!(client.call("write", device("cam1", json!([]))), expected);
    }
}
