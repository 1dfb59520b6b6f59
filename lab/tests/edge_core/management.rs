use std::time::Duration;

use lab::edge_core::Options;
use serde_json::json;

use crate::client::{Client, Rig, device, rig, rig_with};

fn management(rig: &Rig) -> Client {
    Client::upgraded(rig.edge_core.socket(), "/1/mgmt")
}

#[test]
fn devices_are_listed() {
    let rig = rig();
    let mut tool = management(&rig);
    assert_eq!(tool.call("devices", json!({})), Ok(json!({"data": []})));
    let _camera = rig.camera();
    let devices = tool.call("devices", json!({})).unwrap();
    assert_eq!(devices["data"][0]["endpointName"], "cam1");
    assert_eq!(
        devices["data"][0]["resources"][1],
        json!({"uri": "/33311/0/5702", "type": "string", "operation": 3})
    );
    assert_eq!(rig.edge_core.connections(), 1, "management is no translator");
}

#[test]
fn a_resource_is_read() {
    let rig = rig();
    let mut camera = rig.camera();
    let more = json!([{"resourceId": 1, "operations": 4, "type": "string"},
        {"resourceId": 2, "operations": 1, "value": "AAE="},
        {"resourceId": 3, "operations": 1, "type": "int", "value": "Bw=="}]);
    camera.call("write", device("cam1", more)).unwrap();
    let mut tool = management(&rig);
    let mut read =
        |uri: &str| tool.call("read_resource", json!({"endpointName": "cam1", "uri": uri}));
    assert_eq!(
        read("/33311/0/5703"),
        Ok(json!({"base64Value": "cm8=", "stringValue": "ro", "type": "string"}))
    );
    assert_eq!(read("/33311/0/2"), Ok(json!({"base64Value": "AAE=", "type": "opaque"})));
    assert_eq!(
        read("/33311/0/3"),
        Ok(json!({"base64Value": "AAAAAAAAAAc=", "stringValue": "7", "type": "integer"}))
    );
    assert_eq!(read("/33311/0/1"), Err(-30104));
    assert_eq!(read("/33311/0/9"), Err(-30102));
    for malformed in ["33311/0/5703", "/33311/0/", "/33311/0", "/33311/0/5703/1", ""] {
        assert_eq!(read(malformed), Err(-32602), "{malformed}");
    }
    assert_eq!(
        tool.call("read_resource", json!({"endpointName": "cam2", "uri": "/33311/0/5703"})),
        Err(-30102)
    );
}

#[test]
fn a_write_is_answered_after_the_translator_answered() {
    let rig = rig();
    let mut camera = rig.camera();
    let mut tool = management(&rig);
    let write = json!({"jsonrpc": "2.0", "id": 7, "method": "write_resource", "params":
        {"endpointName": "cam1", "uri": "/33311/0/5702", "base64Value": "bmV3"}});
    tool.send_json(write.clone());
    let request = camera.receive_json();
    assert_eq!(request["params"]["operation"], 2);
    tool.ping();
    assert!(tool.has_nothing());
    camera.send_json(json!({"jsonrpc": "2.0", "id": request["id"], "result": "ok"}));
    assert_eq!(tool.receive_json(), json!({"id": 7, "jsonrpc": "2.0", "result": "ok"}));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5702").value, b"new");

    tool.send_json(write);
    let request = camera.receive_json();
    camera.send_json(json!({"jsonrpc": "2.0", "id": request["id"], "error": {"code": 1}}));
    assert_eq!(tool.receive_json()["error"]["code"], -30106);
}

#[test]
fn a_write_that_cannot_be_is_refused_at_once() {
    let rig = rig();
    let mut camera = rig.camera();
    let mut tool = management(&rig);
    let mut write = |uri: &str, value: &str| {
        let params = json!({"endpointName": "cam1", "uri": uri, "base64Value": value});
        tool.call("write_resource", params)
    };
    assert_eq!(write("/33311/0/5703", "bmV3"), Err(-30105));
    assert_eq!(write("/33311/0/5701", "bmV3"), Err(-30105), "management cannot EXECUTE");
    assert_eq!(write("/33311/0/9", "bmV3"), Err(-30102));
    assert_eq!(write("/33311/0/5702", ""), Err(-30106));
    assert_eq!(write("/33311/0/5702", "?"), Err(-32602));
    camera.ping();
    assert!(camera.has_nothing());
}

#[test]
fn a_write_to_a_translator_that_leaves_or_is_silent_fails() {
    let request_timeout = Duration::from_millis(20);
    let rig = rig_with(Options { request_timeout, ..Options::default() });
    let camera = rig.camera();
    let mut tool = management(&rig);
    let params = json!({"endpointName": "cam1", "uri": "/33311/0/5702", "base64Value": "bmV3"});
    assert_eq!(tool.call("write_resource", params.clone()), Err(-30106));
    drop(camera);
    let answer = tool.call("write_resource", params);
    assert!(matches!(answer, Err(-30106 | -30102)), "{answer:?}");
}

#[test]
fn translators_and_management_have_their_own_methods() {
    let rig = rig();
    let mut tool = management(&rig);
    assert_eq!(tool.call("protocol_translator_register", json!({"name": "pt"})), Err(-32601));
    let mut camera = rig.camera();
    assert_eq!(camera.call("devices", json!({})), Err(-32601));
}
