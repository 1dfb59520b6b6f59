//! What can go wrong in the models directory, in an operator's words.

use std::fmt;
use std::io;
use std::path::PathBuf;

use super::Sha256;
use super::entry::Refusal;

/// Why the store could not do what it was asked for. Nothing is left half done.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The system refused an operation on a file or directory.
    Io {
        /// What was tried, as a verb: "open", "create".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What came back.
        source: io::Error,
    },
    /// Another process has the models directory open.
    InUse {
        /// The lock that it holds.
        path: PathBuf,
    },
    /// A model cannot have this name, because the directory has another use.
    ReservedName {
        /// The directory.
        path: PathBuf,
    },
    /// Something that is not a directory is where the model has to go.
    NotAModel {
        /// What is in the way.
        path: PathBuf,
    },
    /// The model's last version is still being tried.
    OnTrial {
        /// The model's name.
        name: String,
    },
    /// Nothing was extracted that could be installed.
    NothingExtracted {
        /// The model's name.
        name: String,
    },
    /// The archive could not be read to its end: the source's own words.
    Source(io::Error),
    /// What was read is not an archive of a known kind.
    UnknownFormat {
        /// What it looks like.
        found: String,
    },
    /// The archive ends before it is complete.
    CutOff,
    /// The archive contradicts itself: it was damaged or badly made.
    Damaged {
        /// Where and how.
        problem: String,
    },
    /// The archive has no file in it.
    Empty,
    /// An entry of the archive is not allowed.
    Refused {
        /// The entry's name, escaped.
        entry: String,
        /// Why.
        reason: Refusal,
    },
    /// The archive is larger than allowed.
    TooManyBytes {
        /// Bytes of content allowed.
        limit: u64,
    },
    /// The archive has more files and directories than allowed.
    TooManyEntries {
        /// Files and directories allowed.
        limit: u64,
    },
    /// The archive is not the one that it should be.
    Checksum {
        /// The SHA-256 that it should have.
        wanted: Sha256,
        /// The one that it has.
        found: Sha256,
    },
    /// The file system has too little room, also without the versions that were kept.
    NoRoom {
        /// Bytes that are to be written.
        wanted: u64,
        /// Bytes that are free.
        available: u64,
        /// Bytes that stay free.
        reserve: u64,
    },
    /// A model's record was damaged.
    UnreadableRecord {
        /// The record.
        path: PathBuf,
    },
    /// No data file at any of these places.
    NotFound {
        /// The places, in the order in which they were looked at.
        looked_at: Vec<PathBuf>,
    },
    /// A symbolic link leads out of the models directory.
    LeadsOut {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The path belongs to the store or to an installed model.
    Reserved {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The path is a directory, a pipe or a device.
    NotAFile {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The data file is larger than the caller takes.
    FileTooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

impl Error {
    /// For `map_err`: an [`Error::Io`] that says what was tried on what.
    pub(super) fn io<E: Into<io::Error>>(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(E) -> Self {
        let path = path.into();
        move |source| Self::Io { action, path, source: source.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())?;
                hint(f, source)
            }
            Self::InUse { path } => write!(
                f,
                "another process has the models directory open (it holds {}): stop it, or give \
                 each its own models directory",
                path.display()
            ),
            Self::ReservedName { path } => write!(
                f,
                "no model can be installed at {}, which is for input data: choose another name",
                path.display()
            ),
            Self::NotAModel { path } => write!(
                f,
                "{} is a file, not a model's directory: move it away, or choose another name",
                path.display()
            ),
            Self::OnTrial { name } => write!(
                f,
                "another version of model {name} is being loaded: try again when that is done"
            ),
            Self::NothingExtracted { name } => {
                write!(f, "no archive was extracted for model {name}: nothing to install")
            }
            Self::Source(source) => write!(f, "reading the archive failed: {source}"),
            Self::UnknownFormat { found } => write!(
                f,
                "the object is not a .tar.gz or .tar archive, but {found}: check its key, and \
                 pack the model with tar czf"
            ),
            Self::CutOff => f.write_str(
                "the archive ends too early: it was cut off when it was made or uploaded; upload \
                 it again",
            ),
            Self::Damaged { problem } => {
                write!(f, "the archive is damaged ({problem}): make and upload it again")
            }
            Self::Empty => f.write_str("the archive has no files in it"),
            Self::Refused { entry, reason } => {
                write!(f, "the archive's entry {entry} is refused: {reason}")
            }
            Self::TooManyBytes { limit } => {
                write!(f, "the archive unpacks to more than {limit} bytes")
            }
            Self::TooManyEntries { limit } => {
                write!(f, "the archive has more than {limit} files and directories")
            }
            Self::Checksum { wanted, found } => write!(
                f,
                "the archive's sha256 is {found}, and {wanted} is wanted: check which of the two \
                 is out of date"
            ),
            Self::NoRoom { wanted, available, reserve } => write!(
                f,
                "{wanted} bytes more are needed for the model, and {available} are free on the \
                 file system, of which {reserve} are not used: make room; no earlier version is \
                 kept any more that could be removed"
            ),
            Self::UnreadableRecord { path } => write!(
                f,
                "{} is damaged: use reloadModel to have the model's version known again",
                path.display()
            ),
            Self::NotFound { looked_at } => {
                f.write_str("no such file: looked at ")?;
                for (index, path) in looked_at.iter().enumerate() {
                    if index > 0 {
                        f.write_str(" and ")?;
                    }
                    write!(f, "{}", path.display())?;
                }
                Ok(())
            }
            Self::LeadsOut { path } => write!(
                f,
                "{} leads out of the models directory through a symbolic link: copy the file, or \
                 mount its directory, instead",
                path.display()
            ),
            Self::Reserved { path } => write!(
                f,
                "{} belongs to an installed model or to the store itself: choose another path",
                path.display()
            ),
            Self::NotAFile { path } => {
                write!(f, "{} is a directory, a pipe or a device, not a file", path.display())
            }
            Self::FileTooLarge { path, size, limit } => {
                write!(f, "{} has {size} bytes; at most {limit} are taken", path.display())
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } | Self::Source(source) => Some(source),
            _ => None,
        }
    }
}

/// What the operator can do about an error of the system.
fn hint(f: &mut fmt::Formatter<'_>, error: &io::Error) -> fmt::Result {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            f.write_str("; make room on its file system")
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            f.write_str("; mount it writable (the volume's readOnly must be false)")
        }
        io::ErrorKind::PermissionDenied => write!(
            f,
            "; this process runs as user {}, which needs read and write permission there",
            rustix::process::geteuid().as_raw()
        ),
        io::ErrorKind::ResourceBusy => {
            f.write_str("; a volume must not be mounted on a model's own directory")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn errors_say_what_was_tried_and_what_to_do() {
        for (kind, hint) in [
            (io::ErrorKind::StorageFull, "make room"),
            (io::ErrorKind::ReadOnlyFilesystem, "mount it writable"),
            (io::ErrorKind::PermissionDenied, "runs as user"),
        ] {
            let error = Error::io("create", "/models/x")(io::Error::from(kind));
            let text = error.to_string();
            assert!(text.starts_with("cannot create /models/x: "), "{text}");
            assert!(text.contains(hint), "{text}");
            assert!(error.source().is_some());
        }
        let error =
            Error::NotFound { looked_at: vec!["/models/data/x".into(), "/models/x".into()] };
        assert_eq!(error.to_string(), "no such file: looked at /models/data/x and /models/x");
    }
}
