//! Answering who connects.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::{AsyncWriteExt, FutureExt};
use miniserde::json::Value;
use smol::channel::{Receiver, Sender, bounded};
use smol::net::unix::{UnixListener, UnixStream};
use smol::{Async, LocalExecutor, Task};

use super::LONGEST_LINE;
use super::health::readiness;
use super::line::{Lines, Next};
use super::socket::Socket;
use crate::blocking::unblock;
use crate::command::{Error, Id, Reply, Request, Success, object, text};
use crate::config::ReplyFormat;
use crate::device::{Device, LocalResult};

/// Connections without a request. Of more, the one that has waited for longest is closed.
const WAITING: usize = 32;

/// Connections at all: as many again have a command that runs, at most.
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
    let listener: UnixListener =
        listener.map_err(|error| log::error!("{}: {error}", path.display())).ok()?.into();
    let desk = Rc::new(Desk {
        device: device.clone(),
        started: Instant::now(),
        connections: Cell::new(0),
        waiting: Waiting::default(),
    });
    let accepting = accept(listener, desk, executor.clone());
    Some(Server { _accepting: executor.spawn(accepting.boxed_local()), _socket: socket })
}

async fn accept(listener: UnixListener, desk: Rc<Desk>, executor: Rc<LocalExecutor<'static>>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if desk.connections.get() < CONNECTIONS => {
                let place = Place::take(&desk);
                let answering = async move { place.0.answer(stream).await };
                executor.spawn(answering.boxed_local()).detach();
                // Who has to make room for it does so before the next one comes.
                smol::future::yield_now().await;
            }
            Ok(_) => {}
            // No file descriptors are left: who has some may give them back.
            Err(_) => {
                smol::Timer::after(Duration::from_secs(1)).await;
            }
        }
    }
}

/// What all connections share.
struct Desk {
    device: Rc<Device>,
    started: Instant,
    connections: Cell<usize>,
    waiting: Waiting,
}

/// A connection that is counted.
struct Place(Rc<Desk>);

impl Place {
    fn take(desk: &Rc<Desk>) -> Self {
        desk.connections.set(desk.connections.get() + 1);
        Self(desk.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.connections.set(self.0.connections.get() - 1);
    }
}

/// The connections that wait for a request, in the order in which they began to.
#[derive(Default)]
struct Waiting {
    /// Dropping the sender ends the wait.
    list: RefCell<VecDeque<(u64, Sender<()>)>>,
    last: Cell<u64>,
}

impl Waiting {
    /// Waits, as number so and so, until the place is wanted.
    fn begin(&self) -> (u64, Receiver<()>) {
        let number = self.last.get() + 1;
        self.last.set(number);
        let (keep, kept) = bounded(1);
        let mut list = self.list.borrow_mut();
        if list.len() >= WAITING {
            list.pop_front();
        }
        list.push_back((number, keep));
        (number, kept)
    }

    fn end(&self, number: u64) {
        self.list.borrow_mut().retain(|(waiting, _)| *waiting != number);
    }
}

impl Desk {
    /// Answers one request after the other. Whatever happens to the connection ends it, and nothing
    /// else.
    async fn answer(&self, mut stream: UnixStream) {
        let mut lines = Lines::new(stream.clone());
        loop {
            let goes_on = match self.next(&mut lines).await {
                Some(Next::Line(line)) if line.trim_ascii().is_empty() => true,
                Some(Next::Line(line)) => self.reply(&line, &mut stream).await,
                Some(Next::TooLong) => {
                    let error = Error::NotARequest("a line may have 1 MiB at most");
                    say(&mut stream, encode(Reply::new(Id::Null, None, Err(error)))).await;
                    false
                }
                Some(Next::End) | None => false,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// What comes next on a connection, unless that takes too long or others want its place.
    async fn next(&self, lines: &mut Lines<UnixStream>) -> Option<Next> {
        let (number, kept) = self.waiting.begin();
        let coming = async { lines.next().await.ok() };
        let wanted = async {
            let _ = kept.recv().await;
            None
        };
        let late = async {
            smol::Timer::after(IDLE).await;
            None
        };
        let next = coming.or(wanted).or(late).await;
        self.waiting.end(number);
        next
    }

    /// Does what is asked for, and tells what came of it. Whether the client has heard it.
    async fn reply(&self, line: &[u8], stream: &mut UnixStream) -> bool {
        let request = self.device.parse(line);
        let answer = match request.method.as_ref().map(|method| method.name()) {
            Some("health") => self.health().await,
            Some("ready") => self.readiness(),
            _ => return self.command(request, stream).await,
        };
        say(stream, encode(Reply::new(request.id, request.method, Ok(answer)))).await
    }

    /// That this runs shows that the executor does, and the reactor below it.
    async fn health(&self) -> Success {
        unblock(|| ()).await;
        let (id, seconds) = (std::process::id(), self.started.elapsed().as_secs());
        let version = env!("CARGO_PKG_VERSION");
        let detail = format!("alive: sapt {version}, process {id}, runs for {seconds} s");
        state("alive", true, &detail)
    }

    fn readiness(&self) -> Success {
        let (ready, detail) = readiness(&self.device);
        state("ready", ready, &detail)
    }

    /// Does a command. It goes on when the client has gone.
    async fn command(&self, request: Request, stream: &mut UnixStream) -> bool {
        let command = self.device.begin(request);
        let mut told = String::new();
        loop {
            let done = async { Some(command.result.recv().await) };
            let soon = async {
                smol::Timer::after(PROGRESS_EVERY).await;
                None
            };
            match done.or(soon).await {
                Some(Ok(LocalResult { reply, answering })) => {
                    let said = say(stream, encode(reply)).await;
                    drop(answering);
                    return said;
                }
                Some(Err(_)) => return false,
                None => {}
            }
            match self.device.progress(command.number) {
                Some(progress) if progress != told => {
                    let line = r#"{"jsonrpc":"2.0","method":"progress","params":"#;
                    if !say(stream, format!("{line}{progress}}}")).await {
                        return false;
                    }
                    told = progress;
                }
                _ => {}
            }
        }
    }
}

fn state(name: &str, holds: bool, detail: &str) -> Success {
    Success::from(object([(name, Value::Bool(holds)), ("detail", text(detail))]))
}

fn encode(reply: Reply) -> String {
    reply.encode_within(ReplyFormat::JsonRpc, LONGEST_LINE)
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
