//! What went wrong with a request to S3.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hyper::Method;

use super::advice;
pub use super::answer::Answer;
use super::credentials::CredentialsError;
use crate::clock::Moment;

/// A request to S3 failed.
///
/// Displays as one line: what was tried, what came back, whether trying again helps, and what to do.
/// No secret is ever part of it.
#[derive(Debug)]
pub struct Error(Box<Failure>);

#[derive(Debug)]
struct Failure {
    target: Target,
    host: String,
    tries: u32,
    cause: Cause,
    similar: Option<Vec<String>>,
}

/// What a request was about.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) method: Method,
    pub(super) bucket: String,
    /// Empty where it was about the bucket.
    pub(super) key: String,
}

/// What came back, or did not.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The request cannot be written: the part that is named has characters that no header allows.
    Unsendable(&'static str),
    /// There are no credentials to sign the request with.
    Credentials(CredentialsError),
    /// The host name has no address.
    Resolve(io::Error),
    /// None of the addresses accepted a connection. The error is that of the last one.
    Connect {
        /// Those that were tried, in order.
        addresses: Vec<SocketAddr>,
        /// Why the last one did not.
        error: io::Error,
    },
    /// TLS could not be set up: the certificate, the versions, or what answered does not speak TLS.
    Tls(io::Error),
    /// The server's certificate is not valid at the time that it was judged by.
    CertificateTime(CertificateTime),
    /// The proxy failed, or refused to make a connection.
    Proxy {
        /// Scheme, host and port.
        proxy: String,
        /// How.
        failure: ProxyFailure,
    },
    /// Nothing happened for this long.
    Timeout(Phase, Duration),
    /// The connection broke, or what came over it is not HTTP.
    Connection(hyper::Error),
    /// S3 answered with an error.
    Answer(Box<Answer>),
    /// S3 answered with a redirect that is not followed, for this reason.
    Redirect(Box<Answer>, &'static str),
    /// The answer is not what was asked for, in these words.
    Unexpected(&'static str),
    /// The body ended before all of it had come.
    Truncated {
        /// The length that was announced, in bytes.
        expected: Option<u64>,
        /// What came, in bytes.
        received: u64,
        /// Why no more came.
        error: Option<hyper::Error>,
    },
    /// Another object was put in its place while it was read.
    Changed {
        /// The ETag of the object that was being read.
        was: String,
        /// That of the other one, where the answer says so.
        is: Option<String>,
    },
    /// The rest of an object was asked for, and what came is something else: in these words.
    NotTheRest(String),
    /// The content is not what S3 has a checksum of.
    Checksum {
        /// Which checksum.
        algorithm: &'static str,
        /// What S3 has, in hexadecimal.
        expected: String,
        /// What the content that came has.
        computed: String,
    },
    /// The answer does not say how long its body is, so that its end could not be told from a broken
    /// connection.
    Unframed,
    /// The object is larger than what was asked for. Both in bytes.
    TooLarge {
        /// What it may have at most.
        limit: u64,
        /// What it has, where that is known.
        length: Option<u64>,
    },
    /// What should have been uploaded could not be read.
    Source(io::Error),
    /// What should have been uploaded is not as long as announced. Both in bytes.
    SourceLength {
        /// The length that was given for it.
        announced: u64,
        /// What it has; where it has too much, as far as it was read.
        given: u64,
    },
}

/// How a proxy fails.
#[derive(Debug)]
pub enum ProxyFailure {
    /// There is no connection to it.
    Unreachable(Box<Cause>),
    /// It answered CONNECT with this status.
    Refused(u16),
    /// It closed the connection before it had answered.
    Broken(io::Error),
    /// What it says is not HTTP.
    NotHttp,
}

/// A certificate, and a time at which it is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CertificateTime {
    /// The time that it was judged by.
    pub now: SystemTime,
    /// When it ended, or begins.
    pub bound: SystemTime,
    /// Whether it ended.
    pub expired: bool,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A TCP connection to one of the addresses, or the TLS handshake.
    Connect,
    /// The request to be taken, and its answer to begin.
    Answer,
    /// More of the answer's body.
    Body,
}

impl Error {
    pub(super) fn new(target: Target, host: String, tries: u32, cause: Cause) -> Self {
        Self(Box::new(Failure { target, host, tries, cause, similar: None }))
    }

    /// The object is not there, and these are in its directory, as far as that can be known.
    pub(super) fn with_similar(mut self, similar: Option<Vec<String>>) -> Self {
        self.0.similar = similar;
        self
    }

    /// What came back, or did not.
    pub fn cause(&self) -> &Cause {
        &self.0.cause
    }

    /// S3's code for the error: `NoSuchKey`. None where S3 gave none or never answered.
    pub fn code(&self) -> Option<&str> {
        self.0.cause.answer().and_then(|answer| answer.code.as_deref())
    }

    /// The HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        self.0.cause.answer().map(|answer| answer.status)
    }

    /// Whether another object was put in its place while it was read. All of that one can be read
    /// from its beginning.
    pub fn is_changed(&self) -> bool {
        matches!(self.0.cause, Cause::Changed { .. })
    }

    /// Whether all of the content came, and is not what S3 has a checksum of. Read from its
    /// beginning again it may be.
    pub fn is_corrupted(&self) -> bool {
        matches!(self.0.cause, Cause::Checksum { .. })
    }

    /// Whether the object may come whole where it is read from its beginning again.
    pub fn is_worth_a_new_read(&self) -> bool {
        self.is_changed() || self.is_corrupted()
    }

    /// Whether the same request may succeed later, with nothing changed by the operator.
    pub fn is_transient(&self) -> bool {
        self.0.cause.is_transient()
    }
}

/// The longest name of another object in an error, in characters.
const NAME: usize = 100;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { target: Target { method, bucket, key }, host, tries, cause, similar } =
            &*self.0;
        // A key may hold line breaks and escape sequences; this is one line.
        write!(f, "{method} s3://{bucket}/{} at {host}: {cause}; ", key.escape_debug())?;
        match (cause.is_transient(), tries) {
            (true, 2..) => write!(f, "given up after {tries} tries, later it may work")?,
            (true, _) => f.write_str("it may work when tried again")?,
            (false, _) => f.write_str("trying again does not help")?,
        }
        if let Some(advice) = advice::for_cause(cause) {
            write!(f, ": {advice}")?;
        }
        match similar.as_deref() {
            None => Ok(()),
            Some([]) => f.write_str(", where no objects are"),
            Some(names) => {
                f.write_str(", where there are")?;
                names.iter().enumerate().try_for_each(|(index, name)| {
                    let comma = if index > 0 { "," } else { "" };
                    let name: String = name.chars().take(NAME).collect();
                    write!(f, "{comma} {}", name.escape_debug())
                })
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.cause {
            Cause::Resolve(error)
            | Cause::Connect { error, .. }
            | Cause::Tls(error)
            | Cause::Source(error) => Some(error),
            Cause::Proxy { failure: ProxyFailure::Broken(error), .. } => Some(error),
            Cause::Connection(error) => Some(error),
            Cause::Credentials(error) => Some(error),
            Cause::Truncated { error, .. } => error.as_ref().map(|error| error as _),
            _ => None,
        }
    }
}

impl Cause {
    /// What S3 answered, where it did.
    pub(super) fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) | Self::Redirect(answer, _) => Some(answer),
            _ => None,
        }
    }

    /// The certificate whose time is what is wrong, the server's or a proxy's.
    pub(super) fn certificate_time(&self) -> Option<CertificateTime> {
        match self {
            Self::CertificateTime(time) => Some(*time),
            Self::Proxy { failure: ProxyFailure::Unreachable(cause), .. } => {
                cause.certificate_time()
            }
            _ => None,
        }
    }

    pub(super) fn is_throttling(&self) -> bool {
        self.answer().is_some_and(Answer::is_throttling)
    }

    /// How long the server asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.answer()?.retry_after
    }

    /// Whether other credentials might be taken where these were not. The answer to a HEAD has no
    /// body that could say so.
    pub(super) fn is_about_credentials(&self) -> bool {
        let Self::Answer(answer) = self else { return false };
        match answer.code.as_deref() {
            Some(code) => matches!(
                code,
                "InvalidAccessKeyId"
                    | "SignatureDoesNotMatch"
                    | "ExpiredToken"
                    | "InvalidToken"
                    | "TokenRefreshRequired"
            ),
            None => matches!(answer.status, 400 | 403),
        }
    }

    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Connect { .. }
            | Self::Timeout(..)
            | Self::Changed { .. }
            | Self::Checksum { .. }
            | Self::Truncated { .. } => true,
            // A handshake that was cut off is the network's; everything else is configuration.
            Self::Tls(error) => error.kind() != io::ErrorKind::InvalidData,
            Self::Connection(error) => !error.is_parse(),
            Self::Credentials(error) => error.is_transient(),
            Self::Answer(answer) => answer.is_transient(),
            Self::Proxy { failure, .. } => match failure {
                ProxyFailure::Unreachable(cause) => cause.is_transient(),
                ProxyFailure::Refused(status) => matches!(status, 429 | 500 | 502 | 503 | 504),
                ProxyFailure::Broken(_) => true,
                ProxyFailure::NotHttp => false,
            },
            Self::Unsendable(_)
            | Self::NotTheRest(_)
            | Self::CertificateTime(_)
            | Self::Redirect(..)
            | Self::Unexpected(_)
            | Self::Unframed
            | Self::TooLarge { .. }
            | Self::Source(_)
            | Self::SourceLength { .. } => false,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsendable(what) => write!(
                f,
                "the request was not sent, because {what} has characters that HTTP does not allow"
            ),
            Self::Credentials(error) => write!(f, "the request was not sent, because {error}"),
            Self::Resolve(error) => write!(f, "the host name was not resolved ({error})"),
            Self::Connect { addresses, error } => {
                f.write_str("no connection to ")?;
                for (index, address) in addresses.iter().enumerate() {
                    write!(f, "{}{address}", if index > 0 { ", " } else { "" })?;
                }
                write!(f, " ({error})")
            }
            Self::Tls(error) => write!(f, "TLS failed ({error})"),
            Self::CertificateTime(CertificateTime { now, bound, expired }) => write!(
                f,
                "the server's certificate is not valid at the gateway's time, {}: it {} {}",
                Moment::from(*now),
                if *expired { "ended" } else { "begins" },
                Moment::from(*bound)
            ),
            Self::Proxy { proxy, failure } => {
                write!(f, "the proxy {proxy} ")?;
                match failure {
                    ProxyFailure::Unreachable(cause) => write!(f, "was not reached: {cause}"),
                    ProxyFailure::Refused(status) => {
                        write!(f, "made no connection to the server, it answered {status}")
                    }
                    ProxyFailure::Broken(error) => write!(f, "closed the connection ({error})"),
                    ProxyFailure::NotHttp => f.write_str("does not answer as an HTTP proxy does"),
                }
            }
            Self::Timeout(phase, limit) => {
                let what = match phase {
                    Phase::Connect => "no connection",
                    Phase::Answer => "no answer",
                    Phase::Body => "no more of the object",
                };
                write!(f, "{what} within {} s", limit.as_secs_f32())
            }
            Self::Connection(error) => {
                write!(f, "the connection failed before the answer ({})", Chain(error))
            }
            Self::Answer(answer) => answer.fmt(f),
            Self::Redirect(answer, reason) => {
                // A query may be a signature.
                let to = answer.location.as_deref().unwrap_or_default();
                let to: String = to.chars().take_while(|c| *c != '?').take(200).collect();
                write!(f, "{answer}, and where it redirects to {reason}: {:?}", to)
            }
            Self::Unexpected(what) => write!(f, "the answer is not understood: {what}"),
            Self::Truncated { expected, received, .. } => {
                write!(f, "the object was cut off after {received} ")?;
                match expected {
                    Some(expected) => write!(f, "of {expected} bytes"),
                    None => f.write_str("bytes"),
                }
            }
            Self::Changed { was, is } => {
                write!(f, "the object was replaced while it was read (its ETag was {was}")?;
                match is {
                    Some(is) => write!(f, " and is {is} now)"),
                    None => f.write_str(")"),
                }
            }
            Self::NotTheRest(what) => {
                write!(f, "the rest of the object was asked for, and the answer has {what}")
            }
            Self::Checksum { algorithm, expected, computed } => write!(
                f,
                "the content was corrupted: S3 has it with {algorithm} {expected}, and what came \
                 has {computed}"
            ),
            Self::Unframed => f.write_str(
                "the answer has neither a Content-Length nor chunks, its end cannot be verified",
            ),
            Self::TooLarge { limit, length } => match length {
                Some(length) => write!(f, "the object has {length} bytes, the limit is {limit}"),
                None => write!(f, "the object has more than {limit} bytes, the limit"),
            },
            Self::Source(error) => write!(f, "what is to be uploaded was not readable ({error})"),
            Self::SourceLength { announced, given } => write!(
                f,
                "what is to be uploaded was announced with {announced} bytes and has {given}{}",
                if given > announced { " or more" } else { "" }
            ),
        }
    }
}

/// An error with its sources: hyper's own text leaves out the cause.
struct Chain<'a>(&'a hyper::Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = std::error::Error::source(self.0);
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::error_document::ErrorDocument;

    fn error(tries: u32, cause: Cause) -> Error {
        Error::new(
            Target { method: Method::GET, bucket: "bkt".into(), key: "a\nb".into() },
            "minio:9000".into(),
            tries,
            cause,
        )
    }

    fn answer(status: u16, code: &str) -> Answer {
        Answer { status, code: Some(code.into()), ..Answer::default() }
    }

    #[test]
    fn says_all_four_things_on_one_line() {
        let cause = Cause::Answer(Box::new(Answer {
            message: Some("The specified key does not exist.".into()),
            request_id: Some("4442587FB7D0A2F9".into()),
            ..answer(404, "NoSuchKey")
        }));
        assert_eq!(
            error(1, cause).to_string(),
            "GET s3://bkt/a\\nb at minio:9000: S3 answered 404 NoSuchKey \"The specified key does \
             not exist\", request id 4442587FB7D0A2F9; trying again does not help: check the \
             object's name and the configured directory"
        );
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let cause = Cause::Connect {
            addresses: vec!["127.0.0.1:9".parse().unwrap(), "[::1]:9".parse().unwrap()],
            error: refused,
        };
        assert_eq!(
            error(3, cause).to_string(),
            "GET s3://bkt/a\\nb at minio:9000: no connection to 127.0.0.1:9, [::1]:9 (connection \
             refused); given up after 3 tries, later it may work: check that the server runs and \
             that a firewall lets the gateway reach it, or correct SAPT_AWS_ENDPOINT_URL"
        );
    }

    #[test]
    fn what_is_tried_again() {
        for (status, code, transient) in [
            (503, "SlowDown", true),
            (500, "InternalError", true),
            (429, "TooManyRequests", true),
            (400, "RequestTimeout", true),
            (400, "ExpiredToken", false),
            (403, "AccessDenied", false),
            (404, "NoSuchKey", false),
            (301, "PermanentRedirect", false),
            (501, "NotImplemented", false),
        ] {
            let error = error(1, Cause::Answer(Box::new(answer(status, code))));
            assert_eq!(error.is_transient(), transient, "{code}");
            assert_eq!(error.code(), Some(code));
            assert_eq!(error.status(), Some(status));
        }
    }

    #[test]
    fn the_region_of_a_header_counts_too() {
        let mut headers = hyper::HeaderMap::new();
        headers.insert("x-amz-bucket-region", "eu-west-1".parse().unwrap());
        let answer = Answer::new(301, &headers, ErrorDocument::default());
        let text = error(1, Cause::Answer(Box::new(answer))).to_string();
        assert!(text.contains("SAPT_AWS_REGION=eu-west-1"), "{text}");
    }
}
