//! Why a call to the agent failed.

use std::fmt;
use std::io;
use std::time::Duration;

use super::frame::FrameError;
use super::{Address, Code, Method};

/// A call to the agent that failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection to the agent; the call has not run.
    Unreachable {
        /// Where the agent was looked for.
        address: Address,
        /// What the system says.
        source: io::Error,
    },
    /// The agent answered with an error.
    Status {
        /// What was called.
        method: Method,
        /// The agent's code.
        code: Code,
        /// The agent's words; may be empty.
        message: String,
    },
    /// The agent has not answered in time; whether the call has run is not known.
    DeadlineExceeded {
        /// What was called.
        method: Method,
        /// How long was waited.
        after: Duration,
    },
    /// The connection, or the call's stream on it, ended before the answer was complete.
    ConnectionLost {
        /// What was called.
        method: Method,
        /// Where the agent was.
        address: Address,
        /// Whether the agent may have acted on the call.
        may_have_run: bool,
        /// The code that gRPC gives this end; UNAVAILABLE for a lost connection.
        code: Code,
        /// What HTTP/2 says.
        source: hyper::Error,
    },
    /// What came back is not what the interface promises.
    Malformed {
        /// What was called.
        method: Method,
        /// What is wrong with the answer.
        problem: Malformed,
    },
    /// The request is longer than a message may be, and was not sent.
    TooLarge {
        /// What was to be called.
        method: Method,
        /// The message's bytes.
        length: usize,
        /// How many are allowed.
        limit: usize,
    },
}

impl Error {
    /// Whether the agent is not there, or has gone away.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::ConnectionLost { .. } | Self::DeadlineExceeded { .. }
        )
    }

    /// Whether the agent says that it does not have what was named.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Status { code: Code::NotFound, .. })
    }

    /// Whether the agent says that it has what was named already.
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Status { code: Code::AlreadyExists, .. })
    }

    /// Whether the agent says that the call makes no sense to it.
    pub fn is_invalid_argument(&self) -> bool {
        matches!(self, Self::Status { code: Code::InvalidArgument, .. })
    }

    /// Whether the agent may have acted on the call, although no answer came.
    pub fn may_have_run(&self) -> bool {
        matches!(
            self,
            Self::ConnectionLost { may_have_run: true, .. } | Self::DeadlineExceeded { .. }
        )
    }

    /// The stable code for replies: the name of a gRPC status code.
    pub fn code(&self) -> &'static str {
        let code = match self {
            Self::Unreachable { .. } => Code::Unavailable,
            Self::Status { code, .. } | Self::ConnectionLost { code, .. } => *code,
            Self::DeadlineExceeded { .. } => Code::DeadlineExceeded,
            Self::Malformed {
                problem: Malformed::Frame(FrameError::TooLarge { .. } | FrameError::NoMemory { .. }),
                ..
            }
            | Self::TooLarge { .. } => Code::ResourceExhausted,
            Self::Malformed { .. } => Code::Internal,
        };
        code.name()
    }

    /// The agent's own words, if it sent any.
    pub fn agent_said(&self) -> Option<&str> {
        match self {
            Self::Status { message, .. } if !message.is_empty() => Some(message),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, source } => {
                write!(f, "cannot reach the agent at {address}: {source}; ")?;
                f.write_str(advice(address, source.kind()))
            }
            Self::Status { method, code, message } => {
                write!(f, "the agent answered {method} with {code}")?;
                if !message.is_empty() {
                    write!(f, ": {message}")?;
                }
                Ok(())
            }
            Self::DeadlineExceeded { method, after } => write!(
                f,
                "the agent has not answered {method} within {} s; it may still be at work: look \
                 at its load and its log before trying again",
                after.as_secs_f64()
            ),
            Self::ConnectionLost { method, address, may_have_run, source, .. } => {
                write!(f, "the agent at {address} broke off {method} (")?;
                write_chain(f, source)?;
                f.write_str(if *may_have_run {
                    "); it may have run and was not tried again: see whether the agent has \
                     restarted, and what it has loaded"
                } else {
                    "); it has not run and can be tried again: see whether the agent is restarting"
                })
            }
            Self::Malformed { method, problem } => {
                write!(f, "the agent's answer to {method} cannot be used: {problem}")
            }
            Self::TooLarge { method, length, limit } => write!(
                f,
                "{method} was not sent: its message has {length} bytes, and the limit is {limit}"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            Self::ConnectionLost { source, .. } => Some(source),
            Self::Malformed { problem, .. } => problem.source(),
            Self::Status { .. } | Self::DeadlineExceeded { .. } | Self::TooLarge { .. } => None,
        }
    }
}

/// What is wrong with an answer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Malformed {
    /// The response is HTTP, but its content type (given) is not gRPC's.
    NotGrpc(String),
    /// The response's DATA is not one message.
    Frame(FrameError),
    /// The status is OK, but there is no message.
    NoMessage,
    /// The response ended without a status.
    NoStatus,
    /// The message is not valid protobuf.
    Protobuf(prost::DecodeError),
    /// A model is missing from the message.
    NoModel,
    /// A tensor comes without its metadata.
    NoMetadata,
    /// A tensor's data type is none of the published ones.
    UnknownDataType(i32),
    /// A tensor comes in shared memory, which is for inputs only.
    SharedMemory,
    /// A capture's status is none of the published ones.
    UnknownCaptureStatus(i32),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGrpc(found) => write!(
                f,
                "its content type is {found:?}, not application/grpc: something else listens at \
                 the agent's address"
            ),
            Self::Frame(error) => error.fmt(f),
            Self::NoMessage => f.write_str("it has no message"),
            Self::NoStatus => f.write_str("it has no gRPC status"),
            Self::Protobuf(error) => error.fmt(f),
            Self::NoModel => f.write_str("it does not describe a model"),
            Self::NoMetadata => f.write_str("a tensor has no metadata"),
            Self::UnknownDataType(number) => write!(
                f,
                "a tensor has data type {number}, which this version does not know (0 to 6)"
            ),
            Self::SharedMemory => {
                f.write_str("a tensor is in shared memory, which is not for answers")
            }
            Self::UnknownCaptureStatus(number) => write!(
                f,
                "the capture has status {number}, which this version does not know (0 to 3)"
            ),
        }
    }
}

impl std::error::Error for Malformed {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Frame(error) => Some(error),
            Self::Protobuf(error) => Some(error),
            _ => None,
        }
    }
}

/// What to look at when the agent cannot be reached.
fn advice(address: &Address, kind: io::ErrorKind) -> &'static str {
    match (address, kind) {
        (Address::Unix(_) | Address::UnixOrLocalPort { .. }, io::ErrorKind::NotFound) => {
            "the socket does not exist: start the agent, and in a Pod mount the socket's directory"
        }
        (Address::Unix(_), io::ErrorKind::PermissionDenied) => {
            "the socket may not be opened: run with the agent's user or group"
        }
        (_, io::ErrorKind::ConnectionRefused) => "nothing listens there: start the agent",
        (_, io::ErrorKind::TimedOut) => "it does not answer: see whether the agent hangs",
        _ => "check the address and that the agent is running",
    }
}

/// An error and its causes; hyper's own words alone say too little.
fn write_chain(f: &mut fmt::Formatter<'_>, error: &hyper::Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}
