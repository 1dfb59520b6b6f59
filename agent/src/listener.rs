//! Where the agent listens: a unix socket, or TCP.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use tokio::net::{TcpListener, UnixListener};

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A unix socket's path.
    Unix(PathBuf),
    /// A host's name or address, without the brackets of IPv6, and a port; 0 takes a free one.
    Tcp(String, u16),
}

impl Address {
    /// Reads a path, `unix:/path` or `tcp://host:port`.
    pub fn parse(text: &OsStr) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_string_lossy().into_owned());
        if let Some(rest) = text.as_bytes().strip_prefix(b"tcp://") {
            let rest = std::str::from_utf8(rest).map_err(|_| invalid())?;
            let (host, port) = rest.rsplit_once(':').ok_or_else(invalid)?;
            let host = match host.strip_prefix('[') {
                Some(bracketed) => bracketed.strip_suffix(']').ok_or_else(invalid)?,
                None => host,
            };
            let port = port.parse().map_err(|_| invalid())?;
            if host.is_empty() {
                return Err(invalid());
            }
            return Ok(Self::Tcp(host.to_owned(), port));
        }
        let path = match text.as_bytes().strip_prefix(b"unix:") {
            // gRPC knows both `unix:path` and `unix:///absolute_path`.
            Some(path) => path.strip_prefix(b"//").unwrap_or(path),
            None => text.as_bytes(),
        };
        if path.is_empty() {
            return Err(invalid());
        }
        Ok(Self::Unix(OsStr::from_bytes(path).into()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host, port) if host.contains(':') => write!(f, "tcp://[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "tcp://{host}:{port}"),
        }
    }
}

/// A bound listener.
#[derive(Debug)]
pub(crate) enum Listener {
    /// The file exists as long as this.
    Unix(UnixListener, SocketFile),
    /// With the address that was taken.
    Tcp(TcpListener),
}

impl Listener {
    /// Binds. An existing socket is removed first if `remove_old_socket`, and an error if not.
    pub(crate) async fn bind(
        address: &Address,
        remove_old_socket: bool,
    ) -> Result<Self, ListenError> {
        match address {
            Address::Unix(path) => {
                clear(path, remove_old_socket)?;
                UnixListener::bind(path)
                    .and_then(|listener| Ok(Self::Unix(listener, SocketFile::of(path)?)))
            }
            Address::Tcp(host, port) => {
                TcpListener::bind((host.as_str(), *port)).await.map(Self::Tcp)
            }
        }
        .map_err(|error| ListenError::Bind(address.clone(), error))
    }

    /// Where it listens; for TCP with the port that was taken.
    pub(crate) fn address(&self) -> io::Result<Address> {
        match self {
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
            Self::Tcp(listener) => listener
                .local_addr()
                .map(|bound| Address::Tcp(bound.ip().to_string(), bound.port())),
        }
    }
}

/// Makes the way free for a new socket, or says why it is not.
fn clear(path: &Path, remove_old_socket: bool) -> Result<(), ListenError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ListenError::OldSocket(path.into(), error)),
        // Whatever else lies there was not left by an agent, and is not ours to remove.
        Ok(old) if !old.file_type().is_socket() => Err(ListenError::NotASocket(path.into())),
        Ok(_) if !remove_old_socket => Err(ListenError::Exists(path.into())),
        Ok(_) => {
            std::fs::remove_file(path).map_err(|error| ListenError::OldSocket(path.into(), error))
        }
    }
}

/// The file of a unix socket. It is removed when this is dropped, unless another agent has put its
/// own in its place meanwhile.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl SocketFile {
    fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.into(), identity: identity(path)? })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|now| now == self.identity) {
            // What cannot be removed now is what `-f` is for.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// What was given is not an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidAddress(String);

impl fmt::Display for InvalidAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not an address: use a path, unix:/path or tcp://host:port", self.0)
    }
}

impl std::error::Error for InvalidAddress {}

/// Listening could not begin.
#[derive(Debug)]
pub(crate) enum ListenError {
    Exists(PathBuf),
    NotASocket(PathBuf),
    OldSocket(PathBuf, io::Error),
    Bind(Address, io::Error),
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "the socket {} exists already: if no other agent uses it, start with -f to remove it",
                path.display()
            ),
            Self::NotASocket(path) => write!(
                f,
                "{} exists and is not a socket: move it away, or choose another path with -a",
                path.display()
            ),
            Self::OldSocket(path, error) => {
                write!(f, "cannot remove the old socket {}: {error}", path.display())
            }
            Self::Bind(address, error) => write!(f, "cannot listen on {address}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Exists(_) | Self::NotASocket(_) => None,
            Self::OldSocket(_, error) | Self::Bind(_, error) => Some(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        for (text, address) in [
            ("/tmp/a.sock", Address::Unix("/tmp/a.sock".into())),
            ("a.sock", Address::Unix("a.sock".into())),
            ("unix:/tmp/a.sock", Address::Unix("/tmp/a.sock".into())),
            ("unix:///tmp/a.sock", Address::Unix("/tmp/a.sock".into())),
            ("tcp://localhost:0", Address::Tcp("localhost".into(), 0)),
            ("tcp://[::1]:50051", Address::Tcp("::1".into(), 50051)),
        ] {
            assert_eq!(Address::parse(text.as_ref()).unwrap(), address);
        }
        for bad in ["", "unix:", "tcp://", "tcp://a", "tcp://:1", "tcp://a:b", "tcp://[::1:1"] {
            assert!(Address::parse(bad.as_ref()).is_err(), "{bad}");
        }
    }

    #[test]
    fn addresses_print_as_they_are_given() {
        for text in ["unix:/tmp/a.sock", "tcp://[::1]:1", "tcp://h:2"] {
            assert_eq!(Address::parse(text.as_ref()).unwrap().to_string(), text);
        }
    }
}
