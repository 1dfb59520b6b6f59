//! An error as S3 words it.

use std::fmt;
use std::time::{Duration, SystemTime};

use hyper::header::{DATE, HeaderMap, LOCATION, RETRY_AFTER};

use super::error_document::ErrorDocument;
use super::region::Region;
use crate::clock::parse_http_date;

/// An error as S3 words it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// S3's code: `NoSuchKey`.
    pub code: Option<String>,
    /// The sentence that goes with it.
    pub message: Option<String>,
    /// What AWS's support asks for.
    pub request_id: Option<String>,
    /// The region that the bucket is in, where the answer says so.
    pub region: Option<String>,
    /// The host that requests for the bucket should go to, where the answer says so.
    pub endpoint: Option<String>,
    /// Where a redirect leads.
    pub location: Option<String>,
    /// The server's time.
    pub date: Option<SystemTime>,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Joins what the head of an answer says with what its body says.
    pub(super) fn new(status: u16, headers: &HeaderMap, document: ErrorDocument) -> Self {
        let header = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        let date = header(DATE.as_str()).and_then(|date| parse_http_date(&date));
        Self {
            status,
            code: document.code,
            message: document.message,
            request_id: header("x-amz-request-id").or(document.request_id),
            region: header("x-amz-bucket-region").or(document.region),
            endpoint: document.endpoint,
            location: header(LOCATION.as_str()),
            date,
            retry_after: header(RETRY_AFTER.as_str())
                .and_then(|retry_after| delay(&retry_after, date)),
        }
    }

    /// Whether the same request may succeed later.
    pub(super) fn is_transient(&self) -> bool {
        // `RequestTimeout` comes with a 400: S3 did not get the whole request in time.
        matches!(self.status, 429 | 500 | 502 | 503 | 504)
            || matches!(self.code.as_deref(), Some("RequestTimeout" | "InternalError"))
            || self.is_throttling()
    }

    /// Whether the server asks for fewer requests.
    pub(super) fn is_throttling(&self) -> bool {
        matches!(self.status, 429 | 503)
            || matches!(
                self.code.as_deref(),
                Some("SlowDown" | "Throttling" | "ThrottlingException" | "RequestLimitExceeded")
            )
    }

    /// The region to sign for instead of this one, where the answer says that this one is what is
    /// wrong. Many answers name the bucket's region; only some mean that.
    pub(super) fn other_region(&self, signed_for: &Region) -> Option<Region> {
        let is_wrong = match self.code.as_deref() {
            Some(
                "AuthorizationHeaderMalformed"
                | "IllegalLocationConstraintException"
                | "PermanentRedirect"
                | "TemporaryRedirect"
                | "Redirect",
            ) => true,
            Some(_) => matches!(self.status, 301 | 307),
            // The answer to a HEAD has no body.
            None => matches!(self.status, 301 | 307 | 400 | 403),
        };
        let named = self.region.as_deref().and_then(|region| Region::parse(region).ok());
        let host = || Region::of_host(self.endpoint.as_deref()?);
        named.or_else(host).filter(|region| is_wrong && region != signed_for)
    }
}

/// Seconds, or a date (RFC 9110 section 10.2.3), which only means something beside the server's own.
fn delay(retry_after: &str, date: Option<SystemTime>) -> Option<Duration> {
    match retry_after.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => parse_http_date(retry_after)?.duration_since(date?).ok(),
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S3 answered {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, " {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, " \"{}\"", message.trim_end_matches('.'))?;
        }
        if let Some(request_id) = &self.request_id {
            write!(f, ", request id {request_id}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region_of(status: u16, code: &str, region: &str, endpoint: &str) -> Option<String> {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let answer = Answer {
            status,
            code: some(code),
            region: some(region),
            endpoint: some(endpoint),
            ..Answer::default()
        };
        answer.other_region(&Region::default()).map(|region| region.to_string())
    }

    #[test]
    fn answers_that_name_another_region() {
        for (status, code, region, endpoint) in [
            (301, "PermanentRedirect", "eu-west-1", ""),
            (301, "PermanentRedirect", "", "bkt.s3-eu-west-1.amazonaws.com"),
            (301, "", "eu-west-1", ""),
            (307, "TemporaryRedirect", "eu-west-1", ""),
            (400, "AuthorizationHeaderMalformed", "eu-west-1", ""),
            (400, "IllegalLocationConstraintException", "eu-west-1", ""),
            (400, "", "eu-west-1", ""),
            (403, "", "eu-west-1", ""),
        ] {
            let found = region_of(status, code, region, endpoint);
            assert_eq!(found.as_deref(), Some("eu-west-1"), "{status} {code}");
        }
    }

    #[test]
    fn answers_that_do_not() {
        for (status, code, region, endpoint) in [
            (301, "PermanentRedirect", "us-east-1", ""),
            (301, "PermanentRedirect", "", "bkt.s3.amazonaws.com"),
            (301, "PermanentRedirect", "not a region", ""),
            (403, "AccessDenied", "eu-west-1", ""),
            (404, "NoSuchKey", "eu-west-1", ""),
            (404, "", "eu-west-1", ""),
            (400, "AuthorizationHeaderMalformed", "", ""),
        ] {
            assert_eq!(region_of(status, code, region, endpoint), None, "{status} {code}");
        }
    }

    #[test]
    fn what_the_head_says() {
        let head = |headers: &[(&'static str, &str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            Answer::new(503, &map, ErrorDocument::default())
        };
        let date = ("date", "Fri, 24 May 2013 00:00:00 GMT");
        let answer = head(&[date, ("retry-after", "7"), ("location", "https://x/y")]);
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
        assert_eq!(answer.location.as_deref(), Some("https://x/y"));
        assert_eq!(answer.date, parse_http_date(date.1));
        let later = ("retry-after", "Fri, 24 May 2013 00:01:00 GMT");
        assert_eq!(head(&[date, later]).retry_after, Some(Duration::from_secs(60)));
        for unusable in [[later, ("x", "y")], [date, ("retry-after", "soon")]] {
            assert_eq!(head(&unusable).retry_after, None);
        }
    }
}
