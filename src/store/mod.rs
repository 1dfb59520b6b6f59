//! The models directory: staging, extraction, swap; and the data files below it.
//!
//! Everything here blocks: call it on a thread that may (`blocking::unblock`).
//!
//! ```text
//! root/NAME             a model, as the agent reads it
//! root/data/            input files that the operator or a device put there
//! root/…                other data files, outputs among them
//! root/.sapt/lock       held while a process has the store open
//! root/.sapt/staging/   archives being extracted, outputs being written
//! root/.sapt/previous/  NAME's last version while its next one is on trial
//! root/.sapt/trash/     what is being deleted
//! root/.sapt/versions/  NAME/ID, earlier versions that are kept
//! root/.sapt/records/   NAME, what is known of the model: where its versions come from, and whether
//!                       it should be loaded
//! ```
//!
//! The hidden directory is on the same file system as the models, so that every step from one to
//! the other is a rename: it happens whole or not at all.

mod archive;
mod compression;
mod data;
mod data_path;
mod digest;
mod disk;
mod entry;
mod error;
mod kept;
mod pipe;
mod record;
mod records;
mod recovery;
mod room;
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
mod room_tests;
#[cfg(test)]
mod swap_tests;

pub use archive::{Extracted, Limits};
pub use data::{Content, DataFile, Durability};
pub use data_path::{DataPath, InvalidDataPath};
pub use digest::Sha256;
pub use entry::Refusal;
pub use error::Error;
pub use kept::Unpacked;
pub use pipe::{Closed, Feed, PipeReader, pipe};
pub use record::{Origin, Record, Version};
pub use recovery::Recovery;
pub use room::{Measure, Space};
pub use staging::Staging;
pub use swap::Installed;

use records::Records;

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

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
    /// How many earlier versions of each model are kept.
    keep: usize,
    measure: Measure,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    /// Numbers for names in the hidden directory. They begin above those that are there; no other
    /// process takes any, because the lock keeps it out.
    next_number: AtomicU64,
    records: Records,
    /// The models whose new version is on trial.
    on_trial: Mutex<HashSet<ModelName>>,
    recovery: OnceLock<Recovery>,
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
        disk::create_hidden_directory(&hidden)?;
        for directory in ["staging", "previous", "trash", "versions", "records"] {
            disk::create_hidden_directory(&hidden.join(directory))?;
        }
        let lock = lock(&hidden.join("lock"))?;
        let (records, unreadable) = Records::read(&hidden, &root)?;
        let shared = Shared {
            root,
            next_number: AtomicU64::new(0),
            records,
            on_trial: Mutex::new(HashSet::new()),
            recovery: OnceLock::new(),
            _lock: lock,
        };
        let store = Self {
            shared: Arc::new(shared),
            limits: Limits::default(),
            keep: 1,
            measure: Space::of,
        };
        let next = recovery::largest_number(&store) + 1;
        store.shared.next_number.store(next, Ordering::Relaxed);
        let mut recovery = Recovery { unreadable, ..Recovery::default() };
        recovery::recover(&store, &mut recovery)?;
        let _ = store.shared.recovery.set(recovery);
        disk::sync_directory(&hidden)?;
        disk::sync_directory(store.root())?;
        Ok(store)
    }

    /// The same store, with other limits for archives staged from this value on.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// The same store, which keeps so many earlier versions of each model; 1, unless told
    /// otherwise. What is kept beyond that is removed now.
    pub fn keeping(self, versions: usize) -> Result<Self, Error> {
        let store = Self { keep: versions, ..self };
        for (name, _) in store.shared.records.all() {
            store.prune(&name)?;
        }
        Ok(store)
    }

    /// The same store, which is told by another how much room there is.
    pub fn with_measure(self, measure: Measure) -> Self {
        Self { measure, ..self }
    }

    /// What [`Store::open`] found of a killed run, for the log.
    pub fn recovery(&self) -> &Recovery {
        self.shared.recovery.get_or_init(Recovery::default)
    }

    /// What is known of one model.
    pub fn record(&self, name: &ModelName) -> Record {
        self.shared.records.of(name)
    }

    /// What is known of all models.
    pub fn records(&self) -> Vec<(ModelName, Record)> {
        self.shared.records.all()
    }

    /// Records whether a model should be loaded, from now on.
    pub fn set_wanted(&self, name: &ModelName, wanted: bool) -> Result<(), Error> {
        self.shared.records.change(name, &mut |record| record.wanted = wanted)
    }

    /// Records that the agent has the version loaded that is in place, or none.
    pub fn settle(&self, name: &ModelName) -> Result<(), Error> {
        self.shared.records.change(name, &mut |record| record.unsettled = false)
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

    fn staging_path(&self, id: u64) -> PathBuf {
        self.hidden("staging").join(format!("model-{id}"))
    }

    /// A new name in the trash. Also before all that is there has been removed it is a free one.
    fn trash(&self) -> PathBuf {
        loop {
            let trash = self.hidden("trash").join(self.next_number().to_string());
            if !trash.exists() {
                return trash;
            }
        }
    }

    fn next_number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }
}

/// What is known of all models in a directory, also while another process has it open.
pub fn records_at(root: &Path) -> Result<Vec<(ModelName, Record)>, Error> {
    let hidden = root.join(HIDDEN);
    if !disk::exists(&hidden)? {
        return Ok(Vec::new());
    }
    let (records, _) = Records::read(&hidden, root)?;
    Ok(records.all())
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
