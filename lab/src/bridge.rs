//! A socket in front of the agent's that carries everything to it and back, as gateways bridge the
//! agent into a container. A test sees what goes to the agent, and can stop it half-way.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// A bridge to an agent, which need not be there yet. It ends when it is dropped.
pub struct Bridge {
    port: Option<u16>,
    shared: Arc<Shared>,
}

struct Shared {
    to: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What came on each connection, whether it was carried on or not, and how much of it had come
    /// when the hold was ordered.
    heard: Vec<(Vec<u8>, usize)>,
    /// What contains these bytes, and what follows it, is not carried on.
    hold: Option<Vec<u8>>,
    held: bool,
    /// Both ends of every connection.
    sockets: Vec<UnixStream>,
    ended: bool,
}

impl Bridge {
    /// Listens on the unix socket `at` for the agent at `to`.
    pub fn unix(at: &Path, to: &Path) -> Self {
        let listener = UnixListener::bind(at)
            .unwrap_or_else(|error| panic!("cannot listen on {}: {error}", at.display()));
        Self::start(None, to, move || listener.accept().ok().map(|(socket, _)| socket))
    }

    /// Listens on a free port of 127.0.0.1 for the agent at `to`.
    pub fn tcp(to: &Path) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        Self::start(Some(port), to, move || {
            let (socket, _) = listener.accept().ok()?;
            // Reading, writing and shutting down are the same for both kinds.
            Some(UnixStream::from(OwnedFd::from(socket)))
        })
    }

    /// The port, where it listens on one.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// How many connections there have been.
    pub fn connections(&self) -> usize {
        self.shared.lock().heard.len()
    }

    /// How often these bytes came from clients.
    pub fn heard(&self, bytes: &[u8]) -> usize {
        let state = self.shared.lock();
        let count = |heard: &[u8]| heard.windows(bytes.len()).filter(|at| *at == bytes).count();
        state.heard.iter().map(|(heard, _)| count(heard)).sum()
    }

    /// From now on what contains these bytes does not reach the agent, nor does what follows it on
    /// that connection.
    pub fn hold(&self, bytes: &[u8]) {
        let mut state = self.shared.lock();
        state.hold = Some(bytes.to_vec());
        state.held = false;
        state.heard.iter_mut().for_each(|(heard, before)| *before = heard.len());
    }

    /// Cuts all connections now. The next ones are carried as before.
    pub fn cut(&self) {
        self.shared.lock().cut();
    }

    /// Waits until what is to be held has come.
    pub fn held(&self, limit: Duration) -> Result<(), String> {
        let state = self.shared.lock();
        let waited = self.shared.changed.wait_timeout_while(state, limit, |state| !state.held);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if state.held { Ok(()) } else { Err(format!("it did not come within {limit:?}")) }
    }

    fn start(
        port: Option<u16>,
        to: &Path,
        accept: impl Fn() -> Option<UnixStream> + Send + 'static,
    ) -> Self {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { to: to.to_owned(), state, changed });
        let serving = shared.clone();
        thread::spawn(move || {
            while let Some(client) = accept() {
                if serving.lock().ended {
                    return;
                }
                serving.connect(client);
            }
        });
        Self { port, shared }
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.ended = true;
        state.cut();
        drop(state);
        // Wakes the thread that accepts on a port; one on a socket ends with the next client.
        if let Some(port) = self.port {
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        }
    }
}

impl State {
    fn cut(&mut self) {
        for socket in self.sockets.drain(..) {
            // It may have ended by itself.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connect(self: &Arc<Self>, client: UnixStream) {
        let number = {
            let mut state = self.lock();
            state.heard.push((Vec::new(), 0));
            state.heard.len() - 1
        };
        // Without an agent the client is hung up on, as bridges do.
        let Ok(agent) = UnixStream::connect(&self.to) else { return };
        let copy = |socket: &UnixStream| socket.try_clone().expect("descriptors are left");
        self.lock().sockets.extend([copy(&client), copy(&agent)]);
        let (from, to, shared) = (copy(&client), copy(&agent), self.clone());
        thread::spawn(move || {
            carry(from, to, |bytes| shared.passes(number, bytes));
        });
        thread::spawn(move || carry(agent, client, |_| true));
    }

    /// Keeps what came, and tells whether it is to be carried on.
    fn passes(&self, number: usize, bytes: &[u8]) -> bool {
        let State { heard, hold, held, .. } = &mut *self.lock();
        let Some((heard, before)) = heard.get_mut(number) else { return true };
        heard.extend_from_slice(bytes);
        let contains = |hold: &Vec<u8>| heard[*before..].windows(hold.len()).any(|at| at == hold);
        let passes = !hold.as_ref().is_some_and(contains);
        *held |= !passes;
        self.changed.notify_all();
        passes
    }
}

/// Copies until one side ends, then ends both.
fn carry(mut from: UnixStream, mut to: UnixStream, passes: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if passes(&buffer[..length]) && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
