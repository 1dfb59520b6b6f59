//! The object that is read, and requests for parts of it.

use hyper::Method;
use hyper::body::Body as _;
use hyper::header::{ETAG, TRANSFER_ENCODING};
use hyper::{StatusCode, header::HeaderMap};

use super::body::Body;
use super::content_range::{Asked, ContentRange, Found};
use crate::s3::error::Cause;
use crate::s3::request::{Answered, Request};
use crate::s3::{Bucket, Client, Error, S3Key};

/// One version of an object.
pub(in crate::s3) struct Source {
    pub(super) client: Client,
    bucket: Bucket,
    key: S3Key,
    /// Which version, as S3 wrote it.
    pub(super) etag: Option<String>,
    /// Its length in bytes, where S3 announced it.
    pub(super) length: Option<u64>,
    /// What answered, as errors name it.
    host: String,
}

/// The answer to a request for a part.
pub(super) enum Opened {
    Body(Body),
    /// The object ends where the part should begin.
    End,
}

impl Source {
    /// An object of which nothing is known yet.
    pub(in crate::s3) fn new(client: &Client, bucket: &Bucket, key: &S3Key) -> Self {
        let (client, bucket, key) = (client.clone(), bucket.clone(), key.clone());
        Self { client, bucket, key, etag: None, length: None, host: String::new() }
    }

    /// A request for all of it.
    pub(in crate::s3) fn request(&self) -> Request<'_> {
        Request::object(Method::GET, &self.bucket, &self.key)
    }

    /// Learns which version this is from the answer to the first request.
    pub(super) fn first(&mut self, answered: Answered) -> Result<Body, Error> {
        self.host = answered.host;
        let (head, incoming) = answered.answer.into_parts();
        self.length = incoming.size_hint().exact();
        self.etag = etag(&head.headers);
        // RFC 9112 section 6.3: without either, the end of the connection is the end of the body.
        if self.length.is_none() && !head.headers.contains_key(TRANSFER_ENCODING) {
            return Err(self.error(1, Cause::Unframed));
        }
        let found = Found { skip: 0, length: self.length };
        Ok(Body::new(incoming, answered.connection, found))
    }

    /// Whether a part can be asked for and be known to be of this version: a weak ETag may be the
    /// same for different bytes (RFC 9110 section 8.8.1).
    pub(super) fn can_resume(&self) -> bool {
        self.etag.as_ref().is_some_and(|etag| etag.starts_with('"'))
    }

    /// Asks for the bytes from `start` to before `end`, or to the object's own end.
    pub(super) async fn open(&self, start: u64, end: Option<u64>) -> Result<Opened, Error> {
        let to_the_end = end == self.length;
        let last = match end {
            Some(end) if !to_the_end => end.saturating_sub(1).to_string(),
            _ => String::new(),
        };
        let etag = self.etag.clone().unwrap_or_default();
        let request = self
            .request()
            .with_header("range", format!("bytes={start}-{last}"))
            .with_header("if-match", etag.clone());
        let answered = match self.client.request(request).await {
            Ok(answered) => answered,
            Err(error) if error.status() == Some(412) => {
                return Err(self.error(1, Cause::Changed { was: etag, is: None }));
            }
            Err(error) => return Err(error),
        };
        let (head, incoming) = answered.answer.into_parts();
        if head.status == StatusCode::RANGE_NOT_SATISFIABLE {
            if self.client.read_small(incoming).await.1 {
                self.client.idle().keep(answered.connection);
            }
            let total = ContentRange::of(&head.headers).and_then(|range| range.total);
            return match total {
                Some(total) if total == start && self.length.is_none_or(|known| known == total) => {
                    Ok(Opened::End)
                }
                // It is shorter than it was.
                _ => Err(self.error(1, Cause::Changed { was: etag, is: None })),
            };
        }
        let asked = Asked { start, end, total: self.length, etag: &etag, all_serves: to_the_end };
        match asked.find(&head.headers) {
            Ok(found) => Ok(Opened::Body(Body::new(incoming, answered.connection, found))),
            Err(cause) => Err(self.error(1, cause)),
        }
    }

    /// What to tell where no more than `received` bytes came.
    pub(super) fn truncated(&self, received: u64, error: Option<hyper::Error>) -> Cause {
        Cause::Truncated { expected: self.length, received, error }
    }

    pub(super) fn error(&self, tries: u32, cause: Cause) -> Error {
        Error::new(self.request().target(), self.host.clone(), tries, cause)
    }
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG).and_then(|etag| Some(etag.to_str().ok()?.to_owned()))
}
