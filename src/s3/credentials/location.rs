//! Addresses of servers that give credentials.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hyper::http::uri::PathAndQuery;

use crate::s3::origin::Origin;

/// A URL: `http://host[:port]/path` or `https://…`. Displays as it is requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebLocation {
    /// What a connection is made to.
    pub origin: Origin,
    /// The path with the query, as it goes over the wire.
    pub path: String,
}

impl WebLocation {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, InvalidLocation> {
        let (mut origin, path) = Origin::split(text).map_err(|_| InvalidLocation)?;
        if origin.host == "localhost" && !origin.tls {
            // No name server is to say where that is.
            origin.host = Ipv4Addr::LOCALHOST.to_string();
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        match PathAndQuery::try_from(path.as_str()) {
            Ok(_) if !path.contains('#') => Ok(Self { origin, path }),
            _ => Err(InvalidLocation),
        }
    }

    /// Whether nobody on the network can listen in or answer in its place: the connection is
    /// encrypted, does not leave the machine, or goes to an address where ECS and EKS answer
    /// (AWS SDKs and Tools Reference Guide, "Container credential provider").
    pub fn is_trustworthy(&self) -> bool {
        const ECS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2));
        const EKS: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 170, 23));
        const EKS_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23));
        let address = self.origin.host.parse::<IpAddr>();
        self.origin.tls
            || address.is_ok_and(|it| it.is_loopback() || [ECS, EKS, EKS_V6].contains(&it))
    }
}

impl fmt::Display for WebLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.origin.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.origin, self.path)
    }
}

/// The text is not a URL of a server. It is not repeated: it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidLocation;

impl fmt::Display for InvalidLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be http://HOST:PORT/PATH or https://HOST:PORT/PATH")
    }
}

impl std::error::Error for InvalidLocation {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations() {
        for (text, shown, trustworthy) in [
            ("http://localhost:8000/2016-11-01/c/", "http://127.0.0.1:8000/2016-11-01/c/", true),
            ("http://127.9.9.9", "http://127.9.9.9/", true),
            ("http://[::1]:80/a?b=c%20d", "http://[::1]/a?b=c%20d", true),
            ("http://169.254.170.2/v2/x", "http://169.254.170.2/v2/x", true),
            ("http://169.254.170.23/v1/credentials", "http://169.254.170.23/v1/credentials", true),
            ("http://[fd00:ec2::23]/v1", "http://[fd00:ec2::23]/v1", true),
            ("http://169.254.169.254/x", "http://169.254.169.254/x", false),
            ("http://10.0.0.1/x", "http://10.0.0.1/x", false),
            ("http://localhost.example/x", "http://localhost.example/x", false),
            ("https://vault.example?x", "https://vault.example/?x", true),
        ] {
            let location = WebLocation::parse(text).unwrap();
            assert_eq!(
                (location.to_string().as_str(), location.is_trustworthy()),
                (shown, trustworthy)
            );
        }
    }

    #[test]
    fn what_is_not_a_location() {
        for text in [
            "",
            "/v2/credentials",
            "localhost:80/x",
            "ftp://localhost/x",
            "http:///x",
            "http://user:hunter2@localhost/x",
            "http://localhost/a b",
            "http://localhost/a#b",
            "http://localhost:0/x",
        ] {
            assert_eq!(WebLocation::parse(text), Err(InvalidLocation), "{text}");
        }
    }
}
