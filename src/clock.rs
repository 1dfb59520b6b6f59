//! Points in time, and how the systems around us write them.
//!
//! Pure: nothing here asks what time it is. [`Clock`] is what is passed to those who need to know.

mod corrected;
mod http_date;

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use corrected::CorrectedClock;
pub use http_date::parse_http_date;

/// Tells the time; tests pass one that stands still.
pub type Clock = Rc<dyn Fn() -> SystemTime>;

/// A moment in the proleptic Gregorian calendar, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Four digits in the formats below; years before 1970 do not occur.
    pub year: u64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 59; leap seconds do not occur in Unix time.
    pub second: u8,
    /// 0 to 999.
    pub millisecond: u16,
}

impl From<SystemTime> for Moment {
    /// A clock before 1970 counts as 1970: such a gateway has no usable clock at all.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let (days, seconds) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
        // Days to civil date with years that begin in March, so that the leap day is the last one:
        // the era is 400 years, 146,097 days (Howard Hinnant, "chrono-Compatible Low-Level Date
        // Algorithms").
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted_month = (5 * day_of_year + 2) / 153;
        let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month: month as u8,
            day: (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u8,
            hour: (seconds / 3_600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            millisecond: since.subsec_millis() as u16,
        }
    }
}

impl Moment {
    /// `20130524`, the date of a SigV4 credential scope.
    pub fn basic_date(&self) -> String {
        format!("{:04}{:02}{:02}", self.year, self.month, self.day)
    }

    /// `20130524T000000Z`, the form of `x-amz-date`.
    pub fn basic(&self) -> String {
        format!("{}T{:02}{:02}{:02}Z", self.basic_date(), self.hour, self.minute, self.second)
    }
}

impl fmt::Display for Moment {
    /// `2013-05-24T00:00:00.000Z`, RFC 3339.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { year, month, day, hour, minute, second, millisecond } = self;
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from(UNIX_EPOCH + Duration::from_secs(seconds))
    }

    #[test]
    fn known_moments() {
        // Each computed with `date -u -d @SECONDS +%FT%T`.
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_369_353_600, "2013-05-24T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(at(seconds).to_string(), text);
        }
    }

    #[test]
    fn basic_forms() {
        assert_eq!(at(1_369_353_600).basic(), "20130524T000000Z");
        assert_eq!(at(1_369_353_600).basic_date(), "20130524");
    }

    #[test]
    fn before_1970_is_1970() {
        assert_eq!(Moment::from(UNIX_EPOCH - Duration::from_secs(5)), at(0));
    }
}
