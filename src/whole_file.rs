//! Files that are replaced as a whole: whoever reads sees the old one or the new one.

use std::fmt;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The system refused an action on a file.
#[derive(Debug)]
pub struct Refused {
    /// What was tried.
    pub action: &'static str,
    /// With what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl Refused {
    /// Of an error what was tried.
    pub fn to(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.source)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Replaces the file. It has this mode before it has its content. When this returns, it is on the
/// disk. Blocks.
pub fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), Refused> {
    let new = path.with_extension("new");
    // One that a killed run left may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Refused::to("remove", &new)(error));
        }
        _ => {}
    }
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)
        .map_err(Refused::to("create", &new))?;
    // Whatever the process's mask takes away.
    file.set_permissions(Permissions::from_mode(mode)).map_err(Refused::to("set up", &new))?;
    file.write_all(content).map_err(Refused::to("write", &new))?;
    file.sync_all().map_err(Refused::to("flush to disk", &new))?;
    fs::rename(&new, path).map_err(Refused::to("replace", path))?;
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        // The name is in place; some file systems cannot flush a directory.
        let _ = directory.sync_all();
    }
    Ok(())
}
