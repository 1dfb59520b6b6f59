//! Where requests go: host, port and the form of the path.

use std::fmt;
use std::net::Ipv6Addr;

use super::bucket::Bucket;
use super::key::S3Key;
use super::region::Region;
use super::signing::{canonical_query, percent};

/// AWS's own S3, or a server of one's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// The region's endpoint of Amazon S3, over TLS: `BUCKET.s3.REGION.amazonaws.com`, or path style
    /// for buckets that a host name or its certificate cannot carry.
    Aws,
    /// The server with this address, path style: the bucket is the first part of the path.
    Server(Origin),
}

impl Endpoint {
    /// Reads `http://host[:port]` or `https://host[:port]`.
    pub fn parse(text: &str) -> Result<Self, InvalidEndpoint> {
        let (tls, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(InvalidEndpoint::Scheme),
        };
        if rest.contains('@') {
            return Err(InvalidEndpoint::UserInfo);
        }
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.contains(['/', '?', '#']) {
            return Err(InvalidEndpoint::Path);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(InvalidEndpoint::Host)?;
                let address: Ipv6Addr = address.parse().map_err(|_| InvalidEndpoint::Host)?;
                let port = match after {
                    "" => None,
                    after => Some(after.strip_prefix(':').ok_or(InvalidEndpoint::Host)?),
                };
                (address.to_string(), port)
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
                None => (authority.to_ascii_lowercase(), None),
            },
        };
        let valid_name = (1..=253).contains(&host.len())
            && host.bytes().all(|byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':')
            });
        if !valid_name {
            return Err(InvalidEndpoint::Host);
        }
        let port = match port {
            None => default_port(tls),
            Some(port) => {
                port.parse().ok().filter(|port| *port != 0).ok_or(InvalidEndpoint::Port)?
            }
        };
        Ok(Self::Server(Origin { tls, host, port }))
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
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let query = canonical_query(&query);
        let (origin, path) = match self {
            Self::Server(origin) => (origin.clone(), format!("/{bucket}/{key}")),
            Self::Aws => {
                let host = format!("s3.{region}.{}", region.domain());
                let (host, path) = if bucket.is_dns_label() {
                    (format!("{bucket}.{host}"), format!("/{key}"))
                } else {
                    (host, format!("/{bucket}/{key}"))
                };
                (Origin { tls: true, host, port: default_port(true) }, path)
            }
        };
        Location { origin, path, query }
    }
}

/// What a connection is made to.
///
/// Displays as the value of the `host` header: without the port where it is the scheme's own, IPv6
/// addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// A host name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]", self.host)?;
        } else {
            f.write_str(&self.host)?;
        }
        if self.port != default_port(self.tls) {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

/// An object's place: the origin, and the path and query as they go over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) query: String,
}

/// What was given is not an endpoint. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidEndpoint {
    /// Neither `http://` nor `https://`.
    Scheme,
    /// A user name or password before the host.
    UserInfo,
    /// A path, a query or a fragment after the host.
    Path,
    /// No host, or not a host name or address.
    Host,
    /// Not a port number.
    Port,
}

impl fmt::Display for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the endpoint has to begin with http:// or https://",
            Self::UserInfo => {
                "the endpoint must not hold a user name or password: give the access key by its \
                 own variables"
            }
            Self::Path => {
                "the endpoint must not have a path: the bucket is given by its own variable"
            }
            Self::Host => "the endpoint has no valid host name or address",
            Self::Port => "the endpoint's port is not a number from 1 to 65535",
        })
    }
}

impl std::error::Error for InvalidEndpoint {}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(endpoint: &str, region: &str, bucket: &str, key: &str) -> (bool, String, String) {
        let endpoint = match endpoint {
            "" => Endpoint::Aws,
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
            ("", InvalidEndpoint::Scheme),
            ("minio:9000", InvalidEndpoint::Scheme),
            ("ftp://minio", InvalidEndpoint::Scheme),
            ("http://user:hunter2@minio", InvalidEndpoint::UserInfo),
            ("http://minio/bucket", InvalidEndpoint::Path),
            ("http://minio?x", InvalidEndpoint::Path),
            ("http://", InvalidEndpoint::Host),
            ("http://a b", InvalidEndpoint::Host),
            ("http://bücket", InvalidEndpoint::Host),
            ("http://::1:9000", InvalidEndpoint::Host),
            ("http://[::1", InvalidEndpoint::Host),
            ("http://[::1]9000", InvalidEndpoint::Host),
            ("http://[minio]", InvalidEndpoint::Host),
            ("http://minio:", InvalidEndpoint::Port),
            ("http://minio:0", InvalidEndpoint::Port),
            ("http://minio:65536", InvalidEndpoint::Port),
        ] {
            assert_eq!(Endpoint::parse(text), Err(error), "{text:?}");
        }
    }
}
