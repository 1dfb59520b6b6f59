//! When temporary credentials are renewed. Pure.

use std::time::{Duration, SystemTime};

/// They are renewed this long before they end.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// Of those that live for a short time only this part is left over when they are renewed.
const EARLY_PART: u32 = 4;

/// A source is not asked again for this long after it was asked, whatever it said.
pub(super) const PAUSE: Duration = Duration::from_secs(5);

/// While there are credentials that have not ended, the pause after a failure doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// From when to when credentials are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    /// When the source gave them.
    pub(super) obtained: SystemTime,
    /// When they end, where they do.
    pub(super) expires: Option<SystemTime>,
}

/// The failures since the source last gave something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failures {
    /// When the last one was.
    pub(super) at: SystemTime,
    /// How many, at least one.
    pub(super) count: u32,
}

/// What to do when credentials are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Use those that are there.
    Use,
    /// Ask for new ones, and use those that are there where that fails.
    RefreshEarly,
    /// Ask for new ones: there are none, or they have ended.
    Refresh,
    /// Give the last failure as the answer: the source was asked a moment ago.
    Fail,
}

/// Decides it. A clock that was set back, or that was learned anew, makes nothing wait.
pub(super) fn step(now: SystemTime, held: Option<Validity>, failed: Option<Failures>) -> Step {
    let waits = |pause| failed.is_some_and(|failures| is_within(pause, failures.at, now));
    match held {
        Some(Validity { expires: None, .. }) => Step::Use,
        Some(Validity { obtained, expires: Some(expires) }) if now < expires => {
            let lifetime = expires.duration_since(obtained).unwrap_or_default();
            let early = EARLY.min(lifetime / EARLY_PART);
            let left = expires.duration_since(now).unwrap_or_default();
            let doubled = failed.map_or(0, |failures| failures.count.saturating_sub(1).min(8));
            let pause = PAUSE.saturating_mul(1 << doubled).min(LONGEST_PAUSE);
            if left > early || is_within(PAUSE, obtained, now) || waits(pause) {
                Step::Use
            } else {
                Step::RefreshEarly
            }
        }
        // Given a moment ago and ended by this clock: the clock may be wrong. S3 knows better, and
        // its answer tells the time.
        Some(Validity { obtained, .. }) if failed.is_none() && is_within(PAUSE, obtained, now) => {
            Step::Use
        }
        _ if waits(PAUSE) => Step::Fail,
        _ => Step::Refresh,
    }
}

/// Whether `now` is less than `pause` after `then`.
pub(super) fn is_within(pause: Duration, then: SystemTime, now: SystemTime) -> bool {
    now.duration_since(then).is_ok_and(|since| since < pause)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    const HOUR: u64 = 3_600;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn held(obtained: u64, expires: u64) -> Option<Validity> {
        Some(Validity { obtained: at(obtained), expires: Some(at(expires)) })
    }

    fn failed(second: u64, count: u32) -> Option<Failures> {
        Some(Failures { at: at(second), count })
    }

    #[test]
    fn those_of_an_hour_are_renewed_five_minutes_before_their_end() {
        for (now, wanted) in [
            (0, Step::Use),
            (HOUR - 301, Step::Use),
            (HOUR - 300, Step::RefreshEarly),
            (HOUR - 1, Step::RefreshEarly),
            (HOUR, Step::Refresh),
            (2 * HOUR, Step::Refresh),
        ] {
            assert_eq!(step(at(now), held(0, HOUR), None), wanted, "{now}");
        }
    }

    #[test]
    fn short_ones_are_not_renewed_all_the_time() {
        for (now, wanted) in [(0, Step::Use), (59, Step::Use), (61, Step::RefreshEarly)] {
            assert_eq!(step(at(now), held(0, 80), None), wanted, "{now}");
        }
        // However short they are.
        for (now, wanted) in [(4, Step::Use), (5, Step::RefreshEarly), (6, Step::Refresh)] {
            assert_eq!(step(at(now), held(0, 6), None), wanted, "{now}");
        }
    }

    #[test]
    fn a_failure_is_followed_by_a_pause() {
        let ends = held(0, HOUR);
        for (failures, since, wanted) in [
            (1, 4, Step::Use),
            (1, 5, Step::RefreshEarly),
            (2, 9, Step::Use),
            (2, 10, Step::RefreshEarly),
            (99, 59, Step::Use),
            (99, 60, Step::RefreshEarly),
        ] {
            let failed_at = HOUR - 250;
            let now = at(failed_at + since);
            assert_eq!(step(now, ends, failed(failed_at, failures)), wanted, "{failures} {since}");
        }
        // Without any that are good, the pause does not grow.
        for held in [None, ends] {
            assert_eq!(step(at(HOUR + 4), held, failed(HOUR, 99)), Step::Fail);
            assert_eq!(step(at(HOUR + 5), held, failed(HOUR, 99)), Step::Refresh);
        }
    }

    #[test]
    fn what_has_no_end_is_used_for_ever() {
        let held = Some(Validity { obtained: at(0), expires: None });
        assert_eq!(step(at(1 << 32), held, None), Step::Use);
        assert_eq!(step(at(0), None, None), Step::Refresh);
    }

    #[test]
    fn a_wrong_clock_does_not_keep_new_ones_from_being_used() {
        let ended_on_arrival = held(10 * HOUR, HOUR);
        assert_eq!(step(at(10 * HOUR), ended_on_arrival, None), Step::Use);
        assert_eq!(step(at(10 * HOUR + 5), ended_on_arrival, None), Step::Refresh);
        // Set back by the time that S3 tells, they are good.
        assert_eq!(step(at(60), ended_on_arrival, None), Step::Use);
        assert_eq!(step(at(0), None, failed(HOUR, 1)), Step::Refresh);
    }
}
