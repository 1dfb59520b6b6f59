//! Requests to S3.

mod signed_request;
#[cfg(test)]
pub(super) mod tests;

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Response};
use smol::stream::StreamExt;
use smol::{LocalExecutor, Timer};

use self::signed_request::signed_request;
use super::credentials::{Credentials, Provider, Source as CredentialsSource};
use super::endpoint::{Endpoint, Location};
use super::error::{Answer, Cause, Error};
use super::error_document::ErrorDocument;
use super::object::{Object, ReadContext};
use super::retry::Retry;
use super::signing::{Scope, Signer};
use super::transport::{Connection, Connector, IdleConnections, Roots, Timeouts, Tls, within};
use super::upload::{Payload, Source, SourceFailure, Upload};
use super::{Bucket, Region, S3Key};
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
    credentials: Provider,
    clock: Clock,
    connector: Connector,
    idle: Rc<IdleConnections>,
}

/// Where a client goes, and how.
#[derive(Debug, Clone)]
pub struct Settings {
    /// AWS, or a server of one's own.
    pub endpoint: Endpoint,
    /// What requests are signed for, and which of AWS's endpoints they go to.
    pub region: Region,
    /// Where that comes from which requests are signed with.
    pub credentials: CredentialsSource,
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
        let credentials = Provider::new(settings.credentials.clone(), &io, settings.retry);
        let connector = Connector {
            executor: io.executor,
            tls: Tls::new(io.roots),
            timeouts: settings.timeouts,
        };
        Self(Rc::new(Inner {
            settings,
            credentials,
            clock: io.clock,
            connector,
            idle: Rc::default(),
        }))
    }

    /// Begins to read an object; [`Object::chunk`] gives its content.
    pub async fn read(&self, bucket: &Bucket, key: &S3Key) -> Result<Object, Error> {
        let (answer, connection, location) =
            self.request(&Method::GET, bucket, key, Payload::None).await?;
        let context = ReadContext {
            bucket: bucket.clone(),
            key: key.clone(),
            host: location.origin.to_string(),
            stall: self.0.settings.timeouts.stall,
            idle: self.0.idle.clone(),
        };
        let (head, body) = answer.into_parts();
        Object::new(&head.headers, body, connection, context)
    }

    /// Reads a whole object into memory. One of more than `limit` bytes is refused, before it is
    /// read where S3 announces its length.
    pub async fn read_all(&self, bucket: &Bucket, key: &S3Key, limit: u64) -> Result<Bytes, Error> {
        self.read(bucket, key).await?.into_bytes(limit).await
    }

    /// Writes an object, and returns when S3 has stored it.
    pub async fn write(&self, bucket: &Bucket, key: &S3Key, body: Upload) -> Result<(), Error> {
        let payload = match body {
            Upload::Bytes(content) => Payload::bytes(content),
            // hyper does not look at the stream of a body that is empty by its length.
            Upload::Stream { length: 0, stream } => {
                let failure = SourceFailure::default();
                Source::new(stream, 0, failure.clone()).next().await;
                if let Some(cause) = failure.take() {
                    return Err(self.error(&Method::PUT, bucket, key, 1, cause));
                }
                Payload::bytes(Bytes::new())
            }
            Upload::Stream { length, stream } => {
                Payload::Stream { length, stream: Some(stream), failure: SourceFailure::default() }
            }
        };
        let (answer, connection, _) = self.request(&Method::PUT, bucket, key, payload).await?;
        let (_, whole) = self.read_small(answer.into_body()).await;
        if whole {
            self.0.idle.keep(connection);
        }
        Ok(())
    }

    /// Makes a request until it succeeds or must be given up.
    async fn request(
        &self,
        method: &Method,
        bucket: &Bucket,
        key: &S3Key,
        mut payload: Payload,
    ) -> Result<(Response<Incoming>, Connection, Location), Error> {
        let Settings { endpoint, region, retry, .. } = &self.0.settings;
        let location = endpoint.locate(region, bucket, key);
        let (mut tries, mut renewed) = (1, false);
        loop {
            let credentials = match self.0.credentials.current().await {
                Ok(credentials) => credentials,
                Err(error) => {
                    let cause = Cause::Credentials(error);
                    return Err(self.error(method, bucket, key, tries, cause));
                }
            };
            match self.attempt(method, &location, &mut payload, &credentials).await {
                Ok((answer, connection)) => return Ok((answer, connection, location)),
                // Once more with other credentials, where there are any; this is not counted.
                Err(cause)
                    if cause.is_about_credentials()
                        && payload.is_whole()
                        && !renewed
                        && self.0.credentials.rejected(&credentials).await =>
                {
                    renewed = true;
                }
                Err(cause) if cause.is_transient() && payload.is_whole() && tries < retry.tries => {
                    Timer::after(retry.delay(tries, random())).await;
                    tries += 1;
                }
                Err(cause) => return Err(self.error(method, bucket, key, tries, cause)),
            }
        }
    }

    /// Makes a request once; over an idle connection that turns out to be closed, once more over a
    /// fresh one.
    async fn attempt(
        &self,
        method: &Method,
        location: &Location,
        payload: &mut Payload,
        credentials: &Credentials,
    ) -> Result<(Response<Incoming>, Connection), Cause> {
        let Inner { connector, idle, .. } = &*self.0;
        // What can be sent only once does not get a connection that may be stale.
        if payload.can_be_sent_again()
            && let Some(connection) = idle.take(&location.origin, &connector.timeouts).await
        {
            match self.exchange(method, location, payload, credentials, connection).await {
                Err(Cause::Connection(error)) if !error.is_parse() => {}
                result => return result,
            }
        }
        let connection = connector.connect(&location.origin).await?;
        self.exchange(method, location, payload, credentials, connection).await
    }

    async fn exchange(
        &self,
        method: &Method,
        location: &Location,
        payload: &mut Payload,
        credentials: &Credentials,
        mut connection: Connection,
    ) -> Result<(Response<Incoming>, Connection), Cause> {
        let region = &self.0.settings.region;
        // Signed for this moment: S3 refuses a signature that is a quarter of an hour old.
        let moment = Moment::from((self.0.clock)());
        let signer = Signer::new(credentials, Scope::new(moment, region.as_str(), "s3"));
        let request = signed_request(method, location, payload, &signer)?;
        let answer = connection
            .send(request, &self.0.connector.timeouts)
            .await
            .map_err(|cause| payload.take_failure().unwrap_or(cause))?;
        if answer.status().is_success() {
            return Ok((answer, connection));
        }
        let (head, body) = answer.into_parts();
        let (body, whole) = self.read_small(body).await;
        if whole {
            self.0.idle.keep(connection);
        }
        let document = ErrorDocument::parse(&without_secrets(&body, credentials));
        let answer = Answer::new(head.status.as_u16(), &head.headers, document);
        Err(Cause::Answer(Box::new(answer)))
    }

    /// The beginning of a body that should be small, and whether that was all of it.
    async fn read_small(&self, mut body: Incoming) -> (Bytes, bool) {
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

    fn error(
        &self,
        method: &Method,
        bucket: &Bucket,
        key: &S3Key,
        tries: u32,
        cause: Cause,
    ) -> Error {
        let Settings { endpoint, region, .. } = &self.0.settings;
        let host = endpoint.locate(region, bucket, key).origin.to_string();
        Error::new(method, (bucket, key), host, tries, cause)
    }
}

/// The text of an answer. A server knows the session token and might quote it.
fn without_secrets(body: &[u8], credentials: &Credentials) -> String {
    let text = String::from_utf8_lossy(body);
    match &credentials.session_token {
        Some(token) if !token.reveal().is_empty() => text.replace(token.reveal(), "[redacted]"),
        _ => text.into_owned(),
    }
}

/// A random number for delays; nothing secret hangs on it.
fn random() -> u32 {
    fastrand::u32(..)
}
