//! The HTTP upgrade (RFC 6455, section 4), as Edge Core's libwebsockets answers it.

use data_encoding::BASE64;
use sha1::{Digest, Sha1};

/// The only subprotocol that Edge Core speaks. A client may also name none.
const SUBPROTOCOL: &str = "edge_protocol_translator";

/// What a client wants to be, by the path of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `/1/pt`
    Translator,
    /// `/1/mgmt`
    Management,
    /// Any other path: Edge Core upgrades it and never speaks to it.
    Deaf,
}

/// A request that was read whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Handshake {
    /// To be answered with these bytes, and then served.
    Upgrade {
        /// What the connection is for.
        role: Role,
        /// The path, for messages.
        path: String,
        /// The complete answer, `101 Switching Protocols`.
        answer: Vec<u8>,
    },
    /// To be closed without an answer.
    Refuse(String),
}

/// Reads a request. `None` while its end has not come yet; otherwise also the request's length:
/// what follows it belongs to the WebSocket.
pub(super) fn parse(received: &[u8]) -> Option<(Handshake, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let refuse = |why: &str| (Handshake::Refuse(why.to_owned()), received.len());
    match request.parse(received) {
        // libwebsockets has 4 KiB for the headers of a request.
        Ok(httparse::Status::Partial) if received.len() > 4096 => {
            Some(refuse("the request's headers are longer than 4096 bytes"))
        }
        Ok(httparse::Status::Partial) => None,
        Ok(httparse::Status::Complete(length)) => Some((answer(&request), length)),
        Err(error) => Some(refuse(&format!("the request is not HTTP: {error}"))),
    }
}

fn answer(request: &httparse::Request<'_, '_>) -> Handshake {
    let refuse = |why: &str| Handshake::Refuse(why.to_owned());
    let values = |name: &'static str| {
        request
            .headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .filter_map(|header| std::str::from_utf8(header.value).ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|value| !value.is_empty())
    };
    let has = |name, wanted: &str| values(name).any(|value| value.eq_ignore_ascii_case(wanted));
    if request.method != Some("GET") || request.version != Some(1) {
        return refuse("the request is not a GET of HTTP/1.1");
    }
    if values("host").next().is_none() {
        return refuse("the request has no Host, or an empty one");
    }
    if !has("upgrade", "websocket") || !has("connection", "upgrade") {
        return refuse("the request does not ask for an upgrade to websocket");
    }
    if !has("sec-websocket-version", "13") {
        return refuse("Sec-WebSocket-Version is not 13");
    }
    let Some(key) = values("sec-websocket-key").next() else {
        return refuse("the request has no Sec-WebSocket-Key");
    };
    let mut protocols = values("sec-websocket-protocol").peekable();
    let protocol = if protocols.peek().is_none() {
        String::new()
    } else if protocols.any(|name| name == SUBPROTOCOL) {
        format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n")
    } else {
        return refuse("the request names subprotocols, and edge_protocol_translator is not one");
    };
    let path = request.path.unwrap_or_default().to_owned();
    let role = match path.as_str() {
        "/1/pt" => Role::Translator,
        "/1/mgmt" => Role::Management,
        _ => Role::Deaf,
    };
    // Extensions are never accepted, so never named.
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\n{protocol}\r\n",
        accept(key)
    );
    Handshake::Upgrade { role, path, answer: answer.into_bytes() }
}

/// RFC 6455, section 4.2.2, item 5.4.
fn accept(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455, section 1.3.
    #[test]
    fn the_accept_key_of_the_standard() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_request_is_read_up_to_its_end() {
        let request = b"GET /1/pt HTTP/1.1\r\nHost: edge\r\nUpgrade: websocket\r\n\
            Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        for end in 0..request.len() {
            assert_eq!(parse(&request[..end]), None, "{end} bytes");
        }
        let mut more = request.to_vec();
        more.extend([0x81, 0x80]);
        let (handshake, length) = parse(&more).unwrap();
        assert_eq!(length, request.len());
        assert!(matches!(handshake, Handshake::Upgrade { role: Role::Translator, .. }));
    }

    #[test]
    fn endless_headers_are_refused() {
        let mut request = b"GET /1/pt HTTP/1.1\r\nX: ".to_vec();
        request.resize(5000, b'x');
        assert!(matches!(parse(&request), Some((Handshake::Refuse(_), _))));
    }
}
