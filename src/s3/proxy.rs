//! Which connections go through a proxy, and which one.

mod exempt;

pub use exempt::Exempt;

use std::fmt;

use data_encoding::BASE64;

use super::origin::{InvalidOrigin, Origin};
use super::signing::percent;
use crate::secret::Secret;

/// The proxies, by the scheme of what is connected to.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    /// For `https://…`, through a tunnel (CONNECT).
    pub https: Option<Proxy>,
    /// For `http://…`.
    pub http: Option<Proxy>,
    /// What is connected to without one.
    pub exempt: Exempt,
}

impl Proxies {
    /// The proxy that leads to `origin`; None where it is connected to itself.
    pub(super) fn to(&self, origin: &Origin) -> Option<&Proxy> {
        let proxy = if origin.tls { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.exempt.has(origin))
    }
}

/// An HTTP proxy, spoken to in clear or over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) origin: Origin,
    /// The value of `proxy-authorization`, where it wants a user and a password.
    pub(super) authorization: Option<Secret>,
}

impl Proxy {
    /// Reads `http://[user:password@]host:port`, or `https://…` for TLS to the proxy itself; without
    /// a scheme it is http. User and password are percent-encoded.
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (user, authority) = match rest.rsplit_once('@') {
            Some((user, authority)) => (Some(user), authority),
            None => (None, rest),
        };
        let url = format!("{scheme}://{authority}");
        let (origin, after) = Origin::split(&url)?;
        if !after.is_empty() {
            return Err(InvalidOrigin::Path.into());
        }
        Ok(Self { origin, authorization: user.map(basic).transpose()? })
    }
}

/// RFC 7617: user and password, joined by a colon, in base64.
fn basic(user: &str) -> Result<Secret, InvalidProxy> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let name = percent::decode(name);
    // The first colon ends the name.
    if name.contains(&b':') {
        return Err(InvalidProxy::User);
    }
    let pair = [&name, b":".as_slice(), &percent::decode(password)].concat();
    if pair.iter().any(u8::is_ascii_control) {
        return Err(InvalidProxy::User);
    }
    Ok(Secret::new(format!("Basic {}", BASE64.encode(&pair))))
}

impl fmt::Display for Proxy {
    /// Scheme, host and port; never the user or the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.origin.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.origin.authority())
    }
}

/// What was given is not a proxy. The text itself is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidProxy {
    /// Its place is none.
    Origin(InvalidOrigin),
    /// The user has a colon, or either has control characters.
    User,
}

impl From<InvalidOrigin> for InvalidProxy {
    fn from(error: InvalidOrigin) -> Self {
        Self::Origin(error)
    }
}

impl fmt::Display for InvalidProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no proxy, http://[user:password@]host:port or https://…: ")?;
        match self {
            Self::Origin(error) => error.fmt(f),
            Self::User => f.write_str(
                "its user name must have no colon, and neither it nor the password line breaks",
            ),
        }
    }
}

impl std::error::Error for InvalidProxy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        for (text, shown, authorization) in [
            ("http://proxy:3128", "http://proxy:3128", None),
            ("proxy.local:3128", "http://proxy.local:3128", None),
            ("https://Proxy/", "https://proxy:443", None),
            ("http://[::1]:8080", "http://[::1]:8080", None),
            // `echo -n 'al:pass' | base64`, and so on.
            ("http://al:pass@proxy", "http://proxy:80", Some("Basic YWw6cGFzcw==")),
            ("http://al@proxy", "http://proxy:80", Some("Basic YWw6")),
            ("http://a%6c:p@%3A%2f@proxy", "http://proxy:80", Some("Basic YWw6cEA6Lw==")),
        ] {
            let proxy = Proxy::parse(text).unwrap();
            assert_eq!(proxy.to_string(), shown);
            let revealed = proxy.authorization.as_ref().map(Secret::reveal);
            assert_eq!(revealed, authorization, "{text}");
        }
    }

    #[test]
    fn what_is_no_proxy() {
        for (text, error) in [
            ("socks5://proxy:1080", InvalidOrigin::Scheme.into()),
            ("http://", InvalidOrigin::Host.into()),
            ("http://proxy:x", InvalidOrigin::Port.into()),
            ("http://proxy/path", InvalidOrigin::Path.into()),
            ("http://a%3Ab:c@proxy", InvalidProxy::User),
            ("http://a:b%0d%0aX: y@proxy", InvalidProxy::User),
        ] {
            assert_eq!(Proxy::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        let proxy = Proxy::parse("http://al:hunter2@proxy").unwrap();
        let shown = format!("{proxy} {proxy:?}");
        let encoded = BASE64.encode(b"al:hunter2");
        assert!(!shown.contains("hunter2") && !shown.contains(&encoded), "{shown}");
    }

    #[test]
    fn by_scheme() {
        let proxies = Proxies {
            https: Some(Proxy::parse("secure").unwrap()),
            http: Some(Proxy::parse("clear").unwrap()),
            exempt: Exempt::parse("minio"),
        };
        for (url, proxy) in [
            ("https://s3.eu-west-1.amazonaws.com", Some("secure")),
            ("http://garage", Some("clear")),
            ("http://minio", None),
        ] {
            let (origin, _) = Origin::split(url).unwrap();
            assert_eq!(proxies.to(&origin).map(|proxy| proxy.origin.host.as_str()), proxy);
        }
        assert_eq!(Proxies::default().to(&Origin::https("x".into())), None);
    }
}
