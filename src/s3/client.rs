//! Requests to S3.

mod course;
mod presigned_url;
mod redirect;
mod settings;
mod signed_request;
#[cfg(test)]
pub(super) mod tests;

pub use self::settings::{Io, Network, Settings};

use std::cell::RefCell;
use std::rc::Rc;

use futures_lite::FutureExt;
use hyper::Response;
use hyper::body::Incoming;
use smol::{LocalExecutor, Timer};

use self::course::Course;
use self::signed_request::signed_request;
use super::checksum::Etags;
use super::credentials::{Credentials, Provider};
use super::download::Preference;
use super::endpoint::Location;
use super::error::{Answer, Cause, Error};
use super::error_document::ErrorDocument;
use super::request::{Answered, Request};
use super::retry::Retry;
use super::signing::{Scope, Signer};
use super::transport::{Connection, Connector, End, IdleConnections, Timeouts, read_up_to};
use super::{Bucket, Region};
use crate::clock::Moment;

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
    io: Io,
    connector: Connector,
    idle: Rc<IdleConnections>,
    /// Where buckets turned out to be.
    regions: RefCell<Vec<(Bucket, Region)>>,
    preference: Preference,
    etags: Etags,
}

impl Client {
    /// A client without connections: nothing is sent before the first request.
    pub fn new(settings: Settings, io: Io) -> Self {
        let credentials = Provider::new(settings.credentials.clone(), &io, settings.retry);
        let connector = Connector::new(&io, settings.timeouts);
        let (idle, regions, preference, etags) = Default::default();
        Self(Rc::new(Inner {
            settings,
            credentials,
            io,
            connector,
            idle,
            regions,
            preference,
            etags,
        }))
    }

    /// Makes a request until it succeeds or must be given up. Where the object is not there, the
    /// error names some that are.
    pub(super) async fn request(&self, request: Request<'_>) -> Result<Answered, Error> {
        let (bucket, key) = (request.bucket, request.key);
        match (self.request_with(&self.0.settings.retry, request).await, key) {
            (Err(error), Some(key)) if error.code() == Some("NoSuchKey") => {
                // Apart, so that not every request carries its size.
                Err(error.with_similar(self.similar(bucket, key).boxed_local().await))
            }
            (result, _) => result,
        }
    }

    /// Makes a request as often as `retry` says.
    pub(super) async fn request_with(
        &self,
        retry: &Retry,
        mut request: Request<'_>,
    ) -> Result<Answered, Error> {
        let Inner { settings, credentials, io, .. } = &*self.0;
        if let Some(owner) = &settings.bucket_owner {
            request.headers.push(("x-amz-expected-bucket-owner", owner.as_str().to_owned()));
        }
        let mut course = self.course(&request);
        let (mut tries, mut cost, mut renewed) = (1, None, false);
        loop {
            let key = match credentials.current().await {
                Ok(key) => key,
                Err(error) => return Err(self.error(&request, tries, Cause::Credentials(error))),
            };
            let mut cause = match self.attempt(&course, &request, &key).await {
                Ok((answer, connection)) => {
                    io.budget.give_back(cost);
                    let host = self.host(&course.location);
                    return Ok(Answered { answer, connection, host });
                }
                Err(cause) => cause,
            };
            if let Cause::Answer(answer) = cause {
                match self.turn(&mut course, &request, &answer) {
                    Ok(true) => continue,
                    Ok(false) => cause = Cause::Answer(answer),
                    Err(reason) => cause = Cause::Redirect(answer, reason),
                }
            }
            // Once more with other credentials, where there are any; this is not counted.
            if cause.is_about_credentials() && !renewed && credentials.rejected(&key).await {
                renewed = true;
                continue;
            }
            let delay = retry.next(tries, &cause, random());
            cost = delay.and_then(|_| io.budget.take(&cause));
            match (delay, cost) {
                (Some(delay), Some(_)) => Timer::after(delay).await,
                (delay, _) => {
                    if delay.is_some() {
                        log::info!("too many S3 requests failed of late to try this one again");
                    }
                    let host = self.host(&course.location);
                    return Err(Error::new(request.target(), host, tries, cause));
                }
            };
            tries += 1;
        }
    }

    /// Makes a request once; over an idle connection that turns out to be closed, once more over a
    /// fresh one.
    async fn attempt(
        &self,
        course: &Course,
        request: &Request<'_>,
        credentials: &Credentials,
    ) -> Result<(Response<Incoming>, Connection), Cause> {
        let Inner { connector, idle, .. } = &*self.0;
        let origin = &course.location.origin;
        if let Some(connection) = idle.take(origin, &connector.timeouts).await {
            match self.exchange(course, request, credentials, connection).await {
                Err(Cause::Connection(error)) if !error.is_parse() => {}
                result => return result,
            }
        }
        let connection = connector.connect(origin).await?;
        self.exchange(course, request, credentials, connection).await
    }

    async fn exchange(
        &self,
        course: &Course,
        request: &Request<'_>,
        credentials: &Credentials,
        mut connection: Connection,
    ) -> Result<(Response<Incoming>, Connection), Cause> {
        // Signed for this moment: S3 refuses a signature that is a quarter of an hour old.
        let moment = Moment::from(self.0.io.clock.now());
        let signer = Signer::new(credentials, Scope::new(moment, course.region.as_str(), "s3"));
        let signed = signed_request(&course.location, request, &signer)?;
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
        let document = ErrorDocument::parse(&without_secrets(&body, credentials));
        let answer = Answer::new(head.status.as_u16(), &head.headers, document);
        Err(Cause::Answer(Box::new(answer)))
    }

    /// Reads the small body of an answer, and hands back the connection.
    pub(super) async fn finish(&self, answered: Answered) -> Vec<u8> {
        let (body, whole) = self.read_small(answered.answer.into_body()).await;
        if whole {
            self.0.idle.keep(answered.connection);
        }
        body
    }

    /// The beginning of a body that should be small, and whether that was all of it.
    pub(super) async fn read_small(&self, body: Incoming) -> (Vec<u8>, bool) {
        self.read_up_to(body, ErrorDocument::LIMIT).await
    }

    /// The beginning of a body, fewer than `limit` bytes, and whether that was all of it.
    pub(super) async fn read_up_to(&self, body: Incoming, limit: usize) -> (Vec<u8>, bool) {
        let (read, end) = read_up_to(body, limit, self.timeouts().stall).await;
        (read, matches!(end, End::Whole))
    }

    /// What to tell of a request that failed.
    pub(super) fn error(&self, request: &Request<'_>, tries: u32, cause: Cause) -> Error {
        let host = self.host(&self.course(request).location);
        Error::new(request.target(), host, tries, cause)
    }

    /// What answers there, as errors name it.
    fn host(&self, location: &Location) -> String {
        let origin = &location.origin;
        match self.0.io.network.proxies.to(origin) {
            Some(proxy) => format!("{origin} through the proxy {proxy}"),
            None => origin.to_string(),
        }
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
        &self.0.io.executor
    }

    /// What is known of the server's ETags.
    pub(super) fn etags(&self) -> &Etags {
        &self.0.etags
    }

    /// What was found to be faster for downloads, one connection or several.
    pub(super) fn preference(&self) -> &Preference {
        &self.0.preference
    }

    /// Where connections wait for their next request.
    pub(super) fn idle(&self) -> &Rc<IdleConnections> {
        &self.0.idle
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
pub(super) fn random() -> u32 {
    fastrand::u32(..)
}
