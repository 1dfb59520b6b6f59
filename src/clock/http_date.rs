//! The `Date` of an HTTP answer.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, the form that senders have to write (IMF-fixdate, RFC
/// 9110 section 5.6.7). None where it is not that, or before 1970.
pub fn parse_http_date(text: &str) -> Option<SystemTime> {
    let (_weekday, rest) = text.trim().split_once(", ")?;
    let mut fields = rest.split(' ');
    let (day, month, year) = (fields.next()?, fields.next()?, fields.next()?);
    let mut time = fields.next()?.split(':');
    if fields.next() != Some("GMT") || fields.next().is_some() {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == month)? as u64;
    let (day, year) = (number(day, 2, 31)?, number(year, 4, 9999)?);
    let (hour, minute, second) =
        (number(time.next()?, 2, 23)?, number(time.next()?, 2, 59)?, number(time.next()?, 2, 60)?);
    if time.next().is_some() || day == 0 || year < 1970 {
        return None;
    }
    let seconds = (days_since_1970(year, month) + day - 1) * 86_400 + hour * 3_600 + minute * 60;
    Some(UNIX_EPOCH + Duration::from_secs(seconds + second))
}

/// Days from 1970 to the first of the month, 0 to 11, with years that begin in March.
fn days_since_1970(year: u64, month: u64) -> u64 {
    let (year, month) = if month < 2 { (year - 1, month + 10) } else { (year, month - 2) };
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 - 719_468
}

fn number(text: &str, digits: usize, limit: u64) -> Option<u64> {
    let valid = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| valid && *number <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        // Each computed with `date -u -d @SECONDS +'%a, %d %b %Y %T GMT'`.
        for (text, seconds) in [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Mon, 28 Feb 2000 23:59:59 GMT", 951_782_399),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400),
            ("Fri, 24 May 2013 00:00:00 GMT", 1_369_353_600),
            ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            (" Fri, 24 May 2013 00:00:00 GMT ", 1_369_353_600),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(parse_http_date(text), Some(time), "{text}");
        }
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 GMT+1",
            "Sun, 06 Nov 1994 08:49:37 GMT ?",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 32 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 08:49:37:01 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }
}
