//! An agent for tests that follows a script, frame by frame, on a thread of its own.
//!
//! Its HTTP/2 is written by hand (RFC 9113), so that it can break every rule, and so that the client
//! is not tested against the library that it is made of. Its headers are HPACK literals; it does
//! not read those of requests.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use prost::Message;

use super::Address;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const LARGEST_WINDOW: u32 = 0x7fff_ffff;
const INITIAL_WINDOW: u32 = 65_535;

/// The start of every response that is not trailers-only.
pub(super) const OK_HEAD: &[(&str, &str)] =
    &[(":status", "200"), ("content-type", "application/grpc")];

/// A script that is being played.
pub(super) struct ScriptedAgent {
    pub(super) address: Address,
    thread: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl ScriptedAgent {
    /// Plays `script`.
    pub(super) fn start(script: impl FnOnce(&mut Listener) + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("agent.sock");
        let listener = Listener {
            socket: Socket::Unix(UnixListener::bind(&path).unwrap()),
            path: path.clone(),
        };
        Self::play(Address::Unix(path), listener, directory, script)
    }

    /// Plays `script` on a TCP port of the loopback address.
    pub(super) fn start_tcp(script: impl FnOnce(&mut Listener) + Send + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = Address::Tcp {
            host: "127.0.0.1".to_owned(),
            port: socket.local_addr().unwrap().port(),
        };
        let listener = Listener { socket: Socket::Tcp(socket), path: PathBuf::new() };
        Self::play(address, listener, tempfile::tempdir().unwrap(), script)
    }

    fn play(
        address: Address,
        mut listener: Listener,
        directory: tempfile::TempDir,
        script: impl FnOnce(&mut Listener) + Send + 'static,
    ) -> Self {
        Self {
            address,
            thread: std::thread::spawn(move || script(&mut listener)),
            _directory: directory,
        }
    }

    /// Waits for the end of the script, and fails if it failed.
    pub(super) fn finish(self) {
        self.thread.join().unwrap();
    }
}

/// Where the script accepts connections.
pub(super) struct Listener {
    socket: Socket,
    path: PathBuf,
}

enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// An accepted connection, of either kind.
trait Stream: Read + Write + Send {}

impl<S: Read + Write + Send> Stream for S {}

impl Listener {
    /// The next connection, with windows that are never too small.
    pub(super) fn accept(&self) -> Session {
        let mut session = self.accept_with_window(LARGEST_WINDOW);
        let more = LARGEST_WINDOW - INITIAL_WINDOW;
        session.write(WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        session
    }

    /// The next connection, on which a request's body may have `window` bytes at first.
    pub(super) fn accept_with_window(&self, window: u32) -> Session {
        let mut stream: Box<dyn Stream> = match &self.socket {
            Socket::Unix(socket) => Box::new(socket.accept().unwrap().0),
            Socket::Tcp(socket) => Box::new(socket.accept().unwrap().0),
        };
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut session = Session {
            stream,
            initial_window: INITIAL_WINDOW.into(),
            windows: HashMap::from([(0, INITIAL_WINDOW.into())]),
            bodies: HashMap::new(),
        };
        // SETTINGS_INITIAL_WINDOW_SIZE
        let mut settings = vec![0, 4];
        settings.extend(window.to_be_bytes());
        session.write(SETTINGS, 0, 0, &settings);
        session
    }

    /// What a restarting agent does: the socket goes, and another one comes.
    pub(super) fn restart(&mut self) {
        std::fs::remove_file(&self.path).unwrap();
        self.socket = Socket::Unix(UnixListener::bind(&self.path).unwrap());
    }
}

/// One connection.
pub(super) struct Session {
    stream: Box<dyn Stream>,
    initial_window: i64,
    /// What may still be sent, by stream; 0 is the connection.
    windows: HashMap<u32, i64>,
    bodies: HashMap<u32, Vec<u8>>,
}

impl Session {
    /// The next complete request: its stream and its body.
    pub(super) fn request(&mut self) -> (u32, Vec<u8>) {
        loop {
            let frame = self.read();
            if matches!(frame.kind, DATA | HEADERS) && frame.flags & END_STREAM != 0 {
                return (frame.stream, self.bodies.remove(&frame.stream).unwrap());
            }
        }
    }

    /// Reads until a request's body has at least so many bytes; it is not complete then.
    pub(super) fn part_of_request(&mut self, bytes: usize) {
        while self.bodies.values().all(|body| body.len() < bytes) {
            self.read();
        }
    }

    /// Reads until a stream is reset: the stream and the reason.
    pub(super) fn reset_by_client(&mut self) -> (u32, u32) {
        loop {
            let frame = self.read();
            if frame.kind == RST_STREAM {
                let reason = frame.payload.try_into().unwrap();
                return (frame.stream, u32::from_be_bytes(reason));
            }
        }
    }

    /// A whole response with one message and status OK.
    pub(super) fn answer(&mut self, stream: u32, message: &impl Message) {
        self.headers(stream, OK_HEAD, false);
        self.data(stream, &framed(message));
        self.headers(stream, &[("grpc-status", "0")], true);
    }

    /// Headers or trailers.
    pub(super) fn headers(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        let mut block = Vec::new();
        for (name, value) in fields {
            // Literal Header Field without Indexing, New Name (RFC 7541, section 6.2.2).
            block.push(0);
            for text in [name, value] {
                block.push(u8::try_from(text.len()).unwrap());
                assert!(text.len() < 127);
                block.extend(text.bytes());
            }
        }
        let flags = END_HEADERS | if end { END_STREAM } else { 0 };
        self.write(HEADERS, flags, stream, &block);
    }

    /// DATA, in frames of 16 KiB, as the client's windows allow.
    pub(super) fn data(&mut self, stream: u32, bytes: &[u8]) {
        for chunk in bytes.chunks(16_384) {
            let length = chunk.len() as i64;
            while self.window(0) < length || self.window(stream) < length {
                self.read();
            }
            *self.windows.get_mut(&0).unwrap() -= length;
            *self.windows.get_mut(&stream).unwrap() -= length;
            self.write(DATA, 0, stream, chunk);
        }
    }

    /// RST_STREAM.
    pub(super) fn reset(&mut self, stream: u32, reason: u32) {
        self.write(RST_STREAM, 0, stream, &reason.to_be_bytes());
    }

    /// GOAWAY with NO_ERROR.
    pub(super) fn go_away(&mut self, last_stream: u32) {
        let mut payload = last_stream.to_be_bytes().to_vec();
        payload.extend([0; 4]);
        self.write(GOAWAY, 0, 0, &payload);
    }

    /// Reads until the client closes the connection.
    pub(super) fn closed_by_client(&mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).unwrap();
    }

    fn window(&mut self, stream: u32) -> i64 {
        let initial = self.initial_window;
        *self.windows.entry(stream).or_insert(initial)
    }

    fn read(&mut self) -> Frame {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).unwrap();
        let [l0, l1, l2, kind, flags, stream @ ..] = head;
        let stream = u32::from_be_bytes(stream);
        let mut payload = vec![0; u32::from_be_bytes([0, l0, l1, l2]) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        match kind {
            DATA => {
                let body = self.bodies.get_mut(&stream).unwrap();
                body.extend_from_slice(&payload);
            }
            HEADERS => drop(self.bodies.insert(stream, Vec::new())),
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks(6) {
                    let (number, value) = setting.split_at(2);
                    if number == [0, 4] {
                        let value = u32::from_be_bytes(value.try_into().unwrap());
                        self.initial_window = value.into();
                    }
                }
                self.write(SETTINGS, ACK, 0, &[]);
            }
            PING if flags & ACK == 0 => self.write(PING, ACK, 0, &payload),
            WINDOW_UPDATE => {
                let more = u32::from_be_bytes(payload.as_slice().try_into().unwrap());
                self.window(stream);
                *self.windows.get_mut(&stream).unwrap() += i64::from(more);
            }
            _ => {}
        }
        Frame { kind, flags, stream, payload }
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).unwrap();
    }
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A message with gRPC's prefix.
pub(super) fn framed(message: &impl Message) -> Vec<u8> {
    let message = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend((message.len() as u32).to_be_bytes());
    bytes.extend(message);
    bytes
}
