//! The region that a bucket is in.

use std::fmt;

/// A region's name, such as `us-east-1`: letters, digits and hyphens, at most 63.
///
/// It becomes part of host names and of what is signed. Other S3 servers have regions with names of
/// their own (`garage`, `default`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

impl Default for Region {
    /// `us-east-1`, AWS's own default.
    fn default() -> Self {
        Self("us-east-1".to_owned())
    }
}

impl Region {
    /// Checks a name that came from outside.
    pub fn parse(text: &str) -> Result<Self, InvalidRegion> {
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRegion(text.chars().take(64).collect()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The domain of AWS's partition that the region belongs to.
    pub(super) fn domain(&self) -> &'static str {
        if self.0.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was given is not a region; holds its first 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidRegion(String);

impl fmt::Display for InvalidRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a region: give its short name, such as us-east-1", self.0)
    }
}

impl std::error::Error for InvalidRegion {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["us-east-1", "cn-north-1", "garage", "us-gov-west-1"] {
            assert_eq!(Region::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "us east", "-a", "a-", "a/b", "a.b", "é", &"x".repeat(64)] {
            assert!(Region::parse(bad).is_err(), "{bad:?}");
        }
    }
}
