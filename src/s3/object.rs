//! An object while it is read.

use std::rc::Rc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{ETAG, HeaderMap, TRANSFER_ENCODING};

use super::Error;
use super::error::{Cause, Phase, Target};
use super::transport::{Connection, IdleConnections, within};

/// An object whose body is being read. Dropped before its end, it closes the connection.
pub struct Object {
    /// The body's length in bytes, where S3 announced it.
    pub length: Option<u64>,
    /// The version of the content, as S3 wrote it, with its quotes.
    pub etag: Option<String>,
    body: Option<(Incoming, Connection)>,
    received: u64,
    ended: bool,
    context: ReadContext,
}

/// What an object needs besides its answer: to report errors, and to hand back the connection.
pub(super) struct ReadContext {
    pub(super) target: Target,
    pub(super) host: String,
    pub(super) stall: Duration,
    pub(super) idle: Rc<IdleConnections>,
}

impl Object {
    /// Begins to read the body of an answer.
    pub(super) fn new(
        headers: &HeaderMap,
        body: Incoming,
        connection: Connection,
        context: ReadContext,
    ) -> Result<Self, Error> {
        let length = body.size_hint().exact();
        let etag = headers.get(ETAG).and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
        let object = Self {
            length,
            etag,
            body: Some((body, connection)),
            received: 0,
            ended: false,
            context,
        };
        // RFC 9112 section 6.3: without either, the end of the connection is the end of the body.
        if length.is_none() && !headers.contains_key(TRANSFER_ENCODING) {
            return Err(object.error(Cause::Unframed));
        }
        Ok(object)
    }

    /// The next part of the body, as it arrives. None only at the true end: a body that is shorter
    /// than announced, or breaks off, is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if self.ended {
            return Ok(None);
        }
        let Some((mut body, connection)) = self.body.take() else {
            return Err(self.truncated(None));
        };
        loop {
            match within(self.context.stall, body.frame()).await {
                None => return Err(self.error(Cause::Timeout(Phase::Body, self.context.stall))),
                Some(Some(Err(error))) => return Err(self.truncated(Some(error))),
                Some(Some(Ok(frame))) => {
                    // Trailers are of no interest.
                    if let Ok(data) = frame.into_data() {
                        self.received += data.len() as u64;
                        self.body = Some((body, connection));
                        return Ok(Some(data));
                    }
                }
                Some(None) if self.length.is_some_and(|length| length != self.received) => {
                    return Err(self.truncated(None));
                }
                Some(None) => {
                    self.ended = true;
                    self.context.idle.keep(connection);
                    return Ok(None);
                }
            }
        }
    }

    /// The rest of the body in one piece, refused above `limit` bytes.
    pub(super) async fn into_bytes(mut self, limit: u64) -> Result<Bytes, Error> {
        if let Some(length) = self.length.filter(|length| *length > limit) {
            return Err(self.error(Cause::TooLarge { limit, length: Some(length) }));
        }
        let mut whole = BytesMut::with_capacity(self.length.unwrap_or(0) as usize);
        while let Some(part) = self.chunk().await? {
            if self.received > limit {
                return Err(self.error(Cause::TooLarge { limit, length: None }));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    fn truncated(&self, error: Option<hyper::Error>) -> Error {
        self.error(Cause::Truncated { expected: self.length, received: self.received, error })
    }

    fn error(&self, cause: Cause) -> Error {
        let ReadContext { target, host, .. } = &self.context;
        Error::new(target.clone(), host.clone(), 1, cause)
    }
}
