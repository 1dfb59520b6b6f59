use data_encoding::BASE64;
use lab::edge_core::Direction;
use serde_json::{Value, json};

use crate::client::{LIMIT, device, rig};

fn one(resource_id: Value, value: &[u8]) -> Value {
    device(
        "cam1",
        json!([{"resourceId": resource_id, "operations": 1, "type": "string",
            "value": BASE64.encode(value)}]),
    )
}

#[test]
fn a_value_is_read_back() {
    let rig = rig();
    let mut client = rig.camera();
    let status = |path| rig.edge_core.read("cam1", path).status.to_string();
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"ro");
    assert_eq!(client.call("write", one(json!(5703), b"new")), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"new");
    assert_eq!(status("/33311/0/5703"), "2.05 Content");
    assert_eq!(status("/33311/0/1"), "4.04 Not Found");
    assert_eq!(status("/33311/1/5703"), "4.04 Not Found");
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn what_is_not_readable_is_not_read() {
    let rig = rig();
    let mut client = rig.camera();
    let secret = json!([{"resourceId": 9, "operations": 4, "type": "string", "value": "Y21k"}]);
    assert_eq!(client.call("write", device("cam1", secret)), Ok(json!("ok")));
    let reply = rig.edge_core.read("cam1", "/33311/0/9");
    assert_eq!(reply.status.to_string(), "4.05 Method Not Allowed");
    assert!(reply.value.is_empty());
}

#[test]
fn values_over_65535_bytes_are_answered_ok_and_lost() {
    for (length, left) in [(65_535, 65_535), (65_536, 0), (70_000, 4_464)] {
        let rig = rig();
        let mut client = rig.camera();
        assert_eq!(client.call("write", one(json!(5703), &vec![b'x'; length])), Ok(json!("ok")));
        assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value.len(), left);
        assert_eq!(rig.edge_core.violations().len(), usize::from(length != left), "{length}");
    }
}

#[test]
fn ids_are_not_type_checked() {
    let rig = rig();
    let mut client = rig.camera();
    assert_eq!(client.call("write", one(json!("5703"), b"lost")), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"ro");
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/0").value, b"lost");
    assert!(rig.violation().contains("taken as 0"));
}

#[test]
fn missing_ids_are_refused() {
    let rig = rig();
    let mut client = rig.camera();
    for objects in [
        json!([{}]),
        json!([7]),
        json!([{"objectId": 1, "objectInstances": [{}]}]),
        json!([{"objectId": 1, "objectInstances": [
            {"objectInstanceId": 0, "resources": [{"operations": 1}]}]}]),
    ] {
        let answer = client.call("write", json!({"deviceId": "cam1", "objects": objects}));
        assert_eq!(answer, Err(-30103), "{objects}");
    }
}

#[test]
fn an_empty_value_keeps_the_old_one() {
    let rig = rig();
    let mut client = rig.camera();
    assert_eq!(client.call("write", one(json!(5703), b"")), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"ro");
    assert!(rig.violation().contains("the old one stays"));
}

#[test]
fn no_value_at_all_keeps_the_old_one_as_it_should() {
    let rig = rig();
    let mut client = rig.camera();
    let bare = device("cam1", json!([{"resourceId": 5703, "operations": 1, "type": "string"}]));
    assert_eq!(client.call("write", bare), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"ro");
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn a_value_is_standard_base64() {
    let rig = rig();
    let mut client = rig.camera();
    for value in [json!("bmV3!"), json!("cnc"), json!("_-8="), json!(7), json!(null)] {
        let resource =
            json!([{"resourceId": 5703, "operations": 1, "type": "string", "value": value}]);
        assert_eq!(client.call("write", device("cam1", resource)), Err(-30101), "{value}");
    }
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"ro");
}

#[test]
fn a_value_has_the_length_of_its_type_or_nothing_is_written() {
    let rig = rig();
    let mut client = rig.camera();
    for (value_type, right, text, wrong) in [
        ("int", &[1, 0][..], &b"256"[..], &[1, 2, 3][..]),
        ("time", &[0, 0, 0, 9], b"9", &[1; 5]),
        ("bool", &[1], b"1", &[0, 1]),
        ("float", &[0x3f, 0x80, 0, 0], b"1.000000000", &[1]),
    ] {
        let resources = |value: &[u8]| {
            device(
                "cam1",
                json!([
                    {"resourceId": 5703, "operations": 1, "type": "string", "value": "bmV3"},
                    {"resourceId": value_type.len(), "operations": 1, "type": value_type,
                        "value": BASE64.encode(value)},
                ]),
            )
        };
        assert_eq!(client.call("write", resources(wrong)), Err(-30101), "{value_type}");
        assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").value, b"ro", "{value_type}");
        assert_eq!(client.call("write", resources(right)), Ok(json!("ok")), "{value_type}");
        let path = format!("/33311/0/{}", value_type.len());
        assert_eq!(rig.edge_core.read("cam1", &path).value, text, "{value_type}");
        client.call("device_unregister", json!({"deviceId": "cam1"})).unwrap();
        client.call("write", one(json!(5703), b"ro")).unwrap();
    }
}

#[test]
fn a_type_that_is_missing_is_opaque_for_that_write() {
    let rig = rig();
    let mut client = rig.camera();
    let number = |value_type: Option<&str>| {
        let mut resource = json!({"resourceId": 1, "operations": 1, "value": "AQA="});
        if let Some(value_type) = value_type {
            resource["type"] = value_type.into();
        }
        device("cam1", json!([resource]))
    };
    assert_eq!(client.call("write", number(Some("int"))), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/1").value, b"256");
    assert_eq!(client.call("write", number(None)), Ok(json!("ok")));
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/1").value, [1, 0]);
    assert!(rig.violation().contains("without type"));
}

#[test]
fn only_what_is_read_only_is_notified_and_only_changes_are() {
    let rig = rig();
    let values = |path| rig.edge_core.observe("cam1", path);
    let (command, config, status) =
        (values("/33311/0/5701"), values("/33311/0/5702"), values("/33311/0/5703"));
    let mut client = rig.camera();
    for value in ["one", "one", "two"] {
        for resource in [5701, 5702, 5703] {
            client.call("write", one(json!(resource), value.as_bytes())).unwrap();
        }
    }
    // A new connection, a new device: the observation goes on.
    rig.edge_core.disconnect();
    drop(client);
    let _client = rig.camera();
    let expected = [&b"ro"[..], b"one", b"two", b"ro"];
    for value in expected {
        assert_eq!(status.recv_timeout(LIMIT).unwrap(), value);
    }
    for silent in [command, config, status] {
        assert_eq!(silent.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
    }
}

#[test]
fn a_value_is_waited_for() {
    let rig = rig();
    let mut client = rig.camera();
    let found = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            rig.edge_core.wait_for_value("cam1", "/33311/0/5703", LIMIT, |value| value == b"3")
        });
        for value in ["1", "2", "3"] {
            client.call("write", one(json!(5703), value.as_bytes())).unwrap();
        }
        waiting.join().unwrap()
    });
    assert_eq!(found, Ok(b"3".to_vec()));
    let zero = std::time::Duration::ZERO;
    let never = rig.edge_core.wait_for_value("cam1", "/33311/0/5703", zero, |_| false);
    assert!(never.unwrap_err().contains("at last Some(\"3\")"));
}

#[test]
fn the_record_has_everything_in_order() {
    let rig = rig();
    drop(rig.camera());
    let record = rig.edge_core.record();
    let said: Vec<_> = record
        .iter()
        .map(|exchange| (exchange.direction, exchange.method().unwrap_or("answer")))
        .collect();
    assert_eq!(
        said,
        [
            (Direction::ToEdgeCore, "protocol_translator_register"),
            (Direction::FromEdgeCore, "answer"),
            (Direction::ToEdgeCore, "device_register"),
            (Direction::FromEdgeCore, "answer"),
        ]
    );
    assert_eq!(record[2].values()[2], ("/33311/0/5703".to_owned(), b"ro".to_vec()));
    assert_eq!(record[2].id, json!("call-2"));
    assert_eq!(record[3].id, json!("call-2"));
}
