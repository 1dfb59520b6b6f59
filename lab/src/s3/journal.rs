//! What was asked of the stand-in, and with which status it answered.

use std::sync::Mutex;

use hyper::http::request::Parts;

use crate::http_head::recorded;

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `PUT`, …
    pub method: String,
    /// Path and query exactly as the client sent them.
    pub target: String,
    /// The status answered; `None` before there is an answer, or where the connection was closed
    /// without one.
    pub status: Option<u16>,
    /// The headers, names in lower case, in the order of arrival. `authorization` holds the
    /// signature and the names of the signed headers, never the secret.
    pub headers: Vec<(String, String)>,
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
    pub(super) fn arrived(&self, parts: &Parts) -> usize {
        let headers = parts.headers.iter().map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let mut requests = self.0.lock().unwrap();
        requests.push(Request {
            method: parts.method.to_string(),
            target: parts.uri.to_string(),
            status: None,
            headers: headers.collect(),
        });
        requests.len() - 1
    }

    pub(super) fn answered(&self, number: usize, status: u16) {
        self.0.lock().unwrap()[number].status = Some(status);
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.0.lock().unwrap().clone()
    }
}
