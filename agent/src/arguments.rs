//! The command line: the vendor agent's four flags, help and version.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

pub use crate::listener::{Address, InvalidAddress};

/// What `--help` prints.
pub const HELP: &str = "\
sapt-agent: the SageMaker Edge Agent's gRPC interface with an ONNX engine

Usage: sapt-agent [-a ADDRESS] [-c FILE] [-f] [-m BYTES]

  -a ADDRESS  where to listen: a socket's path, unix:/path or tcp://host:port
              (default /tmp/sagemaker_edge_agent_example.sock)
  -c FILE     configuration, a JSON object with the sagemaker_edge_* keys
              (default: captures go to the directory SOCKET.capture, for tcp to
              sapt-agent.capture in the temporary directory, as they come)
  -f          remove a socket that an earlier run left behind
  -m BYTES    largest message, in and out (default 4194304; tensors need more,
              524288000 is usual)
  -h, --help  this text
  --version   the version
  --licenses  what is linked into it, and its licences

A model is a directory with exactly one .onnx file. Captured data is written to
disk only: this agent never talks to a cloud.
SIGTERM, SIGINT and SIGHUP end it in order. Exit code 64: wrong arguments or
configuration; 1: could not listen.
";

/// What `--licenses` prints.
pub const LICENCES: &str = include_str!("licences.txt");

/// What the process was asked to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Listen and serve.
    Serve(Arguments),
    /// Print [`HELP`].
    Help,
    /// Print the version.
    Version,
    /// Print [`LICENCES`].
    Licences,
}

/// How to serve.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// `-a`: where to listen.
    pub address: Address,
    /// `-c`: the configuration file.
    pub configuration: Option<PathBuf>,
    /// `-f`: remove an old socket first.
    pub remove_old_socket: bool,
    /// `-m`: the largest message in bytes, either way.
    pub message_limit: usize,
}

/// The socket that the vendor's examples use.
const DEFAULT_SOCKET: &str = "/tmp/sagemaker_edge_agent_example.sock";

/// gRPC's own default.
const DEFAULT_MESSAGE_LIMIT: usize = 4 << 20;

/// Reads the arguments that follow the program's name.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, InvalidArguments> {
    use lexopt::prelude::*;

    let mut parsed = Arguments {
        address: Address::Unix(DEFAULT_SOCKET.into()),
        configuration: None,
        remove_old_socket: false,
        message_limit: DEFAULT_MESSAGE_LIMIT,
    };
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('a') => parsed.address = Address::parse(&parser.value()?)?,
            Short('c') => parsed.configuration = Some(parser.value()?.into()),
            Short('f') => parsed.remove_old_socket = true,
            Short('m') => parsed.message_limit = message_limit(parser.value()?)?,
            Short('h') | Long("help") => return Ok(Command::Help),
            Long("version") => return Ok(Command::Version),
            Long("licenses") => return Ok(Command::Licences),
            _ => return Err(argument.unexpected().into()),
        }
    }
    Ok(Command::Serve(parsed))
}

/// A gRPC message's length field has 32 bits.
fn message_limit(value: OsString) -> Result<usize, InvalidArguments> {
    value
        .to_str()
        .and_then(|text| text.parse::<u32>().ok())
        .filter(|bytes| *bytes > 0)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or(InvalidArguments::MessageLimit(value))
}

/// The command line cannot be understood.
#[derive(Debug)]
pub enum InvalidArguments {
    /// An unknown flag, or one without its value.
    Flags(lexopt::Error),
    /// `-a` is no address.
    Address(InvalidAddress),
    /// `-m` is no number of bytes.
    MessageLimit(OsString),
}

impl From<lexopt::Error> for InvalidArguments {
    fn from(error: lexopt::Error) -> Self {
        Self::Flags(error)
    }
}

impl From<InvalidAddress> for InvalidArguments {
    fn from(error: InvalidAddress) -> Self {
        Self::Address(error)
    }
}

impl fmt::Display for InvalidArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flags(error) => write!(f, "{error}")?,
            Self::Address(error) => write!(f, "-a: {error}")?,
            Self::MessageLimit(value) => {
                write!(f, "-m: {value:?} is not a number of bytes from 1 to {}", u32::MAX)?
            }
        }
        f.write_str("; sapt-agent --help lists the flags")
    }
}

impl std::error::Error for InvalidArguments {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Flags(error) => Some(error),
            Self::Address(error) => Some(error),
            Self::MessageLimit(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, InvalidArguments> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn defaults() {
        assert_eq!(
            parsed("").unwrap(),
            Command::Serve(Arguments {
                address: Address::Unix(DEFAULT_SOCKET.into()),
                configuration: None,
                remove_old_socket: false,
                message_limit: 4_194_304,
            })
        );
    }

    #[test]
    fn the_example_units_line() {
        assert_eq!(
            parsed("-f -a /tmp/edge.sock -c /etc/neo_config.json -m 524288000").unwrap(),
            Command::Serve(Arguments {
                address: Address::Unix("/tmp/edge.sock".into()),
                configuration: Some("/etc/neo_config.json".into()),
                remove_old_socket: true,
                message_limit: 524_288_000,
            })
        );
    }

    #[test]
    fn help_and_version() {
        assert_eq!(parsed("-h").unwrap(), Command::Help);
        assert_eq!(parsed("--help").unwrap(), Command::Help);
        assert_eq!(parsed("--version").unwrap(), Command::Version);
        assert_eq!(parsed("--licenses").unwrap(), Command::Licences);
    }

    #[test]
    fn wrong_ones_are_named() {
        for (line, part) in [
            ("-m many", "\"many\""),
            ("-m 0", "\"0\""),
            ("-m 4294967296", "\"4294967296\""),
            ("-x", "-x"),
            ("-a", "-a"),
            ("stray", "stray"),
            ("-a tcp://nowhere", "-a: "),
        ] {
            let message = parsed(line).unwrap_err().to_string();
            assert!(message.contains(part), "{line}: {message}");
        }
    }
}
