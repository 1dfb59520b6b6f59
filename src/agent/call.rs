//! One call: a request, its response, and when to try again.
//!
//! # Retry
//!
//! A call is tried a second time, on a fresh connection, only if the first attempt cannot have run.
//! That is known in three cases:
//!
//! - Since the call began, fewer bytes have left on its connection than its message has. A unary
//!   method runs when its message is complete, so it has not. This covers the connection that the
//!   agent had closed while nothing was sent, and the agent that died while it was receiving. Bytes
//!   of other calls on the connection count too, so that a doubt never becomes a retry.
//! - The agent reset the stream with REFUSED_STREAM (RFC 9113, section 8.7).
//! - The agent sent GOAWAY, and this stream's number is above the last one that it will process
//!   (RFC 9113, section 6.8). h2 ends only those streams with the GOAWAY itself; the others go on, and
//!   if they are lost it is with an I/O error.
//!
//! A method that only reads is also tried again when the connection is lost after it may have run.

use std::pin::Pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri, Version};

use super::connection::{Connection, Connections};
use super::deadline::grpc_timeout;
use super::frame::{Frame, Reader};
use super::status::{Code, Status};
use super::{Error, Malformed, Method};
use crate::USER_AGENT;

/// Calls `method` and returns the response's message.
///
/// `limit` is the most bytes that it may have. Takes `deadline` at most, both attempts and the
/// connecting included.
pub(super) async fn call(
    connections: &Connections,
    method: Method,
    frame: Frame,
    limit: usize,
    deadline: Duration,
) -> Result<Bytes, Error> {
    let deadline = Deadline { after: deadline, end: Instant::now() + deadline };
    let timeout = async {
        smol::Timer::at(deadline.end).await;
        Err(Error::DeadlineExceeded { method, after: deadline.after })
    };
    let attempts = async {
        let first = connections.current(None).await?;
        let lost = match attempt(&first, method, frame.clone(), limit, deadline.end).await {
            Err(Failure::Lost(lost)) => lost,
            Err(Failure::Final(error)) => return Err(error),
            Ok(message) => return Ok(message),
        };
        let again = !lost.may_have_run || (lost.connection && method.only_reads());
        if !again {
            return Err(lost.into_error(connections, method, deadline));
        }
        let second = connections.current(Some(&first)).await?;
        match attempt(&second, method, frame, limit, deadline.end).await {
            Err(Failure::Lost(lost)) => Err(lost.into_error(connections, method, deadline)),
            Err(Failure::Final(error)) => Err(error),
            Ok(message) => Ok(message),
        }
    };
    smol::future::or(attempts, timeout).await
}

/// When a call has to be done.
#[derive(Clone, Copy)]
struct Deadline {
    after: Duration,
    end: Instant,
}

/// How an attempt failed.
enum Failure {
    /// Before the answer was complete.
    Lost(Lost),
    /// With an answer.
    Final(Error),
}

/// An attempt that ended before its answer was complete.
struct Lost {
    source: hyper::Error,
    code: Code,
    /// Whether the connection is lost, not only the stream.
    connection: bool,
    may_have_run: bool,
}

impl Lost {
    fn into_error(self, connections: &Connections, method: Method, deadline: Deadline) -> Error {
        // The agent watches the same deadline, and may be the first to end the call.
        if self.code == Code::Cancelled && Instant::now() >= deadline.end {
            return Error::DeadlineExceeded { method, after: deadline.after };
        }
        Error::ConnectionLost {
            method,
            address: connections.address.clone(),
            may_have_run: self.may_have_run,
            code: self.code,
            source: self.source,
        }
    }

    /// `delivered`: the whole message may have reached the agent.
    fn new(source: hyper::Error, delivered: bool) -> Self {
        let cause = std::error::Error::source(&source);
        let cause = cause.and_then(|cause| cause.downcast_ref::<h2::Error>());
        let remote = cause.filter(|error| error.is_remote());
        let reset = remote.filter(|error| error.is_reset());
        let reset = reset.and_then(h2::Error::reason);
        let refused =
            reset == Some(h2::Reason::REFUSED_STREAM) || remote.is_some_and(h2::Error::is_go_away);
        Self {
            code: reset.map_or(Code::Unavailable, Code::from_reset),
            connection: reset.is_none(),
            may_have_run: delivered && !refused,
            source,
        }
    }
}

/// One request and its response.
async fn attempt(
    connection: &Connection,
    method: Method,
    frame: Frame,
    limit: usize,
    end: Instant,
) -> Result<Bytes, Failure> {
    let length = frame.length() as u64;
    let left = end.saturating_duration_since(Instant::now());
    let before = connection.sent.get();
    let response = connection.requests.clone().send_request(request(method, frame, left)).await;
    let response = response.map_err(|error| {
        let delivered = connection.sent.get() - before >= length;
        Failure::Lost(Lost::new(error, delivered))
    })?;
    read(response, method, limit).await
}

/// The request's head ("Requests"), in the order that is written there.
fn request(method: Method, frame: Frame, timeout: Duration) -> Request<Frame> {
    let mut request = Request::new(frame);
    *request.method_mut() = hyper::Method::POST;
    *request.version_mut() = Version::HTTP_2;
    // On a unix socket there is no host; gRPC's own clients say localhost.
    let uri = format!("http://localhost/AWS.SageMaker.Edge.Agent/{method}");
    // Made of a fixed text and a method's name: always a URI.
    *request.uri_mut() = uri.parse::<Uri>().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::TE, HeaderValue::from_static("trailers"));
    if let Ok(timeout) = HeaderValue::try_from(grpc_timeout(timeout)) {
        headers.insert("grpc-timeout", timeout);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
    request
}

/// The message of a response, or its status if that is not OK.
async fn read(
    response: Response<Incoming>,
    method: Method,
    limit: usize,
) -> Result<Bytes, Failure> {
    let malformed = |problem| Failure::Final(Error::Malformed { method, problem });
    let (head, mut body) = response.into_parts();
    // Trailers-only: what would be in the trailers is in the head, and nothing follows.
    if let Some(status) = Status::from_headers(&head.headers)
        && (status.code != Code::Ok || body.is_end_stream())
    {
        failed(method, status)?;
        return Err(malformed(Malformed::NoMessage));
    }
    if head.status != StatusCode::OK {
        failed(method, Status::from_http(head.status.as_u16()))?;
    }
    let content_type = head.headers.get(header::CONTENT_TYPE);
    if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc")) {
        let found = content_type.map_or_else(String::new, |value| {
            String::from_utf8_lossy(value.as_bytes()).into_owned()
        });
        return Err(malformed(Malformed::NotGrpc(found)));
    }
    let mut reader = Reader::new(limit);
    let trailers = loop {
        match next_frame(&mut body).await {
            None => break HeaderMap::new(),
            Some(Err(error)) => return Err(Failure::Lost(Lost::new(error, true))),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    reader.push(&data).map_err(|error| malformed(Malformed::Frame(error)))?
                }
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        break trailers;
                    }
                }
            },
        }
    };
    let Some(status) = Status::from_headers(&trailers) else {
        return Err(malformed(Malformed::NoStatus));
    };
    failed(method, status)?;
    match reader.finish() {
        Ok(Some(message)) => Ok(message),
        Ok(None) => Err(malformed(Malformed::NoMessage)),
        Err(error) => Err(malformed(Malformed::Frame(error))),
    }
}

/// A status that is not OK, as the call's failure.
fn failed(method: Method, status: Status) -> Result<(), Failure> {
    match status {
        Status { code: Code::Ok, .. } => Ok(()),
        Status { code, message } => Err(Failure::Final(Error::Status { method, code, message })),
    }
}

async fn next_frame(body: &mut Incoming) -> Option<hyper::Result<hyper::body::Frame<Bytes>>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::proto;

    #[test]
    fn the_head_of_a_request() {
        let frame = Frame::of(&proto::UnLoadModelRequest::default(), 100).unwrap();
        let request = request(Method::UnLoadModel, frame, Duration::from_secs(30));
        assert_eq!(request.method(), "POST");
        assert_eq!(request.uri(), "http://localhost/AWS.SageMaker.Edge.Agent/UnLoadModel");
        let headers: Vec<_> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        assert_eq!(
            headers,
            [
                ("te", "trailers"),
                ("grpc-timeout", "30000000u"),
                ("content-type", "application/grpc"),
                ("user-agent", concat!("sapt/", env!("CARGO_PKG_VERSION"))),
            ]
        );
        // No length: the body is not announced, as gRPC's streams never are.
        assert_eq!(request.body().size_hint().exact(), None);
    }
}
