//! The name of a bucket.

use std::fmt;

/// A bucket's name: letters, digits, `.`, `-` and `_`, 3 to 255 of them, a letter or digit first.
///
/// That is the rule of the oldest buckets, which other S3 servers still follow; AWS's rule for new
/// ones is narrower. Such a name needs no encoding anywhere and is never `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket(String);

impl Bucket {
    /// Checks a name that came from outside.
    pub fn parse(text: &str) -> Result<Self, InvalidBucket> {
        let valid = (3..=255).contains(&text.len())
            && text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidBucket(text.chars().take(64).collect()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name can stand before the endpoint's host name, in one label, which is all that
    /// a wildcard certificate covers (RFC 6125 section 6.4.3).
    pub(super) fn is_dns_label(&self) -> bool {
        self.is_host_name() && !self.0.contains('.')
    }

    /// Whether the name can stand before a host name at all: labels of lower-case letters, digits
    /// and hyphens (RFC 1123 section 2.1).
    pub(super) fn is_host_name(&self) -> bool {
        self.0.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was given is not a bucket's name; holds its first 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidBucket(String);

impl fmt::Display for InvalidBucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not the name of a bucket: give the bare name, without s3:// and without a \
             path (3 to 255 letters, digits, '.', '-' or '_')",
            self.0
        )
    }
}

impl std::error::Error for InvalidBucket {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["abc", "my.bucket-1", "Old_Bucket", &"x".repeat(255)] {
            assert_eq!(Bucket::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "ab", "..a", "-ab", "s3://bucket", "a/b", "a b", "bücket", &"x".repeat(256)]
        {
            assert!(Bucket::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn labels() {
        for (name, label) in [
            ("abc-1", true),
            ("my.bucket", false),
            ("Bucket", false),
            ("a_b", false),
            ("abc-", false),
            (&"x".repeat(64), false),
        ] {
            assert_eq!(Bucket::parse(name).unwrap().is_dns_label(), label, "{name}");
        }
        for (name, host_name) in [("my.bucket", true), ("a..b", false), ("a.-b", false)] {
            assert_eq!(Bucket::parse(name).unwrap().is_host_name(), host_name, "{name}");
        }
    }
}
