//! The canonical request: the one spelling of a request that both sides hash.

use super::percent;
use super::signature::hex_sha256;

/// A request in canonical form ("Task 1" of SigV4), with the list of the headers in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalRequest {
    text: String,
    signed_headers: String,
}

impl CanonicalRequest {
    /// Writes `request` in canonical form.
    pub fn new(request: &RequestToSign<'_>) -> Self {
        let (headers, signed_headers) = canonical_headers(request.headers);
        let text = format!(
            "{}\n{}\n{}\n{headers}\n{signed_headers}\n{}",
            request.method,
            canonical_path(request.path, request.path_rule),
            canonical_query(request.query),
            request.payload.as_str(),
        );
        Self { text, signed_headers }
    }

    /// The canonical request itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the headers in it: lower case, sorted, joined by `;`.
    pub fn signed_headers(&self) -> &str {
        &self.signed_headers
    }

    /// The SHA-256 of the canonical request, in hex: what the string to sign ends with.
    pub fn hash(&self) -> String {
        hex_sha256(self.text.as_bytes())
    }
}

/// What of a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct RequestToSign<'a> {
    /// `GET`, `PUT`, …
    pub method: &'a str,
    /// The path exactly as it goes over the wire, percent-encoded, without the query.
    pub path: &'a str,
    /// How the service canonicalises the path.
    pub path_rule: PathRule,
    /// Names and values of the query, not encoded, in any order.
    pub query: &'a [(&'a str, &'a str)],
    /// The headers that are signed, `host` among them; names in any case, in any order.
    pub headers: &'a [(&'a str, &'a str)],
    /// What is said about the body.
    pub payload: &'a PayloadHash,
}

/// How a service turns the path of a request into the canonical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathRule {
    /// S3: the path as sent. It is encoded once, and `//`, `.` and `..` mean themselves.
    AsSent,
    /// Most other services: the path as sent, encoded once more.
    EncodedAgain,
    /// As [`PathRule::EncodedAgain`], after dot segments and empty segments have been removed
    /// (RFC 3986 section 5.2.4).
    NormalizedAndEncodedAgain,
}

/// What a signed request says about its body: the value of `x-amz-content-sha256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayloadHash {
    /// The body's SHA-256, lower-case hex.
    Sha256(String),
    /// The body is not signed. Only where TLS keeps it whole.
    Unsigned,
    /// The body is sent in chunks that are signed one by one.
    Streaming,
    /// As [`PayloadHash::Streaming`], with a signed trailer after the last chunk.
    StreamingTrailer,
}

impl PayloadHash {
    /// The hash of `body`.
    pub fn of(body: &[u8]) -> Self {
        Self::Sha256(hex_sha256(body))
    }

    /// The value of `x-amz-content-sha256`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Sha256(hex) => hex,
            Self::Unsigned => "UNSIGNED-PAYLOAD",
            Self::Streaming => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            Self::StreamingTrailer => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        }
    }
}

/// Encodes a query in canonical order: by encoded name, then by encoded value.
///
/// This form can go over the wire as well.
pub fn canonical_query(query: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(query.len());
    for (name, value) in query {
        let pair = (percent::encode(name), percent::encode(value));
        let place = pairs.partition_point(|other| *other <= pair);
        pairs.insert(place, pair);
    }
    let mut text = String::new();
    for (name, value) in &pairs {
        if !text.is_empty() {
            text.push('&');
        }
        text.push_str(name);
        text.push('=');
        text.push_str(value);
    }
    text
}

fn canonical_path(path: &str, rule: PathRule) -> String {
    let path = if path.is_empty() { "/" } else { path };
    match rule {
        PathRule::AsSent => path.to_owned(),
        PathRule::EncodedAgain => percent::encode_path(path),
        PathRule::NormalizedAndEncodedAgain => percent::encode_path(&normalize(path)),
    }
}

fn normalize(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut normalized = format!("/{}", segments.join("/"));
    let ends_open = ["/", "/.", "/.."].iter().any(|end| path.ends_with(end));
    if ends_open && !segments.is_empty() {
        normalized.push('/');
    }
    normalized
}

/// The lines `name:value` in order of name, each ended by a newline; and the list of the names.
///
/// Values are trimmed, runs of spaces in them become one (tabs stay: S3 leaves them too), and those
/// of one name are joined by `,` in the order in which they are sent.
fn canonical_headers(headers: &[(&str, &str)]) -> (String, String) {
    let mut sorted: Vec<(String, String)> = Vec::with_capacity(headers.len());
    for (name, value) in headers {
        let name = name.trim().to_ascii_lowercase();
        let words = value.trim_ascii().split(' ').filter(|word| !word.is_empty());
        let words: Vec<&str> = words.collect();
        // Values of one name keep the order in which they are sent.
        let place = sorted.partition_point(|(other, _)| *other <= name);
        sorted.insert(place, (name, words.join(" ")));
    }
    let (mut lines, mut names) = (String::new(), String::new());
    for group in sorted.chunk_by(|a, b| a.0 == b.0) {
        for (index, (name, value)) in group.iter().enumerate() {
            if index > 0 {
                lines.push(',');
            } else {
                if !names.is_empty() {
                    names.push(';');
                }
                names.push_str(name);
                lines.push_str(name);
                lines.push(':');
            }
            lines.push_str(value);
        }
        lines.push('\n');
    }
    (lines, names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(path: &str, query: &[(&str, &str)]) -> String {
        CanonicalRequest::new(&RequestToSign {
            method: "GET",
            path,
            path_rule: PathRule::AsSent,
            query,
            headers: &[("Host", "h")],
            payload: &PayloadHash::Unsigned,
        })
        .as_str()
        .to_owned()
    }

    #[test]
    fn s3_paths_stay_as_they_are_sent() {
        for path in ["/b//a", "/b/../a/./", "/b/a%20b", "/b/a%2520b", "//"] {
            assert_eq!(
                canonical(path, &[]),
                format!("GET\n{path}\n\nhost:h\n\nhost\nUNSIGNED-PAYLOAD")
            );
        }
    }

    #[test]
    fn queries_are_sorted_after_encoding() {
        // `~` sorts before `%E1` as a character and after it when encoded; values of a repeated
        // name are sorted too.
        assert_eq!(
            canonical_query(&[("~", "1"), ("ሴ", "2"), ("a", "y"), ("a", "x/+"), ("uploads", "")]),
            "%E1%88%B4=2&a=x%2F%2B&a=y&uploads=&~=1"
        );
    }

    #[test]
    fn generic_paths_are_normalised() {
        for (path, normalized) in [
            ("/", "/"),
            ("//", "/"),
            ("/..", "/"),
            ("/../../a", "/a"),
            ("/a/..", "/"),
            ("//a//b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/b/.", "/a/b/"),
            ("/a/b/..", "/a/"),
        ] {
            assert_eq!(normalize(path), normalized, "{path}");
        }
    }
}
