//! One connection: making it, and sending a request over it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use futures_lite::FutureExt;
use futures_rustls::pki_types::ServerName;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use smol::net::TcpStream;
use smol::{LocalExecutor, Task, Timer};
use smol_hyper::rt::FuturesIo;

use super::stream::{Activity, Stream};
use super::{Timeouts, Tls, within};
use crate::s3::endpoint::Origin;
use crate::s3::error::{Cause, Phase};
use crate::s3::upload::RequestBody;

/// An open HTTP/1.1 connection. It is closed when this is dropped.
pub(in crate::s3) struct Connection {
    origin: Origin,
    sender: http1::SendRequest<RequestBody>,
    activity: Activity,
    /// Drives the connection; dropping a task cancels it, which closes the socket.
    _driver: Task<()>,
}

impl Connection {
    /// What it is connected to.
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
        request: Request<RequestBody>,
        timeouts: &Timeouts,
    ) -> Result<Response<Incoming>, Cause> {
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

/// Makes connections.
pub(in crate::s3) struct Connector {
    pub(in crate::s3) executor: Rc<LocalExecutor<'static>>,
    pub(in crate::s3) tls: Tls,
    pub(in crate::s3) timeouts: Timeouts,
}

impl Connector {
    /// Connects to the first of the origin's addresses that accepts.
    pub(in crate::s3) async fn connect(&self, origin: &Origin) -> Result<Connection, Cause> {
        let addresses = self.resolve(origin).await?;
        let tcp = self.connect_to_any(addresses).await?;
        let stream =
            if origin.tls { self.handshake(origin, tcp).await? } else { Stream::plain(tcp) };
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
        let driver = self.executor.spawn(drive.boxed_local());
        Ok(Connection { origin: origin.clone(), sender, activity, _driver: driver })
    }

    async fn resolve(&self, origin: &Origin) -> Result<Vec<SocketAddr>, Cause> {
        if let Ok(address) = origin.host.parse::<IpAddr>() {
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

    async fn handshake(&self, origin: &Origin, tcp: TcpStream) -> Result<Stream, Cause> {
        let name = ServerName::try_from(origin.host.clone())
            .map_err(|error| Cause::Tls(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        let connector = self.tls.connector().map_err(Cause::Tls)?;
        match within(self.timeouts.connect, connector.connect(name, tcp)).await {
            Some(result) => Ok(Stream::tls(result.map_err(Cause::Tls)?)),
            None => Err(Cause::Timeout(Phase::Connect, self.timeouts.connect)),
        }
    }
}
