//! URLs that whoever has them can read an object with, without a key.

use std::time::{Duration, SystemTime};

use hyper::Method;

use super::Client;
use crate::clock::Moment;
use crate::s3::endpoint::Location;
use crate::s3::error::Cause;
use crate::s3::request::Request;
use crate::s3::signing::{PathRule, PayloadHash, RequestToSign, Scope, Signer};
use crate::s3::{Bucket, Error, S3Key};

impl Client {
    /// A URL that reads an object for so many seconds, at most a week, and no longer than the
    /// credentials last that it is signed with. It holds their session token, where they have one:
    /// S3 wants it there.
    pub async fn presign(
        &self,
        bucket: &Bucket,
        key: &S3Key,
        seconds: u32,
    ) -> Result<String, Error> {
        let request = Request::object(Method::GET, bucket, key);
        let course = self.course(&request);
        let provider = &self.0.credentials;
        let credentials = provider
            .current()
            .await
            .map_err(|error| self.error(&request, 1, Cause::Credentials(error)))?;
        let now = self.0.io.clock.now();
        let scope = Scope::new(Moment::from(now), course.region.as_str(), "s3");
        let signer = Signer::new(&credentials, scope);
        Ok(url(&course.location, &signer, lifetime(seconds, now, provider.expiry())))
    }
}

fn url(location: &Location, signer: &Signer<'_>, seconds: u32) -> String {
    let host = location.origin.to_string();
    let query = signer.presigned_query(
        &RequestToSign {
            method: "GET",
            path: &location.path,
            path_rule: PathRule::AsSent,
            query: &[],
            headers: &[("host", &host)],
            payload: &PayloadHash::Unsigned,
        },
        seconds,
    );
    let scheme = if location.origin.tls { "https" } else { "http" };
    format!("{scheme}://{host}{}?{query}", location.path)
}

/// How long a URL is valid, in seconds: S3 takes 1 to 604,800.
fn lifetime(wanted: u32, now: SystemTime, credentials_end: Option<SystemTime>) -> u32 {
    let left =
        credentials_end.map_or(Duration::MAX, |end| end.duration_since(now).unwrap_or_default());
    let left = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
    wanted.min(left).clamp(1, 604_800)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::{Credentials, Origin};
    use crate::secret::Secret;
    use std::time::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_example_of_the_api_reference() {
        // "Authenticating requests: using query parameters".
        let credentials = Credentials {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_access_key: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session_token: None,
        };
        let moment = Moment::from(at(1_369_353_600));
        let signer = Signer::new(&credentials, Scope::new(moment, "us-east-1", "s3"));
        let origin = Origin::https("examplebucket.s3.amazonaws.com".into());
        let location = Location { origin, path: "/test.txt".into(), query: Vec::new() };
        let url = url(&location, &signer, 86_400);
        assert!(
            url.starts_with("https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=")
        );
        assert!(
            url.ends_with(
                "&X-Amz-Signature=\
                 aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
            ),
            "{url}"
        );
    }

    #[test]
    fn no_longer_than_the_credentials() {
        let now = at(1_000);
        assert_eq!(lifetime(3_600, now, None), 3_600);
        assert_eq!(lifetime(3_600, now, Some(at(2_000))), 1_000);
        assert_eq!(lifetime(3_600, now, Some(at(900_000))), 3_600);
        assert_eq!(lifetime(3_600, now, Some(at(999))), 1);
        assert_eq!(lifetime(9_999_999, now, None), 604_800);
    }
}
