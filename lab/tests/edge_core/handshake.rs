use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
};

use lab::edge_core::EdgeCore;
use serde_json::json;

use crate::client::{Client, Received, masked_frame, request, rig};

/// The answer to a request with these headers changed.
fn answer_to(path: &str, changed: &[(&str, &str)]) -> (Option<String>, Vec<String>) {
    let rig = rig();
    let mut client = Client::connected(rig.edge_core.socket());
    client.send(request(path, changed).as_bytes());
    (client.head(), rig.edge_core.violations())
}

#[test]
fn both_paths_are_upgraded_with_the_spelling_of_libwebsockets() {
    for path in ["/1/pt", "/1/mgmt"] {
        let (head, violations) = answer_to(path, &[]);
        let head = head.unwrap();
        assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
        assert!(head.contains("\r\nUpgrade: WebSocket\r\n"), "{head}");
        assert!(head.contains("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(!head.contains("Sec-WebSocket-Protocol"), "{head}");
        assert_eq!(violations, [""; 0]);
    }
}

#[test]
fn any_other_path_is_upgraded_and_then_deaf() {
    for path in ["/1/pt/", "/", "/1/PT", "/2/pt"] {
        let rig = rig();
        let mut client = Client::upgraded(rig.edge_core.socket(), path);
        client.send_json(json!({"jsonrpc": "2.0", "id": "1", "params": {"name": "pt"},
            "method": "protocol_translator_register"}));
        // Another client is served, and sees the name free.
        drop(rig.translator("pt"));
        assert!(client.has_nothing(), "{path}");
        assert!(rig.violation().contains(path));
        assert_eq!(rig.edge_core.connections(), 1);
    }
}

#[test]
fn a_host_is_needed() {
    for host in ["", " "] {
        let (head, violations) = answer_to("/1/pt", &[("Host", host)]);
        assert_eq!(head, None);
        assert!(violations[0].contains("Host"), "{violations:?}");
    }
}

#[test]
fn what_is_no_websocket_upgrade_is_closed() {
    for name in ["Upgrade", "Connection", "Sec-WebSocket-Version", "Sec-WebSocket-Key"] {
        let (head, violations) = answer_to("/1/pt", &[(name, "")]);
        assert_eq!(head, None, "without {name}");
        assert_eq!(violations.len(), 1);
    }
}

#[test]
fn only_one_subprotocol_is_known() {
    let header = "Sec-WebSocket-Protocol";
    for named in ["edge_protocol_translator", "other, edge_protocol_translator"] {
        let (head, _) = answer_to("/1/pt", &[(header, named)]);
        assert!(head.unwrap().contains("\r\nSec-WebSocket-Protocol: edge_protocol_translator\r\n"));
    }
    let (head, violations) = answer_to("/1/pt", &[(header, "other")]);
    assert_eq!(head, None);
    assert!(violations[0].contains("subprotocol"), "{violations:?}");
}

#[test]
fn extensions_are_never_accepted() {
    let offered = [("Sec-WebSocket-Extensions", "permessage-deflate")];
    let (head, _) = answer_to("/1/pt", &offered);
    assert!(!head.unwrap().contains("Extensions"));
}

#[test]
fn frames_may_follow_the_request_at_once() {
    let rig = rig();
    let mut client = Client::connected(rig.edge_core.socket());
    let mut bytes = request("/1/pt", &[]).into_bytes();
    bytes.extend(masked_frame(0x89, b"early"));
    client.send(&bytes);
    client.head().unwrap();
    assert_eq!(client.receive(), Received::Pong(b"early".to_vec()));
}

#[test]
fn a_silent_or_half_shaken_client_blocks_all_other_handshakes_while_it_stays() {
    for said in ["", "GET /1/pt HTTP/1.1\r\nHost: localhost\r\n"] {
        let rig = rig();
        let mut established = rig.translator("pt");
        let mut first = Client::connected(rig.edge_core.socket());
        first.send(said.as_bytes());
        let mut second = Client::connected(rig.edge_core.socket());
        second.send(request("/1/pt", &[]).as_bytes());
        for _ in 0..100 {
            established.ping();
        }
        assert!(second.has_nothing(), "{said:?}");
        drop(first);
        assert!(second.head().unwrap().starts_with("HTTP/1.1 101 "));
        assert!(rig.violation().contains(&format!("after {} bytes", said.len())));
    }
}

#[test]
fn stopping_ends_every_client_without_a_close_frame() {
    let mut rig = rig();
    let mut client = rig.camera();
    let mut half = Client::connected(rig.edge_core.socket());
    half.send(b"GET");
    rig.edge_core.stop();
    assert_eq!(client.receive(), Received::End);
    assert_eq!(half.head(), None);
    assert!(!rig.edge_core.socket().exists());
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}

#[test]
fn killing_leaves_a_socket_that_refuses() {
    let mut rig = rig();
    let mut client = rig.camera();
    rig.edge_core.kill();
    assert_eq!(client.receive(), Received::End);
    let refused = std::os::unix::net::UnixStream::connect(rig.edge_core.socket()).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    rig.edge_core.restart();
    rig.camera();
}

#[test]
fn a_restart_makes_a_new_socket_and_forgets_devices() {
    let mut rig = rig();
    let mut client = rig.camera();
    // A second name keeps the old socket's file, which is what a bind-mounted file does.
    let kept = rig.edge_core.socket().with_extension("mounted");
    fs::hard_link(rig.edge_core.socket(), &kept).unwrap();
    rig.edge_core.restart();
    assert_eq!(client.receive(), Received::End);
    assert!(std::os::unix::net::UnixStream::connect(&kept).is_err());
    assert!(fs::metadata(rig.edge_core.socket()).unwrap().file_type().is_socket());
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").status.to_string(), "4.04 Not Found");
    rig.camera();
    assert_eq!(rig.edge_core.connections(), 2);
}

#[test]
fn a_file_in_the_way_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("edge.sock");
    fs::write(&socket, "left over").unwrap();
    let edge_core = EdgeCore::start(&socket);
    // Who is neither the owner nor has CAP_DAC_OVERRIDE cannot connect.
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o755);
    Client::upgraded(edge_core.socket(), "/1/pt").ping();
}

#[test]
#[should_panic(expected = "cannot listen")]
fn a_directory_in_the_way_keeps_it_from_starting() {
    let directory = tempfile::tempdir().unwrap();
    EdgeCore::start(directory.path());
}

#[test]
fn disconnecting_cuts_all_and_keeps_listening() {
    let rig = rig();
    let mut client = rig.camera();
    rig.edge_core.disconnect();
    assert_eq!(client.receive(), Received::End);
    assert_eq!(rig.edge_core.read("cam1", "/33311/0/5703").status.to_string(), "4.04 Not Found");
    rig.camera();
    assert_eq!(rig.edge_core.violations(), [""; 0]);
}
