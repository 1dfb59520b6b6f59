//! Which bytes of an object an answer has. Pure.

use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap};

use crate::s3::error::Cause;

/// The value of `Content-Range` (RFC 9110 section 14.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    /// The first and the last position; None where the range that was asked for is not there.
    pub(super) positions: Option<(u64, u64)>,
    /// The object's length; None where it is not known.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(CONTENT_RANGE)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
        let total = match total {
            "*" => None,
            total => Some(total.parse().ok()?),
        };
        let positions = match range {
            "*" => None,
            range => {
                let (first, last) = range.split_once('-')?;
                let (first, last) = (first.parse().ok()?, last.parse().ok()?);
                (first <= last && total.is_none_or(|total| last < total)).then_some(())?;
                Some((first, last))
            }
        };
        Some(Self { positions, total })
    }
}

/// What was asked for of an object that is being read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) start: u64,
    /// One past the last position; None where the object's length is not known.
    pub(super) end: Option<u64>,
    /// The object's length, where it is known.
    pub(super) total: Option<u64>,
    pub(super) etag: &'a str,
    /// Whether all of the object serves too, what comes before the start being thrown away.
    pub(super) all_serves: bool,
}

/// Where in an answer's body is what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// What comes before it.
    pub(super) skip: u64,
    /// How much of it there is; None where only the end of the body tells.
    pub(super) length: Option<u64>,
}

impl Asked<'_> {
    /// Finds it in the answer with this head.
    ///
    /// A server may give less than was asked for (RFC 9110 section 15.3.7). What is no part counts
    /// as one where it says which: rclone answers 200 to a request for a range.
    pub(super) fn find(&self, headers: &HeaderMap) -> Result<Found, Cause> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        match text(ETAG) {
            Some(etag) if etag == self.etag => {}
            // Some servers look at no condition: only the ETag tells.
            Some(etag) => {
                return Err(Cause::Changed { was: self.etag.into(), is: Some(etag.into()) });
            }
            None => return Err(Cause::NotTheRest("no ETag".into())),
        }
        let Some(given) = text(CONTENT_RANGE) else {
            if !self.all_serves {
                return Err(Cause::NotTheRest("all of it".into()));
            }
            let length = text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
            return match (length, self.total) {
                (Some(length), Some(total)) if length != total => {
                    Err(Cause::NotTheRest(format!("{length} bytes of {total}")))
                }
                (length, total) => Ok(Found {
                    skip: self.start,
                    length: length.or(total).map(|all| all.saturating_sub(self.start)),
                }),
            };
        };
        let range = ContentRange::parse(given);
        let total = range.and_then(|range| range.total);
        match range.and_then(|range| range.positions) {
            Some((first, last))
                if first == self.start
                    && self.end.is_none_or(|end| last < end)
                    && (total.is_none() || self.total.is_none() || total == self.total) =>
            {
                Ok(Found { skip: 0, length: Some(last - first + 1) })
            }
            _ => Err(Cause::NotTheRest(format!("{given:?} where it begins at {}", self.start))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        for (text, positions, total) in [
            ("bytes 0-499/1234", Some((0, 499)), Some(1234)),
            ("bytes 5-5/6", Some((5, 5)), Some(6)),
            ("bytes 5-9/*", Some((5, 9)), None),
            ("bytes */6", None, Some(6)),
        ] {
            assert_eq!(
                ContentRange::parse(text),
                Some(ContentRange { positions, total }),
                "{text}"
            );
        }
        for text in [
            "",
            "bytes",
            "bytes 5-4/9",
            "bytes 0-9/9",
            "bytes 0/9",
            "items 0-1/9",
            "bytes -1-2/9",
            "bytes 0-99999999999999999999/*",
            "bytes 0-1",
            "bytes 0-1/x",
        ] {
            assert_eq!(ContentRange::parse(text), None, "{text}");
        }
    }

    fn find(asked: (u64, Option<u64>, Option<u64>, bool), given: &[(&str, &str)]) -> String {
        let (start, end, total, all_serves) = asked;
        let asked = Asked { start, end, total, etag: "\"a\"", all_serves };
        let headers = given
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        match asked.find(&headers) {
            Ok(Found { skip, length }) => format!("{skip} {length:?}"),
            Err(Cause::Changed { is, .. }) => format!("changed {is:?}"),
            Err(Cause::NotTheRest(what)) => what,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn the_rest_of_an_object() {
        let rest = (5, Some(9), Some(9), true);
        for (asked, headers, found) in [
            (rest, &[("etag", "\"a\""), ("content-range", "bytes 5-8/9")][..], "0 Some(4)"),
            (rest, &[("etag", "\"a\""), ("content-range", "bytes 5-6/*")], "0 Some(2)"),
            (rest, &[("etag", "\"a\""), ("content-length", "9")], "5 Some(4)"),
            (rest, &[("etag", "\"a\"")], "5 Some(4)"),
            ((5, None, None, true), &[("etag", "\"a\"")], "5 None"),
            (
                (5, None, None, true),
                &[("etag", "\"a\""), ("content-range", "bytes 5-8/9")],
                "0 Some(4)",
            ),
            // Anything else is not it.
            (
                rest,
                &[("etag", "\"b\""), ("content-range", "bytes 5-8/9")],
                "changed Some(\"\\\"b\\\"\")",
            ),
            (rest, &[("content-range", "bytes 5-8/9")], "no ETag"),
            (
                rest,
                &[("etag", "\"a\""), ("content-range", "bytes 4-8/9")],
                "\"bytes 4-8/9\" where it begins at 5",
            ),
            (
                rest,
                &[("etag", "\"a\""), ("content-range", "bytes 5-9/10")],
                "\"bytes 5-9/10\" where it begins at 5",
            ),
            (
                rest,
                &[("etag", "\"a\""), ("content-range", "bytes 5-8/10")],
                "\"bytes 5-8/10\" where it begins at 5",
            ),
            (rest, &[("etag", "\"a\""), ("content-range", "x")], "\"x\" where it begins at 5"),
            (rest, &[("etag", "\"a\""), ("content-length", "8")], "8 bytes of 9"),
            ((5, Some(7), Some(9), false), &[("etag", "\"a\"")], "all of it"),
        ] {
            assert_eq!(find(asked, headers), found, "{headers:?}");
        }
    }
}
