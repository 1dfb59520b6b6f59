//! What an operator can do about a failed request.

use std::io;

use super::error::{Answer, Cause, CertificateTime, Phase, ProxyFailure};

/// The advice, as a phrase without a full stop; None where there is nothing to do but to wait.
pub(super) fn for_cause(cause: &Cause) -> Option<String> {
    Some(match cause {
        Cause::Unsendable(_) => {
            "correct the credentials: only printable ASCII characters are possible".into()
        }
        Cause::Credentials(error) => error.advice().into(),
        Cause::Resolve(_) => {
            "check the gateway's DNS and network, and SAPT_AWS_ENDPOINT_URL or SAPT_AWS_REGION, \
             which the host name is made from"
                .into()
        }
        Cause::Connect { error, .. } if error.kind() == io::ErrorKind::ConnectionRefused => {
            "check that the server runs and that a firewall lets the gateway reach it, or correct \
             SAPT_AWS_ENDPOINT_URL"
                .into()
        }
        Cause::Connect { .. } | Cause::Timeout(Phase::Connect, _) => {
            "check the gateway's network and firewall, and SAPT_AWS_ENDPOINT_URL".into()
        }
        Cause::CertificateTime(CertificateTime { expired, .. }) => format!(
            "set the gateway's clock, for example with NTP{}; or set SAPT_TLS_LEARNED_TIME=1 to \
             judge certificates by the server's time, with which an expired certificate can be \
             passed off as a valid one",
            if *expired { ", or renew the certificate where the clock is right" } else { "" }
        ),
        Cause::Proxy { failure, .. } => match failure {
            ProxyFailure::Refused(407) => {
                "give user and password in SAPT_PROXY, http://user:password@host:port".into()
            }
            ProxyFailure::Refused(400..500) => {
                "allow the proxy to connect to this host, or list it in SAPT_NO_PROXY".into()
            }
            ProxyFailure::Refused(_) => {
                "check that the proxy reaches this host, or list it in SAPT_NO_PROXY".into()
            }
            _ => "check SAPT_PROXY (or HTTPS_PROXY and HTTP_PROXY) and that the proxy runs, or \
                  list the host in SAPT_NO_PROXY"
                .into(),
        },
        Cause::Redirect(..) => {
            "correct SAPT_AWS_ENDPOINT_URL or SAPT_AWS_REGION, so that requests go where the \
             bucket is"
                .into()
        }
        Cause::Unexpected(_) => "check that SAPT_AWS_ENDPOINT_URL is an S3 server's address".into(),
        Cause::Tls(_) => "check the server's certificate, that SAPT_CA_BUNDLE has its authority \
                          where that is not a public one, the gateway's clock, and that the port \
                          of SAPT_AWS_ENDPOINT_URL speaks https"
            .into(),
        Cause::Connection(error) if error.is_parse() => {
            "check that SAPT_AWS_ENDPOINT_URL is an S3 server's address, and http or https as the \
             server wants it"
                .into()
        }
        Cause::Answer(answer) => return for_answer(answer),
        Cause::NotTheRest(_) => {
            "use a server or proxy that answers requests for ranges, or a connection that lasts"
                .into()
        }
        Cause::Checksum { .. } => {
            "if it stays so, upload the object again, and check proxies in between".into()
        }
        Cause::Unframed => "use a server or proxy that speaks HTTP/1.1".into(),
        Cause::TooLarge { .. } => "use a smaller object".into(),
        Cause::Timeout(..)
        | Cause::Connection(_)
        | Cause::Truncated { .. }
        | Cause::Changed { .. }
        | Cause::Source(_)
        | Cause::SourceLength { .. } => return None,
    })
}

fn for_answer(answer: &Answer) -> Option<String> {
    // Many answers name the bucket's region; only these say that it is what is wrong.
    let wrong_region = matches!(answer.status, 301 | 307)
        || matches!(
            answer.code.as_deref(),
            Some("AuthorizationHeaderMalformed" | "IllegalLocationConstraintException")
        );
    if let (Some(region), true) = (&answer.region, wrong_region) {
        return Some(format!("the bucket is in the region {region}, set SAPT_AWS_REGION={region}"));
    }
    let advice = match (answer.code.as_deref(), answer.status) {
        (Some("NoSuchKey"), _) => "check the object's name and the configured directory",
        (Some("NoSuchBucket"), _) => {
            "check SAPT_AWS_S3_BUCKET, and SAPT_AWS_REGION or SAPT_AWS_ENDPOINT_URL, where it is \
             looked for"
        }
        (Some("AccessDenied" | "AllAccessDisabled"), _) => {
            "allow the access key s3:GetObject for models and data, and s3:PutObject for results; \
             without s3:ListBucket a missing object is reported like this too; where \
             SAPT_AWS_EXPECTED_BUCKET_OWNER is set, it has to be the account of this bucket"
        }
        (Some("SignatureDoesNotMatch"), _) => {
            "check SAPT_AWS_SECRET_ACCESS_KEY: it does not belong to the access key, or was cut or \
             changed when it was copied"
        }
        (Some("InvalidAccessKeyId"), _) => {
            "check SAPT_AWS_ACCESS_KEY_ID: the key is unknown or was deleted; temporary keys also \
             need SAPT_AWS_SESSION_TOKEN"
        }
        (Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired"), _) => {
            "give new temporary credentials with their SAPT_AWS_SESSION_TOKEN"
        }
        (Some("RequestTimeTooSkewed" | "RequestExpired"), _) => {
            "set the gateway's clock, for example with NTP"
        }
        (_, 301 | 307) => {
            return Some(match &answer.endpoint {
                Some(endpoint) => format!(
                    "the bucket is reached at {endpoint}, correct SAPT_AWS_REGION or \
                     SAPT_AWS_ENDPOINT_URL"
                ),
                None => "the bucket is in another region, correct SAPT_AWS_REGION".into(),
            });
        }
        (Some("AuthorizationHeaderMalformed"), _) => {
            "check SAPT_AWS_REGION and SAPT_AWS_ACCESS_KEY_ID"
        }
        (Some("InvalidObjectState"), _) => "the object is archived, restore it first",
        (Some("SlowDown"), _) | (_, 429) => "fewer requests at once are needed if it stays so",
        (None, 403) => "check the access key and what it is allowed to do",
        (None, 404) => "check SAPT_AWS_S3_BUCKET, the object's name and SAPT_AWS_ENDPOINT_URL",
        (None, 407) => "give the proxy's user and password in SAPT_PROXY",
        (None, 400..500) => {
            "what answered may be no S3 server: check SAPT_AWS_ENDPOINT_URL, its port, and http or \
             https"
        }
        _ => return None,
    };
    Some(advice.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(status: u16, code: &str, region: Option<&str>) -> String {
        for_answer(&Answer {
            status,
            code: Some(code).filter(|code| !code.is_empty()).map(Into::into),
            region: region.map(Into::into),
            ..Answer::default()
        })
        .unwrap_or_default()
    }

    #[test]
    fn names_what_to_change() {
        for (status, code, region, word) in [
            (404, "NoSuchKey", None, "name"),
            (404, "NoSuchBucket", None, "SAPT_AWS_S3_BUCKET"),
            (403, "AccessDenied", None, "s3:GetObject"),
            (403, "AccessDenied", Some("us-east-1"), "s3:GetObject"),
            (400, "ExpiredToken", Some("us-east-1"), "SAPT_AWS_SESSION_TOKEN"),
            (403, "SignatureDoesNotMatch", None, "SAPT_AWS_SECRET_ACCESS_KEY"),
            (403, "InvalidAccessKeyId", None, "SAPT_AWS_ACCESS_KEY_ID"),
            (400, "ExpiredToken", None, "SAPT_AWS_SESSION_TOKEN"),
            (403, "RequestTimeTooSkewed", None, "clock"),
            (301, "PermanentRedirect", Some("eu-west-1"), "SAPT_AWS_REGION=eu-west-1"),
            (301, "", None, "SAPT_AWS_REGION"),
            (400, "AuthorizationHeaderMalformed", Some("eu-west-1"), "SAPT_AWS_REGION=eu-west-1"),
            (403, "", None, "access key"),
            (400, "", None, "SAPT_AWS_ENDPOINT_URL"),
        ] {
            let advice = advice(status, code, region);
            assert!(advice.contains(word), "{code}: {advice}");
        }
        assert_eq!(advice(500, "InternalError", None), "");
    }

    #[test]
    fn a_redirect_names_the_endpoint() {
        let answer = Answer {
            status: 301,
            code: Some("PermanentRedirect".into()),
            endpoint: Some("bkt.s3.eu-west-1.amazonaws.com".into()),
            ..Answer::default()
        };
        let advice = for_answer(&answer).unwrap();
        assert!(advice.contains("bkt.s3.eu-west-1.amazonaws.com"), "{advice}");
    }
}
