//! Faults that a test orders, and the body that carries them out.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use s3s::StdError;

use super::connection::Flushes;
use super::gate::Gate;

/// What goes wrong with one request.
///
/// The byte counts are of the object's content on its way: the answer's body, or, for `PUT` and
/// `POST`, the request's. A body that is shorter passes unharmed. `Status`, `Answer` and `Close`
/// come before any check; with the others, the request is verified and served as always.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Reads the request, answers with this status and an S3 error document with this code.
    Status(u16, &'static str),
    /// Reads the request, answers with exactly this: redirects, or an error behind status 200.
    Answer {
        /// The status.
        status: u16,
        /// Names and values.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// Cuts the connection after so many bytes.
    Truncate(u64),
    /// After so many bytes nothing more happens, until the client leaves.
    Stall(u64),
    /// Reads the request and closes the connection without an answer.
    Close,
    /// After so many bytes waits at the gate, then goes on unharmed.
    Hold(u64, Gate),
    /// Answers a GET of a range with the whole object, and 200.
    IgnoreRange,
}

/// Which requests a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Every request.
    Any,
    /// `GET`: objects, ranges of them, and listings.
    Get,
    /// `HEAD`
    Head,
    /// `PUT`: objects and parts.
    Put,
    /// `POST`: the begin and the end of a multipart upload.
    Post,
    /// `DELETE`
    Delete,
}

impl Method {
    /// Whether the method with this name is meant.
    pub(crate) fn is(self, name: &str) -> bool {
        match self {
            Method::Any => true,
            Method::Get => name == "GET",
            Method::Head => name == "HEAD",
            Method::Put => name == "PUT",
            Method::Post => name == "POST",
            Method::Delete => name == "DELETE",
        }
    }
}

/// Faults that wait for their request.
#[derive(Default)]
pub(super) struct Faults(Mutex<VecDeque<(Method, Fault)>>);

impl Faults {
    pub(super) fn push(&self, method: Method, fault: Fault) {
        self.0.lock().unwrap().push_back((method, fault));
    }

    pub(super) fn take(&self, method: &hyper::Method) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap();
        let position = faults.iter().position(|(wanted, _)| wanted.is(method.as_str()))?;
        faults.remove(position).map(|(_, fault)| fault)
    }
}

/// A body that passes so many bytes on, and then does what was ordered.
pub(super) struct FaultyBody {
    inner: s3s::Body,
    left: u64,
    then: Then,
    /// What came in one piece with the last byte that passed.
    rest: Option<Bytes>,
    /// Set for an answer: the connection that it is written to.
    flushes: Option<Flushes>,
    mark: Option<u64>,
    cut: Arc<AtomicBool>,
}

/// What happens after the bytes that pass.
#[derive(Clone, Debug)]
pub(super) enum Then {
    Cut,
    Stall,
    Wait(Gate),
    /// The gate has been passed.
    Pass,
}

impl FaultyBody {
    /// An upload: nothing has to be written before the fault.
    pub(super) fn upload(inner: s3s::Body, bytes: u64, then: Then) -> FaultyBody {
        FaultyBody {
            inner,
            left: bytes,
            then,
            rest: None,
            flushes: None,
            mark: None,
            cut: Arc::default(),
        }
    }

    /// An answer: the bytes that pass are sent before the fault.
    pub(super) fn answer(inner: s3s::Body, bytes: u64, then: Then, flushes: Flushes) -> FaultyBody {
        FaultyBody { flushes: Some(flushes), ..FaultyBody::upload(inner, bytes, then) }
    }

    /// Becomes true when the body is cut.
    pub(super) fn cut(&self) -> Arc<AtomicBool> {
        self.cut.clone()
    }

    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &self.flushes {
            Some(flushes) => flushes.poll_next(&mut self.mark, context),
            None => Poll::Ready(()),
        }
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let body = &mut *self;
        if body.left == 0 {
            match body.then.clone() {
                Then::Cut => {
                    ready!(body.poll_sent(context));
                    body.cut.store(true, Ordering::Relaxed);
                    let cut = io::Error::new(io::ErrorKind::ConnectionAborted, "cut as ordered");
                    return Poll::Ready(Some(Err(cut.into())));
                }
                Then::Stall => return Poll::Pending,
                Then::Wait(gate) => {
                    ready!(body.poll_sent(context));
                    ready!(gate.poll_pass(context));
                    body.then = Then::Pass;
                }
                Then::Pass => {}
            }
            if let Some(rest) = body.rest.take() {
                return Poll::Ready(Some(Ok(Frame::data(rest))));
            }
            return Pin::new(&mut body.inner).poll_frame(context);
        }

        let frame = match ready!(Pin::new(&mut body.inner).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other),
        };
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
        };
        if (data.len() as u64) > body.left {
            body.rest = Some(data.split_off(body.left as usize));
        }
        body.left -= data.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len() as u64);
        let inner = self.inner.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(inner.lower() + rest);
        hint
    }
}
