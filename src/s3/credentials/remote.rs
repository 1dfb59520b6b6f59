//! Asking a server for credentials.

use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri};

use super::{Reason, answer};
use crate::USER_AGENT;
use crate::s3::Io;
use crate::s3::error::Cause;
use crate::s3::origin::Origin;
use crate::s3::transport::{Connector, End, Identity, Timeouts, read_up_to};
use crate::s3::upload::RequestBody;

/// An answer holds a few short texts; more than this, in bytes, is none.
const LARGEST_ANSWER: usize = 64 * 1024;

/// Commands wait for it.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    answer: Duration::from_secs(10),
    stall: Duration::from_secs(5),
};

/// Makes requests to the servers that give credentials; one connection for each: they are hours
/// apart.
pub(super) struct Remote {
    /// For servers on this machine or its link, which speak http.
    near: Connector,
    io: Io,
}

/// A request.
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) origin: &'a Origin,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl<'a> Question<'a> {
    pub(super) fn get(origin: &'a Origin, path: String) -> Self {
        Self { method: Method::GET, origin, path, headers: Vec::new() }
    }
}

impl Remote {
    pub(super) fn new(io: &Io) -> Self {
        Self { near: Connector::direct(io, TIMEOUTS), io: io.clone() }
    }

    /// The body of the answer, where that is a success.
    pub(super) async fn ask(&self, question: Question<'_>) -> Result<Vec<u8>, Reason> {
        if question.origin.tls {
            return ask(&Connector::new(&self.io, TIMEOUTS), question).await;
        }
        ask(&self.near, question).await
    }

    /// As [`Remote::ask`], proving who this is.
    pub(super) async fn ask_as(
        &self,
        identity: Identity,
        question: Question<'_>,
    ) -> Result<Vec<u8>, Reason> {
        let connector = Connector::with_identity(&self.io, TIMEOUTS, Some(identity));
        ask(&connector, question).await
    }
}

async fn ask(connector: &Connector, question: Question<'_>) -> Result<Vec<u8>, Reason> {
    let origin = question.origin;
    let request = request(question).map_err(Reason::Request)?;
    let mut connection = connector.connect(origin).await.map_err(Reason::Request)?;
    let answer = connection.send(request, &TIMEOUTS).await.map_err(Reason::Request)?;
    let (head, body) = answer.into_parts();
    let body = read(body).await?;
    if head.status.is_success() {
        return Ok(body);
    }
    let (status, message) = (head.status.as_u16(), answer::message(&body));
    Err(Reason::Refused { status, message })
}

fn request(question: Question<'_>) -> Result<Request<RequestBody>, Cause> {
    let Question { method, origin, path, headers } = question;
    let target = PathAndQuery::try_from(path).map_err(|_| Cause::Unsendable("a path"))?;
    let mut request = Request::new(RequestBody::bytes(Bytes::new()));
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(target);
    let user_agent = USER_AGENT.to_owned();
    for (name, value) in
        [("host", origin.to_string()), ("user-agent", user_agent)].into_iter().chain(headers)
    {
        let mut value = HeaderValue::try_from(value).map_err(|_| Cause::Unsendable(name))?;
        value.set_sensitive(true);
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(request)
}

async fn read(body: Incoming) -> Result<Vec<u8>, Reason> {
    match read_up_to(body, LARGEST_ANSWER + 1, TIMEOUTS.stall).await {
        (read, End::Whole) => Ok(read),
        (_, End::Limit) => Err(Reason::Answer("its answer is too long".to_owned())),
        (_, End::Failed(cause)) => Err(Reason::Request(cause)),
    }
}
