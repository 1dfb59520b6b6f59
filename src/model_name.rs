//! The name of a model, safe as a file name and accepted by the agent.

use std::fmt;

/// A model's name: `^[a-zA-Z0-9](-*[a-zA-Z0-9])*$`, at most 255 bytes.
///
/// The rule is the agent's. It has no dot and no slash, so that the name is also one path component
/// that cannot leave the directory it is joined to; the length is what file systems allow for one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(String);

impl ModelName {
    /// Checks a name that came from outside.
    pub fn parse(text: &str) -> Result<Self, InvalidModelName> {
        let bytes = text.as_bytes();
        let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let valid = ends(bytes.first())
            && ends(bytes.last())
            && bytes.len() <= 255
            && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidModelName(text.chars().take(64).collect()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was given is not a model name; holds its first 64 characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidModelName(String);

impl fmt::Display for InvalidModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a model name: use letters, digits and, between them, hyphens \
             (at most 255 characters)",
            self.0
        )
    }
}

impl std::error::Error for InvalidModelName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agents_rule() {
        for good in ["a", "demo-keras", "A--9", "0", &"x".repeat(255)] {
            assert_eq!(ModelName::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "-", "-a", "a-", "a.b", "a/b", "..", "x; touch FILE", "é", "a\0", &"x".repeat(256)]
        {
            assert!(ModelName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
