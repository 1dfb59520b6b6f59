//! Data files: inputs that are read, outputs that are written.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::{DataPath, Error, HIDDEN, Store, disk};

/// What a written file survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of this process. The system writes it to the disk within seconds.
    Process,
    /// A power failure too. Takes as long as the disk takes.
    Disk,
}

/// A data file that is open.
#[derive(Debug)]
pub struct DataFile {
    /// The file, at its beginning.
    pub file: File,
    /// Where it was found.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Tells its content from every other that was or will be there, as an ETag does.
    pub state: String,
}
/// Writes what a file shall hold.
pub type Content<'a> = dyn Fn(&mut dyn Write) -> io::Result<()> + 'a;

impl Store {
    /// Reads a data file of at most `limit` bytes: `data/x` below the root, else `x` below the root.
    ///
    /// Links are followed as long as they stay below the root. Pipes and devices are never waited
    /// for.
    pub fn read_data(&self, path: &DataPath, limit: u64) -> Result<Bytes, Error> {
        let DataFile { file, path, size, .. } = self.open_data(path)?;
        read_file(file, &path, size, limit)
    }

    /// Opens a data file, where [`Store::read_data`] would find it, to be read as it is needed.
    pub fn open_data(&self, path: &DataPath) -> Result<DataFile, Error> {
        let root = resolve(self.root())?;
        let mut looked_at = Vec::new();
        for place in path.places(self.root()) {
            let asked = self.root().join(&place);
            let real = match fs::canonicalize(root.join(&place)) {
                Ok(real) => real,
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    looked_at.push(asked);
                    continue;
                }
                Err(error) => return Err(Error::io("look at", asked)(error)),
            };
            let Ok(inside) = real.strip_prefix(&root) else {
                return Err(Error::LeadsOut { path: asked });
            };
            if inside.starts_with(HIDDEN) {
                return Err(Error::Reserved { path: asked });
            }
            return open_file(&root, inside, asked);
        }
        Err(Error::NotFound { looked_at })
    }

    /// Writes a data file below the root, and the directories to it where they are missing.
    ///
    /// A file that was there is replaced. Whoever reads finds the old content or the new, never a
    /// part.
    pub fn write_data(
        &self,
        path: &DataPath,
        content: &[u8],
        durability: Durability,
    ) -> Result<(), Error> {
        self.write_data_in_parts(path, &|file| file.write_all(content), durability)
    }

    /// The same with content that is made while it is written. It may be asked for twice.
    pub fn write_data_in_parts(
        &self,
        path: &DataPath,
        content: &Content<'_>,
        durability: Durability,
    ) -> Result<(), Error> {
        let asked = self.root().join(path.as_str());
        let Some(name) = asked.file_name() else {
            return Err(Error::NotAFile { path: asked });
        };
        let name = Path::new(name);
        let root = resolve(self.root())?;
        let (real, missing) = split_at_existing(&root, Path::new(path.as_str()))?;
        let Ok(inside) = real.strip_prefix(&root) else {
            return Err(Error::LeadsOut { path: asked });
        };
        let target = inside.join(&missing).join(name);
        if self.is_reserved(&target)? {
            return Err(Error::Reserved { path: asked });
        }
        let directory = open_directory(&root, inside, &asked)?;
        let directory = make_directories(directory, &missing, &asked, durability)?;
        match rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => match FileType::from_raw_mode(stat.st_mode) {
                // A link is replaced itself.
                FileType::RegularFile | FileType::Symlink => {}
                _ => return Err(Error::NotAFile { path: asked }),
            },
            Err(Errno::NOENT) => {}
            Err(error) => return Err(Error::io("look at", asked)(error)),
        }
        self.replace(&directory, name, &asked, content, durability)
    }

    /// Whether a path relative to the root belongs to the store or to a model that it installed.
    fn is_reserved(&self, path: &Path) -> Result<bool, Error> {
        let mut components = path.components();
        let first = match components.next() {
            Some(Component::Normal(first)) => first,
            _ => return Ok(true),
        };
        if first == HIDDEN {
            return Ok(true);
        }
        match first.to_str() {
            Some(first) if components.next().is_some() => {
                Ok(self.shared.records.is_installed(first))
            }
            _ => Ok(false),
        }
    }

    /// Writes under a temporary name and renames.
    ///
    /// The temporary name is in the store's own directory, which is emptied at start. Where the
    /// target is on another file system, mounted below the root, it is beside the target.
    fn replace(
        &self,
        directory: &OwnedFd,
        name: &Path,
        asked: &Path,
        content: &Content<'_>,
        durability: Durability,
    ) -> Result<(), Error> {
        let number = self.next_number();
        let staging = self.hidden("staging");
        let staging = rustix::fs::open(&staging, DIRECTORY, Mode::empty())
            .map_err(Error::io("open the directory", staging))?;
        let temporary = PathBuf::from(format!("output-{number}"));
        let mut renamed =
            rename_new((&staging, &temporary), (directory, name), asked, content, durability);
        if matches!(&renamed, Err(Error::Io { source, .. })
            if source.kind() == io::ErrorKind::CrossesDevices)
        {
            let temporary = PathBuf::from(format!("{HIDDEN}-output-{number}"));
            renamed =
                rename_new((directory, &temporary), (directory, name), asked, content, durability);
        }
        renamed?;
        if durability == Durability::Disk {
            disk::sync_open_directory(directory).map_err(Error::io("flush to disk", asked))?;
        }
        Ok(())
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

type Place<'a> = (&'a OwnedFd, &'a Path);

/// Writes a new file at a temporary place and renames it to its own.
fn rename_new(
    temporary: Place<'_>,
    target: Place<'_>,
    asked: &Path,
    content: &Content<'_>,
    durability: Durability,
) -> Result<(), Error> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = rustix::fs::openat(temporary.0, temporary.1, flags, Mode::from_raw_mode(0o600))
        .map_err(Error::io("create a temporary file for", asked))?;
    let written = fill(File::from(file), asked, content, durability).and_then(|()| {
        rustix::fs::renameat(temporary.0, temporary.1, target.0, target.1)
            .map_err(Error::io("create", asked))
    });
    if written.is_err() {
        let _ = rustix::fs::unlinkat(temporary.0, temporary.1, AtFlags::empty());
    }
    written
}

fn fill(
    mut file: File,
    asked: &Path,
    content: &Content<'_>,
    durability: Durability,
) -> Result<(), Error> {
    content(&mut file).map_err(Error::io("write", asked))?;
    file.set_permissions(Permissions::from_mode(0o644))
        .map_err(Error::io("set the mode of", asked))?;
    if durability == Durability::Disk {
        file.sync_all().map_err(Error::io("flush to disk", asked))?;
    }
    Ok(())
}

/// Opens a file whose path below the root has no links in it. If one was put there just now, opening
/// fails.
fn open_file(root: &Path, inside: &Path, asked: PathBuf) -> Result<DataFile, Error> {
    let (Some(parent), Some(name)) = (inside.parent(), inside.file_name()) else {
        return Err(Error::NotAFile { path: asked });
    };
    let directory = open_directory(root, parent, &asked)?;
    // Not blocking: opening a pipe would wait for a writer. Not a terminal of this process either.
    let flags =
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        // How a socket answers, and a device that is not there.
        Err(Errno::NXIO | Errno::NODEV) => return Err(Error::NotAFile { path: asked }),
        Err(error) => return Err(Error::io("open", asked)(error)),
    };
    let metadata = file.metadata().map_err(Error::io("look at", &asked))?;
    if !metadata.is_file() {
        return Err(Error::NotAFile { path: asked });
    }
    // Another file, or another content, differs in one of them.
    let state = format!(
        "{}-{}.{:09}-{}",
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ino()
    );
    Ok(DataFile { file, path: asked, size: metadata.len(), state })
}

/// Reads a file whole, one of at most `limit` bytes.
fn read_file(file: File, asked: &Path, size: u64, limit: u64) -> Result<Bytes, Error> {
    let too_large = |size| Error::FileTooLarge { path: asked.to_owned(), size, limit };
    if size > limit {
        return Err(too_large(size));
    }
    let mut content = Vec::new();
    // One more than the size: then the end is found without growing.
    let capacity = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1);
    content
        .try_reserve_exact(capacity)
        .map_err(|error| Error::io("hold in memory", asked)(io::Error::other(error)))?;
    // It may have grown since.
    let read = file
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(Error::io("read", asked))?;
    if read as u64 > limit {
        return Err(too_large(read as u64));
    }
    Ok(content.into())
}

/// Opens a directory whose path below the root has no links in it, component by component.
fn open_directory(root: &Path, inside: &Path, asked: &Path) -> Result<OwnedFd, Error> {
    let open = |at: &dyn Fn() -> Result<OwnedFd, Errno>| at().map_err(Error::io("open", asked));
    let mut directory = open(&|| rustix::fs::openat(CWD, root, DIRECTORY, Mode::empty()))?;
    for component in inside.components() {
        let name = component.as_os_str();
        directory = open(&|| rustix::fs::openat(&directory, name, DIRECTORY, Mode::empty()))?;
    }
    Ok(directory)
}

/// Makes and opens the directories below one.
fn make_directories(
    mut directory: OwnedFd,
    missing: &Path,
    asked: &Path,
    durability: Durability,
) -> Result<OwnedFd, Error> {
    for component in missing.components() {
        let name = component.as_os_str();
        let failed = |error: Errno| Error::io("create the directory of", asked)(error);
        match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
            // Another output may be made beside this one. What is not a directory fails next.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        if durability == Durability::Disk {
            disk::sync_open_directory(&directory).map_err(Error::io("flush to disk", asked))?;
        }
        directory =
            rustix::fs::openat(&directory, name, DIRECTORY, Mode::empty()).map_err(failed)?;
    }
    Ok(directory)
}

/// The directory of a file below the root, in two parts: what exists, with all links resolved, and
/// the rest, which does not.
fn split_at_existing(root: &Path, file: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let parent = file.parent().unwrap_or(Path::new(""));
    for existing in parent.ancestors() {
        let path = root.join(existing);
        match fs::canonicalize(&path) {
            Ok(real) => {
                let missing = parent.strip_prefix(existing).unwrap_or(Path::new(""));
                return Ok((real, missing.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("look at", path)(error)),
        }
    }
    Err(Error::NotFound { looked_at: vec![root.to_owned()] })
}

fn resolve(root: &Path) -> Result<PathBuf, Error> {
    fs::canonicalize(root).map_err(Error::io("look at", root))
}
