//! What goes wrong between the translator and Edge Core.

use std::path::PathBuf;
use std::{fmt, io};

use super::message::Refusal;

/// Why a connection to Edge Core could not be made or ended. Each is followed by another try.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The socket could not be opened.
    Connect {
        /// The socket's path.
        socket: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The WebSocket handshake failed.
    Handshake(Box<async_tungstenite::tungstenite::Error>),
    /// Edge Core did not answer in time.
    NoAnswer {
        /// What was waited for.
        to: &'static str,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// Edge Core refused a request.
    Refused {
        /// The request's method.
        method: &'static str,
        /// What it answered.
        refusal: Refusal,
        /// What the request was about.
        name: String,
    },
    /// The connection broke.
    Broken(Box<async_tungstenite::tungstenite::Error>),
    /// Edge Core closed the connection.
    Closed,
}

impl Error {
    /// Edge Core's number for why it refused something.
    pub(super) fn refusal_code(&self) -> Option<i64> {
        match self {
            Self::Refused { refusal, .. } => Some(refusal.code),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { socket, source } => {
                write!(f, "cannot connect to Edge Core at {}: {source}; ", socket.display())?;
                f.write_str(match source.kind() {
                    io::ErrorKind::PermissionDenied => {
                        "run as uid 0 or with CAP_DAC_OVERRIDE: the socket is root's"
                    }
                    _ => {
                        "check that Edge Core runs, that SAPT_EDGE_SOCKET names its socket, and \
                         that the socket's directory (not the file) is mounted"
                    }
                })
            }
            Self::Handshake(source) => write!(
                f,
                "what listens at Edge Core's socket did not accept the WebSocket: {source}; check \
                 that SAPT_EDGE_SOCKET names Edge Core's socket"
            ),
            Self::NoAnswer { to, seconds } => {
                write!(f, "Edge Core did not answer {to} within {seconds} s")
            }
            Self::Refused { method, refusal, name } => {
                write!(f, "Edge Core refused {method} of {name:?}: {refusal}; ")?;
                f.write_str(match refusal.code {
                    Refusal::NAME_RESERVED => {
                        "another translator has this name: stop it, or give this one another name \
                         in SAPT_PT_DEVICE_NAME"
                    }
                    Refusal::DEVICE_LIMIT => {
                        "this gateway has as many devices as Edge Core takes: remove one"
                    }
                    Refusal::DEVICE_REGISTERED => {
                        "another translator has registered this device: stop it, or give this one \
                         another name in SAPT_PT_DEVICE_NAME"
                    }
                    _ => "see Edge Core's log",
                })
            }
            Self::Broken(source) => write!(f, "the connection to Edge Core broke: {source}"),
            Self::Closed => f.write_str("Edge Core closed the connection"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connect { source, .. } => Some(source),
            Self::Handshake(source) | Self::Broken(source) => Some(source.as_ref()),
            Self::NoAnswer { .. } | Self::Refused { .. } | Self::Closed => None,
        }
    }
}
