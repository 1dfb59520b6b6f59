//! The models directory: staging, extraction, swap; and the data files below it.
//!
//! Everything here blocks: call it on a thread that may (`smol::unblock`).
//!
//! ```text
//! root/NAME             a model, as the agent reads it
//! root/data/            input files that the operator or a device put there
//! root/…                other data files, outputs among them
//! root/.sapt/lock       held while a process has the store open
//! root/.sapt/staging/   archives being extracted, outputs being written
//! root/.sapt/previous/  NAME's last version while its next one is on trial
//! root/.sapt/trash/     what is being deleted
//! root/.sapt/installed/ an empty file for each NAME that was installed here
//! ```
//!
//! The hidden directory is on the same file system as the models, so that every step from one to
//! the other is a rename: it happens whole or not at all.

mod archive;
mod compression;
mod data;
mod data_path;
mod disk;
mod entry;
mod error;
mod pipe;
mod staging;
mod swap;
mod tree;

#[cfg(test)]
mod archive_tests;
#[cfg(test)]
mod data_tests;
#[cfg(test)]
mod refusal_tests;
#[cfg(test)]
mod swap_tests;

pub use archive::{Extracted, Limits};
pub use data::{Content, Durability};
pub use data_path::{DataPath, InvalidDataPath};
pub use entry::Refusal;
pub use error::Error;
pub use pipe::{Closed, Feed, PipeReader, pipe};
pub use staging::Staging;
pub use swap::{Installed, Recovery};

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::model_name::ModelName;

/// The name, directly below the root, of the directory that the store keeps for itself.
const HIDDEN: &str = ".sapt";
/// The name, directly below the root, of the directory with input files. No model can have it.
const DATA: &str = "data";

/// The models directory of this gateway. Clones share it.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    limits: Limits,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// Numbers for names in the hidden directory, which is emptied at start: unique in this process
    /// is enough, because the lock keeps every other one out.
    next_number: AtomicU64,
    /// The models whose new version is on trial.
    on_trial: Mutex<HashSet<ModelName>>,
    recovery: Recovery,
    /// Locked as long as the store lives; the system unlocks it when the process dies.
    _lock: File,
}

impl Store {
    /// Opens the models directory, which is made if it is missing, and puts it in order after a
    /// killed run: versions on trial are taken back, unfinished work is removed.
    ///
    /// Only one process can have a directory open: a second one gets [`Error::InUse`].
    pub fn open(root: PathBuf) -> Result<Self, Error> {
        disk::create_directories(&root)?;
        let hidden = root.join(HIDDEN);
        for directory in [
            hidden.clone(),
            hidden.join("staging"),
            hidden.join("previous"),
            hidden.join("trash"),
            hidden.join("installed"),
        ] {
            disk::create_hidden_directory(&directory)?;
        }
        let lock = lock(&hidden.join("lock"))?;
        let recovery = swap::recover(&root)?;
        disk::sync_directory(&hidden)?;
        disk::sync_directory(&root)?;
        Ok(Self {
            shared: Arc::new(Shared {
                root,
                next_number: AtomicU64::new(0),
                on_trial: Mutex::new(HashSet::new()),
                recovery,
                _lock: lock,
            }),
            limits: Limits::default(),
        })
    }

    /// The same store, with other limits for archives staged from this value on.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// What [`Store::open`] found of a killed run, for the log.
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }

    /// The models directory, as it was given.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Where the model with this name is, or would be.
    pub fn model_path(&self, name: &ModelName) -> PathBuf {
        self.root().join(name.as_str())
    }

    fn hidden(&self, directory: &str) -> PathBuf {
        self.root().join(HIDDEN).join(directory)
    }

    fn next_number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }
}

fn lock(path: &Path) -> Result<File, Error> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(Error::io("open", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse { path: path.to_owned() }),
        // Some network file systems have no locks. Then nothing guards against a second process,
        // and the models can be used all the same.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}
