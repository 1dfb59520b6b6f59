//! What came through the proxy.

use std::net::SocketAddr;
use std::sync::Mutex;

use crate::http_head::{RequestHead, recorded};

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query exactly as the client sent them.
    pub target: String,
    /// The headers, names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// Which of the proxy's ports it came to.
    pub address: SocketAddr,
    /// The client's end of the connection: equal where a connection was used again.
    pub client: SocketAddr,
    /// The status that was answered, if any was.
    pub status: Option<u16>,
    /// How much of the answer's body was sent.
    pub sent: u64,
}

impl Request {
    /// The first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        recorded(&self.headers, name)
    }
}

#[derive(Default)]
pub(super) struct Journal(Mutex<Vec<Request>>);

impl Journal {
    /// Records a request and returns its number, from 0.
    pub(super) fn arrived(
        &self,
        head: &RequestHead,
        address: SocketAddr,
        client: SocketAddr,
    ) -> usize {
        let mut requests = self.0.lock().unwrap();
        requests.push(Request {
            method: head.method.clone(),
            target: head.target.clone(),
            headers: head.headers.shown(),
            address,
            client,
            status: None,
            sent: 0,
        });
        requests.len() - 1
    }

    pub(super) fn answered(&self, number: usize, status: u16) {
        self.0.lock().unwrap()[number].status = Some(status);
    }

    pub(super) fn sent(&self, number: usize, bytes: u64) {
        self.0.lock().unwrap()[number].sent += bytes;
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }
}
