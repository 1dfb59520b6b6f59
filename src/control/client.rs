//! The other end of the control socket: blocking, without an executor, for processes that ask one
//! thing and end.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, io};

use serde_json::Value;

use super::socket::connect;

/// A connection to the running translator.
pub(super) struct Client {
    stream: UnixStream,
    socket: PathBuf,
    pending: Vec<u8>,
    deadline: Deadline,
}

/// How long to wait for answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    until: Option<Instant>,
    seconds: u64,
}

impl Deadline {
    pub(super) fn within(time: Duration) -> Self {
        Self { until: Some(Instant::now() + time), seconds: time.as_secs() }
    }

    /// Answers may come at any time; only the connection has to be taken within 5 s.
    pub(super) fn none() -> Self {
        Self { until: None, seconds: 5 }
    }

    /// What is left; never nothing, which would be no limit to the system.
    fn left(&self) -> Option<Duration> {
        let left = |until: Instant| until.saturating_duration_since(Instant::now());
        self.until.map(|until| left(until).max(Duration::from_millis(1)))
    }
}

/// Why the translator was not asked, or has not answered.
#[derive(Debug)]
pub(super) enum Error {
    /// There is no connection.
    Connect {
        /// The socket's path.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It takes no connection, or gives no answer, in time.
    NoAnswer(PathBuf, u64),
    /// It ended the connection before its answer.
    Closed(PathBuf),
    /// The connection broke.
    Broken(PathBuf, io::Error),
    /// What came is no answer.
    NotUnderstood(PathBuf),
}

impl Client {
    /// Connects to the translator.
    pub(super) fn connect(socket: &Path, deadline: Deadline) -> Result<Self, Error> {
        let within = deadline.left().unwrap_or(Duration::from_secs(deadline.seconds));
        let stream = connect(socket, within).map_err(|source| match source.kind() {
            ErrorKind::WouldBlock => Error::NoAnswer(socket.to_owned(), deadline.seconds),
            _ => Error::Connect { socket: socket.to_owned(), source },
        })?;
        Ok(Self { stream, socket: socket.to_owned(), pending: Vec::new(), deadline })
    }

    /// Sends a request, one line without its end.
    pub(super) fn say(&mut self, request: &str) -> Result<(), Error> {
        let line = [request, "\n"].concat();
        self.stream.write_all(line.as_bytes()).map_err(|source| self.broken(source))
    }

    /// The next line that comes, and what it says.
    pub(super) fn next(&mut self) -> Result<(String, Value), Error> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                let not_understood = || Error::NotUnderstood(self.socket.clone());
                let line = String::from_utf8(line).map_err(|_| not_understood())?;
                let value =
                    serde_json::from_slice(line.as_bytes()).map_err(|_| not_understood())?;
                return Ok((line, value));
            }
            let limited = self.stream.set_read_timeout(self.deadline.left());
            match limited.and_then(|()| self.stream.read(&mut chunk)) {
                Ok(0) => return Err(Error::Closed(self.socket.clone())),
                Ok(read) => self.pending.extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(error)),
            }
        }
    }

    fn broken(&self, source: io::Error) -> Error {
        let socket = self.socket.clone();
        match source.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                Error::NoAnswer(socket, self.deadline.seconds)
            }
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Error::Closed(socket),
            _ => Error::Broken(socket, source),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { socket, source } => {
                write!(f, "cannot reach the translator at {}: {source}; ", socket.display())?;
                f.write_str(match source.kind() {
                    ErrorKind::PermissionDenied => "run this as root, or as its user",
                    _ => {
                        "see whether it runs, and whether SAPT_CONTROL_SOCKET is the same here as \
                         for it; its log tells where it could not make the socket"
                    }
                })
            }
            Self::NoAnswer(socket, seconds) => write!(
                f,
                "the translator at {} does not answer within {seconds} s; restart it where that \
                 stays so",
                socket.display()
            ),
            Self::Closed(socket) => write!(
                f,
                "the translator at {} ended the connection before its answer, as when it ends: \
                 what was asked for may have been done; see its log",
                socket.display()
            ),
            Self::Broken(socket, source) => write!(
                f,
                "the connection to the translator at {} broke: {source}; what was asked for may \
                 have been done",
                socket.display()
            ),
            Self::NotUnderstood(socket) => write!(
                f,
                "what listens at {} does not answer as sapt does; see whether SAPT_CONTROL_SOCKET \
                 is right",
                socket.display()
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } | Self::Broken(_, source) => Some(source),
            Self::NoAnswer(..) | Self::Closed(_) | Self::NotUnderstood(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// What the client makes of a server that reads a line and says this.
    fn heard(answer: &'static [u8]) -> Result<Vec<Value>, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let serving = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            stream.write_all(answer).unwrap();
            line
        });
        let mut client = Client::connect(&path, Deadline::none()).unwrap();
        client.say("ask").unwrap();
        let mut all = Vec::new();
        let end = loop {
            match client.next() {
                Ok((_, value)) => all.push(value),
                Err(Error::Closed(_)) => break Ok(all),
                Err(other) => break Err(other.to_string()),
            }
        };
        assert_eq!(serving.join().unwrap(), "ask\n");
        end
    }

    #[test]
    fn reads_lines() {
        assert_eq!(
            heard(b"{}\n[1,\t2]\n").unwrap(),
            [Value::from_iter([("", 0); 0]), [1, 2].into()]
        );
        assert_eq!(heard(b"{\"half\":").unwrap(), [] as [Value; 0]);
        assert!(heard(b"SSH-2.0\n").unwrap_err().contains("SAPT_CONTROL_SOCKET"));
        assert!(heard(b"\xff\n").unwrap_err().contains("SAPT_CONTROL_SOCKET"));
    }

    #[test]
    fn who_does_not_answer_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let deadline = || Deadline::within(Duration::from_millis(20));
        let mut client = Client::connect(&path, deadline()).unwrap();
        client.say("ask").unwrap();
        assert!(matches!(client.next(), Err(Error::NoAnswer(..))));
        rustix::net::listen(&listener, 0).unwrap();
        assert!(matches!(Client::connect(&path, deadline()), Err(Error::NoAnswer(..))));
        drop(listener);
        let Err(gone) = Client::connect(&path, deadline()) else { panic!() };
        assert!(gone.to_string().contains("see whether it runs"), "{gone}");
    }
}
