//! Which bucket a request is for, where its `host` says so.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// `BUCKET.localhost` and `BUCKET.s3.REGION.amazonaws.com` name a bucket, with any port; with every
/// other host it is the first part of the path.
pub(super) struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let virtual_host = VirtualHost::new(host);
        Ok(match bucket(host) {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

fn bucket(host: &str) -> Option<&str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    if let Some(bucket) = name.strip_suffix(".localhost") {
        return Some(bucket);
    }
    let amazon = name.strip_suffix(".amazonaws.com")?;
    // Names of buckets have dots too: the last one counts.
    let services = [".s3.", ".s3-fips.", ".s3.dualstack.", ".s3-fips.dualstack."];
    let begin = services.iter().filter_map(|service| amazon.rfind(service)).min()?;
    amazon.get(..begin)
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn hosts_with_and_without_a_bucket() {
        for (host, name) in [
            ("127.0.0.1:9000", None),
            ("localhost:9000", None),
            ("[::1]:9000", None),
            ("s3.eu-west-1.amazonaws.com", None),
            ("models.localhost:9000", Some("models")),
            ("my.models.localhost", Some("my.models")),
            ("models.s3.eu-west-1.amazonaws.com", Some("models")),
            ("models.s3.dualstack.eu-west-1.amazonaws.com:443", Some("models")),
            ("models.s3-fips.us-east-1.amazonaws.com", Some("models")),
        ] {
            assert_eq!(bucket(host), name, "{host}");
        }
    }
}
