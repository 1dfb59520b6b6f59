//! The rest of an object over several connections at once.

use std::collections::VecDeque;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use futures_lite::FutureExt;
use smol::Task;

use super::part::Part;
use super::source::Source;
use crate::s3::Error;

/// How many connections.
const CONNECTIONS: usize = 4;

/// What each of them is asked for at a time, in bytes. As many of these are in memory as there are
/// connections, and the one or two that are being consumed.
const RANGE: u64 = 768 * 1024;

/// What is given out at a time, in bytes.
const PIECE: usize = 64 * 1024;

/// Ranges of one version of an object, read side by side and given out in order.
pub(super) struct Window {
    source: Rc<Source>,
    /// Those that are being read; each is whole when it is done.
    ranges: VecDeque<Task<Result<Bytes, Error>>>,
    /// Where the next one begins.
    next: u64,
    end: u64,
    /// What is left of the first one.
    front: Bytes,
}

impl Window {
    /// The bytes from `start` to before `end`.
    pub(super) fn new(source: Rc<Source>, start: u64, end: u64) -> Self {
        Self { source, ranges: VecDeque::new(), next: start, end, front: Bytes::new() }
    }

    /// Begins no more ranges. Those that have begun are given out.
    pub(super) fn stop(&mut self) {
        self.end = self.next;
    }

    /// The next of it. None only at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        if self.front.is_empty() {
            self.fill();
            let Some(range) = self.ranges.front_mut() else { return Ok(None) };
            let range = range.await;
            self.ranges.pop_front();
            self.front = range?;
            self.fill();
        }
        Ok(Some(self.front.split_to(self.front.len().min(PIECE))))
    }

    fn fill(&mut self) {
        while self.ranges.len() < CONNECTIONS && self.next < self.end {
            let (start, end) = (self.next, self.end.min(self.next + RANGE));
            let range = whole(Part::new(self.source.clone(), start, Some(end)), end - start);
            self.ranges.push_back(self.source.client.executor().spawn(range.boxed_local()));
            self.next = end;
        }
    }
}

/// All of a part. It is copied together: the pieces that come lie in buffers of up to many times
/// their size.
async fn whole(mut part: Part, length: u64) -> Result<Bytes, Error> {
    let mut whole = BytesMut::with_capacity(length as usize);
    while let Some(piece) = part.chunk().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}
