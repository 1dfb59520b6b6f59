//! Everything that Edge Core knows, and what arriving frames do to it.
//!
//! The real program is a single event loop, so this is one value under one mutex: each frame,
//! cloud command and fault changes it as a whole.

use std::{
    collections::{BTreeMap, VecDeque},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc},
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    Fault, Options,
    cloud::{Observer, Pending, Turns},
    device::Device,
    frame::{Frame, Opcode, server_frame},
    handshake::Role,
    listener::Listening,
    management::LaterAnswer,
    message::{self, Message, Request, RpcError},
    record::{Content, Direction, Exchange},
};

/// The state, and a signal for every change of it.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn new(options: Options) -> Shared {
        let state = State { options, ..State::default() };
        Shared { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Changes the state, and wakes all who wait for a change.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }

    /// Looks at the state at each change, until `look` finds something or the time is over.
    /// Without a deadline it waits for as long as it takes.
    pub(super) fn wait<T>(
        &self,
        deadline: Option<Instant>,
        mut look: impl FnMut(&mut State) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Some(found);
            }
            state = match deadline {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = self.changed.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What Edge Core knows.
#[derive(Default)]
pub(super) struct State {
    pub(super) options: Options,
    pub(super) listening: Option<Listening>,
    /// The client whose handshake is being read: all others wait for it.
    pub(super) handshaking: Option<UnixStream>,
    pub(super) connections: BTreeMap<usize, Connection>,
    pub(super) devices: BTreeMap<String, Device>,
    /// Requests to translators that have no answer yet, by id.
    pub(super) pending: BTreeMap<String, Pending>,
    /// How many requests to translators there have been: the next one's id.
    pub(super) requests: usize,
    pub(super) turns: BTreeMap<String, Turns>,
    pub(super) observers: Vec<Observer>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) record: Vec<Exchange>,
    pub(super) violations: Vec<String>,
    /// How many connections there have been: the next one's number.
    pub(super) accepted: usize,
    /// How many of them were translators'.
    pub(super) translators_accepted: usize,
    /// How many translators have sent a close frame.
    pub(super) goodbyes: usize,
}

/// A client that was upgraded and is still there.
pub(super) struct Connection {
    pub(super) role: Role,
    /// The name that it registered as a translator.
    pub(super) name: Option<String>,
    /// For its writer thread, which closes the connection when this end is dropped.
    pub(super) outbound: mpsc::Sender<Vec<u8>>,
    pub(super) stream: UnixStream,
}

/// What a method comes to.
pub(super) enum Outcome {
    /// Success, with this result.
    Done(Value),
    /// An error answer.
    Refused(RpcError),
    /// An error answer, and the connection is closed.
    RefusedAndClosed(RpcError),
    /// The answer waits for a translator's.
    Later(LaterAnswer),
}

impl State {
    /// A frame from a client. What it returns has to be waited for outside of the lock.
    pub(super) fn frame(&mut self, connection: usize, frame: Frame) -> Option<LaterAnswer> {
        let client = self.connections.get(&connection)?;
        if client.role == Role::Deaf {
            return None;
        }
        let Frame { last, opcode, payload } = frame;
        match opcode {
            Opcode::Ping => self.push(connection, server_frame(Opcode::Pong, &payload)),
            Opcode::Pong => {}
            Opcode::Close => {
                self.goodbyes += usize::from(client.role == Role::Translator);
                self.push(connection, server_frame(Opcode::Close, &payload));
                self.close(connection);
            }
            Opcode::Text if last && payload.is_empty() => {
                self.close_because(connection, "an empty frame");
            }
            Opcode::Text if last => return self.message(connection, &payload),
            Opcode::Text => self.close_because(connection, "a fragmented message (FIN=0)"),
            Opcode::Continuation => self.close_because(connection, "a continuation frame"),
            Opcode::Binary => self.close_because(connection, "a binary frame"),
        }
        None
    }

    fn message(&mut self, connection: usize, text: &[u8]) -> Option<LaterAnswer> {
        let message = match message::parse(text) {
            Ok(message) => message,
            Err(why) => {
                self.close_because(connection, &format!("a message that is {why}"));
                return None;
            }
        };
        match message {
            Message::Request(request) => return self.request(connection, request),
            Message::Response { id, content } => {
                self.note(connection, Direction::ToEdgeCore, id.clone(), content.clone());
                self.response(connection, id, content);
            }
            Message::Invalid { id, why } => {
                self.answer(connection, id, Err(RpcError::new(-32600, why)));
            }
            Message::Ignored(what) => {
                self.violate(connection, &format!("ignored {what}"));
            }
        }
        None
    }

    fn request(&mut self, connection: usize, request: Request) -> Option<LaterAnswer> {
        let Request { id, method, params } = &request;
        let content = Content::Request {
            method: method.clone(),
            params: params.clone().unwrap_or(Value::Null),
        };
        self.note(connection, Direction::ToEdgeCore, id.clone(), content);
        let fault = self.take_fault(|fault| fault.method() == Some(method));
        match fault {
            Some(Fault::CutOn(_)) => {
                self.close(connection);
                return None;
            }
            Some(Fault::Ignore(_)) => return None,
            Some(Fault::Refuse(_, code)) => {
                self.answer(connection, id.clone(), Err(RpcError::new(code, "Ordered fault.")));
                let bad_register = method == "protocol_translator_register" && code == -32602;
                if bad_register || code == -30002 || code == -30003 {
                    self.close(connection);
                }
                return None;
            }
            _ => {}
        }
        let outcome = match self.connections.get(&connection)?.role {
            Role::Translator => self.translator_method(connection, &request),
            Role::Management => self.management_method(connection, &request),
            Role::Deaf => return None,
        };
        let mut later = None;
        match outcome {
            Outcome::Done(result) => self.answer(connection, request.id, Ok(result)),
            Outcome::Refused(error) => self.answer(connection, request.id, Err(error)),
            Outcome::RefusedAndClosed(error) => {
                let why = format!("{} was refused with {}", request.method, error.object());
                self.answer(connection, request.id, Err(error));
                self.close_because(connection, &why);
            }
            Outcome::Later(answer) => later = Some(answer),
        }
        if matches!(fault, Some(Fault::CutAfter(_))) {
            self.close(connection);
        }
        later
    }

    /// Sends an answer.
    pub(super) fn answer(&mut self, connection: usize, id: Value, answer: Result<Value, RpcError>) {
        let content = match answer {
            Ok(result) => Content::Result(result),
            Err(error) => Content::Error(error.object()),
        };
        self.send(connection, id, content);
    }

    /// Sends a message, if the connection is still there.
    pub(super) fn send(&mut self, connection: usize, id: Value, content: Content) {
        if !self.connections.contains_key(&connection) {
            return;
        }
        let message = match &content {
            Content::Request { method, params } => {
                json!({"id": id, "jsonrpc": "2.0", "method": method, "params": params})
            }
            Content::Result(result) => json!({"id": id, "jsonrpc": "2.0", "result": result}),
            Content::Error(error) => json!({"error": error, "id": id, "jsonrpc": "2.0"}),
        };
        self.push(connection, server_frame(Opcode::Text, message.to_string().as_bytes()));
        self.note(connection, Direction::FromEdgeCore, id, content);
    }

    fn push(&mut self, connection: usize, frame: Vec<u8>) {
        if let Some(client) = self.connections.get(&connection) {
            // The writer is gone only when the client is, which its reader will tell.
            let _ = client.outbound.send(frame);
        }
    }

    fn note(&mut self, connection: usize, direction: Direction, id: Value, content: Content) {
        self.record.push(Exchange { connection, direction, id, content });
    }

    /// The first ordered fault that fits here.
    pub(super) fn take_fault(&mut self, fits: impl Fn(&Fault) -> bool) -> Option<Fault> {
        let position = self.faults.iter().position(fits)?;
        self.faults.remove(position)
    }

    /// Writes down what the client did wrong.
    pub(super) fn violate(&mut self, connection: usize, what: &str) {
        self.violations.push(format!("connection {connection}: {what}"));
    }

    /// Closes the connection for a fault of its client.
    pub(super) fn close_because(&mut self, connection: usize, why: &str) {
        self.violate(connection, &format!("closed for {why}"));
        self.close(connection);
    }

    /// Forgets the client with its devices, and closes its connection once everything that was
    /// sent to it is written. No close frame is sent.
    pub(super) fn close(&mut self, connection: usize) {
        self.connections.remove(&connection);
        self.fail_pending(connection);
        self.devices.retain(|_, device| device.owner != connection);
    }

    /// Closes the connection now, whatever is still to be written.
    pub(super) fn cut(&mut self, connection: usize) {
        if let Some(client) = self.connections.get(&connection) {
            // It may be closed already.
            let _ = client.stream.shutdown(Shutdown::Both);
        }
        self.close(connection);
    }

    /// Cuts every connection, and the handshake that is being read.
    pub(super) fn cut_all(&mut self) {
        for connection in self.connections.keys().copied().collect::<Vec<_>>() {
            self.cut(connection);
        }
        if let Some(client) = self.handshaking.take() {
            let _ = client.shutdown(Shutdown::Both);
        }
    }
}
