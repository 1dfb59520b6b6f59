//! The body of a request, from the first try to the last.

use std::ops::Range;

use bytes::Bytes;

use super::source::Source;
use super::{ReadRange, RequestBody, SourceFailure};
use crate::s3::error::Cause;
use crate::s3::signing::{PayloadHash, Signer};

/// A request's body before it is sent. Each try sends it from its beginning.
pub(in crate::s3) enum Payload {
    None,
    Bytes { content: Bytes, hash: PayloadHash },
    Read { range: Range<u64>, read: ReadRange, failure: SourceFailure },
}

impl Payload {
    pub(in crate::s3) fn bytes(content: Bytes) -> Self {
        Self::Bytes { hash: PayloadHash::of(&content), content }
    }

    pub(in crate::s3) fn length(&self) -> Option<u64> {
        match self {
            Self::None => None,
            Self::Bytes { content, .. } => Some(content.len() as u64),
            Self::Read { range, .. } => Some(range.end - range.start),
        }
    }

    pub(in crate::s3) fn hash(&self, tls: bool) -> PayloadHash {
        match self {
            Self::None => PayloadHash::of(b""),
            Self::Bytes { hash, .. } => hash.clone(),
            Self::Read { .. } if tls => PayloadHash::Unsigned,
            Self::Read { .. } => PayloadHash::Streaming,
        }
    }

    /// The body to send; `chunks` has the signer and the seed where it is signed in chunks.
    pub(in crate::s3) fn body(&self, chunks: Option<(&Signer<'_>, String)>) -> RequestBody {
        match self {
            Self::None => RequestBody::bytes(Bytes::new()),
            Self::Bytes { content, .. } => RequestBody::bytes(content.clone()),
            Self::Read { range, read, failure } => {
                let length = range.end - range.start;
                let source = Source::new(read(range.clone()), length, failure.clone());
                match chunks {
                    Some((signer, seed)) => {
                        RequestBody::chunked(source, length, signer.chunks(seed))
                    }
                    None => RequestBody::stream(source, length),
                }
            }
        }
    }

    /// Why the content could not be read, where that is what a request failed for.
    pub(in crate::s3) fn take_failure(&self) -> Option<Cause> {
        match self {
            Self::Read { failure, .. } => failure.take(),
            _ => None,
        }
    }
}
