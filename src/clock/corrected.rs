//! A clock that learns from servers how wrong it is.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use super::{Clock, Moment};

/// The system's clock, corrected by what a server said the time is.
///
/// A clone is the same clock: what one learns, all know. Gateways without a battery for their clock
/// boot in 1970, and S3 takes no request that is a quarter of an hour off.
#[derive(Clone)]
pub struct CorrectedClock {
    system: Clock,
    correction: Rc<Cell<Correction>>,
}

/// What is added to the system's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Correction {
    /// The system is behind.
    Forward(Duration),
    /// The system is ahead.
    Back(Duration),
}

impl CorrectedClock {
    /// A difference up to this is left alone: S3 takes 15 minutes, and an answer's date may be as
    /// old as its way is long.
    pub const TOLERANCE: Duration = Duration::from_secs(4 * 60);

    /// A clock that is right until a server says otherwise.
    pub fn new(system: Clock) -> Self {
        Self { system, correction: Rc::new(Cell::new(Correction::Forward(Duration::ZERO))) }
    }

    /// The time as far as it is known.
    pub fn now(&self) -> SystemTime {
        let system = self.system();
        match self.correction.get() {
            Correction::Forward(by) => system.checked_add(by),
            Correction::Back(by) => system.checked_sub(by),
        }
        .unwrap_or(system)
    }

    /// What the system itself takes for the time.
    pub fn system(&self) -> SystemTime {
        (self.system)()
    }

    /// This clock where a [`Clock`] is wanted.
    pub fn as_clock(&self) -> Clock {
        let clock = self.clone();
        Rc::new(move || clock.now())
    }

    /// Takes a server's time, just received, where it is far from this clock's; tells whether it
    /// was.
    pub fn correct(&self, server: SystemTime) -> bool {
        let now = self.now();
        if difference(now, server).1 <= Self::TOLERANCE {
            return false;
        }
        let system = self.system();
        let (behind, by) = difference(system, server);
        self.correction.set(if behind { Correction::Forward(by) } else { Correction::Back(by) });
        if by <= Self::TOLERANCE {
            log::info!("the gateway's clock is right again");
        } else {
            log::info!(
                "the gateway's clock says {}, {} s {} the server's: requests are signed with the \
                 server's time; set the clock, for example with NTP",
                Moment::from(system),
                by.as_secs(),
                if behind { "behind" } else { "ahead of" },
            );
        }
        true
    }
}

/// Whether `first` is the earlier one, and by how much.
fn difference(first: SystemTime, second: SystemTime) -> (bool, Duration) {
    match second.duration_since(first) {
        Ok(by) => (true, by),
        Err(error) => (false, error.duration()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// A system's clock that can be set.
    fn settable(start: SystemTime) -> (Rc<Cell<SystemTime>>, CorrectedClock) {
        let time = Rc::new(Cell::new(start));
        let told = time.clone();
        (time, CorrectedClock::new(Rc::new(move || told.get())))
    }

    #[test]
    fn learns_what_is_far_off() {
        let (system, clock) = settable(at(1_000));
        assert_eq!(clock.now(), at(1_000));
        let also = clock.clone().as_clock();
        assert!(clock.correct(at(1_700_000_000)));
        assert_eq!((clock.now(), also()), (at(1_700_000_000), at(1_700_000_000)));
        assert_eq!(clock.system(), at(1_000));
        // Time goes on, and is not corrected twice.
        system.set(at(1_010));
        assert_eq!(clock.now(), at(1_700_000_010));
        assert!(!clock.correct(at(1_700_000_012)));
        // The clock is set, and for a moment everything is wrong the other way.
        system.set(at(1_700_000_020));
        assert!(clock.correct(at(1_700_000_020)));
        assert_eq!(also(), at(1_700_000_020));
    }

    #[test]
    fn goes_back_too() {
        let (_, clock) = settable(at(4_000_000_000));
        assert!(clock.correct(at(1_700_000_000)));
        assert_eq!(clock.now(), at(1_700_000_000));
    }

    #[test]
    fn small_differences_are_left_alone() {
        let (_, clock) = settable(at(1_000));
        for server in [1_000, 760, 1_240] {
            assert!(!clock.correct(at(server)), "{server}");
        }
        assert!(clock.correct(at(759)));
        assert!(clock.correct(at(1_241)));
    }
}
