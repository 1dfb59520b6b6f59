//! What a connection is made to: scheme, host and port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// What a connection is made to.
///
/// Displays as the value of the `host` header: without the port where it is the scheme's own, IPv6
/// addresses in brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Whether the connection is encrypted.
    pub tls: bool,
    /// A host name, an IPv4 address, or an IPv6 address without brackets; in lower case.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Origin {
    /// Reads the beginning of a URL, `http://host[:port]` or `https://host[:port]`, and gives what
    /// comes after it: nothing, or from the first `/`, `?` or `#`.
    pub(super) fn split(url: &str) -> Result<(Self, &str), InvalidOrigin> {
        let (tls, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            _ => return Err(InvalidOrigin::Scheme),
        };
        let (authority, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(InvalidOrigin::UserInfo);
        }
        Ok((Self::from_authority(tls, authority)?, after))
    }

    /// Reads `host[:port]`.
    pub(super) fn from_authority(tls: bool, authority: &str) -> Result<Self, InvalidOrigin> {
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (address, after) = rest.split_once(']').ok_or(InvalidOrigin::Host)?;
                let address: Ipv6Addr = address.parse().map_err(|_| InvalidOrigin::Host)?;
                let port = match after {
                    "" => None,
                    after => Some(after.strip_prefix(':').ok_or(InvalidOrigin::Host)?),
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
            return Err(InvalidOrigin::Host);
        }
        let port = match port {
            None => default_port(tls),
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or(InvalidOrigin::Port)?,
        };
        Ok(Self { tls, host, port })
    }

    /// This host over TLS, on the port that https has.
    pub(super) fn https(host: String) -> Self {
        Self { tls: true, host, port: default_port(true) }
    }

    /// The host's address, where it is no name.
    pub fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// `host:port`, always with the port.
    pub(super) fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.authority();
        match authority.rsplit_once(':') {
            Some((host, _)) if self.port == default_port(self.tls) => f.write_str(host),
            _ => f.write_str(&authority),
        }
    }
}

/// What was given is not an origin. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidOrigin {
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

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "it has to begin with http:// or https://",
            Self::UserInfo => "it must not hold a user name or password",
            Self::Path => "it must have no path, only scheme, host and port",
            Self::Host => "it has no valid host name or address",
            Self::Port => "its port is not a number from 1 to 65535",
        })
    }
}

impl std::error::Error for InvalidOrigin {}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_it() {
        for (url, authority, after) in [
            ("https://minio", "minio:443", ""),
            ("http://Minio:9000/a/b?c", "minio:9000", "/a/b?c"),
            ("http://[::1]?x", "[::1]:80", "?x"),
            ("http://h#f@g", "h:80", "#f@g"),
        ] {
            let (origin, rest) = Origin::split(url).unwrap();
            assert_eq!((origin.authority().as_str(), rest), (authority, after));
        }
    }
}
