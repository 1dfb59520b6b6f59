//! Which names and links an archive's entries may have. Pure rules; no file is touched here.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Longest name of an entry or target of a link, in bytes: Linux takes no longer path.
const LONGEST: usize = 4095;
/// Longest component of a name, in bytes, on Linux's file systems.
const LONGEST_COMPONENT: usize = 255;

/// Where an entry goes: below the directory that the archive is extracted to.
///
/// Its components are neither empty nor `.` nor `..`; there are none for the directory itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EntryPath<'a> {
    components: Vec<&'a [u8]>,
    /// The name ended in a slash: the way in which the oldest archives mark a directory.
    pub(super) names_directory: bool,
}

impl<'a> EntryPath<'a> {
    /// Checks an entry's name; `depth` is the highest number of components.
    pub(super) fn parse(name: &'a [u8], depth: usize) -> Result<Self, Refusal> {
        check_text(name)?;
        let components: Vec<&[u8]> = components(name).collect();
        // Python's tarfile names the top of an archive "/" when it is given no name for it, and
        // SageMaker's own packaging does just that. Nothing can be written by that name.
        if name.starts_with(b"/") && !components.is_empty() {
            return Err(Refusal::Absolute);
        }
        if components.contains(&&b".."[..]) {
            return Err(Refusal::ParentComponent);
        }
        if components.iter().any(|part| part.len() > LONGEST_COMPONENT) {
            return Err(Refusal::TooLong);
        }
        if components.len() > depth {
            return Err(Refusal::TooDeep { limit: depth });
        }
        Ok(Self { components, names_directory: name.ends_with(b"/") })
    }

    /// Whether this is the directory that the archive is extracted to.
    pub(super) fn is_root(&self) -> bool {
        self.components.is_empty()
    }

    /// The directories above, from the top, each relative to where the archive is extracted.
    pub(super) fn parents(&self) -> impl Iterator<Item = PathBuf> {
        (1..self.components.len()).map(|length| join(self.components.iter().take(length)))
    }

    /// The path relative to where the archive is extracted.
    pub(super) fn to_path(&self) -> PathBuf {
        join(self.components.iter())
    }
}

/// Checks the target of a symbolic link at `location`.
///
/// A target is followed from the link's own directory, which is a real one, because no entry is
/// written through a link. So `..` at its beginning is exact: it may go up as far as the top of the
/// archive. After another component, which may be a link that leads anywhere inside, `..` could
/// lead out, and is refused. What remains only goes down, or through links that passed this check.
pub(super) fn check_symbolic_link(location: &EntryPath<'_>, target: &[u8]) -> Result<(), Refusal> {
    check_text(target)?;
    if target.starts_with(b"/") {
        return Err(Refusal::LinkLeaves);
    }
    let ups = components(target).take_while(|part| *part == b"..").count();
    if components(target).skip(ups).any(|part| part == b"..") {
        return Err(Refusal::LinkLeaves);
    }
    let depth_of_directory = location.components.len().saturating_sub(1);
    if location.is_root() || ups > depth_of_directory {
        return Err(Refusal::LinkLeaves);
    }
    Ok(())
}

/// The components of a name without those that mean nothing.
fn components(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

fn check_text(name: &[u8]) -> Result<(), Refusal> {
    if name.is_empty() {
        Err(Refusal::NoName)
    } else if name.contains(&0) {
        Err(Refusal::ZeroByte)
    } else if name.len() > LONGEST {
        Err(Refusal::TooLong)
    } else {
        Ok(())
    }
}

fn join<'a>(components: impl Iterator<Item = &'a &'a [u8]>) -> PathBuf {
    components.map(|part| OsStr::from_bytes(part)).collect()
}

/// Why an entry is not extracted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Its name, or the target of its link, is empty.
    NoName,
    /// Its name, or the target of its link, contains a zero byte.
    ZeroByte,
    /// Its name, or the target of its link, is longer than a path can be.
    TooLong,
    /// Its name starts with a slash.
    Absolute,
    /// Its name has a component `..`.
    ParentComponent,
    /// Its name has too many components.
    TooDeep {
        /// Components allowed.
        limit: usize,
    },
    /// Its link leads out of the archive, or could do so through other links.
    LinkLeaves,
    /// Its hard link names something that is not a file extracted before it.
    LinkTarget,
    /// A link or a file is where its name has a directory.
    ThroughNonDirectory,
    /// Another entry has the same name.
    Duplicate,
    /// It is something other than a file, a directory or a link.
    Kind {
        /// What it is.
        kind: &'static str,
    },
    /// What describes it can be read in more than one way.
    Ambiguous,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoName => f.write_str("its name or link target is empty"),
            Self::ZeroByte => f.write_str("its name or link target contains a zero byte"),
            Self::TooLong => f.write_str("its name or link target is too long"),
            Self::Absolute => f.write_str("its name is absolute"),
            Self::ParentComponent => f.write_str("its name contains \"..\""),
            Self::TooDeep { limit } => {
                write!(f, "its name has more than {limit} components")
            }
            Self::LinkLeaves => f.write_str("its link leads out of the archive, or may do so"),
            Self::LinkTarget => {
                f.write_str("its hard link names something other than a file before it")
            }
            Self::ThroughNonDirectory => {
                f.write_str("part of its name is a link or a file, not a directory")
            }
            Self::Duplicate => f.write_str("another entry has the same name"),
            Self::Kind { kind } => write!(f, "it is {kind}, not a file, directory or link"),
            Self::Ambiguous => f.write_str("what describes it can be read in more than one way"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> Result<PathBuf, Refusal> {
        EntryPath::parse(name.as_bytes(), 4).map(|path| path.to_path())
    }

    #[test]
    fn names_below_the_top() {
        for (name, want) in [
            ("a", "a"),
            ("./a", "a"),
            ("a/b/", "a/b"),
            ("a//b/./c", "a/b/c"),
            (".", ""),
            ("./", ""),
            ("/", ""),
            ("a\\..\\b", "a\\..\\b"),
            ("...", "..."),
            ("..a/b..", "..a/b.."),
            ("1/2/3/4", "1/2/3/4"),
        ] {
            assert_eq!(path(name), Ok(PathBuf::from(want)), "{name}");
        }
        let not_utf8 = EntryPath::parse(b"a/\xff\xfe", 4).unwrap().to_path();
        assert_eq!(not_utf8.as_os_str().as_bytes(), b"a/\xff\xfe");
    }

    #[test]
    fn names_that_are_refused() {
        for (name, want) in [
            ("", Refusal::NoName),
            ("/etc/passwd", Refusal::Absolute),
            ("//a", Refusal::Absolute),
            ("..", Refusal::ParentComponent),
            ("a/../b", Refusal::ParentComponent),
            ("a/..", Refusal::ParentComponent),
            ("./../a", Refusal::ParentComponent),
            ("a\0b", Refusal::ZeroByte),
            ("1/2/3/4/5", Refusal::TooDeep { limit: 4 }),
            (&"x/".repeat(2048), Refusal::TooLong),
            (&"x".repeat(256), Refusal::TooLong),
        ] {
            assert_eq!(path(name), Err(want), "{name:?}");
        }
    }

    #[test]
    fn parents_from_the_top() {
        let path = EntryPath::parse(b"a/b/c", 4).unwrap();
        let parents: Vec<_> = path.parents().collect();
        assert_eq!(parents, [PathBuf::from("a"), PathBuf::from("a/b")]);
        assert_eq!(EntryPath::parse(b".", 4).unwrap().parents().count(), 0);
        assert_eq!(EntryPath::parse(b"a", 4).unwrap().parents().count(), 0);
    }

    #[test]
    fn symbolic_links_stay_inside() {
        let check = |location: &str, target: &str| {
            let location = EntryPath::parse(location.as_bytes(), 8).unwrap();
            check_symbolic_link(&location, target.as_bytes())
        };
        for (location, target) in [
            ("a", "b"),
            ("a", "./b/c"),
            ("a", "."),
            ("d/a", ".."),
            ("d/a", "../b"),
            ("d/e/a", "../../b"),
            ("d/e/a", ".././../b"),
            ("a", "..."),
        ] {
            assert_eq!(check(location, target), Ok(()), "{location} -> {target}");
        }
        for (location, target) in [
            ("a", "/"),
            ("a", "/etc/passwd"),
            ("a", ".."),
            ("a", "../b"),
            ("d/a", "../.."),
            ("d/a", "../../b"),
            ("d/a", "..//.././b"),
            // Through a link `s -> ..` in d, `d/s/..` is outside, though it reads as `d`.
            ("a", "d/s/.."),
            ("d/a", "../d/s/../.."),
        ] {
            assert_eq!(check(location, target), Err(Refusal::LinkLeaves), "{location} -> {target}");
        }
        assert_eq!(check("a", ""), Err(Refusal::NoName));
        assert_eq!(check("a", "b\0c"), Err(Refusal::ZeroByte));
    }
}
