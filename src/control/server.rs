//! Answering who connects.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::{AsyncWriteExt, FutureExt};
use miniserde::json::Value;
use smol::net::unix::UnixStream;
use smol::{Async, LocalExecutor, Task};

use super::LONGEST_LINE;
use super::health::readiness;
use super::line::{Lines, Next};
use super::socket::Socket;
use crate::blocking::begin;
use crate::command::{Error, Id, Reply, Success, object, text};
use crate::config::ReplyFormat;
use crate::device::{Device, LocalCommand};

/// Connections without a request. Of more, the one that has waited for longest is closed.
const WAITING: usize = 32;

/// Connections at all: beside those, as many as have a command that runs, and some that are answered.
const CONNECTIONS: usize = 128;

/// How long a connection may be without a request.
const IDLE: Duration = Duration::from_secs(60);

/// How long a client may take to read what it is told.
const WRITE: Duration = Duration::from_secs(5);

/// Progress is told at most this often.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

/// The control socket, served as long as this is there.
pub struct Server {
    _accepting: Task<()>,
    // Dropped after the task that listens on it.
    _socket: Socket,
}

/// Listens at `path` and answers for `device`. Where that cannot be, the log says so once, and what
/// to do.
pub fn serve(
    path: &Path,
    device: &Rc<Device>,
    executor: &Rc<LocalExecutor<'static>>,
) -> Option<Server> {
    let socket = Socket::listen(path).map_err(|error| log::error!("{error}")).ok()?;
    let listener = socket.listener.try_clone().and_then(Async::new);
    let listener = listener.map_err(|error| log::error!("{}: {error}", path.display())).ok()?;
    let desk = Rc::new(Desk { device: device.clone(), started: Instant::now() });
    let accepting = accept(listener, desk, executor.clone());
    Some(Server { _accepting: executor.spawn(accepting.boxed_local()), _socket: socket })
}

async fn accept(
    listener: Async<UnixListener>,
    desk: Rc<Desk>,
    executor: Rc<LocalExecutor<'static>>,
) {
    // In the order in which they came.
    let mut connections: Vec<Connection> = Vec::new();
    loop {
        let accepted = listener.get_ref().accept().and_then(|(stream, _)| Async::new(stream));
        let stream = match accepted {
            Ok(stream) => UnixStream::from(stream),
            Err(error) => {
                if error.kind() == ErrorKind::WouldBlock {
                    let _ = poll_fn(|context| listener.poll_readable(context)).await;
                } else {
                    // No file descriptors are left: who has some may give them back.
                    smol::Timer::after(Duration::from_secs(1)).await;
                }
                continue;
            }
        };
        connections.retain(|connection| !connection.task.is_finished());
        if connections.iter().filter(|connection| !connection.busy.get()).count() >= WAITING
            && let Some(first) = connections.iter().position(|connection| !connection.busy.get())
        {
            // Ends with its task.
            connections.remove(first);
        }
        if connections.len() < CONNECTIONS {
            let busy = Rc::new(Cell::new(false));
            let answering = desk.clone().answer(stream, busy.clone());
            connections.push(Connection { busy, task: executor.spawn(answering.boxed_local()) });
        }
        // Who has sent a request already is busy before the next one comes.
        smol::future::yield_now().await;
    }
}

/// A client that is there.
struct Connection {
    /// Whether a request of it is being done.
    busy: Rc<Cell<bool>>,
    task: Task<()>,
}

/// Who answers.
struct Desk {
    device: Rc<Device>,
    started: Instant,
}

impl Desk {
    /// Answers one request after the other. Whatever happens to the connection ends it, and nothing
    /// else.
    async fn answer(self: Rc<Self>, mut stream: UnixStream, busy: Rc<Cell<bool>>) {
        let mut lines = Lines::new(stream.clone());
        loop {
            busy.set(false);
            let coming = async { lines.next().await.unwrap_or(Next::End) };
            let late = async {
                smol::Timer::after(IDLE).await;
                Next::End
            };
            let next = coming.or(late).await;
            busy.set(true);
            // Who sends without a pause keeps nobody else waiting.
            smol::future::yield_now().await;
            let (reply, last) = match next {
                Next::Line(line) if line.trim_ascii().is_empty() => continue,
                Next::Line(line) => (self.reply(&line, &mut stream).await, false),
                Next::TooLong => {
                    let error = Error::NotARequest("a line may have 1 MiB at most");
                    ((Reply::new(Id::Null, None, Err(error)), None), true)
                }
                Next::End => return,
            };
            let (reply, _command) = reply;
            let text = reply.encode_within(ReplyFormat::JsonRpc, LONGEST_LINE);
            if !say(&mut stream, text).await || last {
                return;
            }
        }
    }

    /// Does what is asked for, and tells what came of it, with the command that ends when that was
    /// passed on.
    async fn reply(&self, line: &[u8], stream: &mut UnixStream) -> (Reply, Option<LocalCommand>) {
        let request = self.device.parse(line);
        let answer = match request.method.as_ref().map(|method| method.name()) {
            Some("health") => self.health().await,
            Some("ready") => self.readiness(),
            _ => {
                let mut command = self.device.begin(request);
                return (self.run(&mut command, stream).await, Some(command));
            }
        };
        (Reply::new(request.id, request.method, Ok(answer)), None)
    }

    /// Sees a command through, and tells how far it is as long as the client is there.
    async fn run(&self, command: &mut LocalCommand, stream: &mut UnixStream) -> Reply {
        let mut told = Some(String::new());
        loop {
            let done = async { Some((&mut command.running).await) };
            let soon = async {
                smol::Timer::after(PROGRESS_EVERY).await;
                None
            };
            if let Some(reply) = done.or(soon).await {
                return reply;
            }
            let progress = self.device.progress(command.number);
            if told.is_some() && told != progress {
                let params = progress.as_deref().unwrap_or("null");
                let line = format!(r#"{{"jsonrpc":"2.0","method":"progress","params":{params}}}"#);
                told = if say(stream, line).await { progress } else { None };
            }
        }
    }

    /// That this runs shows that the executor does, and the reactor below it.
    async fn health(&self) -> Success {
        begin(Box::new(|| ())).await;
        let (id, seconds) = (std::process::id(), self.started.elapsed().as_secs());
        let version = env!("CARGO_PKG_VERSION");
        let detail = format!("alive: sapt {version}, process {id}, runs for {seconds} s");
        state("alive", true, &detail)
    }

    fn readiness(&self) -> Success {
        let (ready, detail) = readiness(&self.device);
        let edge = self.device.standing();
        Success::from(object([
            ("ready", Value::Bool(ready)),
            ("detail", text(&detail)),
            ("registered", Value::Bool(edge.is_registered())),
            ("edge_core", text(&edge.to_string())),
        ]))
    }
}

fn state(name: &str, holds: bool, detail: &str) -> Success {
    Success::from(object([(name, Value::Bool(holds)), ("detail", text(detail))]))
}

/// Says a line. Whether all of it has gone out in time.
async fn say(stream: &mut UnixStream, mut line: String) -> bool {
    line.push('\n');
    let saying = async { stream.write_all(line.as_bytes()).await.is_ok() };
    let late = async {
        smol::Timer::after(WRITE).await;
        false
    };
    saying.or(late).await
}
