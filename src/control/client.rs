//! The other end of the control socket: blocking, without an executor, for processes that ask one
//! thing and end.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fmt, io};

use serde_json::Value;

use super::socket::connect;

/// How long the translator may take to take a connection, where there is no deadline.
const CONNECT: Duration = Duration::from_secs(5);

/// A connection to the running translator.
pub(super) struct Client {
    stream: UnixStream,
    socket: PathBuf,
    pending: Vec<u8>,
    deadline: Deadline,
}

/// How long to wait for answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    pub(super) fn within(time: Duration) -> Self {
        Self(Some(Instant::now() + time))
    }

    /// Answers may come at any time.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// What is left; never nothing, which would be no limit to the system.
    fn left(&self) -> Option<Duration> {
        let left = self.0?.saturating_duration_since(Instant::now());
        Some(left.max(Duration::from_millis(1)))
    }
}

/// Why the translator was not asked, or has not answered.
#[derive(Debug)]
pub(super) struct Error {
    socket: PathBuf,
    problem: Problem,
}

#[derive(Debug)]
enum Problem {
    /// There is no connection.
    Connect(io::Error),
    /// It takes no connection, or gives no answer, in time.
    NoAnswer,
    /// It ended the connection before its answer.
    Closed,
    /// What came is no answer.
    NotUnderstood,
}

impl Client {
    /// Connects to the translator.
    pub(super) fn connect(socket: &Path, deadline: Deadline) -> Result<Self, Error> {
        let socket = socket.to_owned();
        let stream = match connect(&socket, deadline.left().unwrap_or(CONNECT)) {
            Ok(stream) => stream,
            Err(error) => {
                let problem = match error.kind() {
                    ErrorKind::WouldBlock => Problem::NoAnswer,
                    _ => Problem::Connect(error),
                };
                return Err(Error { socket, problem });
            }
        };
        Ok(Self { stream, socket, pending: Vec::new(), deadline })
    }

    /// Asks one thing, without parameters, and waits for its answer.
    pub(super) fn ask(
        socket: &Path,
        method: &str,
        timeout: Duration,
    ) -> Result<(Self, Value), Error> {
        let mut client = Self::connect(socket, Deadline::within(timeout))?;
        client.say(&[r#"{"jsonrpc":"2.0","id":"1","method":""#, method, r#""}"#].concat())?;
        loop {
            let (_, message) = client.next()?;
            // What has a method tells how far it is.
            if message.get("method").is_none() {
                return Ok((client, message));
            }
        }
    }

    /// Sends a request, one line without its end.
    pub(super) fn say(&mut self, request: &str) -> Result<(), Error> {
        let mut line = request.to_owned();
        line.push('\n');
        self.stream.write_all(line.as_bytes()).map_err(|error| self.broken(&error))
    }

    /// The next line that comes, and what it says.
    pub(super) fn next(&mut self) -> Result<(String, Value), Error> {
        let mut chunk = [0; 4096];
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let rest = self.pending.split_off(end + 1);
                let line = std::mem::replace(&mut self.pending, rest);
                return match (serde_json::from_slice(&line), String::from_utf8(line)) {
                    (Ok(value), Ok(line)) => Ok((line, value)),
                    _ => Err(self.not_understood()),
                };
            }
            let limited = self.stream.set_read_timeout(self.deadline.left());
            match limited.and_then(|()| self.stream.read(&mut chunk)) {
                Ok(0) => return Err(self.failed(Problem::Closed)),
                Ok(read) => self.pending.extend_from_slice(chunk.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broken(&error)),
            }
        }
    }

    /// What came last is no answer.
    pub(super) fn not_understood(&self) -> Error {
        self.failed(Problem::NotUnderstood)
    }

    fn broken(&self, error: &io::Error) -> Error {
        self.failed(match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Problem::NoAnswer,
            _ => Problem::Closed,
        })
    }

    fn failed(&self, problem: Problem) -> Error {
        Error { socket: self.socket.clone(), problem }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let socket = self.socket.display();
        let what = match &self.problem {
            Problem::Connect(error) => {
                let advice = match error.kind() {
                    ErrorKind::PermissionDenied => "run this as root, or as its user",
                    _ => {
                        "see whether it runs, and whether SAPT_CONTROL_SOCKET is the same here as \
                         for it; its log tells where it could not make the socket"
                    }
                };
                return write!(f, "cannot reach the translator at {socket}: {error}; {advice}");
            }
            Problem::NoAnswer => "does not answer in time; restart it where that stays so",
            Problem::Closed => {
                "ended the connection before its answer, as when it ends; what was asked for may \
                 have been done: see its log"
            }
            Problem::NotUnderstood => {
                "does not answer as sapt does; see whether SAPT_CONTROL_SOCKET is right"
            }
        };
        write!(f, "the translator at {socket} {what}")
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.problem {
            Problem::Connect(error) => Some(error),
            Problem::NoAnswer | Problem::Closed | Problem::NotUnderstood => None,
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
                Err(Error { problem: Problem::Closed, .. }) => break Ok(all),
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
        let hangs = |error: Error| matches!(error.problem, Problem::NoAnswer);
        assert!(client.next().is_err_and(hangs));
        rustix::net::listen(&listener, 0).unwrap();
        assert!(Client::connect(&path, deadline()).is_err_and(hangs));
        drop(listener);
        let Err(gone) = Client::connect(&path, deadline()) else { panic!() };
        assert!(gone.to_string().contains("see whether it runs"), "{gone}");
    }
}
