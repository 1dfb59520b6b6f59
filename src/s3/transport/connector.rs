//! Making connections.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::SystemTime;

use futures_rustls::pki_types::ServerName;
use hyper::header::{DATE, HOST};
use hyper::{Method, Request};
use smol::LocalExecutor;
use smol::net::TcpStream;

use super::stream::Stream;
use super::tls::certificate_time;
use super::tunnel::tunnel;
use super::{Connection, Timeouts, Tls, within};
use crate::clock::{CorrectedClock, parse_http_date};
use crate::s3::Io;
use crate::s3::client::Network;
use crate::s3::error::{Cause, CertificateTime, Phase, ProxyFailure};
use crate::s3::origin::Origin;
use crate::s3::upload::RequestBody;

/// Makes connections.
pub(in crate::s3) struct Connector {
    executor: Rc<LocalExecutor<'static>>,
    tls: Tls,
    clock: CorrectedClock,
    network: Network,
    pub(in crate::s3) timeouts: Timeouts,
}

impl Connector {
    pub(in crate::s3) fn new(io: &Io, timeouts: Timeouts) -> Self {
        Self {
            executor: io.executor.clone(),
            tls: Tls::new(io.roots.clone()),
            clock: io.clock.clone(),
            network: io.network.clone(),
            timeouts,
        }
    }

    /// Connects to the origin, through a proxy where there is one for it.
    pub(in crate::s3) async fn connect(&self, origin: &Origin) -> Result<Connection, Cause> {
        let connected = self.connect_at(origin, None).await;
        let time = connected.as_ref().err().and_then(Cause::certificate_time);
        match time.filter(|_| self.network.trust_learned_time) {
            Some(time) if self.learn_time(origin, time).await? => {
                self.connect_at(origin, None).await
            }
            _ => connected,
        }
    }

    /// Asks the server for its time where its certificate is not valid at the gateway's, and tells
    /// whether the clock was corrected by it.
    ///
    /// Everything else about the certificate is judged as always. All that is sent is the question,
    /// which carries no signature, and the connection is used for nothing else.
    async fn learn_time(&self, origin: &Origin, time: CertificateTime) -> Result<bool, Cause> {
        let mut at = time.bound;
        // Each certificate of a chain, and a proxy's, has bounds of its own.
        for _ in 0..3 {
            match self.connect_at(origin, Some(at)).await {
                Ok(connection) => return Ok(self.ask_time(origin, connection).await),
                Err(cause) => at = cause.certificate_time().ok_or(cause)?.bound,
            }
        }
        Ok(false)
    }

    async fn ask_time(&self, origin: &Origin, mut connection: Connection) -> bool {
        let mut request = Request::new(RequestBody::bytes(Default::default()));
        *request.method_mut() = Method::HEAD;
        if let Ok(host) = origin.to_string().parse() {
            request.headers_mut().insert(HOST, host);
        }
        let Ok(answer) = connection.send(request, &self.timeouts).await else {
            return false;
        };
        let date = answer.headers().get(DATE).and_then(|date| parse_http_date(date.to_str().ok()?));
        date.is_some_and(|date| self.clock.correct(date))
    }

    /// Connects; certificates are judged by the time `at`, or else by the gateway's.
    async fn connect_at(
        &self,
        origin: &Origin,
        at: Option<SystemTime>,
    ) -> Result<Connection, Cause> {
        let proxy = self.network.proxies.to(origin);
        let mut stream = match proxy {
            None => self.open(origin).await?,
            Some(proxy) => {
                let fail = |failure| Cause::Proxy { proxy: proxy.to_string(), failure };
                let unreachable = |cause| fail(ProxyFailure::Unreachable(Box::new(cause)));
                let mut stream = self.open(&proxy.origin).await.map_err(unreachable)?;
                if proxy.origin.tls {
                    stream = self.encrypt(&proxy.origin, stream, at).await.map_err(unreachable)?;
                }
                if origin.tls {
                    let asked = tunnel(&mut stream, origin, proxy.authorization.as_ref());
                    match within(self.timeouts.answer, asked).await {
                        Some(made) => made.map_err(fail)?,
                        None => {
                            let cause = Cause::Timeout(Phase::Answer, self.timeouts.answer);
                            return Err(unreachable(cause));
                        }
                    }
                }
                stream
            }
        };
        if origin.tls {
            stream = self.encrypt(origin, stream, at).await?;
        }
        let proxy = proxy.filter(|_| !origin.tls);
        Connection::start(stream, origin, proxy, &self.executor).await
    }

    /// Opens a stream to the first of the host's addresses that accepts.
    async fn open(&self, origin: &Origin) -> Result<Stream, Cause> {
        let addresses = self.resolve(origin).await?;
        Ok(Stream::plain(self.connect_to_any(addresses).await?))
    }

    async fn resolve(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Cause> {
        if let Some(address) = origin.address() {
            return Ok(vec![SocketAddr::new(address, origin.port)]);
        }
        let lookup = smol::net::resolve((origin.host.as_str(), origin.port));
        let addresses = match within(self.timeouts.connect, lookup).await {
            Some(result) => result.map_err(Cause::Resolve)?,
            None => return Err(Cause::Resolve(io::ErrorKind::TimedOut.into())),
        };
        if addresses.is_empty() {
            return Err(Cause::Resolve(io::Error::other("it has no address")));
        }
        Ok(addresses)
    }

    async fn connect_to_any(&self, addresses: Vec<SocketAddr>) -> Result<TcpStream, Cause> {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in &addresses {
            match within(self.timeouts.connect, TcpStream::connect(*address)).await {
                Some(Ok(stream)) => {
                    // Requests are written whole: waiting to fill packets only adds latency. A
                    // socket that refuses the option works all the same.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Some(Err(error)) => last = error,
                None => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(Cause::Connect { addresses, error: last })
    }

    async fn encrypt(
        &self,
        origin: &Origin,
        stream: Stream,
        at: Option<SystemTime>,
    ) -> Result<Stream, Cause> {
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| Cause::Tls(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let connector = match at {
            Some(time) => self.tls.connector_at(time),
            None if self.network.trust_learned_time => self.tls.connector(self.clock.now()),
            None => self.tls.connector(self.clock.system()),
        };
        let connector = connector.map_err(Cause::Tls)?;
        match within(self.timeouts.connect, connector.connect(name, stream)).await {
            Some(Ok(stream)) => Ok(Stream::tls(stream)),
            Some(Err(error)) => match certificate_time(&error) {
                Some(time) => Err(Cause::CertificateTime(time)),
                None => Err(Cause::Tls(error)),
            },
            None => Err(Cause::Timeout(Phase::Connect, self.timeouts.connect)),
        }
    }
}
