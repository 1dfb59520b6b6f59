//! The stream that an upload is read from, held to its announced length.

use std::cell::RefCell;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use smol::stream::Stream;

use super::ByteStream;
use crate::s3::error::Cause;

/// Gives exactly the announced number of bytes, or fails.
///
/// The last part is given only after the stream has ended: S3 stores what it has once the length is
/// reached, and one that is longer must not get there.
pub(in crate::s3) struct Source {
    stream: ByteStream,
    announced: u64,
    given: u64,
    last: Option<Bytes>,
    failure: SourceFailure,
}

impl Source {
    pub(in crate::s3) fn new(stream: ByteStream, announced: u64, failure: SourceFailure) -> Self {
        Self { stream, announced, given: 0, last: None, failure }
    }

    fn fail(&mut self, cause: Cause) -> Poll<Option<Result<Bytes, SourceFailed>>> {
        self.failure.0.replace(Some(cause));
        Poll::Ready(Some(Err(SourceFailed)))
    }
}

impl Stream for Source {
    type Item = Result<Bytes, SourceFailed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            match ready!(self.stream.as_mut().poll_next(cx)) {
                Some(Ok(part)) if part.is_empty() => {}
                Some(Ok(part)) => {
                    self.given += part.len() as u64;
                    if self.given > self.announced {
                        let (announced, given) = (self.announced, self.given);
                        return self.fail(Cause::SourceLength { announced, given });
                    }
                    if self.given < self.announced {
                        return Poll::Ready(Some(Ok(part)));
                    }
                    self.last = Some(part);
                }
                Some(Err(error)) => return self.fail(Cause::Source(error)),
                None if self.given < self.announced => {
                    let (announced, given) = (self.announced, self.given);
                    return self.fail(Cause::SourceLength { announced, given });
                }
                None => return Poll::Ready(self.last.take().map(Ok)),
            }
        }
    }
}

/// Where a source leaves why it failed, past hyper, which only hands on that the body did.
#[derive(Clone, Default)]
pub(in crate::s3) struct SourceFailure(Rc<RefCell<Option<Cause>>>);

impl SourceFailure {
    pub(in crate::s3) fn take(&self) -> Option<Cause> {
        self.0.take()
    }
}

/// The source failed; [`SourceFailure`] has the reason.
#[derive(Debug, Clone, Copy)]
pub(in crate::s3) struct SourceFailed;

impl fmt::Display for SourceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what is to be uploaded could not be read")
    }
}

impl std::error::Error for SourceFailed {}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::stream::{self, StreamExt};
    use std::io;

    fn read(parts: Vec<io::Result<&'static str>>, announced: u64) -> (Vec<Bytes>, Option<Cause>) {
        let failure = SourceFailure::default();
        let parts = stream::iter(parts).map(|part| part.map(Bytes::from));
        let source = Source::new(Box::pin(parts), announced, failure.clone());
        let given = smol::block_on(source.take_while(Result::is_ok).collect::<Vec<_>>());
        (given.into_iter().map(Result::unwrap).collect(), failure.take())
    }

    #[test]
    fn the_announced_length() {
        let (given, failure) = read(vec![Ok("ab"), Ok(""), Ok("c"), Ok("")], 3);
        assert_eq!(given, ["ab", "c"]);
        assert!(failure.is_none());
        let (given, failure) = read(vec![], 0);
        assert!(given.is_empty() && failure.is_none());
    }

    #[test]
    fn too_short() {
        let (given, failure) = read(vec![Ok("ab")], 3);
        assert_eq!(given, ["ab"]);
        assert!(matches!(failure, Some(Cause::SourceLength { announced: 3, given: 2 })));
    }

    #[test]
    fn too_long_never_gets_to_the_announced_length() {
        for parts in [vec![Ok("ab"), Ok("c"), Ok("d")], vec![Ok("ab"), Ok("cd")]] {
            let (given, failure) = read(parts, 3);
            assert_eq!(given, ["ab"]);
            assert!(matches!(failure, Some(Cause::SourceLength { announced: 3, given: 4 })));
        }
    }

    #[test]
    fn unreadable() {
        let (given, failure) = read(vec![Ok("ab"), Err(io::Error::other("disk"))], 3);
        assert_eq!(given, ["ab"]);
        assert!(matches!(failure, Some(Cause::Source(_))));
    }
}
