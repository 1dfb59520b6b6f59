use lab::edge_core::Options;
use serde_json::{Value, json};

use crate::client::{Client, LIMIT, Received, Rig, device, rig, rig_with};

/// Sends a registration that is answered with `code` and then closed.
fn refused_and_closed(rig: &Rig, client: &mut Client, params: Option<Value>, code: i64) {
    let mut register =
        json!({"jsonrpc": "2.0", "id": "r", "method": "protocol_translator_register"});
    if let Some(params) = params {
        register["params"] = params;
    }
    client.send_json(register);
    let answer = client.receive_json();
    assert_eq!(answer["error"]["code"], code, "{answer}");
    assert_eq!(client.receive(), Received::End);
    assert!(rig.violation().contains(&code.to_string()));
}

#[test]
fn a_bad_register_closes() {
    for params in [
        None,
        Some(json!({})),
        Some(json!([])),
        Some(json!({"name": ""})),
        Some(json!({"name": 7})),
        Some(json!({"name": null})),
    ] {
        let rig = rig();
        refused_and_closed(&rig, &mut rig.client(), params, -32602);
    }
}

#[test]
fn registering_twice_closes() {
    let rig = rig();
    let mut client = rig.translator("pt");
    refused_and_closed(&rig, &mut client, Some(json!({"name": "other"})), -30002);
}

#[test]
fn a_name_of_another_translator_closes_only_the_second() {
    let rig = rig();
    let mut first = rig.translator("pt");
    refused_and_closed(&rig, &mut rig.client(), Some(json!({"name": "pt"})), -30003);
    first.ping();
    drop(rig.translator("other"));
}

#[test]
fn a_name_can_be_reserved_from_the_start() {
    let reserved_names = vec!["pt".to_owned()];
    let rig = rig_with(Options { reserved_names, ..Options::default() });
    refused_and_closed(&rig, &mut rig.client(), Some(json!({"name": "pt"})), -30003);
}

#[test]
fn closing_frees_the_name_and_removes_the_devices() {
    let rig = rig();
    let mut client = rig.camera();
    client.send_frame(0x88, b"");
    assert_eq!(client.receive(), Received::Close(Vec::new()));
    assert_eq!(client.receive(), Received::End);
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").status.to_string(), "4.04 Not Found");
    // At once.
    drop(rig.camera());
    assert_eq!(rig.edge_core.violations(), [""; 0]);
    assert_eq!(rig.edge_core.connections(), 2);
}

#[test]
fn reconnecting_and_registering_the_same_names_at_once_works() {
    let rig = rig();
    // What Edge Core still has to read when the translator is already gone.
    let value = "Y21k".repeat(5000);
    let resource = json!([{"resourceId": 5703, "operations": 1, "type": "string", "value": value}]);
    for _ in 0..20 {
        let mut client = rig.camera();
        for id in 0..8 {
            client.send_json(json!({"jsonrpc": "2.0", "id": id, "method": "write",
                "params": device("cam1", resource.clone())}));
        }
        drop(client);
    }
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn params_must_be_there_even_when_empty() {
    let rig = rig();
    let mut client = rig.translator("pt");
    for method in ["device_register", "write", "device_unregister"] {
        client.send_json(json!({"jsonrpc": "2.0", "id": "1", "method": method}));
        assert_eq!(client.receive_json()["error"]["code"], -32602, "{method}");
        assert_eq!(client.call(method, json!({})), Err(-32602), "{method}");
        assert_eq!(client.call(method, json!({"deviceId": ""})), Err(-32602), "{method}");
        assert_eq!(client.call(method, json!({"deviceId": 1})), Err(-32602), "{method}");
    }
}

#[test]
fn nothing_works_before_registering() {
    let rig = rig();
    let mut client = rig.client();
    for method in ["device_register", "write", "device_unregister"] {
        assert_eq!(client.call(method, device("cam1", json!([]))), Err(-30001), "{method}");
    }
    drop(rig.camera());
}

#[test]
fn a_device_is_waited_for() {
    let rig = rig();
    let waited = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| rig.edge_core.wait_for_device("cam1", LIMIT));
        let camera = rig.camera();
        let waited = waiting.join().unwrap();
        drop(camera);
        waited
    });
    assert_eq!(waited, Ok(()));
    let never = rig.edge_core.wait_for_device("cam2", std::time::Duration::ZERO).unwrap_err();
    assert!(never.contains("cam2 was not registered"), "{never}");
}

#[test]
fn a_device_can_be_without_objects() {
    let rig = rig();
    let mut client = rig.translator("pt");
    assert_eq!(client.call("device_register", json!({"deviceId": "bare"})), Ok(json!("ok")));
}

#[test]
fn a_device_is_registered_once() {
    let rig = rig();
    let mut client = rig.camera();
    assert_eq!(client.call("device_register", device("cam1", json!([]))), Err(-30005));
    let mut other = rig.translator("other");
    assert_eq!(other.call("device_register", device("cam1", json!([]))), Err(-30005));
    client.ping();
}

#[test]
fn a_write_creates_a_device_that_can_then_not_be_registered() {
    let rig = rig();
    let mut client = rig.translator("pt");
    let resources = json!([{"resourceId": 1, "operations": 1, "type": "string", "value": "Y21k"}]);
    assert_eq!(client.call("write", device("cam1", resources.clone())), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/1").value, b"cmd");
    assert!(rig.edge_core.wait_for_device("cam1", std::time::Duration::ZERO).is_err());
    assert_eq!(client.call("device_register", device("cam1", resources)), Err(-30005));
}

#[test]
fn a_failed_device_register_creates_the_device_all_the_same() {
    let rig = rig();
    let mut client = rig.translator("pt");
    let wrong = json!([{"resourceId": 1, "operations": 1, "type": "int", "value": "AAAA"}]);
    assert_eq!(client.call("device_register", device("cam1", wrong)), Err(-30101));
    assert_eq!(client.call("device_register", device("cam1", json!([]))), Err(-30005));
    assert_eq!(client.call("device_unregister", json!({"deviceId": "cam1"})), Ok(json!("ok")));
    assert_eq!(client.call("device_register", device("cam1", json!([]))), Ok(json!("ok")));
}

#[test]
fn there_is_a_limit_of_devices() {
    assert_eq!(Options::default().device_limit, 500);
    let rig = rig_with(Options { device_limit: 1, ..Options::default() });
    let mut client = rig.camera();
    assert_eq!(client.call("device_register", device("cam2", json!([]))), Err(-30004));
    assert_eq!(client.call("write", device("cam2", json!([]))), Err(-30004));
    assert_eq!(client.call("device_unregister", json!({"deviceId": "cam1"})), Ok(json!("ok")));
    assert_eq!(client.call("device_register", device("cam2", json!([]))), Ok(json!("ok")));
}

#[test]
fn a_very_long_device_id_is_an_internal_error() {
    let rig = rig();
    let mut client = rig.translator("pt");
    let params = device(&"x".repeat(300), json!([]));
    assert_eq!(client.call("device_register", params.clone()), Err(-30000));
    assert_eq!(client.call("write", params), Err(-30000));
    client.ping();
}

#[test]
fn only_what_is_there_can_be_unregistered() {
    let rig = rig();
    let mut client = rig.camera();
    assert_eq!(client.call("device_unregister", json!({"deviceId": "cam2"})), Err(-30102));
    assert_eq!(client.call("device_unregister", json!({"deviceId": "cam1"})), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").status.to_string(), "4.04 Not Found");
}
