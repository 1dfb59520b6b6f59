//! What S3 checks in a request and the crate `s3s` does not.
//!
//! `s3s` verifies the signature itself, the date, and that there is a signature at all. Here:
//! only signature version 4 for the service `s3`, the region, that every header that S3 wants
//! signed is signed, the session token, and the hash of an absent body.
//! Source of the rules: "Authenticating Requests (AWS Signature Version 4)" and "Error Responses"
//! in the S3 API reference.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use hyper::http::request::Parts;
use hyper::{HeaderMap, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// The hash of no bytes.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Everything but the unreserved characters of RFC 3986 is encoded; in a path, `/` is kept.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What requests have to carry.
pub(super) struct Rules {
    pub(super) region: String,
    pub(super) session_token: Option<String>,
    pub(super) owner: String,
    pub(super) clock_shift_s: i64,
}

/// How far a request's date may be off, either way.
const MOST_SKEW: Duration = Duration::from_secs(15 * 60);

/// An answer that says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Further elements of the error document.
    pub(super) details: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Refusal {
        Refusal { status, code, message: message.into(), details: Vec::new() }
    }

    fn with(mut self, element: &'static str, text: impl Into<String>) -> Refusal {
        self.details.push((element, text.into()));
        self
    }

    /// The body was not what the request's signed hash says.
    pub(super) fn body_mismatch(claimed: &str, computed: &str) -> Refusal {
        Refusal::new(
            400,
            "XAmzContentSHA256Mismatch",
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        )
        .with("ClientComputedContentSHA256", claimed)
        .with("S3ComputedContentSHA256", computed)
    }

    /// The error document.
    pub(super) fn document(&self, request_id: &str) -> String {
        let mut details = String::new();
        for (element, text) in &self.details {
            details.push_str(&format!("<{element}>{}</{element}>", escape(text)));
        }
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code>\
             <Message>{}</Message>{details}<RequestId>{request_id}</RequestId></Error>",
            self.code,
            escape(&self.message),
        )
    }
}

impl Rules {
    /// Checks a request before `s3s` does. An unsigned request passes: `s3s` refuses it.
    pub(super) fn check(&self, parts: &Parts, has_body: bool) -> Result<(), Refusal> {
        let Some(signature) = Signature::find(parts)? else {
            return Ok(());
        };
        self.check_scope(&signature.credential)?;
        check_signed_headers(&parts.headers, &signature.signed_headers)?;
        self.check_token(signature.token.as_deref())?;
        self.check_owner(&parts.headers)?;
        if self.clock_shift_s != 0 {
            self.check_date(&parts.headers)?;
        }

        let claimed = header(&parts.headers, "x-amz-content-sha256").unwrap_or_default();
        if !has_body && is_hash(claimed) && claimed != EMPTY_SHA256 {
            return Err(Refusal::body_mismatch(claimed, EMPTY_SHA256));
        }
        Ok(())
    }

    /// The credential's scope: `KEY/DATE/REGION/s3/aws4_request`.
    fn check_scope(&self, credential: &str) -> Result<(), Refusal> {
        let malformed =
            |message: String| Refusal::new(400, "AuthorizationHeaderMalformed", message);
        let parts: Vec<&str> = credential.rsplitn(5, '/').collect();
        let [end, service, region, _date, _key] = parts[..] else {
            return Err(malformed(format!("the credential '{credential}' has no full scope")));
        };
        if end != "aws4_request" || service != "s3" {
            return Err(malformed(format!("the credential '{credential}' is not for S3")));
        }
        if region != self.region {
            return Err(malformed(format!(
                "The authorization header is malformed; the region '{region}' is wrong; \
                 expecting '{}'",
                self.region
            ))
            .with("Region", self.region.clone()));
        }
        Ok(())
    }

    /// The time by the clock of this server.
    pub(super) fn now(&self) -> SystemTime {
        let shift = Duration::from_secs(self.clock_shift_s.unsigned_abs());
        let now = SystemTime::now();
        if self.clock_shift_s < 0 { now - shift } else { now + shift }
    }

    fn check_owner(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        match header(headers, "x-amz-expected-bucket-owner") {
            Some(expected) if expected != self.owner => {
                Err(Refusal::new(403, "AccessDenied", "Access Denied"))
            }
            _ => Ok(()),
        }
    }

    /// Of a request that is signed in its headers.
    fn check_date(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let Some(sent) = header(headers, "x-amz-date") else {
            return Ok(());
        };
        let now = self.now();
        // As both are written, their order is that of time.
        let [earliest, latest] = [now - MOST_SKEW, now + MOST_SKEW].map(basic_date);
        if (earliest.as_str()..=latest.as_str()).contains(&sent) {
            return Ok(());
        }
        Err(Refusal::new(
            403,
            "RequestTimeTooSkewed",
            "The difference between the request time and the current time is too large.",
        )
        .with("RequestTime", sent)
        .with("ServerTime", basic_date(now))
        .with("MaxAllowedSkewMilliseconds", "900000"))
    }

    fn check_token(&self, token: Option<&str>) -> Result<(), Refusal> {
        match (&self.session_token, token) {
            (None, None) => Ok(()),
            (Some(known), Some(sent)) if known == sent => Ok(()),
            // Temporary keys are unknown without their token.
            (Some(_), None) => Err(Refusal::new(
                403,
                "InvalidAccessKeyId",
                "The AWS Access Key Id you provided does not exist in our records.",
            )),
            (_, Some(_)) => Err(Refusal::new(
                400,
                "InvalidToken",
                "The provided token is malformed or otherwise invalid.",
            )),
        }
    }
}

/// What a request says about its signature.
struct Signature {
    credential: String,
    signed_headers: Vec<String>,
    token: Option<String>,
}

impl Signature {
    fn find(parts: &Parts) -> Result<Option<Signature>, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let authorization = header(&parts.headers, "authorization");
        let only_version_4 = || {
            Refusal::new(
                400,
                "InvalidRequest",
                "The authorization mechanism you have provided is not supported. \
                 Please use AWS4-HMAC-SHA256.",
            )
        };
        if parameter(query, "Signature").is_some() {
            return Err(only_version_4());
        }
        if let Some(credential) = parameter(query, "X-Amz-Credential") {
            if authorization.is_some() {
                return Err(Refusal::new(
                    400,
                    "InvalidArgument",
                    "Only one auth mechanism allowed; the query and the header are both signed",
                ));
            }
            let signed = parameter(query, "X-Amz-SignedHeaders").unwrap_or_default();
            return Ok(Some(Signature {
                credential,
                signed_headers: signed.split(';').map(str::to_owned).collect(),
                token: parameter(query, "X-Amz-Security-Token"),
            }));
        }

        let Some(authorization) = authorization else {
            return Ok(None);
        };
        let Some(fields) = authorization.strip_prefix("AWS4-HMAC-SHA256 ") else {
            return Err(only_version_4());
        };
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let (Some(credential), Some(signed)) = (field("Credential"), field("SignedHeaders")) else {
            return Err(Refusal::new(
                400,
                "AuthorizationHeaderMalformed",
                "The authorization header has no Credential or no SignedHeaders",
            ));
        };
        Ok(Some(Signature {
            credential: credential.to_owned(),
            signed_headers: signed.split(';').map(str::to_owned).collect(),
            token: header(&parts.headers, "x-amz-security-token").map(str::to_owned),
        }))
    }
}

/// `host` and every `x-amz-*` header have to be signed, and what is said to be signed to be there.
fn check_signed_headers(headers: &HeaderMap, signed: &[String]) -> Result<(), Refusal> {
    let unsigned: Vec<&str> = headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| *name == "host" || name.starts_with("x-amz-"))
        .filter(|name| !signed.iter().any(|signed| signed == name))
        .collect();
    if !unsigned.is_empty() {
        return Err(Refusal::new(
            403,
            "AccessDenied",
            "There were headers present in the request which were not signed",
        )
        .with("HeadersNotSigned", unsigned.join(", ")));
    }
    if let Some(missing) = signed.iter().find(|name| !headers.contains_key(name.as_str())) {
        return Err(Refusal::new(
            403,
            "SignatureDoesNotMatch",
            format!("The signed header '{missing}' is not in the request"),
        ));
    }
    Ok(())
}

/// The path as S3 signs it: decoded once, and every character encoded that has to be.
///
/// `s3s` would also take a signature over the path as it was sent, which S3 does not.
pub(super) fn canonical_path(uri: &Uri) -> Uri {
    let bytes: Vec<u8> = percent_decode_str(uri.path()).collect();
    let path = percent_encode(&bytes, ENCODED).to_string();
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    target.parse().expect("an encoded path is a URI")
}

/// Encodes a key as listings with `encoding-type=url` do.
pub(super) fn encode(text: &str) -> String {
    percent_encode(text.as_bytes(), ENCODED).to_string()
}

/// As in `x-amz-date`: `20260727T000000Z`.
fn basic_date(time: SystemTime) -> String {
    let time = time::OffsetDateTime::from(time);
    let (date, clock) = (time.date(), time.time());
    format!(
        "{:04}{:02}{:02}T{:02}{:02}{:02}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        clock.hour(),
        clock.minute(),
        clock.second()
    )
}

/// Whether the value of `x-amz-content-sha256` is a hash, and not a keyword.
pub(super) fn is_hash(value: &str) -> bool {
    value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first header of this name, where it is text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn parameter(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        let value = || percent_decode_str(value).decode_utf8_lossy().into_owned();
        (key == name).then(value)
    })
}

fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['&', '<', '>']) {
        return text.into();
    }
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072";

    fn rules(session_token: Option<&str>) -> Rules {
        Rules {
            region: "eu-central-1".to_owned(),
            session_token: session_token.map(str::to_owned),
            owner: "1".to_owned(),
            clock_shift_s: 0,
        }
    }

    fn signed(region: &str, signed_headers: &str, more: &[(&str, &str)]) -> Parts {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=KEY/20260727/{region}/s3/aws4_request, \
             SignedHeaders={signed_headers}, Signature=00"
        );
        let mut request = hyper::Request::get("/bucket/key")
            .header("host", "127.0.0.1")
            .header("authorization", authorization);
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn code(parts: &Parts, token: Option<&str>) -> Option<&'static str> {
        rules(token).check(parts, false).err().map(|refusal| refusal.code)
    }

    #[test]
    fn a_request_that_follows_the_rules_passes() {
        assert_eq!(code(&signed("eu-central-1", "host", &[]), None), None);
    }

    #[test]
    fn the_wrong_region_is_refused_with_the_right_one() {
        let refusal = rules(None).check(&signed("us-east-1", "host", &[]), false).unwrap_err();
        assert_eq!((refusal.status, refusal.code), (400, "AuthorizationHeaderMalformed"));
        assert!(refusal.document("1").contains("<Region>eu-central-1</Region>"));
    }

    #[test]
    fn headers_have_to_be_signed_and_signed_headers_to_be_there() {
        let date = [("x-amz-date", "20260727T000000Z")];
        assert_eq!(code(&signed("eu-central-1", "host", &date), None), Some("AccessDenied"));
        assert_eq!(code(&signed("eu-central-1", "host;x-amz-date", &date), None), None);
        let absent = signed("eu-central-1", "host;range", &[]);
        assert_eq!(code(&absent, None), Some("SignatureDoesNotMatch"));
    }

    #[test]
    fn the_session_token_has_to_be_the_known_one() {
        let token = [("x-amz-security-token", "token")];
        let with = signed("eu-central-1", "host;x-amz-security-token", &token);
        let without = signed("eu-central-1", "host", &[]);
        assert_eq!(code(&with, Some("token")), None);
        assert_eq!(code(&with, Some("other")), Some("InvalidToken"));
        assert_eq!(code(&with, None), Some("InvalidToken"));
        assert_eq!(code(&without, Some("token")), Some("InvalidAccessKeyId"));
    }

    #[test]
    fn no_body_has_the_hash_of_no_bytes() {
        let names = "host;x-amz-content-sha256";
        let wrong = signed("eu-central-1", names, &[("x-amz-content-sha256", HASH)]);
        assert_eq!(code(&wrong, None), Some("XAmzContentSHA256Mismatch"));
        assert!(rules(None).check(&wrong, true).is_ok());
        for right in [EMPTY_SHA256, "UNSIGNED-PAYLOAD"] {
            let right = signed("eu-central-1", names, &[("x-amz-content-sha256", right)]);
            assert_eq!(code(&right, None), None);
        }
    }

    #[test]
    fn signature_version_2_is_refused() {
        let header = hyper::Request::get("/").header("authorization", "AWS KEY:signature=");
        let query = hyper::Request::get("/?AWSAccessKeyId=KEY&Expires=1&Signature=x");
        for request in [header, query] {
            let parts = request.body(()).unwrap().into_parts().0;
            assert_eq!(code(&parts, None), Some("InvalidRequest"));
        }
    }

    #[test]
    fn paths_are_encoded_as_they_are_signed() {
        let canonical = |uri: &str| canonical_path(&uri.parse().unwrap()).to_string();
        assert_eq!(canonical("/b/a+b@c%20d?x=1+2"), "/b/a%2Bb%40c%20d?x=1+2");
        assert_eq!(canonical("/b/%2520//../%c3%a4%7E"), "/b/%2520//../%C3%A4~");
    }

    #[test]
    fn documents_escape_what_the_client_sent() {
        let document = Refusal::new(400, "Code", "<a> & b").document("7");
        assert!(document.contains("<Message>&lt;a&gt; &amp; b</Message>"), "{document}");
    }
}
