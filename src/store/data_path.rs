//! Names of data files. Pure rules; no file is touched here.

use std::fmt;
use std::path::{Path, PathBuf};

use super::DATA;

/// How outputs' URLs begin, whatever the models directory's real path is.
const MODELS: &str = "models";

/// Longest path and longest component, in bytes, that Linux takes.
const LONGEST: usize = 4095;
const LONGEST_COMPONENT: usize = 255;

/// The path of a data file: what follows `file://` in its URL.
///
/// It has at least one component; none is empty, `.` or `..`, and none contains a zero byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataPath(String);

impl DataPath {
    /// Checks what follows `file://` in a URL: `/name`, `/directory/name`.
    ///
    /// Nothing is percent-decoded: the URLs are written by hand with names as they are, and the
    /// replies have them in the same form.
    pub fn parse(text: &str) -> Result<Self, InvalidDataPath> {
        let invalid = |problem| InvalidDataPath { text: text.chars().take(128).collect(), problem };
        let Some(path) = text.strip_prefix('/') else {
            return Err(invalid("write three slashes, as in file:///name"));
        };
        if text.contains('\0') {
            return Err(invalid("it contains a zero byte"));
        }
        let components: Vec<&str> = components(path).collect();
        if components.is_empty() {
            return Err(invalid("it names no file"));
        }
        if path.ends_with('/') || path.ends_with("/.") {
            return Err(invalid("it names a directory, not a file"));
        }
        if components.contains(&"..") {
            return Err(invalid("it contains \"..\""));
        }
        let long = |part: &&str| part.len() > LONGEST_COMPONENT;
        if text.len() > LONGEST || components.iter().any(long) {
            return Err(invalid("it is too long"));
        }
        Ok(Self(components.join("/")))
    }

    /// The path relative to where it is looked for, like `directory/name`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where an input may be, relative to the root, in the order of preference: below the directory
    /// for input data, and below the root. A path that starts with the root itself, or with
    /// `/models` as the URLs of outputs do, is taken without that too.
    pub(super) fn places(&self, root: &Path) -> Vec<PathBuf> {
        let path = Path::new(&self.0);
        let mut places = vec![Path::new(DATA).join(path), path.to_owned()];
        let root = root.strip_prefix("/").unwrap_or(root);
        for prefix in [Path::new(MODELS), root] {
            match path.strip_prefix(prefix) {
                Ok(rest) if !rest.as_os_str().is_empty() && !places.iter().any(|p| p == rest) => {
                    places.push(rest.to_owned());
                }
                _ => {}
            }
        }
        places
    }
}

impl fmt::Display for DataPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// What was given is not the path of a data file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidDataPath {
    /// What was given, its first 128 characters.
    text: String,
    problem: &'static str,
}

impl fmt::Display for InvalidDataPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"file://{}\" is not the URL of a data file: {}",
            self.text.escape_debug(),
            self.problem
        )
    }
}

impl std::error::Error for InvalidDataPath {}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_data_files() {
        for (text, want) in [
            ("/keras.bmp", "keras.bmp"),
            ("/sub/x.json", "sub/x.json"),
            ("//x", "x"),
            ("/a//./b", "a/b"),
            ("/a b/100%25.npy", "a b/100%25.npy"),
            ("/ü…", "ü…"),
            ("/...", "..."),
        ] {
            let path = DataPath::parse(text).unwrap();
            assert_eq!(path.as_str(), want);
            assert_eq!(path.to_string(), format!("/{want}"));
        }
        let long = format!("/{}", "x".repeat(256));
        let longest = "/x".repeat(2048);
        for text in [
            "", "x", "host/x", "/", "//", "/.", "/x/", "/x/.", "/..", "/../x", "/a/../b", "/a/..",
            "/a\0b", &long, &longest,
        ] {
            let error = DataPath::parse(text).unwrap_err().to_string();
            assert!(error.contains("not the URL of a data file"), "{error}");
        }
    }

    #[test]
    fn places_of_an_input() {
        let places = |text: &str, root: &str| -> Vec<String> {
            DataPath::parse(text)
                .unwrap()
                .places(Path::new(root))
                .into_iter()
                .map(|place| place.display().to_string())
                .collect()
        };
        assert_eq!(places("/x", "/models"), ["data/x", "x"]);
        assert_eq!(places("/models/x", "/models"), ["data/models/x", "models/x", "x"]);
        assert_eq!(places("/models/x", "/srv/m"), ["data/models/x", "models/x", "x"]);
        assert_eq!(places("/srv/m/a/x", "/srv/m"), ["data/srv/m/a/x", "srv/m/a/x", "a/x"]);
        assert_eq!(places("/models", "/models"), ["data/models", "models"]);
    }
}
