//! A request with its signature, as it goes over the wire.

use hyper::header::HeaderValue;
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Uri};

use crate::USER_AGENT;
use crate::s3::endpoint::Location;
use crate::s3::error::Cause;
use crate::s3::request::Request;
use crate::s3::signing::{CanonicalRequest, PathRule, PayloadHash, RequestToSign, Signer};
use crate::s3::upload::{RequestBody, encoded_length};

/// Writes and signs a request.
pub(super) fn signed_request(
    location: &Location,
    request: &Request<'_>,
    signer: &Signer<'_>,
) -> Result<hyper::Request<RequestBody>, Cause> {
    let payload = &request.payload;
    let hash = payload.hash(location.origin.tls);
    let chunked = hash == PayloadHash::Streaming;

    // Proxies change other headers: only what they leave alone is signed.
    let mut headers = vec![
        ("host", location.origin.to_string()),
        ("x-amz-date", signer.scope().date_time()),
        ("x-amz-content-sha256", hash.as_str().to_owned()),
    ];
    if let Some(token) = signer.session_token() {
        headers.push(("x-amz-security-token", token.reveal().to_owned()));
    }
    if let (true, Some(length)) = (chunked, payload.length()) {
        headers.push(("x-amz-decoded-content-length", length.to_string()));
    }
    headers.extend(request.headers.iter().cloned());
    let to_sign: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let canonical = CanonicalRequest::new(&RequestToSign {
        method: request.method.as_str(),
        path: &location.path,
        path_rule: PathRule::AsSent,
        query: &location.query(),
        headers: &to_sign,
        payload: &hash,
    });
    let signature = signer.signature(&canonical);

    let authorization = signer.authorization(&canonical, &signature);
    headers.push(("authorization", authorization));
    headers.push(("user-agent", USER_AGENT.to_owned()));
    if chunked {
        headers.push(("content-encoding", "aws-chunked".to_owned()));
    }
    if let Some(length) = payload.length() {
        // S3 wants it for an empty object too, where hyper would leave it out.
        let length = if chunked { encoded_length(length) } else { length };
        headers.push(("content-length", length.to_string()));
    }

    let target = PathAndQuery::try_from(location.target())
        .map_err(|_| Cause::Unsendable("the object's key"))?;
    let headers = header_map(headers)?;
    let body = payload.body(chunked.then_some((signer, signature)));
    let mut signed = hyper::Request::new(body);
    *signed.method_mut() = request.method.clone();
    *signed.uri_mut() = Uri::from(target);
    *signed.headers_mut() = headers;
    Ok(signed)
}

fn header_map(headers: Vec<(&'static str, String)>) -> Result<HeaderMap, Cause> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let (what, secret) = match name {
            "authorization" => ("the access key id", true),
            "x-amz-security-token" => ("the session token", true),
            other => (other, false),
        };
        let mut value = HeaderValue::try_from(value).map_err(|_| Cause::Unsendable(what))?;
        value.set_sensitive(secret);
        map.insert(name, value);
    }
    Ok(map)
}
