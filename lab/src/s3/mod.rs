//! Stand-in for S3: objects kept as files, and every request's signature verified.
//!
//! The crates `s3s` and `s3s-fs` do the protocol and the storage. They verify the signature
//! (version 4, in the headers or in the query), the request's date (15 minutes either way) and
//! chunked uploads. A bucket is named by the path, or by the `host`, `BUCKET.localhost`. In front of them stand the [checks] that S3 makes and they do not, and behind
//! them a [store] that answers as S3 does where plain files would not.
//!
//! Limits, all from keeping objects as files: a key cannot be both an object and another
//! object's folder, and is shorter than about 130 bytes (S3 allows 1,024).

mod certificate;
mod checks;
mod checksum;
mod connection;
mod fault;
mod gate;
mod host;
mod journal;
mod service;
mod store;
mod uploads;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tempfile::TempDir;
use tokio::sync::oneshot;

pub use self::checksum::Checksum;
pub use self::fault::{Fault, Method};
pub use self::gate::Gate;
pub use self::journal::Request;

use self::certificate::Certificate;
use self::checks::Rules;
use self::service::Service;
use self::store::Store;

/// A running stand-in on `127.0.0.1`, in its own thread. It stops when this is dropped.
pub struct S3 {
    address: SocketAddr,
    root: PathBuf,
    service: Arc<Service>,
    runtime: tokio::runtime::Handle,
    ca_pem: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Removed last, when the default root was used.
    _temporary: Option<TempDir>,
}

/// What the stand-in serves, and to whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where objects live, as `root/BUCKET/KEY`; made if needed. `None`: a temporary directory,
    /// removed at the end.
    pub root: Option<PathBuf>,
    /// The one access key that is known.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The session token that every request has to carry, where the keys are temporary ones.
    pub session_token: Option<String>,
    /// Serve https, with a certificate for `127.0.0.1` and `localhost` from a fresh CA.
    pub tls: bool,
    /// The region that requests have to be signed for.
    pub region: String,
    /// The account that all buckets belong to.
    pub owner: String,
    /// Further names in the certificate.
    pub names: Vec<String>,
    /// How far its clock is from the true time: what a client sees whose own clock is wrong by as
    /// much in the other direction. Signed URLs are judged by the true time all the same.
    pub clock_shift_s: i64,
    /// The port to listen on; 0 takes a free one.
    pub port: u16,
}

impl Default for Options {
    /// Fixed keys of the lab, `us-east-1`, http, a free port, a temporary root.
    fn default() -> Options {
        Options {
            root: None,
            access_key_id: "LABACCESSKEY00000001".to_owned(),
            secret_access_key: "lab/secret+access/key+of/the/stand-in+01".to_owned(),
            session_token: None,
            tls: false,
            region: "us-east-1".to_owned(),
            owner: "111122223333".to_owned(),
            names: Vec::new(),
            clock_shift_s: 0,
            port: 0,
        }
    }
}

impl S3 {
    /// Starts a stand-in; it accepts connections when this returns.
    pub fn start(options: Options) -> S3 {
        let (root, temporary) = match options.root {
            Some(root) => (root, None),
            None => {
                let temporary = tempfile::tempdir().expect("a temporary directory for S3 objects");
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        fs::create_dir_all(&root)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", root.display()));

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port))
            .unwrap_or_else(|error| panic!("cannot listen on port {}: {error}", options.port));
        let address = listener.local_addr().expect("a bound listener has an address");
        listener.set_nonblocking(true).expect("a listener can be non-blocking");

        let certificate = options.tls.then(|| Certificate::generate(&options.names));
        let ca_pem = certificate.as_ref().map(|certificate| certificate.ca_pem.clone());
        let acceptor = certificate.map(|certificate| certificate.acceptor);

        let service = Arc::new(Service::new(
            Store::new(&root),
            &options.access_key_id,
            &options.secret_access_key,
            Rules {
                region: options.region,
                session_token: options.session_token,
                owner: options.owner,
                clock_shift_s: options.clock_shift_s,
            },
        ));

        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime for the S3 stand-in");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let served = service.clone();
        let thread = thread::Builder::new()
            .name("s3".to_owned())
            .spawn(move || {
                runtime.block_on(connection::serve(listener, acceptor, served, stopped));
                // Connections that are held or stalled end here.
                runtime.shutdown_background();
            })
            .expect("a thread for the S3 stand-in");

        S3 {
            address,
            root,
            service,
            runtime: handle,
            ca_pem,
            stop: Some(stop),
            thread: Some(thread),
            _temporary: temporary,
        }
    }

    /// `http://127.0.0.1:PORT`, or `https://…`.
    pub fn endpoint(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the CA that a client has to trust, where https is served.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Stores an object without a request; the bucket is made if needed.
    pub fn put(&self, bucket: &str, key: &str, content: &[u8]) {
        self.store(bucket, key, content, None);
    }

    /// As [`S3::put`], with a checksum for who asks for it.
    pub fn put_with_checksum(&self, bucket: &str, key: &str, content: &[u8], checksum: Checksum) {
        self.store(bucket, key, content, Some(checksum));
    }

    fn store(&self, bucket: &str, key: &str, content: &[u8], checksum: Option<Checksum>) {
        let directory = self.root.join(bucket);
        fs::create_dir_all(&directory)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", directory.display()));
        let service = self.service.clone();
        let (bucket, key, content) = (bucket.to_owned(), key.to_owned(), content.to_vec());
        let (send, receive) = mpsc::channel();
        self.runtime.spawn(async move {
            let _ = send.send(service.store().put(bucket, key, content, checksum).await);
        });
        receive
            .recv()
            .expect("the S3 stand-in runs")
            .unwrap_or_else(|error| panic!("cannot store the object: {error}"));
    }

    /// An object's content, without a request.
    pub fn read(&self, bucket: &str, key: &str) -> Option<Vec<u8>> {
        fs::read(self.root.join(bucket).join(store::file_key(key))).ok()
    }

    /// The ids of the multipart uploads that were neither completed nor aborted.
    pub fn open_uploads(&self) -> Vec<String> {
        self.service.store().uploads().open()
    }

    /// Every request until now, in the order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.service.journal().requests()
    }

    /// Applies the fault to the next request with this method. Faults wait in a queue: each
    /// request takes the first one that is for its method.
    pub fn fail_next(&self, method: Method, fault: Fault) {
        self.service.faults().push(method, fault);
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
