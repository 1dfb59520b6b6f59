//! The cloud's side: commands to devices, their answers, and observations.

use std::{
    fmt,
    sync::mpsc::{self, Receiver, Sender},
    time::Instant,
};

use serde_json::{Value, json};

use super::{
    Fault,
    device::{EXECUTE, READ, WRITE},
    record::Content,
    state::{Shared, State},
    value::{ResourcePath, encode_base64, stored},
};

/// What the cloud gets back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudReply {
    /// The CoAP code.
    pub status: Status,
    /// Of a GET, and of a POST that succeeded: the resource's value at that moment. Else empty.
    pub value: Vec<u8>,
}

/// The code of a reply (RFC 7252, section 5.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 2.04: the translator acknowledged the POST or PUT.
    Changed,
    /// 2.05: the answer to a GET.
    Content,
    /// 4.04: no such device or resource, or its translator left.
    NotFound,
    /// 4.05: the resource does not allow it.
    NotAllowed,
    /// 5.00: the translator answered with an error, or Edge Core could not ask it.
    Failed,
    /// 5.04: the translator did not answer in time.
    TimedOut,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Changed => "2.04 Changed",
            Status::Content => "2.05 Content",
            Status::NotFound => "4.04 Not Found",
            Status::NotAllowed => "4.05 Method Not Allowed",
            Status::Failed => "5.00 Internal Server Error",
            Status::TimedOut => "5.04 Gateway Timeout",
        })
    }
}

impl CloudReply {
    fn bare(status: Status) -> CloudReply {
        CloudReply { status, value: Vec::new() }
    }
}

/// A request to a translator that has no answer yet.
pub(super) struct Pending {
    connection: usize,
    device_id: String,
    path: ResourcePath,
    operation: i64,
    value: Vec<u8>,
    answer: Sender<CloudReply>,
}

/// Who may command a device next: its commands are delivered one at a time, in order.
#[derive(Default)]
pub(super) struct Turns {
    next: usize,
    serving: usize,
}

/// Someone in the cloud who observes a resource.
pub(super) struct Observer {
    device_id: String,
    path: ResourcePath,
    values: Sender<Vec<u8>>,
}

impl Observer {
    /// Whether the observer is still there.
    pub(super) fn notify(&self, device_id: &str, path: ResourcePath, value: &[u8]) -> bool {
        if self.device_id != device_id || self.path != path {
            return true;
        }
        self.values.send(value.to_vec()).is_ok()
    }
}

impl Shared {
    /// Commands a device when its turn comes, and waits for the answer.
    pub(super) fn command(
        &self,
        device_id: &str,
        path: ResourcePath,
        operation: i64,
        payload: &[u8],
    ) -> CloudReply {
        let _turn = Turn::wait(self, device_id);
        match self.update(|state| state.deliver_text(device_id, path, operation, payload)) {
            Ok((request, answer)) => self.await_answer(&request, &answer),
            Err(status) => CloudReply::bare(status),
        }
    }

    /// Waits for the answer to a request, and gives it up when the time is over.
    pub(super) fn await_answer(&self, request: &str, answer: &Receiver<CloudReply>) -> CloudReply {
        let limit = self.update(|state| state.options.request_timeout);
        answer.recv_timeout(limit).unwrap_or_else(|_| {
            let given_up = self.update(|state| state.pending.remove(request)).is_some();
            // Otherwise the answer came in this very moment.
            let late = if given_up { None } else { answer.try_recv().ok() };
            late.unwrap_or(CloudReply::bare(Status::TimedOut))
        })
    }
}

impl State {
    /// GET: Edge Core answers from what was last written.
    pub(super) fn read(&self, device_id: &str, path: ResourcePath) -> CloudReply {
        let device = self.devices.get(device_id);
        match device.and_then(|device| device.resources.get(&path)) {
            None => CloudReply::bare(Status::NotFound),
            Some(resource) if resource.operations & READ == 0 => {
                CloudReply::bare(Status::NotAllowed)
            }
            Some(resource) => CloudReply { status: Status::Content, value: resource.value.clone() },
        }
    }

    pub(super) fn observe(&mut self, device_id: &str, path: ResourcePath) -> Receiver<Vec<u8>> {
        let (values, receiver) = mpsc::channel();
        self.observers.push(Observer { device_id: device_id.to_owned(), path, values });
        receiver
    }

    /// Delivers a command of the cloud, whose PUT carries text where a POST carries anything.
    fn deliver_text(
        &mut self,
        device_id: &str,
        path: ResourcePath,
        operation: i64,
        payload: &[u8],
    ) -> Result<(String, Receiver<CloudReply>), Status> {
        let device = self.devices.get(device_id).ok_or(Status::NotFound)?;
        let resource = device.resources.get(&path).ok_or(Status::NotFound)?;
        if resource.operations & operation == 0 {
            return Err(Status::NotAllowed);
        }
        let value = if operation == WRITE {
            resource.value_type.binary_from_text(payload).ok_or(Status::Failed)?
        } else {
            payload.to_vec()
        };
        self.deliver(device_id, path, operation, value)
    }

    /// Sends a command to the device's translator. Gives its id, and where the answer will come.
    pub(super) fn deliver(
        &mut self,
        device_id: &str,
        path: ResourcePath,
        operation: i64,
        value: Vec<u8>,
    ) -> Result<(String, Receiver<CloudReply>), Status> {
        // Edge Core does not send a WRITE of nothing.
        if operation == WRITE && value.is_empty() {
            return Err(Status::Failed);
        }
        let connection = self.devices.get(device_id).ok_or(Status::NotFound)?.owner;
        let id = self.requests.to_string();
        self.requests += 1;
        let params = json!({
            "operation": operation,
            "uri": {
                "deviceId": device_id,
                "objectId": path.object,
                "objectInstanceId": path.instance,
                "resourceId": path.resource,
            },
            "value": encode_base64(&value),
        });
        let (answer, receiver) = mpsc::channel();
        let device_id = device_id.to_owned();
        let pending = Pending { connection, device_id, path, operation, value, answer };
        self.pending.insert(id.clone(), pending);
        let request = Content::Request { method: "write".to_owned(), params };
        self.send(connection, id.clone().into(), request);
        if self.take_fault(|fault| *fault == Fault::CutAfterDelivery).is_some() {
            self.close(connection);
        }
        Ok((id, receiver))
    }

    /// The translator's answer to a command.
    pub(super) fn response(&mut self, connection: usize, id: Value, content: Content) {
        let known = id.as_str().filter(|id| {
            self.pending.get(*id).is_some_and(|pending| pending.connection == connection)
        });
        let Some(pending) = known.and_then(|id| self.pending.remove(id)) else {
            let why = format!("a reply with the id {id}, which no waiting request has");
            self.close_because(connection, &why);
            return;
        };
        let reply = match content {
            Content::Result(_) => self.acknowledged(&pending),
            _ => CloudReply::bare(Status::Failed),
        };
        // Nobody waits any more only when the time is over.
        let _ = pending.answer.send(reply);
    }

    fn acknowledged(&mut self, pending: &Pending) -> CloudReply {
        let Pending { device_id, path, operation, value, .. } = pending;
        let resource = |state: &State| {
            let resource = state.devices.get(device_id)?.resources.get(path)?;
            Some((resource.operations, resource.value_type, resource.value.clone()))
        };
        let Some((_, value_type, _)) = resource(self) else {
            return CloudReply::bare(Status::NotFound);
        };
        if *operation == WRITE {
            // From its source: an acknowledged WRITE replaces the resource's value.
            let Some(text) = value_type.text_from_binary(value) else {
                return CloudReply::bare(Status::Failed);
            };
            self.update_value(device_id, *path, stored(text));
        }
        match resource(self) {
            Some((operations, _, value)) if operations & EXECUTE != 0 => {
                CloudReply { status: Status::Changed, value }
            }
            _ => CloudReply::bare(Status::Changed),
        }
    }

    /// Fails all requests that a connection has not answered, as if it had left.
    pub(super) fn fail_pending(&mut self, connection: usize) {
        self.pending.retain(|_, pending| {
            if pending.connection != connection {
                return true;
            }
            let _ = pending.answer.send(CloudReply::bare(Status::NotFound));
            false
        });
    }
}

/// The right to command a device, until it is dropped.
struct Turn<'a> {
    shared: &'a Shared,
    device_id: String,
}

impl<'a> Turn<'a> {
    fn wait(shared: &'a Shared, device_id: &str) -> Turn<'a> {
        let ticket = shared.update(|state| {
            let turns = state.turns.entry(device_id.to_owned()).or_default();
            turns.next += 1;
            turns.next - 1
        });
        shared.wait(None::<Instant>, |state| {
            (state.turns.get(device_id)?.serving == ticket).then_some(())
        });
        Turn { shared, device_id: device_id.to_owned() }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.shared.update(|state| {
            if let Some(turns) = state.turns.get_mut(&self.device_id) {
                turns.serving += 1;
            }
        });
    }
}
