//! How fast a connection may be.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Spreads the bytes of one exchange over time.
pub(super) struct Pace {
    bytes_per_second: Option<u64>,
    begin: Instant,
    passed: u64,
}

/// What is passed on at a time.
pub(super) const PIECE: usize = 256 * 1024;

impl Pace {
    pub(super) fn new(bytes_per_second: Option<u64>) -> Pace {
        Pace { bytes_per_second, begin: Instant::now(), passed: 0 }
    }

    /// How much may be passed on at once: a twentieth of a second's, so that it flows evenly.
    pub(super) fn piece(&self) -> usize {
        let piece = self.bytes_per_second.map_or(PIECE as u64, |rate| rate / 20);
        piece.clamp(1, PIECE as u64) as usize
    }

    /// Waits until these bytes have taken their time.
    pub(super) async fn take(&mut self, bytes: usize) {
        self.passed += bytes as u64;
        if let Some(rate) = self.bytes_per_second {
            let due = Duration::from_secs_f64(self.passed as f64 / rate.max(1) as f64);
            sleep_until(self.begin + due).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn bytes_take_their_time() {
        let begin = Instant::now();
        let mut pace = Pace::new(Some(1_000_000));
        for _ in 0..20 {
            pace.take(pace.piece()).await;
        }
        assert_eq!(begin.elapsed().as_millis(), 1000);
        let mut pace = Pace::new(None);
        pace.take(1_000_000_000).await;
        assert_eq!(begin.elapsed().as_millis(), 1000);
    }
}
