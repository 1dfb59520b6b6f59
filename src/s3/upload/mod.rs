//! What is written to S3.

mod aws_chunked;
mod body;
mod parts;
mod payload;
mod source;

pub(super) use aws_chunked::encoded_length;
pub(super) use body::RequestBody;
pub(super) use parts::Parts;
pub(super) use payload::Payload;
pub(super) use source::SourceFailure;

use std::fmt;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;

use bytes::Bytes;
use smol::stream::Stream;

/// An object's content on its way to S3.
#[derive(Clone)]
pub enum Upload {
    /// Held in memory.
    Bytes(Bytes),
    /// Read as it is sent, so that its size does not matter.
    Read {
        /// How many bytes there are.
        length: u64,
        /// Reads some of them. It may be asked again for what it has given, and for several ranges
        /// at once.
        read: ReadRange,
    },
}

/// Gives exactly the bytes of a range; anything else is an error, and nothing is stored.
pub type ReadRange = Rc<dyn Fn(Range<u64>) -> ByteStream>;

/// Bytes in parts of any size.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>;

impl Upload {
    /// How many bytes there are.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Read { length, .. } => *length,
        }
    }

    /// All of it, as the body of one request. What is in memory has its hash signed.
    pub(super) fn whole(&self) -> Payload {
        match self {
            Self::Bytes(bytes) => Payload::bytes(bytes.clone()),
            // hyper does not look at the stream of a body that is empty by its length.
            Self::Read { length: 0, .. } => Payload::bytes(Bytes::new()),
            Self::Read { length, .. } => self.part(0..*length),
        }
    }

    /// A part of it, read as it is sent. Over TLS it is not signed, TLS keeps it whole; over http
    /// each 64 KiB of it are.
    pub(super) fn part(&self, range: Range<u64>) -> Payload {
        let read = match self {
            Self::Read { read, .. } => read.clone(),
            Self::Bytes(bytes) => {
                let bytes = bytes.clone();
                let read: ReadRange = Rc::new(move |range: Range<u64>| {
                    let part = bytes.slice(range.start as usize..range.end as usize);
                    Box::pin(smol::stream::once(Ok(part)))
                });
                read
            }
        };
        Payload::Read { range, read, failure: SourceFailure::default() }
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Upload({} bytes)", self.length())
    }
}
