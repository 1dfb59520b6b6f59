//! The socket's file: made so that nobody else can ever connect, and removed at the end.

use std::ffi::CString;
use std::fs::{self, DirBuilder};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{fmt, io};

use rustix::fs::Mode;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};

/// Connections that wait to be taken.
const BACKLOG: i32 = 128;

/// How long to look whether another process answers.
const LOOK: Duration = Duration::from_millis(200);

/// A socket that is listened on. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// The file's device and inode.
    file: (u64, u64),
}

/// Why there is no control socket.
#[derive(Debug)]
pub enum ListenError {
    /// Another process answers there.
    Taken(PathBuf),
    /// Something is there that is no socket.
    NotASocket(PathBuf),
    /// The system refuses.
    System {
        /// The socket's path.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

impl Socket {
    /// Listens. What a killed process has left is replaced, and a directory that is missing is made.
    pub fn listen(path: &Path) -> Result<Self, ListenError> {
        let refused = |source| ListenError::System { path: path.to_owned(), source };
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(refused)?;
        }
        match fs::symlink_metadata(path) {
            Ok(there) if !there.file_type().is_socket() => {
                return Err(ListenError::NotASocket(path.to_owned()));
            }
            Ok(_) => match connect(path, LOOK) {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    fs::remove_file(path).map_err(refused)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                // One that has no time to answer is there, too.
                Ok(_) => return Err(ListenError::Taken(path.to_owned())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Err(ListenError::Taken(path.to_owned()));
                }
                Err(error) => return Err(refused(error)),
            },
            Err(_) => {}
        }
        let listener = bind(path).map_err(refused)?;
        let made = fs::symlink_metadata(path).map_err(refused)?;
        Ok(Self { listener, path: path.to_owned(), file: (made.dev(), made.ino()) })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == self.file) {
            // Where it stays, the next start replaces it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The file gets its mode as it is made: Linux takes it from the socket's own inode.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let (socket, address) = socket(path)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(UnixListener::from(socket))
}

/// Connects within so long; `WouldBlock` where who listens takes no more connections. The time counts
/// for each write, too.
pub(super) fn connect(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let (socket, address) = socket(path)?;
    set_socket_timeout(&socket, Timeout::Send, Some(within))?;
    rustix::net::connect(&socket, &address)?;
    Ok(UnixStream::from(socket))
}

fn socket(path: &Path) -> io::Result<(OwnedFd, SocketAddrUnix)> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let address = SocketAddrUnix::new(path.as_c_str())?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    Ok((socket, address))
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sapt health and sapt call cannot reach this process: ")?;
        match self {
            Self::Taken(path) => write!(
                f,
                "another process answers at the control socket {}; stop that one, or give this \
                 one another path in SAPT_CONTROL_SOCKET",
                path.display()
            ),
            Self::NotASocket(path) => write!(
                f,
                "{} is no socket, and stays; remove it, or set SAPT_CONTROL_SOCKET to another path",
                path.display()
            ),
            Self::System { path, source } => write!(
                f,
                "the control socket {} cannot be made: {source}; mount a directory there that can \
                 be written to, such as an emptyDir, or set SAPT_CONTROL_SOCKET to a path in one",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System { source, .. } => Some(source),
            Self::Taken(_) | Self::NotASocket(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn is_for_its_owner_and_goes_at_the_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/control.sock");
        let socket = Socket::listen(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&directory.path().join("a/b")), 0o700);
        assert!(connect(&path, LOOK).is_ok());
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_directory_that_is_there_stays_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let _socket = Socket::listen(&directory.path().join("control.sock")).unwrap();
        assert_eq!(mode(directory.path()), 0o755);
    }

    #[test]
    fn only_what_nobody_listens_on_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        drop(UnixListener::bind(&path).unwrap());
        let first = Socket::listen(&path).unwrap();
        let second = Socket::listen(&path).unwrap_err();
        assert!(matches!(second, ListenError::Taken(_)) && second.to_string().contains("stop"));
        assert!(connect(&path, LOOK).is_ok());
        // Another one that has come in between is not removed.
        fs::remove_file(&path).unwrap();
        let third = Socket::listen(&path).unwrap();
        drop(first);
        assert!(connect(&path, LOOK).is_ok());
        drop(third);
        fs::write(&path, "kept").unwrap();
        assert!(matches!(Socket::listen(&path), Err(ListenError::NotASocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn one_that_takes_no_more_connections_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _waiting = connect(&path, LOOK).unwrap();
        assert!(matches!(Socket::listen(&path), Err(ListenError::Taken(_))));
    }

    #[test]
    fn what_cannot_be_made_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        for path in ["file/control.sock", &"x".repeat(200)] {
            let error = Socket::listen(&directory.path().join(path)).unwrap_err().to_string();
            assert!(error.contains("SAPT_CONTROL_SOCKET") && error.contains(path), "{error}");
        }
    }
}
