//! A request to S3 before it is addressed and signed, and its answer.

use hyper::body::Incoming;
use hyper::{Method, Response, StatusCode};

use super::error::Target;
use super::transport::Connection;
use super::upload::Payload;
use super::{Bucket, S3Key};

/// What is asked of S3.
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) bucket: &'a Bucket,
    /// The object; None where the request is about the bucket.
    pub(super) key: Option<&'a S3Key>,
    /// Names and values, not encoded.
    pub(super) query: Vec<(&'static str, String)>,
    /// Headers beside those that every request has. All of them are signed: only such as proxies
    /// leave alone.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) payload: Payload,
}

impl<'a> Request<'a> {
    /// A request about an object, without a body.
    pub(super) fn object(method: Method, bucket: &'a Bucket, key: &'a S3Key) -> Self {
        Self { key: Some(key), ..Self::bucket(method, bucket) }
    }

    /// A request about a bucket, without a body.
    pub(super) fn bucket(method: Method, bucket: &'a Bucket) -> Self {
        Self {
            method,
            bucket,
            key: None,
            query: Vec::new(),
            headers: Vec::new(),
            payload: Payload::None,
        }
    }

    /// The same with another header, which is signed too.
    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with another parameter, not encoded.
    pub(super) fn with_query(mut self, name: &'static str, value: String) -> Self {
        self.query.push((name, value));
        self
    }

    /// Whether a status that is no success is an answer to what was asked: that an object is still
    /// the same, or that it ends before the range begins.
    pub(super) fn expects(&self, status: StatusCode) -> bool {
        let header = match status {
            StatusCode::NOT_MODIFIED => "if-none-match",
            StatusCode::RANGE_NOT_SATISFIABLE => "range",
            _ => return false,
        };
        self.headers.iter().any(|(name, _)| *name == header)
    }

    /// The same with a body.
    pub(super) fn with_payload(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }

    /// What an error says it was about.
    pub(super) fn target(&self) -> Target {
        Target {
            method: self.method.clone(),
            bucket: self.bucket.to_string(),
            key: self.key.map(S3Key::to_string).unwrap_or_default(),
        }
    }
}

/// An answer that was asked for, its body not read yet.
pub(super) struct Answered {
    pub(super) answer: Response<Incoming>,
    pub(super) connection: Connection,
    /// What answered, as errors name it.
    pub(super) host: String,
}
