//! Directories that last: made, flushed to disk, removed.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::Error;

/// Makes a directory and those above it; it is fine if they exist.
pub(super) fn create_directories(path: &Path) -> Result<(), Error> {
    let mut missing = Vec::new();
    for ancestor in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
        match fs::metadata(ancestor) {
            Ok(metadata) if metadata.is_dir() => break,
            Ok(_) => {
                let in_the_way = io::Error::from(io::ErrorKind::NotADirectory);
                return Err(Error::io("use as a directory", ancestor)(in_the_way));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(ancestor),
            Err(error) => return Err(Error::io("look at", ancestor)(error)),
        }
    }
    for directory in missing.into_iter().rev() {
        create_directory(directory)?;
        if let Some(parent) = directory.parent().filter(|p| !p.as_os_str().is_empty()) {
            sync_directory(parent)?;
        }
    }
    Ok(())
}

/// Makes one directory that all may read, whatever the umask: the agent may be another user.
pub(super) fn create_directory(path: &Path) -> Result<(), Error> {
    fs::create_dir(path).map_err(Error::io("create the directory", path))?;
    fs::set_permissions(path, Permissions::from_mode(0o755))
        .map_err(Error::io("set the mode of", path))
}

/// Makes one directory for this user only; it is fine if it exists.
///
/// A symbolic link in its place is an error: what is renamed and deleted below must be ours.
pub(super) fn create_hidden_directory(path: &Path) -> Result<(), Error> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let metadata = fs::symlink_metadata(path).map_err(Error::io("look at", path))?;
            if metadata.is_dir() {
                Ok(())
            } else {
                let in_the_way = io::Error::from(io::ErrorKind::NotADirectory);
                Err(Error::io("use as a directory", path)(in_the_way))
            }
        }
        Err(error) => Err(Error::io("create the directory", path)(error)),
    }
}

/// Renames; both are on one file system.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(|source| Error::Io {
        action: "move",
        path: from.to_owned(),
        source,
    })
}

/// Returns when the names in a directory are on the disk.
pub(super) fn sync_directory(path: &Path) -> Result<(), Error> {
    let directory = File::open(path).map_err(Error::io("open the directory", path))?;
    sync_open_directory(directory).map_err(Error::io("flush to disk", path))
}

/// Returns when the names in a directory are on the disk.
pub(super) fn sync_open_directory(directory: impl AsFd) -> io::Result<()> {
    match rustix::fs::fsync(directory) {
        // How file systems answer that cannot flush a directory.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Flushes a directory and all directories below it; links are not followed.
pub(super) fn sync_tree(root: &Path) -> Result<(), Error> {
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in read_directory(&directory)? {
            let entry = entry.map_err(Error::io("list", &directory))?;
            let file_type = entry.file_type().map_err(Error::io("look at", entry.path()))?;
            if file_type.is_dir() {
                pending.push(entry.path());
            }
        }
        sync_directory(&directory)?;
    }
    Ok(())
}

/// How many files, links among them, are in a directory and in those below it, and how many bytes
/// are in the files; links are not followed.
pub(super) fn measure(root: &Path) -> Result<(u64, u64), Error> {
    let (mut files, mut bytes) = (0, 0_u64);
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for path in children(&directory)? {
            let metadata = fs::symlink_metadata(&path).map_err(Error::io("look at", &path))?;
            if metadata.is_dir() {
                pending.push(path);
                continue;
            }
            files += 1;
            if metadata.is_file() {
                bytes = bytes.saturating_add(metadata.len());
            }
        }
    }
    Ok((files, bytes))
}

/// What is directly in a directory.
pub(super) fn children(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    read_directory(directory)?
        .map(|entry| {
            let entry = entry.map_err(Error::io("list", directory))?;
            Ok(entry.path())
        })
        .collect()
}

/// Deletes a directory with all in it, a file, or a link itself; it is fine if it is gone.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(Error::io("remove", path)),
    }
}

/// Whether anything has this name, be it a dangling link.
pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

fn read_directory(path: &Path) -> Result<fs::ReadDir, Error> {
    fs::read_dir(path).map_err(Error::io("list", path))
}
