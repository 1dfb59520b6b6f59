//! The account that a bucket has to belong to.

use std::fmt;

/// The number of an AWS account, 12 digits.
///
/// A request that names its bucket's owner is refused by S3 where the bucket belongs to anybody
/// else: a bucket that was deleted, and whose name somebody else took, is neither read nor written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketOwner(String);

impl BucketOwner {
    /// Checks a number that came from outside.
    pub fn parse(text: &str) -> Result<Self, InvalidBucketOwner> {
        if text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidBucketOwner)
        }
    }

    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What was given is not the number of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidBucketOwner;

impl fmt::Display for InvalidBucketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be the number of an AWS account: 12 digits, without hyphens")
    }
}

impl std::error::Error for InvalidBucketOwner {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twelve_digits() {
        assert_eq!(BucketOwner::parse("012345678901").unwrap().as_str(), "012345678901");
        for bad in ["", "01234567890", "0123456789012", "0123-4567-89", "+12345678901"] {
            assert_eq!(BucketOwner::parse(bad), Err(InvalidBucketOwner), "{bad:?}");
        }
    }
}
