//! The process: listen, serve, end in order.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tower_layer::layer_fn;

use crate::arguments::Arguments;
use crate::authority::Acceptable;
use crate::capture::Captures;
use crate::configuration::Configuration;
use crate::listener::Listener;
use crate::log::Log;
use crate::models::Models;
use crate::notify::Supervisor;
use crate::service::AgentService;
use crate::statuses::Statuses;
use crate::wire::agent_server::AgentServer;
use crate::worker::Worker;

/// How long running calls may go on after a signal.
const GRACE: Duration = Duration::from_secs(5);

/// HTTP/2 lets a peer send this much unasked. A tensor of hundreds of megabytes would wait for an
/// answer to every 64 KiB with the default.
const WINDOW: u32 = 16 << 20;
/// Fewer frame headers for the same reason; the protocol's largest is 16 MiB - 1.
const FRAME: u32 = 1 << 20;

/// Calls that wait behind a running one; the next ones wait outside the queue.
const WAITING: usize = 16;

/// Serves until a signal ends the process.
pub fn run(arguments: &Arguments, configuration: Configuration) -> Result<(), ServeError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(ServeError::Start)?;
    let result = runtime.block_on(serve(arguments, configuration));
    // A prediction that still runs after the grace period is not waited for.
    runtime.shutdown_background();
    result
}

async fn serve(arguments: &Arguments, configuration: Configuration) -> Result<(), ServeError> {
    let log = Log { verbose: configuration.verbose };
    for remark in &configuration.remarks {
        log.warning(remark);
    }
    // Before the socket exists: whoever sees it may send a signal.
    let mut ends = Ends::new().map_err(ServeError::Start)?;
    let captures = Arc::new(Captures::start(&configuration, log).map_err(ServeError::Start)?);
    let listener = Listener::bind(&arguments.address, arguments.remove_old_socket)
        .await
        .map_err(|error| ServeError::Listen(Box::new(error)))?;
    let address = listener.address().map_err(ServeError::Start)?;
    let service = AgentService {
        models: Models::default(),
        captures: captures.clone(),
        loader: Worker::start("load", WAITING).map_err(ServeError::Start)?,
        predictor: Worker::start("predict", WAITING).map_err(ServeError::Start)?,
        message_limit: arguments.message_limit,
        log,
    };
    let service = AgentServer::new(service)
        .max_decoding_message_size(arguments.message_limit)
        .max_encoding_message_size(arguments.message_limit);
    let router = Server::builder()
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_frame_size(FRAME)
        .layer(layer_fn(Statuses))
        .add_service(service);
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move {
        // A sender that is dropped means the same.
        let _ = stopped.await;
    };
    log.info(format_args!("listening on {address}"));

    // Kept to the end: its file is removed last.
    let (mut server, _socket_file) = match listener {
        Listener::Unix(listener, file) => {
            let incoming = UnixListenerStream::new(listener).map(|made| made.map(Acceptable::new));
            (tokio::spawn(router.serve_with_incoming_shutdown(incoming, stopped)), Some(file))
        }
        Listener::Tcp(listener) => {
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            let incoming = incoming.map(|made| made.map(Acceptable::new));
            (tokio::spawn(router.serve_with_incoming_shutdown(incoming, stopped)), None)
        }
    };
    let supervisor = Supervisor::from_environment(|name| std::env::var_os(name)).map(Arc::new);
    if let Some(supervisor) = supervisor.clone() {
        tokio::spawn(feed_watchdog(supervisor));
    }
    let ended = tokio::select! {
        name = ends.next() => {
            log.info(format_args!("{name}: ending"));
            if let Some(supervisor) = &supervisor {
                supervisor.stopping();
            }
            drop(stop);
            timeout(GRACE, &mut server).await
        }
        early = &mut server => Ok(early),
    };
    match ended {
        Ok(Ok(result)) => result.map_err(ServeError::Serve)?,
        Ok(Err(error)) => return Err(ServeError::Start(error.into())),
        Err(_) => {
            log.warning(format_args!("calls are still running after {GRACE:?}: giving them up"));
            server.abort();
        }
    }
    tokio::task::block_in_place(|| captures.flush());
    Ok(())
}

/// Tells the service manager that calls are answered, and as long as it wants to know that the loops
/// turn. A prediction that takes long does not stop them.
async fn feed_watchdog(supervisor: Arc<Supervisor>) {
    const SERVING: &str = "serving";
    supervisor.ready(SERVING);
    while let Some(beat) = supervisor.beat() {
        sleep(beat).await;
        supervisor.alive(SERVING);
    }
}

/// The signals that end the process; SIGHUP is what the vendor's unit sends.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Ends {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.hangup.recv() => "SIGHUP",
        }
    }
}

/// Serving could not begin, or ended by itself.
#[derive(Debug)]
pub enum ServeError {
    /// A thread, a signal handler or the runtime could not be made.
    Start(io::Error),
    /// The address cannot be listened on.
    Listen(Box<dyn std::error::Error + Send + Sync>),
    /// The server ended.
    Serve(tonic::transport::Error),
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => write!(f, "cannot start: {error}"),
            Self::Listen(error) => error.fmt(f),
            Self::Serve(error) => write!(f, "the server ended: {error}"),
        }
    }
}

impl std::error::Error for ServeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Start(error) => Some(error),
            Self::Listen(error) => Some(error.as_ref()),
            Self::Serve(error) => Some(error),
        }
    }
}
