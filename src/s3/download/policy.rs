//! Whether an object is read over one connection or over several. Pure.

use std::cell::Cell;
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// How a download is spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::s3) enum Spread {
    /// Over one connection.
    One,
    /// Over a few, each reading a range.
    Several,
}

/// What was faster when it was last tried.
#[derive(Default)]
pub(in crate::s3) struct Preference(Cell<Option<(Spread, Instant)>>);

impl Preference {
    /// Networks change.
    const LASTS: Duration = Duration::from_secs(3600);

    pub(in crate::s3) fn learn(&self, faster: Spread, now: Instant) {
        self.0.set(Some((faster, now)));
    }

    fn at(&self, now: Instant) -> Option<Spread> {
        let (spread, since) = self.0.get()?;
        (now.saturating_duration_since(since) < Self::LASTS).then_some(spread)
    }
}

/// Begins with one connection. Where whoever reads has mostly waited for the network, it tries
/// several, and stays with what was faster.
pub(super) struct Policy(Stage);

enum Stage {
    /// What comes over a new connection is slow at first and tells nothing.
    Warming(u64),
    /// One connection is measured.
    Measuring(Sample),
    /// Several are, to be compared with the rate of one, in bytes a second.
    Comparing(f64, Sample),
    /// Several were faster last time.
    Going,
    Settled,
}

impl Policy {
    /// What is not counted.
    const WARM_UP: u64 = MIB;

    /// One connection is judged by this much.
    const MEASURED: u64 = 4 * MIB;

    /// Several are, by this much.
    const COMPARED: u64 = 8 * MIB;

    /// With less than this left, more connections do not pay.
    const WORTHWHILE: u64 = 16 * MIB;

    /// Bytes a second that no gateway's network is slower than by being asked for more at once.
    const FAST: f64 = 100.0 * MIB as f64;

    /// How much of the time is waiting for the network, where that is the limit.
    const WAITING: f64 = 0.7;

    /// How much faster several connections have to be.
    const GAIN: f64 = 1.15;

    pub(super) fn new(preference: &Preference, now: Instant) -> Self {
        Self(match preference.at(now) {
            None => Stage::Warming(Self::WARM_UP),
            Some(Spread::One) => Stage::Settled,
            Some(Spread::Several) => Stage::Going,
        })
    }

    /// Stays with what is.
    pub(super) fn settle(&mut self) {
        self.0 = Stage::Settled;
    }

    /// So many bytes have come at `now`, after waiting for them; `left` are to come. Tells to change
    /// over, where that is called for.
    pub(super) fn received(
        &mut self,
        bytes: u64,
        waited: Duration,
        now: Instant,
        left: u64,
        preference: &Preference,
    ) -> Option<Spread> {
        match &mut self.0 {
            Stage::Settled => None,
            Stage::Going => {
                self.0 = Stage::Settled;
                (left >= Self::WORTHWHILE).then_some(Spread::Several)
            }
            Stage::Warming(missing) => {
                *missing = missing.saturating_sub(bytes);
                if *missing == 0 {
                    self.0 = Stage::Measuring(Sample::new(now));
                }
                None
            }
            Stage::Measuring(sample) => {
                sample.add(bytes, waited);
                if sample.bytes < Self::MEASURED {
                    return None;
                }
                if left < Self::WORTHWHILE {
                    self.0 = Stage::Settled;
                    return None;
                }
                let rate = sample.rate(now);
                if rate >= Self::FAST || sample.waiting(now) < Self::WAITING {
                    *sample = Sample::new(now);
                    return None;
                }
                self.0 = Stage::Comparing(rate, Sample::new(now));
                Some(Spread::Several)
            }
            Stage::Comparing(one, sample) => {
                sample.add(bytes, waited);
                if sample.bytes < Self::COMPARED {
                    return None;
                }
                let several = sample.rate(now) >= *one * Self::GAIN;
                self.0 = Stage::Settled;
                let faster = if several { Spread::Several } else { Spread::One };
                preference.learn(faster, now);
                (!several).then_some(Spread::One)
            }
        }
    }
}

/// What came in a while.
struct Sample {
    since: Instant,
    bytes: u64,
    waited: Duration,
}

impl Sample {
    fn new(now: Instant) -> Self {
        Self { since: now, bytes: 0, waited: Duration::ZERO }
    }

    fn add(&mut self, bytes: u64, waited: Duration) {
        self.bytes += bytes;
        self.waited += waited;
    }

    fn seconds(&self, now: Instant) -> f64 {
        // Never 0: a rate is divided by it.
        now.saturating_duration_since(self.since).as_secs_f64().max(1e-9)
    }

    fn rate(&self, now: Instant) -> f64 {
        self.bytes as f64 / self.seconds(now)
    }

    fn waiting(&self, now: Instant) -> f64 {
        self.waited.as_secs_f64() / self.seconds(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: u64 = 64 * 1024;

    /// Reads an object of `length` bytes; `time` tells how long it waits for a piece and how long it
    /// then works on it, in microseconds. Gives where it changed over.
    fn read(
        policy: &mut Policy,
        preference: &Preference,
        mut now: Instant,
        length: u64,
        time: impl Fn(Spread) -> (u64, u64),
    ) -> Vec<(Spread, u64)> {
        let (mut spread, mut changes) = (Spread::One, Vec::new());
        for position in (PIECE..=length).step_by(PIECE as usize) {
            let (waiting, working) = time(spread);
            let waited = Duration::from_micros(waiting);
            now += waited;
            let left = length - position;
            if let Some(change) = policy.received(PIECE, waited, now, left, preference) {
                spread = change;
                changes.push((change, position));
            }
            now += Duration::from_micros(working);
        }
        changes
    }

    fn fresh(length: u64, time: impl Fn(Spread) -> (u64, u64)) -> (Vec<(Spread, u64)>, Preference) {
        let (preference, now) = (Preference::default(), Instant::now());
        let mut policy = Policy::new(&preference, now);
        (read(&mut policy, &preference, now, length, time), preference)
    }

    fn limited_per_connection(spread: Spread) -> (u64, u64) {
        (if spread == Spread::One { 20_000 } else { 5_000 }, 500)
    }

    #[test]
    fn several_where_the_network_limits_each_connection() {
        let (changes, preference) = fresh(64 * MIB, limited_per_connection);
        assert_eq!(changes, [(Spread::Several, 5 * MIB)]);
        assert_eq!(preference.at(Instant::now()), Some(Spread::Several));
    }

    #[test]
    fn back_to_one_where_several_are_not_faster() {
        let (changes, preference) = fresh(64 * MIB, |_| (20_000, 500));
        assert_eq!(changes, [(Spread::Several, 5 * MIB), (Spread::One, 13 * MIB)]);
        assert_eq!(preference.at(Instant::now()), Some(Spread::One));
    }

    #[test]
    fn one_where_unpacking_is_the_limit() {
        let (changes, preference) = fresh(256 * MIB, |_| (500, 2_000));
        assert_eq!(changes, []);
        assert_eq!(preference.at(Instant::now()), None);
    }

    #[test]
    fn one_where_the_network_is_fast_anyway() {
        assert_eq!(fresh(256 * MIB, |_| (300, 10)).0, []);
    }

    #[test]
    fn one_where_little_is_left() {
        assert_eq!(fresh(20 * MIB, limited_per_connection).0, []);
        assert_eq!(fresh(22 * MIB, limited_per_connection).0.len(), 1);
    }

    #[test]
    fn what_was_learned_holds_for_an_hour() {
        let (_, preference) = fresh(64 * MIB, limited_per_connection);
        let (_, since) = preference.0.get().unwrap();
        let later = |after: u64, length| {
            let now = since + Duration::from_secs(after);
            let mut policy = Policy::new(&preference, now);
            read(&mut policy, &Preference::default(), now, length, limited_per_connection)
        };
        assert_eq!(later(3599, 64 * MIB), [(Spread::Several, PIECE)]);
        assert_eq!(later(3599, 16 * MIB), []);
        assert_eq!(later(3600, 64 * MIB), [(Spread::Several, 5 * MIB)]);
        preference.learn(Spread::One, since);
        let mut policy = Policy::new(&preference, since);
        assert_eq!(read(&mut policy, &preference, since, 64 * MIB, limited_per_connection), []);
    }
}
