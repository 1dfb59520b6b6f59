//! Where the agent listens.

use std::fmt;
use std::path::{Path, PathBuf};

/// The agent's address: `unix:/path` or `tcp://host:port`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix stream socket, by its absolute path.
    Unix(PathBuf),
    /// A TCP port; the host is a name or a literal address, without brackets.
    Tcp {
        /// Resolved anew for each connection.
        host: String,
        /// 1 to 65,535.
        port: u16,
    },
    /// A unix socket or, while that is not there, a port on this host that is bridged to it.
    UnixOrLocalPort {
        /// The socket's absolute path.
        socket: PathBuf,
        /// 1 to 65,535.
        port: u16,
    },
}

/// The kernel's limit for the path of a unix socket: `sun_path` has 108 bytes, one for the end.
const LONGEST_UNIX_PATH: usize = 107;

impl Address {
    /// Reads `unix:/path` (also `unix:///path`, gRPC's other spelling) or `tcp://host:port`.
    pub fn parse(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = |problem| InvalidAddress { text: text.chars().take(200).collect(), problem };
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !Path::new(path).is_absolute() {
                return Err(invalid("the path of a unix socket must begin with '/'"));
            }
            if path.len() > LONGEST_UNIX_PATH {
                return Err(invalid(
                    "the path of a unix socket has at most 107 bytes; use a shorter directory",
                ));
            }
            if path.contains('\0') {
                return Err(invalid("a path contains no NUL"));
            }
            return Ok(Self::Unix(path.into()));
        }
        let Some(authority) = text.strip_prefix("tcp://") else {
            return Err(invalid("use unix:/path or tcp://host:port"));
        };
        let Some((host, port)) = authority.rsplit_once(':') else {
            return Err(invalid("the port is missing: use tcp://host:port"));
        };
        let port = match port.parse() {
            Ok(port) if port != 0 => port,
            _ => return Err(invalid("the port is a number from 1 to 65535")),
        };
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').unwrap_or_default(),
            None if host.contains(':') => {
                return Err(invalid("an IPv6 address stands in brackets: [::1]"));
            }
            None => host,
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
        if host.is_empty() || !host.bytes().all(allowed) {
            return Err(invalid("the host is a name or an IP address"));
        }
        Ok(Self::Tcp { host: host.to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::UnixOrLocalPort { socket, port } => {
                write!(f, "unix:{} or tcp://localhost:{port}", socket.display())
            }
        }
    }
}

/// What was given is not an agent's address; the text says what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidAddress {
    text: String,
    problem: &'static str,
}

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an agent address: {}", self.text, self.problem)
    }
}

impl std::error::Error for InvalidAddress {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_ones_print_as_they_are_written() {
        for text in [
            "unix:/tmp/sagemaker_edge_agent_example.sock",
            "tcp://localhost:8080",
            "tcp://10.0.0.1:65535",
            "tcp://[::1]:1",
            "tcp://my_agent.local-net:9",
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Address::parse("unix:///run/a.sock").unwrap(),
            Address::Unix("/run/a.sock".into())
        );
    }

    #[test]
    fn bad_ones_say_why() {
        for (text, problem) in [
            ("", "use unix:/path or"),
            ("/tmp/a.sock", "use unix:/path or"),
            ("http://localhost:1", "use unix:/path or"),
            ("unix:", "begin with '/'"),
            ("unix:a.sock", "begin with '/'"),
            ("unix://a.sock", "begin with '/'"),
            ("unix:/a\0b", "NUL"),
            ("tcp://localhost", "the port is missing"),
            ("tcp://localhost:", "from 1 to 65535"),
            ("tcp://localhost:0", "from 1 to 65535"),
            ("tcp://localhost:65536", "from 1 to 65535"),
            ("tcp://localhost:8080/", "from 1 to 65535"),
            ("tcp://:8080", "the host is"),
            ("tcp://[::1:8080", "the host is"),
            ("tcp://::1:8080", "in brackets"),
            ("tcp://a b:8080", "the host is"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{text:?}: {error}");
        }
        let long = format!("unix:/{}", "x".repeat(LONGEST_UNIX_PATH - 1));
        assert!(Address::parse(&long).is_ok());
        assert!(Address::parse(&format!("{long}x")).is_err());
    }
}
