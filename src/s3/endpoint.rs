//! Where requests go: host, port and the form of the path.

use super::bucket::Bucket;
use super::key::S3Key;
use super::origin::{InvalidOrigin, Origin};
use super::region::Region;
use super::signing::{canonical_query, percent};

/// AWS's own S3, or a server of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The region's endpoint of Amazon S3, over TLS.
    Aws(Aws),
    /// The server with this address.
    Server(Origin, Addressing),
}

/// Which of the region's endpoints of Amazon S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Aws {
    /// Where the bucket's name goes.
    pub addressing: Addressing,
    /// The one that has IPv6 addresses too.
    pub dual_stack: bool,
    /// The one whose cryptography is validated under FIPS 140.
    pub fips: bool,
}

/// Where the bucket's name goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Addressing {
    /// With AWS into the host name, for buckets that a host name and its certificate can carry;
    /// with other servers into the path.
    #[default]
    Auto,
    /// The bucket is the first part of the path.
    Path,
    /// The bucket is the first part of the host name, where a host name can carry it.
    Virtual,
}

impl Addressing {
    /// Reads `auto`, `path` or `virtual`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "path" => Some(Self::Path),
            "virtual" => Some(Self::Virtual),
            _ => None,
        }
    }
}

impl Default for Endpoint {
    /// The region's endpoint of Amazon S3.
    fn default() -> Self {
        Self::Aws(Aws::default())
    }
}

impl Endpoint {
    /// Reads `http://host[:port]` or `https://host[:port]`.
    pub fn parse(text: &str) -> Result<Self, InvalidOrigin> {
        match Origin::split(text)? {
            (origin, "" | "/") => Ok(Self::Server(origin, Addressing::Auto)),
            _ => Err(InvalidOrigin::Path),
        }
    }

    /// Where an object is found, or, without a key, its bucket.
    pub(super) fn locate(
        &self,
        region: &Region,
        bucket: &Bucket,
        key: Option<&S3Key>,
        query: &[(&'static str, String)],
    ) -> Location {
        let key = key.map(|key| percent::encode_path(key.as_str())).unwrap_or_default();
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let mut origin = match self {
            Self::Server(origin, _) => origin.clone(),
            Self::Aws(aws) => Origin::https(aws.host(region)),
        };
        let is_virtual = match self {
            Self::Server(_, Addressing::Auto | Addressing::Path) => false,
            Self::Server(origin, Addressing::Virtual) => {
                origin.address().is_none() && bucket.is_host_name()
            }
            Self::Aws(Aws { addressing: Addressing::Auto, .. }) => bucket.is_dns_label(),
            Self::Aws(Aws { addressing: Addressing::Path, .. }) => false,
            Self::Aws(Aws { addressing: Addressing::Virtual, .. }) => bucket.is_host_name(),
        };
        let path = if is_virtual {
            origin.host = format!("{bucket}.{}", origin.host);
            format!("/{key}")
        } else {
            format!("/{bucket}/{key}")
        };
        Location { origin, path, query }
    }

    /// The domain whose hosts may be redirected to: AWS's own, or the server's name.
    pub(super) fn domain<'a>(&'a self, region: &Region) -> &'a str {
        match self {
            Self::Aws(_) => region.domain(),
            Self::Server(origin, _) => &origin.host,
        }
    }
}

impl Aws {
    /// The host name without a bucket (Amazon S3 User Guide, "Using dual-stack endpoints"; AWS
    /// General Reference, "FIPS endpoints").
    fn host(self, region: &Region) -> String {
        let service = if self.fips { "s3-fips" } else { "s3" };
        let stack = if self.dual_stack { ".dualstack" } else { "" };
        format!("{service}{stack}.{region}.{}", region.domain())
    }
}

/// An object's place: the origin, the path as it goes over the wire, and the query's names and
/// values, not encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
}

impl Location {
    /// Path and query as they go over the wire.
    pub(super) fn target(&self) -> String {
        let query = canonical_query(&self.query());
        if query.is_empty() { self.path.clone() } else { format!("{}?{query}", self.path) }
    }

    /// The query as it is signed.
    pub(super) fn query(&self) -> Vec<(&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(endpoint: &str, region: &str, bucket: &str, key: &str) -> (bool, String, String) {
        let endpoint = match endpoint {
            "" => Endpoint::default(),
            text => Endpoint::parse(text).unwrap(),
        };
        let location = endpoint.locate(
            &Region::parse(region).unwrap(),
            &Bucket::parse(bucket).unwrap(),
            Some(&S3Key::parse(key).unwrap()),
            &[],
        );
        (location.origin.tls, location.origin.to_string(), location.path)
    }

    #[test]
    fn servers_are_path_style() {
        for (endpoint, tls, host) in [
            ("http://127.0.0.1:9000", false, "127.0.0.1:9000"),
            ("http://127.0.0.1:9000/", false, "127.0.0.1:9000"),
            ("http://Minio.LOCAL", false, "minio.local"),
            ("http://minio:80", false, "minio"),
            ("https://minio:443", true, "minio"),
            ("HTTPS://minio:80", true, "minio:80"),
            ("http://[::1]:9000", false, "[::1]:9000"),
            ("https://[2001:DB8::1]", true, "[2001:db8::1]"),
        ] {
            assert_eq!(
                location(endpoint, "us-east-1", "bkt", "a b//../c"),
                (tls, host.into(), "/bkt/a%20b//../c".into()),
                "{endpoint}"
            );
        }
    }

    #[test]
    fn aws_is_virtual_hosted_where_it_can_be() {
        for (region, bucket, host, path) in [
            ("us-east-1", "bkt", "bkt.s3.us-east-1.amazonaws.com", "//k"),
            ("cn-north-1", "bkt", "bkt.s3.cn-north-1.amazonaws.com.cn", "//k"),
            ("eu-west-1", "my.bkt", "s3.eu-west-1.amazonaws.com", "/my.bkt//k"),
            ("eu-west-1", "Bkt", "s3.eu-west-1.amazonaws.com", "/Bkt//k"),
        ] {
            assert_eq!(location("", region, bucket, "/k"), (true, host.into(), path.into()));
        }
    }

    #[test]
    fn what_is_not_an_endpoint() {
        for (text, error) in [
            ("", InvalidOrigin::Scheme),
            ("minio:9000", InvalidOrigin::Scheme),
            ("ftp://minio", InvalidOrigin::Scheme),
            ("http://user:hunter2@minio", InvalidOrigin::UserInfo),
            ("http://minio/bucket", InvalidOrigin::Path),
            ("http://minio?x", InvalidOrigin::Path),
            ("http://", InvalidOrigin::Host),
            ("http://a b", InvalidOrigin::Host),
            ("http://bücket", InvalidOrigin::Host),
            ("http://::1:9000", InvalidOrigin::Host),
            ("http://[::1", InvalidOrigin::Host),
            ("http://[::1]9000", InvalidOrigin::Host),
            ("http://[minio]", InvalidOrigin::Host),
            ("http://minio:", InvalidOrigin::Port),
            ("http://minio:0", InvalidOrigin::Port),
            ("http://minio:65536", InvalidOrigin::Port),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text:?}");
        }
    }

    fn hosts(endpoint: &Endpoint, region: &str, bucket: &str) -> (String, String) {
        let (region, bucket) = (Region::parse(region).unwrap(), Bucket::parse(bucket).unwrap());
        let location = endpoint.locate(&region, &bucket, Some(&S3Key::parse("k").unwrap()), &[]);
        (location.origin.to_string(), location.path)
    }

    #[test]
    fn variants_of_aws() {
        for (dual_stack, fips, host) in [
            (true, false, "s3.dualstack.us-gov-west-1.amazonaws.com"),
            (false, true, "s3-fips.us-gov-west-1.amazonaws.com"),
            (true, true, "s3-fips.dualstack.us-gov-west-1.amazonaws.com"),
        ] {
            let aws = Aws { dual_stack, fips, ..Aws::default() };
            let (virtual_host, path) = hosts(&Endpoint::Aws(aws), "us-gov-west-1", "bkt");
            assert_eq!((virtual_host, path.as_str()), (format!("bkt.{host}"), "/k"));
            let aws = Aws { addressing: Addressing::Path, ..aws };
            let (plain, path) = hosts(&Endpoint::Aws(aws), "us-gov-west-1", "bkt");
            assert_eq!((plain.as_str(), path.as_str()), (host, "/bkt/k"));
        }
    }

    #[test]
    fn a_chosen_style() {
        let server = |url: &str, addressing| match Endpoint::parse(url).unwrap() {
            Endpoint::Server(origin, _) => Endpoint::Server(origin, addressing),
            aws => aws,
        };
        let aws = |addressing| Endpoint::Aws(Aws { addressing, ..Aws::default() });
        for (endpoint, bucket, host, path) in [
            (server("http://minio:9000", Addressing::Virtual), "bkt", "bkt.minio:9000", "/k"),
            (server("http://minio:9000", Addressing::Virtual), "my.bkt", "my.bkt.minio:9000", "/k"),
            (server("http://minio:9000", Addressing::Virtual), "Bkt", "minio:9000", "/Bkt/k"),
            (server("http://127.0.0.1:9", Addressing::Virtual), "bkt", "127.0.0.1:9", "/bkt/k"),
            (server("http://minio", Addressing::Path), "bkt", "minio", "/bkt/k"),
            (aws(Addressing::Virtual), "my.bkt", "my.bkt.s3.eu-west-1.amazonaws.com", "/k"),
            (aws(Addressing::Virtual), "b_k", "s3.eu-west-1.amazonaws.com", "/b_k/k"),
        ] {
            assert_eq!(hosts(&endpoint, "eu-west-1", bucket), (host.into(), path.into()));
        }
    }
}
