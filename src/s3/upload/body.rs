//! The body of a request, as hyper takes it.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use smol::stream::Stream;

use super::aws_chunked::{AwsChunked, encoded_length};
use super::source::{Source, SourceFailed};
use crate::s3::signing::ChunkSigner;

/// The largest part of a body in memory that hyper gets at once, in bytes.
const PART: usize = 64 * 1024;

/// A request's body, of a length that is known.
pub(in crate::s3) struct RequestBody {
    content: Content,
    remaining: u64,
}

enum Content {
    Bytes(Bytes),
    Stream(Source),
    Chunked(Box<AwsChunked>),
}

impl RequestBody {
    /// Bytes, possibly none.
    pub(in crate::s3) fn bytes(bytes: Bytes) -> Self {
        Self { remaining: bytes.len() as u64, content: Content::Bytes(bytes) }
    }

    /// A stream as it comes.
    pub(in crate::s3) fn stream(source: Source, length: u64) -> Self {
        Self { content: Content::Stream(source), remaining: length }
    }

    /// A stream in signed chunks.
    pub(in crate::s3) fn chunked(source: Source, length: u64, signer: ChunkSigner) -> Self {
        Self {
            content: Content::Chunked(Box::new(AwsChunked::new(source, length, signer))),
            remaining: encoded_length(length),
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = SourceFailed;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, SourceFailed>>> {
        let part = match &mut self.content {
            Content::Bytes(bytes) if bytes.is_empty() => None,
            // hyper copies what it is given: not all of it at once.
            Content::Bytes(bytes) => Some(Ok(bytes.split_to(bytes.len().min(PART)))),
            Content::Stream(source) => ready!(Pin::new(source).poll_next(cx)),
            Content::Chunked(chunks) => ready!(Pin::new(chunks).poll_next(cx)),
        };
        if let Some(Ok(part)) = &part {
            self.remaining = self.remaining.saturating_sub(part.len() as u64);
        }
        Poll::Ready(part.map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
