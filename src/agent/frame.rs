//! gRPC's length-prefixed messages: one byte of flags, four of length, then the message
//! ("Length-Prefixed-Message").

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

/// The flags and the length.
const PREFIX: usize = 5;

/// Below this a copy is cheaper than a chunk of its own.
const SMALLEST_SHARED: usize = 4096;

/// A message ready to be sent, with its prefix.
///
/// The bytes of tensors are not copied: they are chunks of their own, shared with whoever made the
/// tensor. It is a request's body, one DATA chunk after the other, and can be cloned for a retry.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    chunks: VecDeque<Bytes>,
    length: usize,
}

impl Frame {
    /// A message that is small enough to be copied.
    pub(super) fn of(message: &impl Message, limit: usize) -> Result<Self, TooLarge> {
        let mut writer = Writer::new(message.encoded_len(), limit)?;
        writer.message(message);
        Ok(writer.finish())
    }

    /// Bytes on the wire, the prefix included.
    pub(super) fn length(&self) -> usize {
        self.length
    }
}

impl hyper::body::Body for Frame {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        let chunk = self.chunks.pop_front();
        Poll::Ready(chunk.map(|bytes| Ok(hyper::body::Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.chunks.is_empty()
    }
}

/// Writes one message whose large fields are shared instead of copied.
///
/// The caller writes the fields in the order of their numbers, and exactly as many bytes as it
/// announced.
#[derive(Debug)]
pub(super) struct Writer {
    chunks: VecDeque<Bytes>,
    open: BytesMut,
    length: usize,
}

impl Writer {
    /// For a message of `length` bytes.
    pub(super) fn new(length: usize, limit: usize) -> Result<Self, TooLarge> {
        let announced = u32::try_from(length).ok().filter(|_| length <= limit);
        let Some(announced) = announced else {
            return Err(TooLarge { length, limit });
        };
        let mut open = BytesMut::with_capacity(PREFIX + length.min(SMALLEST_SHARED));
        // Not compressed.
        open.put_u8(0);
        open.put_u32(announced);
        Ok(Self { chunks: VecDeque::new(), open, length: PREFIX + length })
    }

    /// Writes the fields of a message, copying them.
    pub(super) fn message(&mut self, message: &impl Message) {
        self.open.reserve(message.encoded_len());
        // A buffer that grows cannot be too small, the only way in which this fails.
        let _ = message.encode(&mut self.open);
    }

    /// Begins a field that holds a message or bytes, of which the caller then writes `length`.
    pub(super) fn begin(&mut self, number: u32, length: usize) {
        encode_key(number, WireType::LengthDelimited, &mut self.open);
        encode_varint(length as u64, &mut self.open);
    }

    /// Writes bytes, shared if they are many.
    pub(super) fn bytes(&mut self, bytes: Bytes) {
        if bytes.len() < SMALLEST_SHARED {
            self.open.put(bytes);
        } else {
            self.chunks.push_back(self.open.split().freeze());
            self.chunks.push_back(bytes);
        }
    }

    /// The message.
    pub(super) fn finish(mut self) -> Frame {
        if !self.open.is_empty() {
            self.chunks.push_back(self.open.freeze());
        }
        debug_assert_eq!(self.chunks.iter().map(Bytes::len).sum::<usize>(), self.length);
        Frame { chunks: self.chunks, length: self.length }
    }
}

/// A message that is longer than the limit, and was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge {
    /// Bytes, without the prefix.
    pub(super) length: usize,
    /// Bytes.
    pub(super) limit: usize,
}

/// Reads the one message of a unary response out of its DATA chunks, however they are cut.
#[derive(Debug)]
pub(super) struct Reader {
    limit: usize,
    prefix: Vec<u8>,
    message: Vec<u8>,
    length: usize,
}

impl Reader {
    /// For a message of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, prefix: Vec::with_capacity(PREFIX), message: Vec::new(), length: 0 }
    }

    /// Takes the next chunk. Memory is claimed once, for what the prefix announces.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<(), FrameError> {
        let missing = PREFIX - self.prefix.len();
        let (prefix, rest) = chunk.split_at(missing.min(chunk.len()));
        if !prefix.is_empty() {
            self.prefix.extend_from_slice(prefix);
            self.read_prefix()?;
        }
        if rest.len() > self.length - self.message.len() {
            return Err(FrameError::SecondMessage);
        }
        self.message.extend_from_slice(rest);
        Ok(())
    }

    fn read_prefix(&mut self) -> Result<(), FrameError> {
        let [flags, length @ ..] = self.prefix.as_slice() else {
            return Ok(());
        };
        match flags {
            0 => {}
            1 => return Err(FrameError::Compressed),
            other => return Err(FrameError::UnknownFlags(*other)),
        }
        let Ok(length) = <[u8; 4]>::try_from(length) else {
            return Ok(());
        };
        let length = u32::from_be_bytes(length) as usize;
        if length > self.limit {
            return Err(FrameError::TooLarge { length, limit: self.limit });
        }
        let reserved = self.message.try_reserve_exact(length);
        reserved.map_err(|_| FrameError::NoMemory { length })?;
        self.length = length;
        Ok(())
    }

    /// The message, when the stream has ended; `None` if there was none.
    pub(super) fn finish(self) -> Result<Option<Bytes>, FrameError> {
        match self.prefix.len() {
            0 => Ok(None),
            PREFIX if self.message.len() == self.length => Ok(Some(self.message.into())),
            _ => Err(FrameError::Incomplete),
        }
    }
}

/// What a response's DATA is, when it is not one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The message is compressed, though no compression was offered.
    Compressed,
    /// Flags that gRPC does not define.
    UnknownFlags(u8),
    /// The announced length is above the limit; both in bytes.
    TooLarge {
        /// As announced.
        length: usize,
        /// As configured.
        limit: usize,
    },
    /// There is no memory for a message of this many bytes.
    NoMemory {
        /// As announced.
        length: usize,
    },
    /// The stream ended within the message.
    Incomplete,
    /// There are bytes after the message.
    SecondMessage,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compressed => f.write_str("the message is compressed, which was not offered"),
            Self::UnknownFlags(flags) => write!(f, "the message has unknown flags ({flags:#04x})"),
            Self::TooLarge { length, limit } => {
                write!(f, "the message has {length} bytes; the limit is {limit}")
            }
            Self::NoMemory { length } => {
                write!(f, "there is no memory for a message of {length} bytes")
            }
            Self::Incomplete => f.write_str("the message is cut off"),
            Self::SecondMessage => f.write_str("there are bytes after the message"),
        }
    }
}

impl std::error::Error for FrameError {}

/// All the bytes of a frame.
#[cfg(test)]
pub(super) fn wire(frame: &Frame) -> Vec<u8> {
    frame.chunks.iter().flatten().copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agent::proto;

    fn read(chunks: &[&[u8]]) -> Result<Option<Bytes>, FrameError> {
        let mut reader = Reader::new(10);
        for chunk in chunks {
            reader.push(chunk)?;
        }
        reader.finish()
    }

    #[test]
    fn a_message_cut_anywhere() {
        let wire = b"\0\0\0\0\x03abc";
        for first in 0..=wire.len() {
            for second in first..=wire.len() {
                let chunks = [&wire[..first], &wire[first..second], &wire[second..]];
                assert_eq!(read(&chunks), Ok(Some("abc".into())), "{first} {second}");
            }
        }
    }

    #[test]
    fn an_end_anywhere_within_the_message() {
        let wire = b"\0\0\0\0\x03abc";
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[b""]), Ok(None));
        for end in 1..wire.len() {
            assert_eq!(read(&[&wire[..end]]), Err(FrameError::Incomplete), "{end}");
        }
    }

    #[test]
    fn an_empty_message_is_one() {
        assert_eq!(read(&[b"\0\0\0\0\0"]), Ok(Some(Bytes::new())));
    }

    #[test]
    fn anything_after_the_message_is_refused() {
        let wire = b"\0\0\0\0\x01a\0\0\0\0\0";
        for end in 7..=wire.len() {
            assert_eq!(read(&[&wire[..end]]), Err(FrameError::SecondMessage));
            assert_eq!(read(&[&wire[..6], &wire[6..end]]), Err(FrameError::SecondMessage));
        }
        assert_eq!(read(&[b"\0\0\0\0\0", b"\0"]), Err(FrameError::SecondMessage));
    }

    #[test]
    fn flags_and_limit_are_checked_before_the_message_is_read() {
        assert_eq!(read(&[b"\x01"]), Err(FrameError::Compressed));
        assert_eq!(read(&[b"\x80"]), Err(FrameError::UnknownFlags(0x80)));
        assert!(read(&[b"\0\0\0\0\x0a0123456789"]).is_ok());
        for (prefix, length) in [(b"\0\0\0\0\x0b", 11), (b"\0\xff\xff\xff\xff", 0xffff_ffff)] {
            let error = FrameError::TooLarge { length, limit: 10 };
            assert_eq!(read(&[prefix]), Err(error));
        }
    }

    #[test]
    fn a_written_message_has_a_prefix_and_is_read_again() {
        let message = proto::DescribeModelRequest { name: "demo-keras".into() };
        let frame = Frame::of(&message, 12).unwrap();
        let wire = wire(&frame);
        assert_eq!(wire, b"\0\0\0\0\x0c\x0a\x0ademo-keras");
        assert_eq!(frame.length(), wire.len());
        let (length, limit) = (12, 11);
        let error = Frame::of(&message, limit).unwrap_err();
        assert_eq!(error, TooLarge { length, limit });
    }

    #[test]
    fn large_bytes_are_shared_and_small_ones_copied() {
        let large = Bytes::from(vec![7; SMALLEST_SHARED]);
        let mut writer = Writer::new(2 + 2 + 3 + large.len(), 1 << 20).unwrap();
        writer.begin(1, 2);
        writer.bytes(Bytes::from_static(b"ab"));
        writer.begin(2, large.len());
        writer.bytes(large.clone());
        let frame = writer.finish();
        assert_eq!(frame.chunks.len(), 2);
        assert_eq!(frame.chunks[0], b"\0\0\0\x10\x07\x0a\x02ab\x12\x80\x20"[..]);
        assert_eq!(frame.chunks[1].as_ptr(), large.as_ptr());
    }
}
