//! How fast bytes come. Pure.

use std::time::{Duration, SystemTime};

/// The shortest time that is looked at by itself: what comes in bursts has no speed.
const SAMPLE: Duration = Duration::from_secs(1);

/// How many seconds a sample needs to replace what was known before.
const MEMORY: f64 = 4.0;

/// Bytes per second, smoothed over a few seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    since: SystemTime,
    bytes: u64,
    smoothed: Option<f64>,
}

impl Rate {
    /// Nothing has come yet.
    pub(super) fn new(now: SystemTime) -> Self {
        Self { since: now, bytes: 0, smoothed: None }
    }

    /// More bytes have come.
    pub(super) fn advance(&mut self, bytes: u64, now: SystemTime) {
        self.bytes += bytes;
        if let Some(smoothed) = self.with_sample(now) {
            *self = Self { since: now, bytes: 0, smoothed: Some(smoothed) };
        }
    }

    /// Bytes per second, once that can be told.
    pub(super) fn per_second(&self, now: SystemTime) -> Option<u64> {
        self.with_sample(now).or(self.smoothed).map(|rate| rate as u64)
    }

    /// The rate with what has come since the last sample, where that is long enough ago.
    fn with_sample(&self, now: SystemTime) -> Option<f64> {
        // A clock that is set back begins a sample anew.
        let time = now.duration_since(self.since).ok().filter(|time| *time >= SAMPLE)?;
        let sample = self.bytes as f64 / time.as_secs_f64();
        let weight = (time.as_secs_f64() / MEMORY).min(1.0);
        Some(self.smoothed.map_or(sample, |known| known + (sample - known) * weight))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_what_comes_and_forgets_what_came() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
        let mut rate = Rate::new(start);
        rate.advance(100, at(5));
        assert_eq!(rate.per_second(at(9)), None, "too early to tell");
        rate.advance(100, at(10));
        assert_eq!(rate.per_second(at(10)), Some(200));
        rate.advance(1000, at(20));
        assert_eq!(rate.per_second(at(20)), Some(400), "a quarter of the way to 1000");
        assert_eq!(rate.per_second(at(25)), Some(400));
        assert_eq!(rate.per_second(at(40)), Some(200), "nothing has come for two seconds");
        assert_eq!(rate.per_second(at(100)), Some(0));
    }

    #[test]
    fn a_clock_that_is_set_back_does_no_harm() {
        let late = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        let mut rate = Rate::new(late);
        rate.advance(100, SystemTime::UNIX_EPOCH);
        assert_eq!(rate.per_second(SystemTime::UNIX_EPOCH), None);
        rate.advance(100, late + SAMPLE);
        assert_eq!(rate.per_second(late + SAMPLE), Some(200));
    }
}
