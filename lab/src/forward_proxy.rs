//! An HTTP proxy as companies have them: clients ask it for absolute URLs, or for tunnels.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use data_encoding::BASE64;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, copy, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::http_head::{RequestHead, ResponseHead};

/// A running proxy on `127.0.0.1`, in its own thread. It stops when this is dropped.
pub struct ForwardProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `CONNECT` for a tunnel.
    pub method: String,
    /// `host:port` for a tunnel, otherwise a whole URL.
    pub target: String,
    /// The headers, names in lower case. Of what goes through a tunnel nothing is seen.
    pub headers: Vec<(String, String)>,
    /// What the proxy said about it: 200 for a tunnel, 407 without the right password, 502 where
    /// nobody is there, and nothing of its own where it passed the server's answer on.
    pub refused: Option<u16>,
}

struct Shared {
    /// What `proxy-authorization` has to be.
    authorization: Option<String>,
    names: Mutex<BTreeMap<String, SocketAddr>>,
    requests: Mutex<Vec<Request>>,
}

impl ForwardProxy {
    /// Starts a proxy that serves everybody.
    pub fn start() -> ForwardProxy {
        ForwardProxy::serve(None)
    }

    /// Starts a proxy that serves whoever has this name and password (RFC 7617).
    pub fn start_with_password(name: &str, password: &str) -> ForwardProxy {
        let credentials = BASE64.encode(format!("{name}:{password}").as_bytes());
        ForwardProxy::serve(Some(format!("Basic {credentials}")))
    }

    fn serve(authorization: Option<String>) -> ForwardProxy {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound listener has an address");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");
        let (names, requests) = Default::default();
        let shared = Arc::new(Shared { authorization, names, requests });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the proxy");
        let (stop, stopped) = oneshot::channel::<()>();
        let served = shared.clone();
        let thread = thread::Builder::new()
            .name("forward proxy".to_owned())
            .spawn(move || {
                let _entered = runtime.enter();
                runtime.spawn(accept(listener, served));
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
            .expect("a thread for the proxy");
        ForwardProxy { address, shared, stop: Some(stop), thread: Some(thread) }
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Finds `host:port` at this address: names that only the proxy can resolve.
    pub fn resolve(&self, host_and_port: &str, to: SocketAddr) {
        self.shared.names.lock().unwrap().insert(host_and_port.to_owned(), to);
    }

    /// Every request until now, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for ForwardProxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let listener =
        tokio::net::TcpListener::from_std(listener).expect("a listener that the runtime can poll");
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            let shared = shared.clone();
            // An error is one side that left.
            tokio::spawn(async move { shared.converse(BufReader::new(stream)).await });
        }
    }
}

impl Shared {
    async fn converse(&self, mut client: BufReader<TcpStream>) -> io::Result<()> {
        while let Some(head) = RequestHead::read(&mut client).await? {
            let length = head.headers.content_length().unwrap_or(0);
            let number = self.arrived(&head);
            let authorization = head.headers.get("proxy-authorization");
            if self.authorization.is_some() && authorization != self.authorization.as_deref() {
                self.refuse(&mut client, number, 407).await?;
                copy(&mut (&mut client).take(length), &mut tokio::io::sink()).await?;
                continue;
            }
            if head.method == "CONNECT" {
                let Ok(mut server) = self.connect(&head.target).await else {
                    return self.refuse(&mut client, number, 502).await;
                };
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                return copy_bidirectional(&mut client, &mut server).await.map(|_| ());
            }
            let Some((authority, target)) = split(&head.target) else {
                return self.refuse(&mut client, number, 400).await;
            };
            let Ok(server) = self.connect(&authority).await else {
                return self.refuse(&mut client, number, 502).await;
            };
            return forward(client, server, head, target, length).await;
        }
        Ok(())
    }

    fn arrived(&self, head: &RequestHead) -> usize {
        let mut requests = self.requests.lock().unwrap();
        requests.push(Request {
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.shown(),
            refused: None,
        });
        requests.len() - 1
    }

    async fn refuse(
        &self,
        client: &mut BufReader<TcpStream>,
        number: usize,
        status: u16,
    ) -> io::Result<()> {
        self.requests.lock().unwrap()[number].refused = Some(status);
        let mut head = ResponseHead::new(status, "Refused by the proxy");
        head.headers.set("content-length", "0");
        if status == 407 {
            head.headers.set("proxy-authenticate", "Basic realm=\"lab\"");
        }
        client.write_all(&head.write()).await
    }

    async fn connect(&self, authority: &str) -> io::Result<TcpStream> {
        let known = self.names.lock().unwrap().get(authority).copied();
        match known {
            Some(address) => TcpStream::connect(address).await,
            None => TcpStream::connect(authority).await,
        }
    }
}

/// `http://host[:port]/target`; only what is not encrypted can be asked for so.
fn split(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, target) = match rest.find(['/', '?']) {
        Some(end) => rest.split_at(end),
        None => (rest, "/"),
    };
    let has_port = authority.rsplit(':').next().is_some_and(|port| port.parse::<u16>().is_ok());
    let port = if has_port { "" } else { ":80" };
    Some((format!("{authority}{port}"), target.to_owned()))
}

/// One request, whose answer ends with the connection.
async fn forward(
    mut client: BufReader<TcpStream>,
    server: TcpStream,
    mut head: RequestHead,
    target: String,
    length: u64,
) -> io::Result<()> {
    head.target = target;
    for name in ["proxy-authorization", "proxy-connection", "keep-alive"] {
        head.headers.remove(name);
    }
    head.headers.set("connection", "close");
    let mut server = BufReader::new(server);
    server.write_all(&head.write()).await?;
    copy(&mut (&mut client).take(length), &mut server).await?;
    let mut answer = ResponseHead::read(&mut server).await?;
    answer.headers.set("connection", "close");
    client.write_all(&answer.write()).await?;
    copy(&mut server, &mut client).await?;
    client.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn urls_are_split_where_the_server_looks() {
        for (url, authority, target) in [
            ("http://h/a%20b?x=1", "h:80", "/a%20b?x=1"),
            ("http://h:9000//a/../b", "h:9000", "//a/../b"),
            ("http://h", "h:80", "/"),
            ("http://[::1]:9000/a", "[::1]:9000", "/a"),
        ] {
            assert_eq!(split(url), Some((authority.to_owned(), target.to_owned())));
        }
        assert_eq!(split("https://h/a"), None);
        assert_eq!(split("/a"), None);
    }
}
