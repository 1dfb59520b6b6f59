//! A tunnel through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6).

use std::io;

use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::stream::Stream;
use crate::s3::error::ProxyFailure;
use crate::s3::origin::Origin;
use crate::secret::Secret;

/// The head of a proxy's answer is not longer than this.
const HEAD: usize = 16 * 1024;

/// Has the proxy at the other end connect the stream to `origin`.
pub(super) async fn tunnel(
    stream: &mut Stream,
    origin: &Origin,
    authorization: Option<&Secret>,
) -> Result<(), ProxyFailure> {
    let authority = origin.authority();
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(authorization) = authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization.reveal());
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(ProxyFailure::Broken)?;
    stream.flush().await.map_err(ProxyFailure::Broken)?;
    let mut head = Vec::with_capacity(256);
    // Byte by byte: what comes after the head is the server's.
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1..) if head.len() < HEAD => head.extend_from_slice(&byte),
            Ok(1..) => return Err(ProxyFailure::NotHttp),
            Ok(0) => return Err(ProxyFailure::Broken(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => return Err(ProxyFailure::Broken(error)),
        }
        // What does not begin like HTTP may never end like it.
        if !HTTP.starts_with(&head) && !head.starts_with(HTTP) {
            return Err(ProxyFailure::NotHttp);
        }
    }
    match status(&head) {
        Some(200..300) => Ok(()),
        Some(status) => Err(ProxyFailure::Refused(status)),
        None => Err(ProxyFailure::NotHttp),
    }
}

const HTTP: &[u8] = b"HTTP/1.";

/// The status of an answer (RFC 9112 section 4).
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|byte| *byte == b'\r').next()?).ok()?;
    let status = line.split(' ').nth(1)?;
    status.parse().ok().filter(|status| (100..1000).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (head, found) in [
            ("HTTP/1.1 200 OK\r\n\r\n", Some(200)),
            ("HTTP/1.0 407\r\n\r\n", Some(407)),
            ("HTTP/1.1 2000 OK\r\n\r\n", None),
            ("HTTP/1.1 OK\r\n\r\n", None),
            ("HTTP/1.1\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), found, "{head}");
        }
    }
}
