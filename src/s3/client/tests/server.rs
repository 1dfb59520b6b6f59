//! An HTTP server that answers by script and remembers what it got.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use futures_rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use futures_rustls::rustls::crypto::ring;
use futures_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// What happens to one request.
pub(in crate::s3) enum Reply {
    /// It is read whole and these bytes are the answer.
    Send(Vec<u8>),
    /// It is read whole, these bytes are sent, and then nothing more until the client hangs up.
    Hold(Vec<u8>),
    /// It is read whole and the connection is closed.
    Close,
    /// Only its head is read, and then nothing more happens until the server ends.
    Ignore,
    /// It is read whole, these bytes are the answer, and then TLS begins: a proxy and the server
    /// behind it.
    Encrypt(Vec<u8>, Arc<ServerConfig>),
}

/// A request as it came over the wire.
#[derive(Debug, Clone)]
pub(in crate::s3) struct Received {
    /// The number of the connection that it came over.
    pub(in crate::s3) connection: usize,
    pub(in crate::s3) method: String,
    pub(in crate::s3) path: String,
    /// Names in lower case.
    pub(in crate::s3) headers: Vec<(String, String)>,
    pub(in crate::s3) body: Vec<u8>,
}

impl Received {
    pub(in crate::s3) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// The server. Each connection is closed after its last reply.
pub(in crate::s3) struct Server {
    pub(in crate::s3) url: String,
    received: mpsc::Receiver<Received>,
    /// What was ignored stays open as long as the server.
    _ignored: Arc<Mutex<Vec<Box<dyn Stream>>>>,
}

pub(super) trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

impl Server {
    /// Listens on a port of loopback; one list of replies for each connection.
    pub(in crate::s3) fn start(connections: Vec<Vec<Reply>>) -> Self {
        Self::serve(connections, None)
    }

    /// As [`Server::start`] over TLS; with the certificate that vouches for the server, in PEM.
    pub(in crate::s3) fn start_tls(connections: Vec<Vec<Reply>>) -> (Self, String) {
        let (config, authority) = certified("127.0.0.1", None);
        (Self::start_tls_with(connections, config), authority)
    }

    /// As [`Server::start_tls`] with another certificate.
    pub(super) fn start_tls_with(connections: Vec<Vec<Reply>>, config: Arc<ServerConfig>) -> Self {
        Self::serve(connections, Some(config))
    }

    /// Any number of connections, each request answered by itself.
    pub(super) fn answering(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, received) = mpsc::channel();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for (number, mut stream) in listener.incoming().flatten().enumerate() {
                let (sender, answer) = (sender.clone(), answer.clone());
                thread::spawn(move || {
                    while let Some(request) = read_request(&mut stream, number, true) {
                        let reply = answer(&request);
                        let _ = sender.send(request);
                        match reply {
                            Reply::Send(bytes) => stream.write_all(&bytes).unwrap(),
                            Reply::Hold(bytes) => {
                                stream.write_all(&bytes).unwrap();
                                let _ = stream.read(&mut [0]);
                                return;
                            }
                            Reply::Close | Reply::Ignore | Reply::Encrypt(..) => return,
                        }
                    }
                });
            }
        });
        Self { url, received, _ignored: Arc::default() }
    }

    /// As [`Server::start`], over TLS where that is given.
    pub(in crate::s3) fn serve(
        connections: Vec<Vec<Reply>>,
        tls: Option<Arc<ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (sender, received) = mpsc::channel();
        let ignored = Arc::new(Mutex::new(Vec::new()));
        let kept = ignored.clone();
        thread::spawn(move || {
            for (number, replies) in connections.into_iter().enumerate() {
                let (tcp, _) = listener.accept().unwrap();
                let stream: Box<dyn Stream> = match &tls {
                    None => Box::new(tcp),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).unwrap();
                        Box::new(StreamOwned::new(connection, tcp))
                    }
                };
                let (sender, kept) = (sender.clone(), kept.clone());
                thread::spawn(move || {
                    if let Some(stream) = play(stream, number, replies, &sender) {
                        kept.lock().unwrap().push(stream);
                    }
                });
            }
        });
        Self { url, received, _ignored: ignored }
    }

    /// The next request.
    pub(in crate::s3) fn next(&self) -> Received {
        self.received.recv().unwrap()
    }

    /// The requests until now.
    pub(super) fn received_so_far(&self) -> Vec<Received> {
        self.received.try_iter().collect()
    }

    /// All requests, once the script is through.
    pub(in crate::s3) fn received(&self) -> Vec<Received> {
        self.received.iter().collect()
    }
}

/// A certificate for `name`, and what vouches for it, in PEM; valid between the beginnings of two
/// years, or always.
pub(super) fn certified(name: &str, years: Option<(i32, i32)>) -> (Arc<ServerConfig>, String) {
    let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    if let Some((from, to)) = years {
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(to, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::from(key))
        .unwrap();
    (Arc::new(config), certificate.pem())
}

/// Serves one connection; gives it back where it should stay open.
fn play(
    mut stream: Box<dyn Stream>,
    connection: usize,
    replies: Vec<Reply>,
    sender: &mpsc::Sender<Received>,
) -> Option<Box<dyn Stream>> {
    let ends_in_handshake = matches!(replies.last(), None | Some(Reply::Encrypt(..)));
    for reply in replies {
        let with_body = !matches!(reply, Reply::Ignore);
        let request = read_request(&mut *stream, connection, with_body)?;
        let _ = sender.send(request);
        match reply {
            Reply::Send(bytes) => {
                stream.write_all(&bytes).unwrap();
                stream.flush().unwrap();
            }
            Reply::Hold(bytes) => {
                stream.write_all(&bytes).unwrap();
                let _ = stream.read(&mut [0]);
            }
            Reply::Close => return None,
            Reply::Ignore => return Some(stream),
            Reply::Encrypt(bytes, config) => {
                stream.write_all(&bytes).unwrap();
                stream.flush().unwrap();
                let connection = ServerConnection::new(config).unwrap();
                stream = Box::new(StreamOwned::new(connection, stream));
            }
        }
    }
    if ends_in_handshake {
        // Lets it come to its end.
        let _ = stream.read(&mut [0]);
    }
    None
}

/// None where the client hung up before the request was whole.
pub(super) fn read_request(
    stream: &mut dyn Stream,
    connection: usize,
    with_body: bool,
) -> Option<Received> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut request_line = lines.next().unwrap().split(' ');
    let mut received = Received {
        connection,
        method: request_line.next().unwrap().into(),
        path: request_line.next().unwrap().into(),
        headers: lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.into()))
            .collect(),
        body: Vec::new(),
    };
    if let (Some(length), true) = (received.header("content-length"), with_body) {
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).ok()?;
        received.body = body;
    }
    Some(received)
}
