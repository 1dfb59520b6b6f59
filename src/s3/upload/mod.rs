//! What is written to S3.

mod aws_chunked;
mod body;
mod payload;
mod source;

pub(super) use aws_chunked::encoded_length;
pub(super) use body::RequestBody;
pub(super) use payload::Payload;
pub(super) use source::{Source, SourceFailure};

use std::fmt;
use std::io;
use std::pin::Pin;

use bytes::Bytes;
use smol::stream::Stream;

/// An object's content on its way to S3.
pub enum Upload {
    /// Held in memory. Its hash is signed, and it is sent again where trying again helps.
    Bytes(Bytes),
    /// Read as it is sent, so that its size does not matter. It can be sent only once: an error
    /// after the first byte was taken from it is final.
    ///
    /// Over TLS its content is not signed, TLS keeps it whole; over http each 64 KiB of it are.
    Stream {
        /// How many bytes the stream gives. Anything else is an error, and nothing is stored.
        length: u64,
        /// The content.
        stream: ByteStream,
    },
}

/// Bytes in parts of any size.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => write!(f, "Upload::Bytes({} bytes)", bytes.len()),
            Self::Stream { length, .. } => write!(f, "Upload::Stream({length} bytes)"),
        }
    }
}
