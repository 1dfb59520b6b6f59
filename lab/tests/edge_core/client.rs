//! A WebSocket client that sends exactly what it is told to.

use std::{
    io::{ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use lab::edge_core::{EdgeCore, Options};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Long enough for a busy machine: reached only when a test has failed.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A started stand-in in its own directory.
pub(crate) struct Rig {
    pub(crate) edge_core: EdgeCore,
    _directory: TempDir,
}

pub(crate) fn rig() -> Rig {
    rig_with(Options::default())
}

pub(crate) fn rig_with(options: Options) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let edge_core = EdgeCore::start_with(&directory.path().join("edge.sock"), options);
    Rig { edge_core, _directory: directory }
}

impl Rig {
    /// A client on `/1/pt`, upgraded.
    pub(crate) fn client(&self) -> Client {
        Client::upgraded(self.edge_core.socket(), "/1/pt")
    }

    /// A client that registered as the translator `name`.
    pub(crate) fn translator(&self, name: &str) -> Client {
        let mut client = self.client();
        let answer = client.call("protocol_translator_register", json!({"name": name}));
        assert_eq!(answer, Ok(json!("ok")));
        client
    }

    /// The translator `pt` with the device `cam1`: 5701 READ|EXECUTE, 5702 READ|WRITE, 5703 READ.
    pub(crate) fn camera(&self) -> Client {
        let mut client = self.translator("pt");
        let resources = json!([
            {"resourceId": 5701, "operations": 5, "type": "string", "value": "Y21k"},
            {"resourceId": 5702, "operations": 3, "type": "string", "value": "cnc="},
            {"resourceId": 5703, "operations": 1, "type": "string", "value": "cm8="},
        ]);
        let answer = client.call("device_register", device("cam1", resources));
        assert_eq!(answer, Ok(json!("ok")));
        client
    }

    /// The only thing that was done wrong so far.
    pub(crate) fn violation(&self) -> String {
        let violations = self.edge_core.violations();
        assert_eq!(violations.len(), 1, "{violations:?}");
        violations[0].clone()
    }
}

/// Parameters of `device_register` and `write` for resources of `/33311/0`.
pub(crate) fn device(device_id: &str, resources: Value) -> Value {
    json!({"deviceId": device_id, "objects": [{"objectId": 33311, "objectInstances": [
        {"objectInstanceId": 0, "resources": resources}]}]})
}

/// What comes from the server.
#[derive(Debug, PartialEq)]
pub(crate) enum Received {
    Text(Value),
    Pong(Vec<u8>),
    Close(Vec<u8>),
    /// EOF, without a close frame before it.
    End,
}

pub(crate) struct Client {
    stream: UnixStream,
    calls: usize,
}

impl Client {
    /// Only connects.
    pub(crate) fn connected(socket: &Path) -> Client {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Client { stream, calls: 0 }
    }

    /// Connects and upgrades.
    pub(crate) fn upgraded(socket: &Path, path: &str) -> Client {
        let mut client = Client::connected(socket);
        client.send(request(path, &[]).as_bytes());
        let head = client.head().unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        client
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// The head of an HTTP answer; `None` at EOF.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match self.stream.read(&mut byte) {
                Ok(0) if head.is_empty() => return None,
                Ok(1) => head.push(byte[0]),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
                other => panic!("{other:?} after {:?}", String::from_utf8_lossy(&head)),
            }
        }
        Some(String::from_utf8(head).unwrap())
    }

    /// Whether nothing has come that was not read yet.
    pub(crate) fn has_nothing(&mut self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let read = self.stream.read(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Sends a masked frame whose first byte is `first`.
    pub(crate) fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send(&masked_frame(first, payload));
    }

    pub(crate) fn send_text(&mut self, text: &str) {
        self.send_frame(0x81, text.as_bytes());
    }

    pub(crate) fn send_json(&mut self, message: Value) {
        self.send_text(&message.to_string());
    }

    pub(crate) fn receive(&mut self) -> Received {
        let mut first = [0];
        match self.stream.read(&mut first) {
            Ok(0) => return Received::End,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Received::End,
            Err(error) => panic!("nothing came: {error}"),
        }
        let length = match self.array::<1>()[0] {
            126 => usize::from(u16::from_be_bytes(self.array())),
            127 => u64::from_be_bytes(self.array()) as usize,
            masked @ 128.. => panic!("a server masked: {masked}"),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload).unwrap();
        match first[0] {
            0x81 => Received::Text(serde_json::from_slice(&payload).unwrap()),
            0x88 => Received::Close(payload),
            0x8a => Received::Pong(payload),
            other => panic!("unexpected frame {other:#x}"),
        }
    }

    pub(crate) fn receive_json(&mut self) -> Value {
        match self.receive() {
            Received::Text(value) => value,
            other => panic!("{other:?} instead of a message"),
        }
    }

    /// Sends a request and takes its answer: the result, or the error's code.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, i64> {
        self.calls += 1;
        let id = format!("call-{}", self.calls);
        self.send_json(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}));
        let answer = self.receive_json();
        assert_eq!(answer["id"], json!(id), "{answer}");
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(answer["error"]["code"].as_i64().unwrap()),
        }
    }

    /// A round trip, after which everything sent before has been seen.
    pub(crate) fn ping(&mut self) {
        self.send_frame(0x89, b"sync");
        assert_eq!(self.receive(), Received::Pong(b"sync".to_vec()));
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).unwrap();
        bytes
    }
}

/// An upgrade request with these further headers. One that is named here replaces the usual one;
/// an empty value leaves it out.
pub(crate) fn request(path: &str, changed: &[(&str, &str)]) -> String {
    let usual = [
        ("Host", "localhost"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let mut request = format!("GET {path} HTTP/1.1\r\n");
    let kept = usual.iter().filter(|(name, _)| changed.iter().all(|(other, _)| name != other));
    for (name, value) in kept.chain(changed.iter().filter(|(_, value)| !value.is_empty())) {
        request += &format!("{name}: {value}\r\n");
    }
    request + "\r\n"
}

pub(crate) fn masked_frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        middle @ 126..65_536 => {
            frame.push(0x80 | 126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(0x80 | 127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
