//! What is written of an archive: files, directories and links below one directory.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use super::disk;
use super::entry::{EntryPath, Refusal, check_symbolic_link};
use super::error::Error;

/// Makes the error that names the entry in question.
type Refused<'a> = &'a dyn Fn(Refusal) -> Error;

/// A directory that is filled by an archive.
///
/// Nothing is replaced and nothing is written through a link, so that all that is written is in
/// the directory.
pub(super) struct Tree<'a> {
    directory: &'a Path,
    /// The directory that the last entry went to: known to be one.
    last_parent: PathBuf,
    entries: u64,
    most_entries: u64,
}

impl<'a> Tree<'a> {
    /// To fill an empty directory with at most so many files, directories and links.
    pub(super) fn new(directory: &'a Path, most_entries: u64) -> Self {
        Self { directory, last_parent: PathBuf::new(), entries: 0, most_entries }
    }

    /// Makes a directory; it is fine if it exists.
    pub(super) fn directory(
        &mut self,
        path: &EntryPath<'_>,
        refused: Refused<'_>,
    ) -> Result<(), Error> {
        self.make_parents(path, refused)?;
        if path.is_root() {
            return Ok(());
        }
        if !self.make_directory(&path.to_path())? {
            return Err(refused(Refusal::Duplicate));
        }
        Ok(())
    }

    /// Makes an empty file, to be written and then finished.
    pub(super) fn file(
        &mut self,
        path: &EntryPath<'_>,
        executable: bool,
        refused: Refused<'_>,
    ) -> Result<NewFile, Error> {
        let path = self.new_name(path, refused)?;
        // Only if there is nothing by this name, not even a link.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(|error| duplicate_or("create", &path, error, refused))?;
        Ok(NewFile { file, path, executable })
    }

    /// Makes a symbolic link that leads to somewhere in the directory, whatever is there.
    pub(super) fn symbolic_link(
        &mut self,
        path: &EntryPath<'_>,
        target: &[u8],
        refused: Refused<'_>,
    ) -> Result<(), Error> {
        check_symbolic_link(path, target).map_err(refused)?;
        let path = self.new_name(path, refused)?;
        symlink(OsStr::from_bytes(target), &path)
            .map_err(|error| duplicate_or("create the link", &path, error, refused))
    }

    /// Makes another name for a file in the directory. Never one for a symbolic link, which would
    /// lead elsewhere from its new place.
    pub(super) fn hard_link(
        &mut self,
        path: &EntryPath<'_>,
        target: &EntryPath<'_>,
        refused: Refused<'_>,
    ) -> Result<(), Error> {
        for parent in target.parents() {
            if !self.file_type(&parent)?.is_some_and(|kind| kind.is_dir()) {
                return Err(refused(Refusal::LinkTarget));
            }
        }
        let target = target.to_path();
        if !self.file_type(&target)?.is_some_and(|kind| kind.is_file()) {
            return Err(refused(Refusal::LinkTarget));
        }
        let path = self.new_name(path, refused)?;
        fs::hard_link(self.directory.join(target), &path)
            .map_err(|error| duplicate_or("create the hard link", &path, error, refused))
    }

    /// Where a file or link goes, with the directories above it made.
    fn new_name(&mut self, path: &EntryPath<'_>, refused: Refused<'_>) -> Result<PathBuf, Error> {
        if path.is_root() {
            return Err(refused(Refusal::Duplicate));
        }
        self.make_parents(path, refused)?;
        self.count()?;
        Ok(self.directory.join(path.to_path()))
    }

    /// Makes the directories above an entry. None of them may be a link.
    fn make_parents(&mut self, path: &EntryPath<'_>, refused: Refused<'_>) -> Result<(), Error> {
        let Some(direct) = path.parents().last() else {
            return Ok(());
        };
        if direct == self.last_parent {
            return Ok(());
        }
        for parent in path.parents() {
            if !self.make_directory(&parent)? {
                return Err(refused(Refusal::ThroughNonDirectory));
            }
        }
        self.last_parent = direct;
        Ok(())
    }

    /// Makes one directory unless it exists; false if something else has its name.
    fn make_directory(&mut self, path: &Path) -> Result<bool, Error> {
        match self.file_type(path)? {
            Some(kind) => Ok(kind.is_dir()),
            None => {
                self.count()?;
                disk::create_directory(&self.directory.join(path))?;
                Ok(true)
            }
        }
    }

    fn count(&mut self) -> Result<(), Error> {
        self.entries += 1;
        if self.entries > self.most_entries {
            return Err(Error::TooManyEntries { limit: self.most_entries });
        }
        Ok(())
    }

    /// What is at a path, if anything.
    fn file_type(&self, path: &Path) -> Result<Option<fs::FileType>, Error> {
        let path = self.directory.join(path);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.file_type())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", path)(error)),
        }
    }
}

/// A file of the archive, being written. The agent can read it when it is finished.
pub(super) struct NewFile {
    file: File,
    path: PathBuf,
    executable: bool,
}

impl NewFile {
    pub(super) fn write(&mut self, content: &[u8]) -> Result<(), Error> {
        self.file.write_all(content).map_err(Error::io("write", &self.path))
    }

    /// Returns when the content is on the disk.
    pub(super) fn finish(self) -> Result<(), Error> {
        let mode = if self.executable { 0o755 } else { 0o644 };
        self.file
            .set_permissions(Permissions::from_mode(mode))
            .map_err(Error::io("set the mode of", &self.path))?;
        self.file.sync_all().map_err(Error::io("flush to disk", &self.path))
    }
}

fn duplicate_or(
    action: &'static str,
    path: &Path,
    error: io::Error,
    refused: Refused<'_>,
) -> Error {
    if error.kind() == io::ErrorKind::AlreadyExists {
        refused(Refusal::Duplicate)
    } else {
        Error::io(action, path)(error)
    }
}
