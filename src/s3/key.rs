//! The key of an object.

use std::fmt;

/// An object's key: 1 to 1,024 bytes of UTF-8, any characters.
///
/// A key is not a path: `a//b`, `a/./b` and `a/../b` are three keys, and a leading slash is part of
/// one. Nothing here changes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Key(String);

impl S3Key {
    /// Checks a key that came from outside.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        Self::join("", text)
    }

    /// The key of the file `name` in the directory `prefix`, with exactly one slash between the two,
    /// whether or not they bring it along. An empty prefix is no directory: the key is the name.
    pub fn join(prefix: &str, name: &str) -> Result<Self, InvalidKey> {
        if name.is_empty() {
            return Err(InvalidKey::Empty);
        }
        let key = match (prefix, prefix.strip_suffix('/'), name.strip_prefix('/')) {
            ("", _, _) => name.to_owned(),
            (_, Some(_), Some(name)) => format!("{prefix}{name}"),
            (_, None, None) => format!("{prefix}/{name}"),
            _ => format!("{prefix}{name}"),
        };
        // S3 API reference, "Creating object key names".
        if key.len() > 1024 {
            return Err(InvalidKey::TooLong(key.len()));
        }
        Ok(Self(key))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for S3Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What was given cannot be the key of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InvalidKey {
    /// There is no name.
    Empty,
    /// Longer than S3 allows; the length in bytes.
    TooLong(usize),
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name of the S3 object is empty: give a file name"),
            Self::TooLong(length) => write!(
                f,
                "the key of the S3 object has {length} bytes, and S3 allows 1024: shorten the \
                 directory or the file name"
            ),
        }
    }
}

impl std::error::Error for InvalidKey {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_between_directory_and_name() {
        for (prefix, name, key) in [
            ("", "x", "x"),
            ("", "/x", "/x"),
            ("a", "x", "a/x"),
            ("a/", "x", "a/x"),
            ("a", "/x", "a/x"),
            ("a/", "/x", "a/x"),
            ("/a", "x", "/a/x"),
            ("a//", "x", "a//x"),
            ("a", "b//x", "a/b//x"),
            ("a b/c+d", "é%20/../x", "a b/c+d/é%20/../x"),
        ] {
            assert_eq!(S3Key::join(prefix, name).unwrap().as_str(), key);
        }
    }

    #[test]
    fn limits() {
        assert_eq!(S3Key::parse(""), Err(InvalidKey::Empty));
        assert_eq!(S3Key::join("a/", ""), Err(InvalidKey::Empty));
        assert!(S3Key::parse(&"é".repeat(512)).is_ok());
        assert_eq!(S3Key::join("a", &"x".repeat(1023)), Err(InvalidKey::TooLong(1025)));
    }
}
