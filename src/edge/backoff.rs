//! How long to wait before the next try to connect. Pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that double from 100 ms to 30 s, each drawn from its upper half, so that many gateways
/// whose Edge Core restarts do not come back in step.
#[derive(Debug)]
pub(super) struct Backoff {
    ceiling: Duration,
}

impl Backoff {
    /// Starts with the shortest wait.
    pub(super) fn new() -> Self {
        Self { ceiling: FIRST }
    }

    /// The next wait; `random` is uniform in 0 to 1.
    pub(super) fn wait(&mut self, random: f64) -> Duration {
        let ceiling = self.ceiling;
        self.ceiling = (ceiling * 2).min(LONGEST);
        (ceiling / 2 + ceiling.mul_f64(random.clamp(0.0, 1.0) / 2.0)).max(FIRST)
    }

    /// All is well again: the next wait is the shortest.
    pub(super) fn reset(&mut self) {
        *self = Self::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_from_100_ms_to_30_s_and_starts_anew() {
        let mut backoff = Backoff::new();
        assert_eq!(backoff.wait(0.0), FIRST);
        assert_eq!(backoff.wait(0.0), FIRST);
        assert_eq!(backoff.wait(1.0), Duration::from_millis(400));
        for _ in 0..10 {
            backoff.wait(0.5);
        }
        assert_eq!(backoff.wait(1.0), LONGEST);
        assert_eq!(backoff.wait(0.0), LONGEST / 2);
        backoff.reset();
        assert_eq!(backoff.wait(1.0), FIRST);
    }
}
