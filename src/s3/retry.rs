//! When a request is made again.

mod budget;

pub use budget::RetryBudget;

use std::time::Duration;

use super::error::Cause;

/// How often, and after what delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many times a request is made at most, the first one included.
    pub tries: u32,
    /// The same where the server asks for fewer requests: it is there, and needs time.
    pub throttled_tries: u32,
    /// The longest delay before the second try. It doubles with each further one.
    pub base: Duration,
    /// No delay is longer than this.
    pub limit: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            tries: 3,
            throttled_tries: 5,
            base: Duration::from_millis(500),
            limit: Duration::from_secs(20),
        }
    }
}

impl Retry {
    /// The delay before the next try, after `tries` that failed, the last one for `cause`. None
    /// where there is to be no other one.
    pub(super) fn next(&self, tries: u32, cause: &Cause, random: u32) -> Option<Duration> {
        let limit = if cause.is_throttling() { self.throttled_tries } else { self.tries };
        if !cause.is_transient() || tries >= limit {
            return None;
        }
        let asked = cause.retry_after().unwrap_or_default().min(self.limit);
        Some(self.delay(tries, random).max(asked))
    }

    /// The delay after `failed` tries: anything from nothing to the longest one, as `random` falls.
    ///
    /// Full jitter spreads a fleet whose requests failed together better than a fixed part does
    /// ("Exponential Backoff And Jitter", AWS Architecture Blog).
    pub fn delay(&self, failed: u32, random: u32) -> Duration {
        let doubled = self
            .base
            .saturating_mul(1_u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.limit).mul_f64(f64::from(random) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::super::error::{Answer, Phase};
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit() {
        let retry = Retry::default();
        for (failed, milliseconds) in [(1, 500), (2, 1_000), (3, 2_000), (7, 20_000), (99, 20_000)]
        {
            let longest = Duration::from_millis(milliseconds);
            assert_eq!(retry.delay(failed, u32::MAX), longest);
            assert_eq!(retry.delay(failed, 0), Duration::ZERO);
            let half = retry.delay(failed, u32::MAX / 2);
            assert!(half < longest && half > longest / 3);
        }
    }

    fn answer(status: u16, retry_after: Option<u64>) -> Cause {
        let retry_after = retry_after.map(Duration::from_secs);
        Cause::Answer(Box::new(Answer { status, retry_after, ..Answer::default() }))
    }

    #[test]
    fn tries_depend_on_the_cause() {
        let retry = Retry::default();
        let timeout = Cause::Timeout(Phase::Answer, Duration::from_secs(1));
        for (cause, tries) in [
            (answer(403, None), 1),
            (answer(404, None), 1),
            (answer(500, None), 3),
            (timeout, 3),
            (answer(429, None), 5),
            (answer(503, None), 5),
        ] {
            let made = (1..).find(|tries| retry.next(*tries, &cause, 0).is_none());
            assert_eq!(made, Some(tries), "{cause}");
        }
    }

    #[test]
    fn the_server_may_ask_for_a_longer_delay() {
        let retry = Retry::default();
        for (asked, seconds) in [(None, 0), (Some(0), 0), (Some(7), 7), (Some(3_600), 20)] {
            let delay = retry.next(1, &answer(503, asked), 0);
            assert_eq!(delay, Some(Duration::from_secs(seconds)));
        }
        assert_eq!(retry.next(4, &answer(503, Some(1)), u32::MAX), Some(Duration::from_secs(4)));
    }
}
