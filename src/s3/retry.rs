//! When a request is made again.

use std::time::Duration;

/// How often, and after what delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// How many times a request is made at most, the first one included.
    pub tries: u32,
    /// The longest delay before the second try. It doubles with each further one.
    pub base: Duration,
    /// No delay is longer than this.
    pub limit: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { tries: 3, base: Duration::from_millis(500), limit: Duration::from_secs(10) }
    }
}

impl Retry {
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
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit() {
        let retry = Retry::default();
        for (failed, milliseconds) in [(1, 500), (2, 1_000), (3, 2_000), (6, 10_000), (99, 10_000)]
        {
            let longest = Duration::from_millis(milliseconds);
            assert_eq!(retry.delay(failed, u32::MAX), longest);
            assert_eq!(retry.delay(failed, 0), Duration::ZERO);
            let half = retry.delay(failed, u32::MAX / 2);
            assert!(half < longest && half > longest / 3);
        }
    }
}
