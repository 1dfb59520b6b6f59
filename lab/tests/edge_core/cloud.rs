use std::{
    sync::{Barrier, mpsc},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use lab::edge_core::{CloudReply, Direction, Options, Status};
use serde_json::{Value, json};

use crate::client::{Client, Received, Rig, device, rig, rig_with};

/// A POST in another thread.
fn post<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    rig: &'scope Rig,
    device_id: &'static str,
) -> ScopedJoinHandle<'scope, CloudReply> {
    scope.spawn(move || rig.edge_core.post(device_id, "/33311/0/5701", b"go"))
}

fn bare(status: Status) -> CloudReply {
    CloudReply { status, value: Vec::new() }
}

fn acknowledge(client: &mut Client, request: &Value) {
    client.send_json(json!({"jsonrpc": "2.0", "id": request["id"], "result": "ok"}));
}

#[test]
fn a_post_is_an_execute() {
    let rig = rig();
    let mut client = rig.camera();
    thread::scope(|scope| {
        let reply = post(scope, &rig, "cam1");
        let request = client.receive_json();
        let uri = json!({"deviceId": "cam1", "objectId": 33311, "objectInstanceId": 0,
            "resourceId": 5701});
        assert_eq!(
            request,
            json!({"id": "0", "jsonrpc": "2.0", "method": "write",
                "params": {"operation": 4, "uri": uri, "value": "Z28="}})
        );
        acknowledge(&mut client, &request);
        // Nothing was written: the value of the registration is returned.
        let reply = reply.join().unwrap();
        assert_eq!(reply, CloudReply { status: Status::Changed, value: b"cmd".to_vec() });
    });
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn an_execute_without_argument_carries_an_empty_value() {
    let rig = rig();
    let mut client = rig.camera();
    thread::scope(|scope| {
        let reply = scope.spawn(|| rig.edge_core.post("cam1", "/33311/0/5701", b""));
        let request = client.receive_json();
        assert_eq!(request["params"]["value"], "");
        acknowledge(&mut client, &request);
        assert_eq!(reply.join().unwrap().status, Status::Changed);
    });
}

#[test]
fn the_reply_to_a_post_carries_the_value_at_the_moment_of_the_acknowledgement() {
    let rig = rig();
    let mut client = rig.camera();
    let result = |value| {
        device(
            "cam1",
            json!([{"resourceId": 5701, "operations": 5, "type": "string",
            "value": value}]),
        )
    };
    thread::scope(|scope| {
        let reply = post(scope, &rig, "cam1");
        let request = client.receive_json();
        assert_eq!(client.call("write", result("cmVzdWx0")), Ok(json!("ok")));
        acknowledge(&mut client, &request);
        assert_eq!(client.call("write", result("bGF0ZXI=")), Ok(json!("ok")));
        assert_eq!(reply.join().unwrap().value, b"result");
    });
}

#[test]
fn a_put_is_a_write_and_becomes_the_value_once_acknowledged() {
    let rig = rig();
    let mut client = rig.camera();
    thread::scope(|scope| {
        let reply = scope.spawn(|| rig.edge_core.put("cam1", "/33311/0/5702", b"new"));
        let request = client.receive_json();
        assert_eq!(request["params"]["operation"], 2);
        assert_eq!(request["params"]["value"], "bmV3");
        assert_eq!(rig.edge_core.read("cam1", "/33311/0/5702").value, b"rw");
        acknowledge(&mut client, &request);
        assert_eq!(reply.join().unwrap(), bare(Status::Changed));
    });
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5702").value, b"new");
}

#[test]
fn a_put_of_nothing_is_never_sent() {
    let rig = rig();
    let mut client = rig.camera();
    assert_eq!(rig.edge_core.put("cam1", "/33311/0/5702", b""), bare(Status::Failed));
    client.ping();
    assert!(client.has_nothing());
}

#[test]
fn an_error_is_a_bare_failure() {
    let rig = rig();
    let mut client = rig.camera();
    thread::scope(|scope| {
        let reply = post(scope, &rig, "cam1");
        let request = client.receive_json();
        client.send_json(json!({"jsonrpc": "2.0", "id": request["id"],
            "error": {"code": -32000, "message": "no"}}));
        assert_eq!(reply.join().unwrap(), bare(Status::Failed));
    });
    assert_eq!(Status::Failed.to_string(), "5.00 Internal Server Error");
    client.ping();
}

#[test]
fn what_is_not_there_or_not_allowed_is_never_sent() {
    let rig = rig();
    let mut client = rig.camera();
    let edge_core = &rig.edge_core;
    assert_eq!(edge_core.post("cam2", "/33311/0/5701", b"go"), bare(Status::NotFound));
    assert_eq!(edge_core.post("cam1", "/33311/0/1", b"go"), bare(Status::NotFound));
    assert_eq!(edge_core.post("cam1", "/33311/0/5703", b"go"), bare(Status::NotAllowed));
    assert_eq!(edge_core.put("cam1", "/33311/0/5701", b"go"), bare(Status::NotAllowed));
    client.ping();
    assert!(client.has_nothing());
}

#[test]
fn a_reply_that_does_not_echo_the_id_closes() {
    for id in [json!(0), json!("00"), json!("1"), json!(null)] {
        let rig = rig();
        let mut client = rig.camera();
        thread::scope(|scope| {
            let reply = post(scope, &rig, "cam1");
            assert_eq!(client.receive_json()["id"], "0");
            client.send_json(json!({"jsonrpc": "2.0", "id": id, "result": "ok"}));
            assert_eq!(client.receive(), Received::End, "{id}");
            assert_eq!(reply.join().unwrap(), bare(Status::NotFound));
        });
        assert!(rig.violation().contains(&id.to_string()));
    }
}

#[test]
fn a_second_reply_closes() {
    let rig = rig();
    let mut client = rig.camera();
    thread::scope(|scope| {
        let reply = post(scope, &rig, "cam1");
        let request = client.receive_json();
        acknowledge(&mut client, &request);
        assert_eq!(reply.join().unwrap().status, Status::Changed);
        acknowledge(&mut client, &request);
        assert_eq!(client.receive(), Received::End);
    });
}

#[test]
fn a_reply_of_another_connection_closes_that_one() {
    let rig = rig();
    let mut client = rig.camera();
    let mut other = rig.translator("other");
    thread::scope(|scope| {
        let reply = post(scope, &rig, "cam1");
        let request = client.receive_json();
        acknowledge(&mut other, &request);
        assert_eq!(other.receive(), Received::End);
        acknowledge(&mut client, &request);
        assert_eq!(reply.join().unwrap().status, Status::Changed);
    });
}

#[test]
fn no_reply_in_time_fails_the_request_and_a_late_one_closes() {
    assert_eq!(Options::default().request_timeout, Duration::from_secs(60));
    let request_timeout = Duration::from_millis(20);
    let rig = rig_with(Options { request_timeout, ..Options::default() });
    let mut client = rig.camera();
    assert_eq!(rig.edge_core.post("cam1", "/33311/0/5701", b"go"), bare(Status::TimedOut));
    client.ping_after_request();
    assert_eq!(rig.edge_core.violations(), [""; 0]);
    client.send_json(json!({"jsonrpc": "2.0", "id": "0", "result": "ok"}));
    assert_eq!(client.receive(), Received::End);
    assert!(rig.violation().contains("\"0\""));
}

impl Client {
    fn ping_after_request(&mut self) {
        assert_eq!(self.receive_json()["method"], "write");
        self.ping();
    }
}

#[test]
fn a_devices_commands_are_delivered_one_at_a_time() {
    const POSTS: usize = 8;
    let rig = rig();
    let mut client = rig.camera();
    let all_started = Barrier::new(POSTS + 1);
    thread::scope(|scope| {
        for _ in 0..POSTS {
            scope.spawn(|| {
                all_started.wait();
                rig.edge_core.post("cam1", "/33311/0/5701", b"go")
            });
        }
        all_started.wait();
        for _ in 0..POSTS {
            let request = client.receive_json();
            client.ping();
            assert!(client.has_nothing(), "delivered before the last one was answered");
            acknowledge(&mut client, &request);
        }
    });
    let record = rig.edge_core.record();
    let commands: Vec<_> = record.iter().skip(4).map(|exchange| exchange.direction).collect();
    assert_eq!(commands, [Direction::FromEdgeCore, Direction::ToEdgeCore].repeat(POSTS));
}

#[test]
fn replies_for_different_devices_may_come_in_any_order() {
    let rig = rig();
    let mut client = rig.camera();
    let resources = json!([{"resourceId": 5701, "operations": 5, "type": "string"}]);
    client.call("device_register", device("cam2", resources)).unwrap();
    thread::scope(|scope| {
        let first = post(scope, &rig, "cam1");
        let for_first = client.receive_json();
        let second = post(scope, &rig, "cam2");
        let for_second = client.receive_json();
        acknowledge(&mut client, &for_second);
        assert_eq!(second.join().unwrap(), bare(Status::Changed));
        acknowledge(&mut client, &for_first);
        assert_eq!(first.join().unwrap().value, b"cmd");
    });
}

#[test]
fn unregistering_a_device_fails_every_pending_request_of_the_connection() {
    let rig = rig();
    let mut client = rig.camera();
    let resources = json!([{"resourceId": 5701, "operations": 5, "type": "string"}]);
    client.call("device_register", device("cam2", resources)).unwrap();
    thread::scope(|scope| {
        let reply = post(scope, &rig, "cam1");
        let request = client.receive_json();
        assert_eq!(client.call("device_unregister", json!({"deviceId": "cam2"})), Ok(json!("ok")));
        assert_eq!(reply.join().unwrap(), bare(Status::NotFound));
        acknowledge(&mut client, &request);
        assert_eq!(client.receive(), Received::End);
    });
}

#[test]
fn a_translator_that_leaves_fails_its_requests() {
    let rig = rig();
    let mut client = rig.camera();
    thread::scope(|scope| {
        let first = post(scope, &rig, "cam1");
        client.receive_json();
        let second = post(scope, &rig, "cam1");
        drop(client);
        assert_eq!(first.join().unwrap(), bare(Status::NotFound));
        assert_eq!(second.join().unwrap(), bare(Status::NotFound));
    });
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn it_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let rig = rig();
    shared(&rig.edge_core);
    let _values: mpsc::Receiver<Vec<u8>> = rig.edge_core.observe("cam1", "/33311/0/5703");
}
