//! Times as RFC 3339 writes them.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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
    // The reverse of what `From<SystemTime>` of [`Moment`](super::Moment) does, by the same author.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Moment;

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
}
