//! The heads of HTTP/1.1 messages, as they came: proxies change as little of them as they can.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// More than any head here has.
const MOST_HEADERS: usize = 64;
const MOST_BYTES: usize = 64 * 1024;

/// A request's first line and headers.
#[derive(Clone, Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Headers,
}

/// An answer's first line and headers.
#[derive(Clone, Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) headers: Headers,
}

/// Names as they were written, values as bytes, in the order of arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(Vec<(String, Vec<u8>)>);

/// The first value of this name among headers that a journal recorded, names in lower case.
pub(crate) fn recorded<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

impl RequestHead {
    /// The next request on a connection; `None` where the client has left instead.
    pub(crate) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Self>> {
        let Some(bytes) = read(stream).await? else {
            return Ok(None);
        };
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Request::new(&mut headers);
        head.parse(&bytes).map_err(io::Error::other)?;
        Ok(Some(Self {
            method: head.method.unwrap_or_default().to_owned(),
            target: head.path.unwrap_or_default().to_owned(),
            headers: Headers::of(head.headers),
        }))
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.headers.write(&format!("{} {} HTTP/1.1", self.method, self.target))
    }
}

impl ResponseHead {
    pub(crate) fn new(status: u16, reason: &str) -> Self {
        Self { status, reason: reason.to_owned(), headers: Headers::default() }
    }

    /// The answer on a connection.
    pub(crate) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let bytes = read(stream).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
        let mut head = httparse::Response::new(&mut headers);
        head.parse(&bytes).map_err(io::Error::other)?;
        Ok(Self {
            status: head.code.unwrap_or_default(),
            reason: head.reason.unwrap_or_default().to_owned(),
            headers: Headers::of(head.headers),
        })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        self.headers.write(&format!("HTTP/1.1 {} {}", self.status, self.reason))
    }
}

impl Headers {
    fn of(headers: &[httparse::Header<'_>]) -> Self {
        Self(headers.iter().map(|header| (header.name.to_owned(), header.value.to_vec())).collect())
    }

    /// The first value of this name, where it is text.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// What `content-length` says.
    pub(crate) fn content_length(&self) -> Option<u64> {
        self.get("content-length")?.trim().parse().ok()
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    }

    /// In place of all others of this name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.0.push((name.to_owned(), value.as_bytes().to_vec()));
    }

    /// Names in lower case, values as text.
    pub(crate) fn shown(&self) -> Vec<(String, String)> {
        let shown = |(name, value): &(String, Vec<u8>)| {
            (name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned())
        };
        self.0.iter().map(shown).collect()
    }

    fn write(&self, first_line: &str) -> Vec<u8> {
        let mut bytes = format!("{first_line}\r\n").into_bytes();
        for (name, value) in &self.0 {
            bytes.extend(name.as_bytes());
            bytes.extend(b": ");
            bytes.extend(value);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"\r\n");
        bytes
    }
}

/// Everything up to the empty line; `None` where nothing comes.
async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    loop {
        let length = stream.read_until(b'\n', &mut bytes).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes.len() > MOST_BYTES {
            return Err(io::Error::other("a head without an end"));
        }
        if bytes.ends_with(b"\r\n\r\n") {
            return Ok(Some(bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn request(text: &[u8]) -> io::Result<Option<RequestHead>> {
        RequestHead::read(&mut &*text).await
    }

    #[tokio::test]
    async fn a_head_is_written_as_it_was_read() {
        let text = b"GET /b/a%20b//../?x=%2F&x HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nX-A: \xff\r\n\r\n";
        let head = request(text).await.unwrap().unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("GET", "/b/a%20b//../?x=%2F&x"));
        assert_eq!(head.write(), text);
    }

    #[tokio::test]
    async fn headers_are_found_and_replaced_in_any_case() {
        let text = b"PUT / HTTP/1.1\r\nContent-LENGTH: 7\r\nDate: then\r\n\r\n";
        let mut head = request(text).await.unwrap().unwrap();
        assert_eq!(head.headers.content_length(), Some(7));
        head.headers.set("date", "now");
        assert_eq!(head.headers.shown()[1], ("date".to_owned(), "now".to_owned()));
    }

    #[tokio::test]
    async fn an_end_between_requests_is_no_error_and_within_one_is() {
        assert!(request(b"").await.unwrap().is_none());
        assert!(request(b"GET / HTTP/1.1\r\nHost: h\r\n").await.is_err());
    }
}
