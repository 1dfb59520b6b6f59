//! One connection, and sending requests over it.

use futures_lite::FutureExt;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HeaderValue, PROXY_AUTHORIZATION};
use hyper::http::uri::{Authority, Scheme};
use hyper::{Request, Response, Uri};
use smol::{LocalExecutor, Task, Timer};
use smol_hyper::rt::FuturesIo;

use super::Timeouts;
use super::stream::{Activity, Stream};
use super::within;
use crate::s3::error::{Cause, Phase};
use crate::s3::origin::Origin;
use crate::s3::proxy::Proxy;
use crate::s3::upload::RequestBody;

/// An open HTTP/1.1 connection. It is closed when this is dropped.
pub(in crate::s3) struct Connection {
    origin: Origin,
    sender: http1::SendRequest<RequestBody>,
    activity: Activity,
    /// The proxy that requests are addressed to, where there is no tunnel through it.
    proxy: Option<Proxy>,
    /// Drives the connection; dropping a task cancels it, which closes the socket.
    _driver: Task<()>,
}

impl Connection {
    /// Speaks HTTP over a stream to `origin`, or to the proxy that requests for it are sent to.
    pub(super) async fn start(
        stream: Stream,
        origin: &Origin,
        proxy: Option<&Proxy>,
        executor: &LocalExecutor<'static>,
    ) -> Result<Self, Cause> {
        let activity = stream.activity();
        // The limit bounds what hyper buffers in either direction; beyond it speed does not grow.
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(64 * 1024)
            .handshake(FuturesIo::new(stream))
            .await
            .map_err(Cause::Connection)?;
        let drive = async move {
            // What goes wrong reaches whoever waits for the answer or its body.
            let _ = connection.await;
        };
        let driver = executor.spawn(drive.boxed_local());
        let (origin, proxy) = (origin.clone(), proxy.cloned());
        Ok(Self { origin, sender, activity, proxy, _driver: driver })
    }

    /// What it is connected to, by itself or through a proxy.
    pub(super) fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether the connection can take another request: what came before is over, and the server
    /// has kept it open.
    pub(super) async fn is_ready(&mut self, timeouts: &Timeouts) -> bool {
        matches!(within(timeouts.connect, self.sender.ready()).await, Some(Ok(())))
    }

    /// Whether it is known to be of no more use.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and waits for the head of the answer.
    pub(in crate::s3) async fn send(
        &mut self,
        mut request: Request<RequestBody>,
        timeouts: &Timeouts,
    ) -> Result<Response<Incoming>, Cause> {
        if let Some(proxy) = &self.proxy {
            address_to(proxy, &self.origin, &mut request)?;
        }
        // An idle connection's last activity is long ago.
        self.activity.note();
        let activity = self.activity.clone();
        let answer = async { self.sender.send_request(request).await.map_err(Cause::Connection) };
        let silence = async {
            loop {
                let deadline = activity.last() + timeouts.answer;
                Timer::at(deadline).await;
                if activity.last() + timeouts.answer <= deadline {
                    return Err(Cause::Timeout(Phase::Answer, timeouts.answer));
                }
            }
        };
        smol::future::or(answer, silence).await
    }
}

/// Writes a request as a proxy wants it: the whole URL in the first line (RFC 9112 section 3.2.2).
fn address_to(
    proxy: &Proxy,
    origin: &Origin,
    request: &mut Request<RequestBody>,
) -> Result<(), Cause> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    let authority = Authority::try_from(origin.to_string());
    parts.authority = Some(authority.map_err(|_| Cause::Unsendable("the host"))?);
    parts.scheme = Some(Scheme::HTTP);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| Cause::Unsendable("the host"))?;
    if let Some(authorization) = &proxy.authorization {
        let mut value = HeaderValue::try_from(authorization.reveal())
            .map_err(|_| Cause::Unsendable("the proxy's user or password"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(PROXY_AUTHORIZATION, value);
    }
    Ok(())
}
