//! The body of a request, from the first try to the last.

use bytes::Bytes;

use super::{ByteStream, RequestBody, Source, SourceFailure};
use crate::s3::error::Cause;
use crate::s3::signing::{PayloadHash, Signer};

/// A request's body before it is sent.
pub(in crate::s3) enum Payload {
    None,
    Bytes { content: Bytes, hash: PayloadHash },
    Stream { length: u64, stream: Option<ByteStream>, failure: SourceFailure },
}

impl Payload {
    pub(in crate::s3) fn bytes(content: Bytes) -> Self {
        Self::Bytes { hash: PayloadHash::of(&content), content }
    }

    /// Whether a request that fails can be followed by another one.
    pub(in crate::s3) fn can_be_sent_again(&self) -> bool {
        !matches!(self, Self::Stream { .. })
    }

    /// Whether nothing of it is missing: a stream that was not handed to a connection yet is whole.
    pub(in crate::s3) fn is_whole(&self) -> bool {
        !matches!(self, Self::Stream { stream: None, .. })
    }

    pub(in crate::s3) fn length(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Bytes { content, .. } => Some(content.len() as u64),
            Self::Stream { length, .. } => Some(*length),
        }
    }

    pub(in crate::s3) fn hash(&self, tls: bool) -> PayloadHash {
        match self {
            Self::None => PayloadHash::of(b""),
            Self::Bytes { hash, .. } => hash.clone(),
            Self::Stream { .. } if tls => PayloadHash::Unsigned,
            Self::Stream { .. } => PayloadHash::Streaming,
        }
    }

    /// The body to send; `chunks` has the signer and the seed where it is signed in chunks.
    pub(in crate::s3) fn body(&mut self, chunks: Option<(&Signer<'_>, String)>) -> RequestBody {
        match self {
            Self::Bytes { content, .. } => RequestBody::bytes(content.clone()),
            Self::Stream { length, stream, failure } => match stream.take() {
                Some(stream) => {
                    let source = Source::new(stream, *length, failure.clone());
                    match chunks {
                        Some((signer, seed)) => {
                            RequestBody::chunked(source, *length, signer.chunks(seed))
                        }
                        None => RequestBody::stream(source, *length),
                    }
                }
                None => RequestBody::bytes(Bytes::new()),
            },
            Self::None => RequestBody::bytes(Bytes::new()),
        }
    }

    /// Why the stream failed, where that is what a request failed for.
    pub(in crate::s3) fn take_failure(&self) -> Option<Cause> {
        match self {
            Self::Stream { failure, .. } => failure.take(),
            _ => None,
        }
    }
}
