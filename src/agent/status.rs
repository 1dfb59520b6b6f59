//! How a call ended: gRPC status codes and messages, from headers or trailers.

use std::fmt;

use hyper::header::HeaderMap;

/// The status of a call: a code, and what the agent said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) code: Code,
    pub(super) message: String,
}

impl Status {
    /// The status in a response's trailers, or in the headers of a trailers-only response.
    ///
    /// `None` without a `grpc-status`. One that is no known number counts as UNKNOWN.
    pub(super) fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get("grpc-status")?.to_str().ok();
        let code = code.and_then(|text| text.parse().ok());
        let message = headers.get("grpc-message");
        Some(Self {
            code: code.map_or(Code::Unknown, Code::from_number),
            message: message.map_or_else(String::new, |value| percent_decode(value.as_bytes())),
        })
    }

    /// The status of a response that has no `grpc-status`, by its HTTP status
    /// (`http-grpc-status-mapping.md`): something that does not speak gRPC has answered.
    pub(super) fn from_http(status: u16) -> Self {
        let code = match status {
            400 => Code::Internal,
            401 => Code::Unauthenticated,
            403 => Code::PermissionDenied,
            404 => Code::Unimplemented,
            429 | 502 | 503 | 504 => Code::Unavailable,
            _ => Code::Unknown,
        };
        Self { code, message: format!("HTTP status {status} without a gRPC status") }
    }
}

/// A gRPC status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 0
    Ok,
    /// 1
    Cancelled,
    /// 2
    Unknown,
    /// 3
    InvalidArgument,
    /// 4
    DeadlineExceeded,
    /// 5
    NotFound,
    /// 6
    AlreadyExists,
    /// 7
    PermissionDenied,
    /// 8
    ResourceExhausted,
    /// 9
    FailedPrecondition,
    /// 10
    Aborted,
    /// 11
    OutOfRange,
    /// 12
    Unimplemented,
    /// 13
    Internal,
    /// 14
    Unavailable,
    /// 15
    DataLoss,
    /// 16
    Unauthenticated,
}

impl Code {
    /// The code with this number; UNKNOWN for a number that is none, as gRPC demands.
    pub fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Ok,
            1 => Self::Cancelled,
            3 => Self::InvalidArgument,
            4 => Self::DeadlineExceeded,
            5 => Self::NotFound,
            6 => Self::AlreadyExists,
            7 => Self::PermissionDenied,
            8 => Self::ResourceExhausted,
            9 => Self::FailedPrecondition,
            10 => Self::Aborted,
            11 => Self::OutOfRange,
            12 => Self::Unimplemented,
            13 => Self::Internal,
            14 => Self::Unavailable,
            15 => Self::DataLoss,
            16 => Self::Unauthenticated,
            _ => Self::Unknown,
        }
    }

    /// What a stream that the peer reset amounts to ("Errors").
    pub(super) fn from_reset(reason: h2::Reason) -> Self {
        match reason {
            h2::Reason::REFUSED_STREAM => Self::Unavailable,
            h2::Reason::CANCEL => Self::Cancelled,
            h2::Reason::ENHANCE_YOUR_CALM => Self::ResourceExhausted,
            h2::Reason::INADEQUATE_SECURITY => Self::PermissionDenied,
            _ => Self::Internal,
        }
    }

    /// The name that all of gRPC knows it by, such as `ALREADY_EXISTS`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Undoes the percent-encoding of a `grpc-message` ("Responses").
///
/// A message must not be lost because it is badly encoded: what is no `%XX` stays as it is, and what
/// is not UTF-8 becomes U+FFFD.
fn percent_decode(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if let (b'%', [high, low, tail @ ..]) = (*first, tail)
            && let (Some(high), Some(low)) = (hex_digit(*high), hex_digit(*low))
        {
            bytes.push(high << 4 | low);
            rest = tail;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    fn headers(pairs: &[(&'static str, &[u8])]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &[u8])| {
            (hyper::header::HeaderName::from_static(name), HeaderValue::from_bytes(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn all_codes_have_their_names() {
        // https://grpc.io/docs/guides/status-codes/
        let names = "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND \
            ALREADY_EXISTS PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED \
            OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED";
        let names: Vec<_> = names.split_whitespace().collect();
        assert_eq!(names.len(), 17);
        for (number, name) in (0..).zip(names) {
            assert_eq!(Code::from_number(number).name(), name);
        }
        assert_eq!(Code::from_number(17), Code::Unknown);
        assert_eq!(Code::from_number(u32::MAX), Code::Unknown);
    }

    #[test]
    fn status_from_trailers() {
        let status = |pairs: &[(&'static str, &[u8])]| Status::from_headers(&headers(pairs));
        let is = |code, message: &str| {
            let message = message.to_owned();
            Some(Status { code, message })
        };
        assert_eq!(status(&[]), None);
        assert_eq!(status(&[("grpc-message", b"x")]), None);
        assert_eq!(status(&[("grpc-status", b"0")]), is(Code::Ok, ""));
        assert_eq!(
            status(&[("grpc-status", b"6"), ("grpc-message", b"a%20b")]),
            is(Code::AlreadyExists, "a b")
        );
        for bad in [b"99".as_slice(), b"", b"-1", b"x", b"\xff", b"4294967296"] {
            assert_eq!(status(&[("grpc-status", bad)]), is(Code::Unknown, ""));
        }
    }

    #[test]
    fn messages_are_percent_decoded() {
        for (encoded, text) in [
            (b"".as_slice(), ""),
            (b"plain", "plain"),
            (b"100%25", "100%"),
            (b"%E2%82%ac", "€"),
            (b"a%0Ab", "a\nb"),
            (b"%", "%"),
            (b"%4", "%4"),
            (b"%zz%41", "%zzA"),
            (b"%%41", "%A"),
            (b"%+1", "%+1"),
            (b"%ff", "\u{fffd}"),
            ("é".as_bytes(), "é"),
        ] {
            assert_eq!(percent_decode(encoded), text, "{encoded:?}");
        }
    }

    #[test]
    fn http_statuses() {
        for (http, code) in [
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
            (200, Code::Unknown),
            (500, Code::Unknown),
        ] {
            assert_eq!(Status::from_http(http).code, code, "{http}");
        }
    }
}
