//! The one connection to the agent that is kept, and made again when it is lost.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use smol::channel::{Receiver, Sender, bounded};
use smol::lock::Mutex;
use smol::{LocalExecutor, Timer};

use super::frame::Frame;
use super::transport::{Spawner, Transport};
use super::{Address, Error};

/// How much of a response may be under way, per call and in all. Only a promise to the agent: memory
/// is taken when data comes, and it is handed on as it comes.
const STREAM_WINDOW: u32 = 8 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;

/// The largest DATA frame that the agent may send. Fewer, larger frames cost less time; the read
/// buffer grows to this size with the first large response.
const LARGEST_FRAME: u32 = 256 << 10;

/// A connection. Clones are the same one.
#[derive(Clone)]
pub(super) struct Connection {
    number: u64,
    /// Where requests go.
    pub(super) requests: SendRequest<Frame>,
    /// How many bytes have left on it.
    pub(super) sent: Rc<Cell<u64>>,
}

/// Makes connections, and keeps the last one.
pub(super) struct Connections {
    /// The agent's.
    pub(super) address: Address,
    executor: Rc<LocalExecutor<'static>>,
    deadline: Duration,
    kept: Mutex<Option<Connection>>,
    made: Cell<u64>,
    ended: (Sender<()>, Receiver<()>),
}

impl Connections {
    /// Connects at the first call, not now.
    pub(super) fn new(
        address: Address,
        executor: Rc<LocalExecutor<'static>>,
        deadline: Duration,
    ) -> Self {
        let (kept, made) = (Mutex::new(None), Cell::new(0));
        Self { address, executor, deadline, kept, made, ended: bounded(1) }
    }

    /// Waits until a connection has ended since this last returned.
    pub(super) async fn ended(&self) {
        let _ = self.ended.1.recv().await;
    }

    /// The kept connection if it is alive and not the one that `failed`, or a new one.
    ///
    /// Calls that come while it is being made wait for it instead of making their own.
    pub(super) async fn current(&self, failed: Option<&Connection>) -> Result<Connection, Error> {
        let mut kept = self.kept.lock().await;
        if let Some(connection) = &*kept
            && !connection.requests.is_closed()
            && failed.is_none_or(|failed| failed.number != connection.number)
        {
            return Ok(connection.clone());
        }
        // Calls that still run on the old one hold it, and finish there.
        *kept = None;
        let timeout = async {
            Timer::after(self.deadline).await;
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no connection within {} s", self.deadline.as_secs_f64()),
            ))
        };
        let connection = smol::future::or(self.connect(), timeout).await;
        let connection = connection
            .map_err(|source| Error::Unreachable { address: self.address.clone(), source })?;
        *kept = Some(connection.clone());
        Ok(connection)
    }

    async fn connect(&self) -> io::Result<Connection> {
        let transport = Transport::connect(&self.address).await?;
        let sent = transport.sent();
        let spawner = Spawner(Rc::downgrade(&self.executor));
        let handshake = Builder::new(spawner.clone())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(LARGEST_FRAME)
            .handshake(transport);
        let (requests, task) = handshake.await.map_err(io::Error::other)?;
        // How the connection ends is told to the calls that are on it.
        let ended = self.ended.0.clone();
        spawner.execute(async move {
            drop(task.await);
            let _ = ended.try_send(());
        });
        self.made.set(self.made.get() + 1);
        Ok(Connection { number: self.made.get(), requests, sent })
    }
}
