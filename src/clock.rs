//! Points in time, and how the systems around us write them.
//!
//! Pure: nothing here asks what time it is. [`Clock`] is what is passed to those who need to know.

mod corrected;
mod http_date;

use std::fmt;
use std::ops::Range;
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

/// Reads RFC 3339's `date-time` (section 5.6): `2018-01-18T09:18:06Z`, with fractions of a second
/// and offsets from UTC. None where it is none, or before 1970.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_at_checked(10)?;
    let (year, month, day) = (number(date, 0..4)?, number(date, 5..7)?, number(date, 8..10)?);
    let separators = date.get(4..5)? == "-" && date.get(7..8)? == "-";
    let rest = rest.strip_prefix(['T', 't', ' '])?;
    let (time, rest) = rest.split_at_checked(8)?;
    let (hour, minute, second) = (number(time, 0..2)?, number(time, 3..5)?, number(time, 6..8)?);
    let separators = separators && time.get(2..3)? == ":" && time.get(5..6)? == ":";
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // Second 60 is a leap second; here it is the first one of the next minute.
    if !separators || !(1..=days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (fraction, zone) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?),
        None => ("0", rest),
    };
    // What is finer than a nanosecond is cut off.
    let nanoseconds: u64 = format!("{:0<9}", fraction.get(..9).unwrap_or(fraction)).parse().ok()?;
    let offset = match zone {
        "Z" | "z" => 0,
        zone => {
            let sign = if zone.strip_prefix('-').is_some() { 1 } else { -1 };
            let zone = zone.strip_prefix(['+', '-'])?;
            let (hours, minutes) = (number(zone, 0..2)?, number(zone, 3..5)?);
            if zone.len() != 5 || zone.get(2..3)? != ":" || hours > 23 || minutes > 59 {
                return None;
            }
            sign * (hours * 3_600 + minutes * 60)
        }
    };
    // The reverse of what `From<SystemTime>` does, by the same author.
    let shifted_year = if month > 2 { year } else { year - 1 };
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let (era, year_of_era) = (shifted_year.div_euclid(400), shifted_year.rem_euclid(400));
    let day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second + offset;
    let seconds = u64::try_from(seconds).ok()?;
    Some(UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_nanos(nanoseconds))
}

fn number(text: &str, range: Range<usize>) -> Option<i64> {
    // `parse` alone would take a sign.
    text.get(range).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
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
    fn reads_what_it_writes() {
        for seconds in [0, 951_782_399, 951_782_400, 1_369_353_600, 4_107_542_400, 253_402_300_799]
        {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse_rfc3339(&Moment::from(time).to_string()), Some(time));
        }
    }

    #[test]
    fn reads_all_forms() {
        let expected = UNIX_EPOCH + Duration::from_secs(1_516_267_086);
        for (text, milliseconds) in [
            ("2018-01-18T09:18:06Z", 0),
            ("2018-01-18t09:18:06z", 0),
            ("2018-01-18 09:18:06.5Z", 500),
            ("2018-01-18T09:18:06.123456789123Z", 123),
            ("2018-01-18T11:48:06+02:30", 0),
            ("2018-01-17T23:18:06-10:00", 0),
        ] {
            let late = parse_rfc3339(text).unwrap().duration_since(expected).unwrap();
            assert_eq!(late.as_millis(), milliseconds, "{text}");
        }
        let leap_second = parse_rfc3339("2018-01-18T09:17:60Z");
        assert_eq!(leap_second, Some(expected - Duration::from_secs(6)));
        assert_eq!(parse_rfc3339("1970-01-01T01:00:00+01:00"), Some(UNIX_EPOCH));
    }

    #[test]
    fn what_is_no_moment() {
        for text in [
            "",
            "2018-01-18",
            "2018-01-18T09:18:06",
            "2018-01-18T09:18Z",
            "2018-13-18T09:18:06Z",
            "2018-00-18T09:18:06Z",
            "2018-02-29T09:18:06Z",
            "2018-01-00T09:18:06Z",
            "2018-01-18T24:18:06Z",
            "2018-01-18T09:60:06Z",
            "2018-01-18T09:18:61Z",
            "2018-01-18T09:18:06.Zx",
            "2018-01-18T09:18:06+0200",
            "2018-01-18T09:18:06+24:00",
            "2018-01-18T09:18:06Zé",
            "+018-01-18T09:18:06Z",
            "2018/01/18T09:18:06Z",
            "1969-12-31T23:59:59Z",
            "1970-01-01T00:00:00+01:00",
            "201é-01-18T09:18:06Z",
            "ééééééééééé",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }

    #[test]
    fn before_1970_is_1970() {
        assert_eq!(Moment::from(UNIX_EPOCH - Duration::from_secs(5)), at(0));
    }
}
