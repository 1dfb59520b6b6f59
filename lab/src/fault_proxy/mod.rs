//! A proxy in front of any S3 server that does to its connections what networks do.
//!
//! Clients take it for the server: requests are forwarded with the `host` that was signed. It works
//! on the wire, where the [stand-in](crate::s3) cannot: it resets connections, slows them down,
//! answers in another order, lies about lengths and dates, and closes connections that were kept.

mod connection;
mod fault;
mod journal;
mod pace;
mod plan;
mod swap;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use tokio::sync::oneshot;

pub use self::fault::{Ending, Fault};
pub use self::journal::Request;
pub use self::plan::Wanted;

use self::journal::Journal;
use self::plan::Plan;
use self::swap::Swap;

/// A running proxy on `127.0.0.1`, in its own thread. It stops when this is dropped.
pub struct FaultProxy {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all connections share.
struct Shared {
    /// The proxy's two ports.
    addresses: [SocketAddr; 2],
    settings: Mutex<Settings>,
    plan: Plan,
    journal: Journal,
    swap: Swap,
}

#[derive(Clone, Copy)]
struct Settings {
    upstream: SocketAddr,
    bytes_per_second: Option<u64>,
    date_shift_s: i64,
}

impl FaultProxy {
    /// Starts a proxy in front of the HTTP server with this address; it accepts connections when
    /// this returns.
    pub fn start(upstream: SocketAddr) -> FaultProxy {
        let listeners = [0, 1].map(|_| {
            let listener =
                TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
            listener.set_nonblocking(true).expect("a listener can be non-blocking");
            listener
        });
        let addresses = [0, 1].map(|index: usize| {
            listeners[index].local_addr().expect("a bound listener has an address")
        });
        let shared = Arc::new(Shared {
            addresses,
            settings: Mutex::new(Settings { upstream, bytes_per_second: None, date_shift_s: 0 }),
            plan: Plan::default(),
            journal: Journal::default(),
            swap: Swap::default(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the fault proxy");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = shared.clone();
        let thread = thread::Builder::new()
            .name("fault proxy".to_owned())
            .spawn(move || {
                let _entered = runtime.enter();
                for listener in listeners {
                    runtime.spawn(connection::serve(listener, served.clone()));
                }
                let _ = runtime.block_on(stopped);
                // Connections that are held or stalled end here.
                runtime.shutdown_background();
            })
            .expect("a thread for the fault proxy");
        FaultProxy { shared, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.shared.addresses[0])
    }

    /// The same proxy under another port: where [`Fault::Redirect`] leads.
    pub fn other_endpoint(&self) -> String {
        format!("http://{}", self.shared.addresses[1])
    }

    /// Applies the fault to the next request that is wanted. Faults wait in a queue: each request
    /// takes the first one that is for it.
    pub fn fail_next(&self, wanted: impl Into<Wanted>, fault: Fault) {
        self.fail_times(1, wanted, fault);
    }

    /// Applies the fault to so many requests that are wanted.
    pub fn fail_times(&self, times: usize, wanted: impl Into<Wanted>, fault: Fault) {
        self.shared.plan.push(Some(times), wanted.into(), fault);
    }

    /// Applies the fault to every request that is wanted and takes none from the queue.
    pub fn fail_all(&self, wanted: impl Into<Wanted>, fault: Fault) {
        self.shared.plan.push(None, wanted.into(), fault);
    }

    /// Takes all faults back that have not been applied.
    pub fn heal(&self) {
        self.shared.plan.clear();
    }

    /// Calls this when the request with this number (from 0) has come, before anything is done
    /// with it: to change an object between two ranges of it.
    pub fn before_request(&self, number: usize, call: impl FnOnce() + Send + 'static) {
        self.shared.plan.call_before(number, Box::new(call));
    }

    /// Forwards requests to another server from now on.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.shared.change(|settings| settings.upstream = upstream);
    }

    /// Lets no connection carry more than so many bytes a second, of bodies in either direction.
    pub fn throttle(&self, bytes_per_second: u64) {
        self.shared.change(|settings| settings.bytes_per_second = Some(bytes_per_second));
    }

    /// Shifts the `date` of every answer by so much.
    pub fn shift_date(&self, seconds: i64) {
        self.shared.change(|settings| settings.date_shift_s = seconds);
    }

    /// Every request until now, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.journal.requests()
    }
}

impl Shared {
    fn settings(&self) -> Settings {
        *self.settings.lock().unwrap()
    }

    fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().unwrap());
    }
}

impl Settings {
    /// What the clock of this server says when it is `time`.
    fn shifted(&self, time: SystemTime) -> SystemTime {
        let shift = std::time::Duration::from_secs(self.date_shift_s.unsigned_abs());
        if self.date_shift_s < 0 { time - shift } else { time + shift }
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
