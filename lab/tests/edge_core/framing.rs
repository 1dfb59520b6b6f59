use serde_json::json;

use crate::client::{Received, rig};

const REGISTER: &str =
    r#"{"jsonrpc":"2.0","id":"1","method":"protocol_translator_register","params":{"name":"pt"}}"#;

/// What closes the connection with nothing but EOF.
fn closes(what: &str, first: u8, payload: &[u8]) {
    let rig = rig();
    let mut client = rig.client();
    client.send_frame(first, payload);
    assert_eq!(client.receive(), Received::End, "{what}");
    assert!(rig.violation().contains("closed for"), "{what}");
}

#[test]
fn one_message_is_one_text_frame() {
    let rig = rig();
    let mut client = rig.client();
    client.send_text(REGISTER);
    assert_eq!(client.receive_json(), json!({"id": "1", "jsonrpc": "2.0", "result": "ok"}));
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn a_fragmented_message_closes() {
    closes("FIN=0", 0x01, &REGISTER.as_bytes()[..20]);
    closes("FIN=0 with a whole message", 0x01, REGISTER.as_bytes());
    closes("continuation", 0x80, REGISTER.as_bytes());
}

#[test]
fn anything_but_one_json_value_closes() {
    let register = REGISTER.as_bytes();
    closes("second value", 0x81, &[register, register].concat());
    closes("trailing NUL", 0x81, &[register, b"\0"].concat());
    closes("empty frame", 0x81, b"");
    closes("cut short", 0x81, &register[..30]);
    closes("escaped NUL", 0x81, REGISTER.replace("\"pt\"", r#""p\u0000t""#).as_bytes());
    closes("not UTF-8", 0x81, &[b'"', 0xff, b'"']);
}

#[test]
fn anything_but_plain_text_frames_closes() {
    closes("binary", 0x82, REGISTER.as_bytes());
    closes("compressed", 0xc1, REGISTER.as_bytes());
}

#[test]
fn an_unmasked_frame_closes() {
    let rig = rig();
    let mut client = rig.client();
    client.send(&[0x81, 0x02, b'{', b'}']);
    assert_eq!(client.receive(), Received::End);
    assert!(rig.violation().contains("not masked"));
}

#[test]
fn pings_are_answered_between_requests() {
    let rig = rig();
    let mut client = rig.translator("pt");
    client.send_frame(0x89, b"");
    assert_eq!(client.receive(), Received::Pong(Vec::new()));
    client.send_frame(0x8a, b"unasked");
    client.ping();
}

#[test]
fn a_close_frame_is_answered_and_is_no_violation() {
    let rig = rig();
    let mut client = rig.translator("pt");
    client.send_frame(0x88, &1000u16.to_be_bytes());
    assert_eq!(client.receive(), Received::Close(1000u16.to_be_bytes().to_vec()));
    assert_eq!(client.receive(), Received::End);
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn ids_are_echoed_whatever_they_are() {
    let rig = rig();
    let mut client = rig.client();
    for id in [json!("7"), json!(7), json!(1.5), json!(null)] {
        client.send_json(json!({"jsonrpc": "2.0", "id": id, "method": "unknown", "params": {}}));
        let answer = client.receive_json();
        assert_eq!(answer["id"], id);
        assert_eq!(answer["error"]["code"], -32601);
    }
}

#[test]
fn requests_without_id_and_batches_are_dropped() {
    let rig = rig();
    let mut client = rig.client();
    client.send_json(json!({"jsonrpc": "2.0", "method": "protocol_translator_register",
        "params": {"name": "pt"}}));
    client.send_text(&format!("[{REGISTER}]"));
    client.ping();
    assert_eq!(rig.edge_core.violations().len(), 2);
    // Neither has registered anything.
    assert_eq!(client.call("protocol_translator_register", json!({"name": "pt"})), Ok(json!("ok")));
}

#[test]
fn json_rpc_itself_is_checked_and_the_connection_kept() {
    let rig = rig();
    let mut client = rig.client();
    for (message, id) in [
        (json!({"id": "1", "method": "write", "params": {}}), json!(null)),
        (json!({"jsonrpc": "2.0", "id": [], "method": "write", "params": {}}), json!(null)),
        (json!({"jsonrpc": "2.0", "id": "1", "method": 1, "params": {}}), json!(null)),
        (json!({"jsonrpc": "2.0", "id": "1", "method": "write", "params": 1}), json!("1")),
    ] {
        client.send_json(message.clone());
        let answer = client.receive_json();
        assert_eq!(answer["error"]["code"], -32600, "{message}");
        assert_eq!(answer["id"], id, "{message}");
    }
    client.ping();
}
