//! An object while it is read: resumed where it breaks off, over several connections where that is
//! faster, and compared at its end with what S3 says that it is.

mod body;
mod content_range;
mod part;
mod policy;
mod source;
mod window;

use std::rc::Rc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use self::part::Part;
use self::policy::Policy;
pub(super) use self::policy::{Preference, Spread};
pub(super) use self::source::Source;
use self::window::Window;
use super::Error;
use super::checksum::Verification;
use super::error::Cause;
use super::request::Answered;

/// An object whose content is being read. Dropped before its end, it closes its connections.
pub struct Object {
    /// The content's length in bytes, where S3 announced it.
    pub length: Option<u64>,
    /// The version of the content, as S3 wrote it, with its quotes.
    pub etag: Option<String>,
    source: Rc<Source>,
    reader: Reader,
    policy: Policy,
    verification: Option<Verification>,
    received: u64,
    state: State,
}

enum Reader {
    One(Part),
    Several(Window),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Reading,
    Ended,
    Failed,
}

impl Object {
    /// Begins to read the body of an answer.
    pub(super) fn new(mut source: Source, answered: Answered) -> Result<Self, Error> {
        let verification = Verification::promised(answered.answer.headers(), source.client.etags());
        let body = source.first(answered)?;
        let source = Rc::new(source);
        Ok(Self {
            length: source.length,
            etag: source.etag.clone(),
            reader: Reader::One(Part::of_body(source.clone(), body)),
            policy: Policy::new(source.client.preference(), Instant::now()),
            source,
            verification,
            received: 0,
            state: State::Reading,
        })
    }

    /// The next part of the content, in order. None only at the true end: content that is shorter
    /// than announced, breaks off for good, or is not what S3 has a checksum of, is an error.
    ///
    /// A call that is given up loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            match self.state {
                State::Reading => {}
                State::Ended => return Ok(None),
                State::Failed => {
                    let cause = self.source.truncated(self.received, None);
                    return Err(self.source.error(1, cause));
                }
            }
            let begun = Instant::now();
            let result = match &mut self.reader {
                Reader::One(part) => part.chunk().await,
                Reader::Several(window) => window.chunk().await,
            };
            match result {
                Ok(Some(data)) => {
                    self.received += data.len() as u64;
                    if let Some(verification) = &mut self.verification {
                        verification.update(&data);
                    }
                    self.spread(data.len() as u64, begun);
                    return Ok(Some(data));
                }
                Ok(None) if self.is_whole() => {
                    self.state = State::Failed;
                    if let Some(verification) = self.verification.take() {
                        verification
                            .finish(self.source.client.etags())
                            .map_err(|cause| self.source.error(1, cause))?;
                    }
                    self.state = State::Ended;
                }
                // Several connections stop early where one is better.
                Ok(None) => self.read_with_one(),
                Err(error) if self.can_go_on_with_one(&error) => {
                    log::info!("{error}; going on over one connection");
                    self.policy.settle();
                    self.read_with_one();
                }
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            }
        }
    }

    /// The rest of the content in one piece, refused above `limit` bytes.
    pub(super) async fn into_bytes(mut self, limit: u64) -> Result<Bytes, Error> {
        let too_large =
            |source: &Source, length| source.error(1, Cause::TooLarge { limit, length });
        if let Some(length) = self.length.filter(|length| *length > limit) {
            return Err(too_large(&self.source, Some(length)));
        }
        let mut whole = BytesMut::with_capacity(self.length.unwrap_or(0) as usize);
        while let Some(part) = self.chunk().await? {
            if self.received > limit {
                return Err(too_large(&self.source, None));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    }

    fn is_whole(&self) -> bool {
        match (&self.reader, self.length) {
            (Reader::One(_), _) | (_, None) => true,
            (Reader::Several(_), Some(length)) => self.received == length,
        }
    }

    fn can_go_on_with_one(&self, error: &Error) -> bool {
        matches!(self.reader, Reader::Several(_)) && !error.is_changed()
    }

    /// Goes over to more connections or back to one, where that promises to be faster.
    fn spread(&mut self, bytes: u64, begun: Instant) {
        let Some(length) = self.length else { return };
        if !self.source.can_resume() {
            return;
        }
        let now = Instant::now();
        let left = length.saturating_sub(self.received);
        let preference = self.source.client.preference();
        match (self.policy.received(bytes, now - begun, now, left, preference), &mut self.reader) {
            (Some(Spread::Several), Reader::One(_)) => {
                let window = Window::new(self.source.clone(), self.received, length);
                self.reader = Reader::Several(window);
            }
            (Some(Spread::One), Reader::Several(window)) => window.stop(),
            _ => {}
        }
    }

    fn read_with_one(&mut self) {
        self.reader = Reader::One(Part::new(self.source.clone(), self.received, self.length));
    }
}
