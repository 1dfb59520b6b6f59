//! Answers one request: fault, checks, then the object store.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Request, Response};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, StdError, s3_error};
use sha2::{Digest, Sha256};

use super::checks::{Refusal, Rules, canonical_path, header, is_hash};
use super::connection::Flushes;
use super::fault::{Fault, Faults, FaultyBody, Then};
use super::host::Hosts;
use super::journal::Journal;
use super::store::{Store, WithoutRanges};

/// What all connections share.
pub(super) struct Service {
    protocol: S3Service,
    store: Store,
    rules: Rules,
    journal: Journal,
    faults: Faults,
}

type Answer = Result<Response<s3s::Body>, StdError>;

impl Service {
    pub(super) fn new(store: Store, access_key_id: &str, secret: &str, rules: Rules) -> Service {
        let mut builder = S3ServiceBuilder::new(store.clone());
        builder.set_auth(Keys {
            access_key_id: access_key_id.to_owned(),
            secret_access_key: SecretKey::from(secret),
        });
        builder.set_host(Hosts);
        if rules.clock_shift_s != 0 {
            // It knows no clock but the true one: the rules look at the date instead.
            let mut config = S3Config::default();
            config.presigned_url_max_skew_time_secs = u32::MAX;
            builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        }
        let (journal, faults) = Default::default();
        Service { protocol: builder.build(), store, rules, journal, faults }
    }

    pub(super) fn store(&self) -> &Store {
        &self.store
    }

    pub(super) fn journal(&self) -> &Journal {
        &self.journal
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Answers a request. An error closes the connection without an answer.
    pub(super) async fn answer(
        self: Arc<Service>,
        request: Request<Incoming>,
        flushes: Flushes,
    ) -> Answer {
        let (parts, body) = request.into_parts();
        let number = self.journal.arrived(&parts);
        let request_id = format!("LAB{number:013}");
        let fault = self.faults.take(&parts.method);

        let mut answer = self.answer_with(parts, body, fault, flushes, &request_id).await?;
        answer.headers_mut().insert("x-amz-request-id", request_id.parse()?);
        if self.rules.clock_shift_s != 0 {
            let date = httpdate::fmt_http_date(self.rules.now());
            answer.headers_mut().insert("date", date.parse()?);
        }
        self.journal.answered(number, answer.status().as_u16());
        Ok(answer)
    }

    async fn answer_with(
        &self,
        mut parts: Parts,
        body: Incoming,
        fault: Option<Fault>,
        flushes: Flushes,
        request_id: &str,
    ) -> Answer {
        let head = parts.method == Method::HEAD;
        let uploads = parts.method == Method::PUT || parts.method == Method::POST;
        let (bytes, then) = match fault {
            None => return self.serve(parts, body, None, request_id).await,
            Some(Fault::Status(status, code)) => {
                body.collect().await?;
                let refusal = Refusal::new(status, code, "ordered by a test");
                return refuse(&refusal, head, request_id);
            }
            Some(Fault::Answer { status, headers, body: content }) => {
                body.collect().await?;
                let mut response = Response::builder().status(status);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                return Ok(response.body(s3s::Body::from(content))?);
            }
            Some(Fault::Close) => {
                body.collect().await?;
                return Err("closed as ordered".into());
            }
            Some(Fault::IgnoreRange) => {
                parts.extensions.insert(WithoutRanges);
                return self.serve(parts, body, None, request_id).await;
            }
            Some(Fault::Truncate(bytes)) => (bytes, Then::Cut),
            Some(Fault::Stall(bytes)) => (bytes, Then::Stall),
            Some(Fault::Hold(bytes, gate)) => (bytes, Then::Wait(gate)),
        };
        if uploads {
            return self.serve(parts, body, Some((bytes, then)), request_id).await;
        }
        let response = self.serve(parts, body, None, request_id).await?;
        Ok(response.map(|body| {
            s3s::Body::http_body_unsync(FaultyBody::answer(body, bytes, then, flushes))
        }))
    }

    /// Checks the request and lets the store answer it.
    async fn serve(
        &self,
        mut parts: Parts,
        body: Incoming,
        fault: Option<(u64, Then)>,
        request_id: &str,
    ) -> Answer {
        let head = parts.method == Method::HEAD;
        let has_body = !body.is_end_stream();
        let waits_for_go_ahead = parts.headers.contains_key("expect");
        let upload = Upload::new(body, &parts.headers);
        let incoming = upload.incoming.clone();
        let mismatch = upload.mismatch.clone();

        let answer = match self.rules.check(&parts, has_body) {
            Err(refusal) => refuse(&refusal, head, request_id)?,
            Ok(()) => {
                parts.uri = canonical_path(&parts.uri);
                let mut body = s3s::Body::http_body_unsync(upload);
                let mut cut = Arc::new(AtomicBool::new(false));
                if let Some((bytes, then)) = fault {
                    let faulty = FaultyBody::upload(body, bytes, then);
                    cut = faulty.cut();
                    body = s3s::Body::http_body_unsync(faulty);
                }
                let answer = self.protocol.call(Request::from_parts(parts, body)).await;
                if cut.load(Ordering::Relaxed) {
                    return Err("cut as ordered".into());
                }
                answer?
            }
        };
        if let Some(mismatch) = mismatch.lock().unwrap().take() {
            return refuse(&mismatch, head, request_id);
        }
        // A client that still sends when the connection is closed may never see the answer.
        if !waits_for_go_ahead && answer.status().is_client_error() {
            drain(&incoming).await;
        }
        Ok(answer)
    }
}

/// The one key that is known.
struct Keys {
    access_key_id: String,
    secret_access_key: SecretKey,
}

#[async_trait]
impl S3Auth for Keys {
    async fn get_secret_key(&self, access_key_id: &str) -> S3Result<SecretKey> {
        if access_key_id == self.access_key_id {
            return Ok(self.secret_access_key.clone());
        }
        Err(s3_error!(
            InvalidAccessKeyId,
            "The AWS Access Key Id you provided does not exist in our records."
        ))
    }
}

fn refuse(refusal: &Refusal, head: bool, request_id: &str) -> Answer {
    let document = refusal.document(request_id);
    let response = Response::builder()
        .status(refusal.status)
        .header("content-type", "application/xml")
        .header("content-length", document.len());
    let body = if head { s3s::Body::empty() } else { s3s::Body::from(document) };
    Ok(response.body(body)?)
}

async fn drain(incoming: &Mutex<Incoming>) {
    let next = || {
        std::future::poll_fn(|context| Pin::new(&mut *incoming.lock().unwrap()).poll_frame(context))
    };
    while let Some(Ok(_)) = next().await {}
}

/// A request's body, compared with the hash that the request claims for it.
struct Upload {
    incoming: Arc<Mutex<Incoming>>,
    claimed: Option<String>,
    hash: Sha256,
    /// What the request is refused with after all.
    mismatch: Arc<Mutex<Option<Refusal>>>,
}

impl Upload {
    fn new(incoming: Incoming, headers: &HeaderMap) -> Upload {
        let claimed = header(headers, "x-amz-content-sha256").filter(|claimed| is_hash(claimed));
        Upload {
            claimed: claimed.map(str::to_owned),
            hash: Sha256::new(),
            mismatch: Arc::default(),
            incoming: Arc::new(Mutex::new(incoming)),
        }
    }

    fn poll_incoming(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.incoming.lock().unwrap()).poll_frame(context)
    }

    /// At the body's end: an error if it was not what the request claims.
    fn verify(&mut self) -> Result<(), StdError> {
        let Some(claimed) = self.claimed.take() else {
            return Ok(());
        };
        let mut computed = String::new();
        for byte in self.hash.finalize_reset() {
            computed.push_str(&format!("{byte:02x}"));
        }
        if computed == claimed.to_ascii_lowercase() {
            return Ok(());
        }
        let refusal = Refusal::body_mismatch(&claimed, &computed);
        *self.mismatch.lock().unwrap() = Some(refusal);
        Err("the body does not have the hash that the request claims".into())
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = StdError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StdError>>> {
        let frame = match ready!(self.poll_incoming(context)) {
            None => return Poll::Ready(self.verify().err().map(Err)),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref() {
            self.hash.update(data);
        }
        // Who reads exactly the announced length never asks for the end.
        let ended = self.incoming.lock().unwrap().is_end_stream();
        if ended && let Err(mismatch) = self.verify() {
            return Poll::Ready(Some(Err(mismatch)));
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.lock().unwrap().size_hint()
    }
}
