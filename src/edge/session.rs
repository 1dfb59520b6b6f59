//! Keeping the translator registered with Edge Core, and its resources' values there.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;
use smol::channel::{Receiver, Sender};

use super::backoff::Backoff;
use super::connection::{Connection, End, Link};
use super::error::Error;
use super::message::{self, Call, CloudId, CloudRequest, Operation, Refusal};
use super::registration::register;
use super::resource::{Resource, Values};
use super::standing::Standing;

/// Edge Core fails a request after 60 s and closes the connection over a later answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(55);

/// A translator without its device, or a device that was taken away: all is registered anew.
const UNREGISTERED: [i64; 2] = [-30001, -30102];

/// Who we are to Edge Core.
#[derive(Debug, Clone)]
pub struct Identity {
    /// The path of Edge Core's socket.
    pub socket: PathBuf,
    /// The translator's name.
    pub name: String,
    /// The device's id.
    pub device_id: String,
}

/// What a device does with the cloud's requests.
pub trait Device {
    /// Takes one request; answering it is up to the device, at any later time and in any order.
    fn request(&self, request: Request);
}

/// Tells values when they are asked for. Boxed: what asks is linked once.
pub type NewValues<'a> = Box<dyn FnOnce() -> Vec<(Resource, String)> + 'a>;

/// The translator's session with Edge Core.
///
/// The values of the resources are kept here: they are sent when they change while there is a
/// connection, and all together when the device is registered on a new one. So a result that
/// becomes known while Edge Core is away is there when it is back.
pub struct Session {
    identity: Identity,
    values: RefCell<Values>,
    /// The connection on which the device is registered.
    registered: RefCell<Option<Rc<Link>>>,
    standing: RefCell<Standing>,
    /// Held from a write to the acknowledgement that makes its value the reply to a request.
    order: smol::lock::Mutex<()>,
    close: Sender<()>,
    closing: Receiver<()>,
}

/// A request of the cloud for one of the device's resources.
pub struct Request {
    session: Rc<Session>,
    link: Rc<Link>,
    received: Instant,
    id: CloudId,
    /// PUT or POST.
    pub operation: Operation,
    /// The resource.
    pub resource: Resource,
    /// The request's content.
    pub value: Vec<u8>,
}

impl Session {
    /// A session that is not connected yet.
    pub fn new(identity: Identity) -> Rc<Self> {
        let (close, closing) = smol::channel::bounded(1);
        let standing = RefCell::new(Standing::new(&identity.socket, Instant::now()));
        Rc::new(Self {
            identity,
            values: RefCell::default(),
            registered: RefCell::default(),
            standing,
            order: smol::lock::Mutex::new(()),
            close,
            closing,
        })
    }

    /// Connects, registers, hands the cloud's requests to `device`, and does it all again whenever
    /// the connection is lost. Returns after [`Session::close`].
    pub async fn run(self: Rc<Self>, device: Rc<dyn Device>) {
        let mut backoff = Backoff::new();
        while !self.closing.is_closed() {
            let end = self.clone().connected(&device, &mut backoff).await;
            *self.registered.borrow_mut() = None;
            let End::Lost(error) = end else { return };
            self.note_lost(&error);
            let wait = backoff.wait(fastrand::f64());
            log::error!("{error}; connecting again in {wait:.1?}");
            let closed = async {
                let _ = self.closing.recv().await;
            };
            let waited = async {
                smol::Timer::after(wait).await;
            };
            closed.or(waited).await;
        }
    }

    /// Whether the device is registered now.
    pub fn standing(&self) -> Standing {
        self.standing.borrow().clone()
    }

    /// New values for resources, kept for later where there is no connection. Returns when Edge
    /// Core has them. `values` is asked when it is their turn, so that what is published last is
    /// what is true last.
    pub async fn publish(&self, values: NewValues<'_>) {
        let _in_order = self.order.lock().await;
        self.set(values());
        self.send_unsent().await;
    }

    /// New values without waiting for Edge Core to take them; they go with the next that are sent.
    pub fn set(&self, values: Vec<(Resource, String)>) {
        let mut current = self.values.borrow_mut();
        for (resource, text) in values {
            current.set(resource, text);
        }
    }

    /// Ends the session: what was published is sent, the WebSocket closed, [`Session::run`]
    /// returns.
    pub fn close(&self) {
        self.close.close();
    }

    async fn connected(self: Rc<Self>, device: &Rc<dyn Device>, backoff: &mut Backoff) -> End {
        let opening = async { Some(Connection::open(&self.identity.socket).await) };
        let closed = async {
            let _ = self.closing.recv().await;
            None
        };
        let connection = match closed.or(opening).await {
            None => return End::Closed,
            Some(Err(error)) => return End::Lost(error),
            Some(Ok(connection)) => connection,
        };
        let link = connection.link();
        let registering = async {
            let all_values = || {
                let mut values = self.values.borrow_mut();
                values.forget_sent();
                values.take_unsent()
            };
            let refused = |error: &Error| self.note_lost(error);
            if let Err(error) = register(&link, &self.identity, all_values, &refused).await {
                return End::Lost(error);
            }
            backoff.reset();
            *self.registered.borrow_mut() = Some(link.clone());
            self.standing.borrow_mut().registered(Instant::now());
            log::info!(
                "registered with Edge Core at {} as {:?}, device {:?}",
                self.identity.socket.display(),
                self.identity.name,
                self.identity.device_id
            );
            // What changed while the registration was under way.
            self.publish(Box::new(Vec::new)).await;
            std::future::pending().await
        };
        let pumping = connection
            .pump(&self.closing, |request| self.clone().deliver(request, &link, device.as_ref()));
        registering.or(pumping).await
    }

    fn note_lost(&self, error: &Error) {
        self.standing.borrow_mut().lost(error.to_string(), Instant::now());
    }

    fn deliver(self: Rc<Self>, request: CloudRequest, link: &Rc<Link>, device: &dyn Device) {
        let CloudRequest { id, operation, device_id, resource, value } = request;
        let resource = match resource {
            Ok(resource) if device_id == self.identity.device_id => resource,
            Ok(resource) => {
                return refuse_unknown(link, &id, &format!("{device_id}, {}", resource.id()));
            }
            Err(path) => return refuse_unknown(link, &id, &format!("{device_id}, {path}")),
        };
        let (session, link, received) = (self, link.clone(), Instant::now());
        device.request(Request { session, link, received, id, operation, resource, value });
    }

    /// To be called with the order held.
    async fn send_unsent(&self) {
        let Some(link) = self.registered.borrow().clone() else {
            return;
        };
        let values = self.values.borrow_mut().take_unsent();
        if values.is_empty() {
            return;
        }
        let device_id = &self.identity.device_id;
        // Values that were lost with the connection go with the next registration, as all do.
        let call = Call::Write { device_id, values };
        if let Err(error @ Error::Refused { .. }) = link.call(&call, device_id).await {
            log::error!("{error}");
            if error.refusal_code().is_some_and(|code| UNREGISTERED.contains(&code)) {
                link.give_up(error);
            }
        }
    }
}

impl Request {
    /// Answers the request with "ok", after these values were written: the cloud's reply carries
    /// the resource's value at that moment.
    pub async fn acknowledge(self, values: NewValues<'_>) {
        let _in_order = self.session.order.lock().await;
        self.session.set(values());
        self.session.send_unsent().await;
        if self.received.elapsed() < ANSWER_WITHIN {
            self.link.say(message::acknowledgement(&self.id));
        }
        // Edge Core takes what an acknowledged PUT wrote, secrets and all, for the resource's value.
        if self.operation == Operation::Write {
            self.session.values.borrow_mut().forget(self.resource);
            self.session.send_unsent().await;
        }
    }

    /// Refuses what was never a command; the cloud sees a bare 5.00.
    pub fn refuse(self, refusal: &Refusal) {
        self.link.say(message::refusal(&self.id, refusal.code, &refusal.message));
    }
}

fn refuse_unknown(link: &Link, id: &CloudId, what: &str) {
    log::error!("Edge Core delivered a request for {what}, which is not registered here");
    link.say(message::refusal(id, -32602, "no such resource on this device"));
}
