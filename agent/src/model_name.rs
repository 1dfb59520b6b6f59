//! The name of a model.

use std::fmt;

/// A model's name: `^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`, at most 255 bytes, so that it is also one path
/// component, which captured data goes below.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ModelName(String);

impl ModelName {
    /// Checks a name from a request.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidModelName> {
        let bytes = text.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let valid = bytes.len() <= 255
            && ends(bytes.first())
            && ends(bytes.last())
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidModelName(text.chars().take(64).collect()))
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was given is not a model's name; holds its first 64 characters.
#[derive(Debug)]
pub(crate) struct InvalidModelName(String);

impl fmt::Display for InvalidModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a model name: use letters, digits and, between them, hyphens (at most 255)",
            self.0
        )
    }
}

impl std::error::Error for InvalidModelName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interfaces_rule() {
        for good in ["a", "demo-keras", "A--9", "0", &"x".repeat(255)] {
            assert_eq!(ModelName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-", "-a", "a-", "a.b", "a/b", "..", "é", "a\0", &"x".repeat(256)] {
            assert!(ModelName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
