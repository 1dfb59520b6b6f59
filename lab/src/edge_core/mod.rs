//! Stand-in for Edge Core.
//!
//! A WebSocket server on a unix socket that is as strict as the real program: what that one
//! closes the connection for, silently loses or refuses, this one does too, and it keeps a list
//! of it ([`EdgeCore::violations`]). The other side is the cloud's: [`EdgeCore::post`] and its
//! siblings block until the device has answered.

mod cloud;
mod device;
mod fault;
mod frame;
mod handshake;
mod listener;
mod management;
mod message;
mod record;
mod state;
mod translator;
mod value;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

pub use self::{
    cloud::{CloudReply, Status},
    fault::Fault,
    record::{Content, Direction, Exchange},
};
use self::{
    device::{EXECUTE, WRITE},
    listener::Listening,
    state::Shared,
    value::ResourcePath,
};

/// A running Edge Core. Dropping it stops it.
pub struct EdgeCore {
    socket: PathBuf,
    shared: Arc<Shared>,
}

/// What can be set at the start.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long a translator may take to answer a command.
    pub request_timeout: Duration,
    /// How many devices can be registered.
    pub device_limit: usize,
    /// Translator names that another translator, which is not connected here, holds.
    pub reserved_names: Vec<String>,
}

impl Default for Options {
    /// As the real program.
    fn default() -> Self {
        Options {
            request_timeout: Duration::from_secs(60),
            device_limit: 500,
            reserved_names: Vec::new(),
        }
    }
}

impl EdgeCore {
    /// Starts with the real program's limits.
    ///
    /// # Panics
    ///
    /// When it cannot listen on `socket`.
    pub fn start(socket: &Path) -> EdgeCore {
        EdgeCore::start_with(socket, Options::default())
    }

    /// Starts. A file at `socket` is replaced.
    ///
    /// # Panics
    ///
    /// When it cannot listen on `socket`.
    pub fn start_with(socket: &Path, options: Options) -> EdgeCore {
        let edge_core =
            EdgeCore { socket: socket.to_owned(), shared: Arc::new(Shared::new(options)) };
        edge_core.listen();
        edge_core
    }

    /// The path to connect to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Waits until a `device_register` of this device has succeeded.
    pub fn wait_for_device(&self, device_id: &str, limit: Duration) -> Result<(), String> {
        let registered = self.shared.wait(Some(Instant::now() + limit), |state| {
            state.devices.get(device_id)?.registered.then_some(())
        });
        registered.ok_or_else(|| {
            format!("{device_id} was not registered within {limit:?}; {}", self.last_words())
        })
    }

    /// POST, which arrives as an EXECUTE. Blocks until the device's earlier commands are done and
    /// this one is answered. `path` is like `/33311/0/5701`.
    ///
    /// # Panics
    ///
    /// When `path` is not a resource path; so do [`Self::put`], [`Self::read`],
    /// [`Self::observe`] and [`Self::wait_for_value`].
    pub fn post(&self, device_id: &str, path: &str, payload: &[u8]) -> CloudReply {
        self.shared.command(device_id, resource(path), EXECUTE, payload)
    }

    /// PUT, which arrives as a WRITE. Blocks as [`Self::post`] does. Once it is acknowledged the
    /// resource's value is `payload`.
    pub fn put(&self, device_id: &str, path: &str, payload: &[u8]) -> CloudReply {
        self.shared.command(device_id, resource(path), WRITE, payload)
    }

    /// GET: the value that was last written. The translator is not asked.
    pub fn read(&self, device_id: &str, path: &str) -> CloudReply {
        self.shared.update(|state| state.read(device_id, resource(path)))
    }

    /// Every other value that a resource gets from now on, also after the translator reconnected;
    /// nothing at all if the resource allows PUT or POST.
    pub fn observe(&self, device_id: &str, path: &str) -> mpsc::Receiver<Vec<u8>> {
        self.shared.update(|state| state.observe(device_id, resource(path)))
    }

    /// Waits until the resource has a value that is accepted. Looks at what Edge Core has stored,
    /// whatever the resource allows.
    pub fn wait_for_value(
        &self,
        device_id: &str,
        path: &str,
        limit: Duration,
        accept: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, String> {
        let path = resource(path);
        let mut last = None;
        let found = self.shared.wait(Some(Instant::now() + limit), |state| {
            let device = state.devices.get(device_id);
            last = device.and_then(|device| Some(device.resources.get(&path)?.value.clone()));
            last.clone().filter(|value| accept(value))
        });
        found.ok_or_else(|| {
            let last = last.as_deref().map(String::from_utf8_lossy);
            format!(
                "{device_id}{path} had no such value within {limit:?}, at last {last:?}; {}",
                self.last_words()
            )
        })
    }

    /// Cuts all connections now, without close frames, and keeps listening.
    pub fn disconnect(&self) {
        self.shared.update(|state| state.cut_all());
    }

    /// Ends as on SIGTERM: no longer listens, and every client sees EOF without a close frame.
    /// The socket's file is removed. Does nothing when it is stopped.
    pub fn stop(&mut self) {
        if self.end() {
            // It may have been removed in the meantime.
            let _ = fs::remove_file(&self.socket);
        }
    }

    /// Ends as on SIGKILL: as [`Self::stop`], but the socket's file stays, and refuses.
    pub fn kill(&mut self) {
        self.end();
    }

    /// Stops, and starts again on the same path: what is there is unlinked, and a new socket is
    /// made. Observers, faults, record and violations stay.
    ///
    /// # Panics
    ///
    /// When it cannot listen on its socket.
    pub fn restart(&mut self) {
        self.stop();
        self.listen();
    }

    /// Orders a fault. Those that wait for different moments are independent of each other; those
    /// that wait for the same one happen in the order in which they were ordered.
    pub fn fail_next(&self, fault: Fault) {
        self.shared.update(|state| state.faults.push_back(fault));
    }

    /// Every JSON-RPC message so far, of all connections.
    pub fn record(&self) -> Vec<Exchange> {
        self.shared.update(|state| state.record.clone())
    }

    /// Every reason so far for which a connection was closed, or something was silently lost or
    /// changed. Error answers on a connection that stays are not here, but in the record.
    pub fn violations(&self) -> Vec<String> {
        self.shared.update(|state| state.violations.clone())
    }

    /// Waits until the record is one that is wanted, and returns it.
    pub fn wait_for_record(
        &self,
        limit: Duration,
        accept: impl Fn(&[Exchange]) -> bool,
    ) -> Result<Vec<Exchange>, String> {
        let found = self.shared.wait(Some(Instant::now() + limit), |state| {
            accept(&state.record).then(|| state.record.clone())
        });
        found.ok_or_else(|| {
            let all: Vec<String> = self.record().iter().map(ToString::to_string).collect();
            format!("the record did not come to that within {limit:?}:\n{}", all.join("\n"))
        })
    }

    /// Waits until so many translators have said goodbye with a close frame.
    pub fn wait_for_goodbyes(&self, count: usize, limit: Duration) -> Result<(), String> {
        let said = self
            .shared
            .wait(Some(Instant::now() + limit), |state| (state.goodbyes >= count).then_some(()));
        said.ok_or_else(|| format!("no goodbye within {limit:?}; {}", self.last_words()))
    }

    /// How many translator connections were accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.update(|state| state.translators_accepted)
    }

    /// Cuts everything and no longer listens. Whether it did until now.
    fn end(&self) -> bool {
        let listening = self.shared.update(|state| {
            state.cut_all();
            state.listening.take()
        });
        listening.map(Listening::stop).is_some()
    }

    fn listen(&self) {
        // Under the lock, so that no client is looked at before the state says that it listens.
        self.shared.update(|state| match Listening::start(&self.shared, &self.socket) {
            Ok(listening) => state.listening = Some(listening),
            Err(error) => panic!(
                "Edge Core cannot listen on {}: {error}; the path must be free or a file, in a \
                 directory that exists, and at most 107 bytes long",
                self.socket.display()
            ),
        });
    }

    /// For the message of a wait that was in vain.
    fn last_words(&self) -> String {
        self.shared.update(|state| {
            let last = state.record.last().map(ToString::to_string);
            format!("last message: {last:?}, violations: {:?}", state.violations)
        })
    }
}

impl Drop for EdgeCore {
    fn drop(&mut self) {
        self.stop();
    }
}

fn resource(path: &str) -> ResourcePath {
    path.parse().unwrap_or_else(|why| panic!("{why}"))
}
