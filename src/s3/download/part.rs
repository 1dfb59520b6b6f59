//! A stretch of an object, read over as many connections, one after the other, as it takes.

use std::rc::Rc;

use bytes::Bytes;
use smol::Timer;

use super::body::{Body, Break};
use super::source::{Opened, Source};
use crate::s3::Error;
use crate::s3::client::random;
use crate::s3::error::{Cause, Phase};

/// Reads on where a connection breaks off, as long as that gets anywhere.
pub(super) struct Part {
    source: Rc<Source>,
    position: u64,
    /// Where it ends; None where only the end of the body tells.
    end: Option<u64>,
    body: Option<Body>,
    budget: Budget,
    ended: bool,
}

impl Part {
    /// The whole object, the body of which has begun.
    pub(super) fn of_body(source: Rc<Source>, body: Body) -> Self {
        let end = source.length;
        Self { body: Some(body), ..Self::new(source, 0, end) }
    }

    /// The stretch from `start` to before `end`. Nothing is asked for yet.
    pub(super) fn new(source: Rc<Source>, start: u64, end: Option<u64>) -> Self {
        let budget = Budget { failures: 0, mark: start };
        Self { source, position: start, end, body: None, budget, ended: false }
    }

    /// The next of it. None only at its end.
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        while !self.ended {
            let Some(body) = &mut self.body else {
                if self.is_whole() {
                    break;
                }
                self.open().await?;
                continue;
            };
            let cause = match body.next(&self.source.client).await {
                Ok(Some(data)) => {
                    self.position += data.len() as u64;
                    return Ok(Some(data));
                }
                // A server may give a part of what was asked for.
                Ok(None) if self.end.is_none() || self.is_whole() => break,
                Ok(None) => self.source.truncated(self.position, None),
                Err(Break::Cut(error)) => self.source.truncated(self.position, error),
                Err(Break::Stalled) => {
                    Cause::Timeout(Phase::Body, self.source.client.timeouts().stall)
                }
            };
            self.body = None;
            // All that was announced has come, and only its end was cut.
            if self.is_whole() {
                break;
            }
            let error = self.source.error(self.budget.failures + 1, cause);
            self.may_go_on(error).await?;
        }
        self.ended = true;
        self.body = None;
        Ok(None)
    }

    /// Asks for what is still missing.
    async fn open(&mut self) -> Result<(), Error> {
        match self.source.open(self.position, self.end).await {
            Ok(Opened::Body(body)) => self.body = Some(body),
            Ok(Opened::End) => self.ended = true,
            Err(error) if error.is_changed() || !error.is_transient() => return Err(error),
            Err(error) => self.may_go_on(error).await?,
        }
        Ok(())
    }

    /// Waits before the next try, or gives the reason why there is none.
    async fn may_go_on(&mut self, error: Error) -> Result<(), Error> {
        if !self.source.can_resume() || !self.budget.allows(self.position) {
            return Err(error);
        }
        log::info!("{error}; reading on from byte {}", self.position);
        let retry = self.source.client.retry();
        // A connection that was of use is replaced at once.
        if let failed @ 1.. = self.budget.failures - 1 {
            Timer::after(retry.delay(failed, random())).await;
        }
        Ok(())
    }

    fn is_whole(&self) -> bool {
        self.end.is_some_and(|end| self.position >= end)
    }
}

/// How often reading may break off: any number of times as long as it gets on in between.
struct Budget {
    /// Since it last got on.
    failures: u32,
    /// Where it was then.
    mark: u64,
}

impl Budget {
    /// Failures in a row, before it is given up. Each may be that of a request after all its tries.
    const FAILURES: u32 = 6;

    /// So many bytes are worth a connection: otherwise a server that sends one at a time would keep
    /// it busy for ever.
    const STEP: u64 = 64 * 1024;

    fn allows(&mut self, position: u64) -> bool {
        if position - self.mark >= Self::STEP {
            *self = Self { failures: 0, mark: position };
        }
        self.failures += 1;
        self.failures <= Self::FAILURES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_cuts_as_long_as_it_gets_on() {
        let mut budget = Budget { failures: 0, mark: 0 };
        for position in (0..1000 * Budget::STEP).step_by(Budget::STEP as usize) {
            assert!(budget.allows(position));
            assert!(budget.allows(position + 1));
        }
    }

    #[test]
    fn a_few_where_it_does_not() {
        let mut budget = Budget { failures: 0, mark: 7 };
        for position in 0..u64::from(Budget::FAILURES) {
            assert!(budget.allows(7 + position));
        }
        assert!(!budget.allows(7 + Budget::STEP - 1));
        assert!(budget.allows(7 + Budget::STEP));
    }
}
