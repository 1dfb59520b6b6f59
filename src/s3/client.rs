//! Requests to S3.

mod presigned_url;
mod signed_request;
#[cfg(test)]
mod tests;

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::Response;
use hyper::body::Incoming;
use smol::{LocalExecutor, Timer};

use self::signed_request::signed_request;
use super::Region;
use super::credentials::Credentials;
use super::download::Preference;
use super::endpoint::{Endpoint, Location};
use super::error::{Answer, Cause, Error};
use super::error_document::ErrorDocument;
use super::request::{Answered, Request};
use super::retry::Retry;
use super::signing::{Scope, Signer};
use super::transport::{Connection, Connector, IdleConnections, Roots, Timeouts, Tls, within};
use crate::clock::{Clock, Moment};

/// Reads and writes objects.
///
/// A clone is the same client: it shares the idle connections. Each request is signed anew at each
/// try. What failed for a passing reason is tried again with growing, random delays, as long as
/// nothing of the answer's body has been handed on.
#[derive(Clone)]
pub struct Client(Rc<Inner>);

struct Inner {
    settings: Settings,
    clock: Clock,
    connector: Connector,
    idle: Rc<IdleConnections>,
    preference: Preference,
}

/// Where a client goes, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// AWS, or a server of one's own.
    pub endpoint: Endpoint,
    /// What requests are signed for, and which of AWS's endpoints they go to.
    pub region: Region,
    /// What requests are signed with.
    pub credentials: Credentials,
    /// How long the client waits.
    pub timeouts: Timeouts,
    /// How often a request is made.
    pub retry: Retry,
}

/// What a client needs of the world.
#[derive(Clone)]
pub struct Io {
    /// Drives the connections.
    pub executor: Rc<LocalExecutor<'static>>,
    /// The time that requests are signed for.
    pub clock: Clock,
    /// Who may vouch for a server.
    pub roots: Roots,
}

impl Client {
    /// A client without connections: nothing is sent before the first request.
    pub fn new(settings: Settings, io: Io) -> Self {
        let connector = Connector {
            executor: io.executor,
            tls: Tls::new(io.roots),
            timeouts: settings.timeouts,
        };
        Self(Rc::new(Inner {
            settings,
            clock: io.clock,
            connector,
            idle: Rc::default(),
            preference: Preference::default(),
        }))
    }

    /// Makes a request until it succeeds or must be given up.
    pub(super) async fn request(&self, request: Request<'_>) -> Result<Answered, Error> {
        let Settings { endpoint, region, retry, .. } = &self.0.settings;
        let location = endpoint.locate(region, request.bucket, request.key, &request.query);
        let mut tries = 1;
        loop {
            match self.attempt(&location, &request).await {
                Ok((answer, connection)) => {
                    let host = location.origin.to_string();
                    return Ok(Answered { answer, connection, host });
                }
                Err(cause) if cause.is_transient() && tries < retry.tries => {
                    Timer::after(retry.delay(tries, random())).await;
                    tries += 1;
                }
                Err(cause) => return Err(self.error(&request, tries, cause)),
            }
        }
    }

    /// Makes a request once; over an idle connection that turns out to be closed, once more over a
    /// fresh one.
    async fn attempt(
        &self,
        location: &Location,
        request: &Request<'_>,
    ) -> Result<(Response<Incoming>, Connection), Cause> {
        let Inner { connector, idle, .. } = &*self.0;
        if let Some(connection) = idle.take(&location.origin, &connector.timeouts).await {
            match self.exchange(location, request, connection).await {
                Err(Cause::Connection(error)) if !error.is_parse() => {}
                result => return result,
            }
        }
        let connection = connector.connect(&location.origin).await?;
        self.exchange(location, request, connection).await
    }

    async fn exchange(
        &self,
        location: &Location,
        request: &Request<'_>,
        mut connection: Connection,
    ) -> Result<(Response<Incoming>, Connection), Cause> {
        let Settings { region, credentials, .. } = &self.0.settings;
        // Signed for this moment: S3 refuses a signature that is a quarter of an hour old.
        let moment = Moment::from((self.0.clock)());
        let signer = Signer::new(credentials, Scope::new(moment, region.as_str(), "s3"));
        let signed = signed_request(location, request, &signer)?;
        let answer = connection
            .send(signed, &self.0.connector.timeouts)
            .await
            .map_err(|cause| request.payload.take_failure().unwrap_or(cause))?;
        if answer.status().is_success() || request.expects(answer.status()) {
            return Ok((answer, connection));
        }
        let (head, body) = answer.into_parts();
        let (body, whole) = self.read_small(body).await;
        if whole {
            self.0.idle.keep(connection);
        }
        let document = ErrorDocument::parse(&self.without_secrets(&body));
        let answer = Answer::new(head.status.as_u16(), &head.headers, document);
        Err(Cause::Answer(Box::new(answer)))
    }

    /// Reads the small body of an answer, and hands back the connection.
    pub(super) async fn finish(&self, answered: Answered) -> Bytes {
        let (body, whole) = self.read_small(answered.answer.into_body()).await;
        if whole {
            self.0.idle.keep(answered.connection);
        }
        body
    }

    /// The beginning of a body that should be small, and whether that was all of it.
    pub(super) async fn read_small(&self, mut body: Incoming) -> (Bytes, bool) {
        let mut read = BytesMut::new();
        loop {
            match within(self.0.settings.timeouts.stall, body.frame()).await {
                Some(None) => return (read.freeze(), true),
                Some(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        let room = ErrorDocument::LIMIT - read.len();
                        read.extend_from_slice(data.get(..room).unwrap_or(&data));
                    }
                    if read.len() >= ErrorDocument::LIMIT {
                        return (read.freeze(), false);
                    }
                }
                None | Some(Some(Err(_))) => return (read.freeze(), false),
            }
        }
    }

    /// What to tell of a request that failed.
    pub(super) fn error(&self, request: &Request<'_>, tries: u32, cause: Cause) -> Error {
        let Settings { endpoint, region, .. } = &self.0.settings;
        let location = endpoint.locate(region, request.bucket, request.key, &request.query);
        Error::new(request.target(), location.origin.to_string(), tries, cause)
    }

    /// How long this client waits.
    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.0.settings.timeouts
    }

    /// How this client tries again.
    pub(super) fn retry(&self) -> &Retry {
        &self.0.settings.retry
    }

    /// What drives the work that goes on beside a request.
    pub(super) fn executor(&self) -> &LocalExecutor<'static> {
        &self.0.connector.executor
    }

    /// What was found to be faster for downloads, one connection or several.
    pub(super) fn preference(&self) -> &Preference {
        &self.0.preference
    }

    /// Where connections wait for their next request.
    pub(super) fn idle(&self) -> &Rc<IdleConnections> {
        &self.0.idle
    }

    /// The text of an answer. A server knows the session token and might quote it.
    fn without_secrets(&self, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        match &self.0.settings.credentials.session_token {
            Some(token) if !token.reveal().is_empty() => text.replace(token.reveal(), "[redacted]"),
            _ => text.into_owned(),
        }
    }
}

/// A random number for delays; nothing secret hangs on it.
pub(super) fn random() -> u32 {
    fastrand::u32(..)
}
