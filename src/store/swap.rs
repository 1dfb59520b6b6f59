//! The switch from one version of a model to the next, and back.
//!
//! Each step is one rename, and what the renames have done so far says what has to be done after a
//! crash:
//!
//! | `root/NAME` | `previous/NAME` | so                                                      |
//! |-------------|-----------------|---------------------------------------------------------|
//! | any         | none            | decided: nothing to do                                  |
//! | none        | there           | between two renames: the previous version is put back   |
//! | there       | there           | the new version was on trial: the previous one comes back |
//!
//! Deletion starts with a rename into the trash, so that a version is there whole or not at all.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use super::{Error, HIDDEN, Store, disk};
use crate::model_name::ModelName;

/// A new version of a model, on trial. Dropped undecided, it is taken back as by
/// [`Installed::restore`].
#[derive(Debug)]
pub struct Installed {
    store: Store,
    name: ModelName,
    /// The previous version is aside.
    has_previous: bool,
    /// The new version is in place.
    in_place: bool,
}

/// What [`Store::open`] had to put in order after a killed run.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Models whose previous version was put back, because the new one was still on trial.
    pub put_back: Vec<String>,
    /// How many unfinished extractions, outputs and deletions were removed.
    pub removed: usize,
    /// Leftovers that could not be removed. They do no harm but take space.
    pub not_removed: Vec<Error>,
}

/// Puts a staged directory at the model's place.
pub(super) fn install(store: &Store, name: &ModelName, staged: &Path) -> Result<Installed, Error> {
    if !on_trial(store).insert(name.clone()) {
        return Err(Error::OnTrial { name: name.to_string() });
    }
    let mut installed = Installed {
        store: store.clone(),
        name: name.clone(),
        has_previous: false,
        in_place: false,
    };
    // After an error, dropping it takes back what was done.
    installed.swap_in(staged)?;
    Ok(installed)
}

impl Installed {
    /// The new version stays: the previous one is deleted.
    ///
    /// # Errors
    ///
    /// The previous version could not be put away. Then it is back, as by [`Installed::restore`].
    pub fn keep(mut self) -> Result<(), Error> {
        if self.has_previous {
            let trash = self.trash();
            disk::rename(&self.previous(), &trash)?;
            self.has_previous = false;
            // That was the decision. If it does not reach the disk, a power failure undoes it; what
            // cannot be deleted now is deleted at the next start.
            let _ = disk::sync_directory(&self.store.hidden("previous"));
            let _ = disk::remove(&trash);
        }
        self.in_place = false;
        Ok(())
    }

    /// The new version is deleted, and the previous one, if there was one, is put back.
    ///
    /// Returns whether there was one.
    pub fn restore(mut self) -> Result<bool, Error> {
        self.take_back()
    }

    fn swap_in(&mut self, staged: &Path) -> Result<(), Error> {
        let (root, current, previous) = (self.store.root(), self.current(), self.previous());
        // If an earlier version could not be put back then, it has to be now.
        if disk::exists(&previous)? {
            put_back(root, &previous, &current, &self.trash())?;
        }
        match fs::symlink_metadata(&current) {
            // A link to a directory elsewhere: the link is moved, what it leads to stays.
            Ok(metadata) if metadata.is_dir() || metadata.is_symlink() => {
                disk::rename(&current, &previous)?;
                self.has_previous = true;
                disk::sync_directory(&self.store.hidden("previous"))?;
            }
            Ok(_) => return Err(Error::NotAModel { path: current }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("look at", current)(error)),
        }
        disk::rename(staged, &current)?;
        self.in_place = true;
        let marker = marker(&self.store, self.name.as_str());
        File::create(&marker).map_err(Error::io("create", &marker))?;
        disk::sync_directory(self.store.root())?;
        disk::sync_directory(&self.store.hidden("installed"))?;
        disk::sync_directory(&self.store.hidden("staging"))
    }

    fn take_back(&mut self) -> Result<bool, Error> {
        let (current, previous, trash) = (self.current(), self.previous(), self.trash());
        if self.in_place && disk::exists(&current)? {
            disk::rename(&current, &trash)?;
        }
        self.in_place = false;
        let had_previous = self.has_previous;
        if had_previous {
            disk::rename(&previous, &current)?;
            self.has_previous = false;
            disk::sync_directory(&self.store.hidden("previous"))?;
        }
        disk::sync_directory(self.store.root())?;
        if !disk::exists(&current)? {
            disk::remove(&marker(&self.store, self.name.as_str()))?;
        }
        let _ = disk::remove(&trash);
        Ok(had_previous)
    }

    fn current(&self) -> PathBuf {
        self.store.model_path(&self.name)
    }

    fn previous(&self) -> PathBuf {
        self.store.hidden("previous").join(self.name.as_str())
    }

    fn trash(&self) -> PathBuf {
        let number = self.store.next_number();
        self.store.hidden("trash").join(format!("model-{number}"))
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if self.in_place || self.has_previous {
            // When it cannot be taken back now, the next start does it.
            let _ = self.take_back();
        }
        on_trial(&self.store).remove(&self.name);
    }
}

/// Whether a name directly below the root is a model that was installed by the store.
pub(super) fn is_installed(store: &Store, name: &str) -> Result<bool, Error> {
    disk::exists(&marker(store, name))
}

/// Takes back what was on trial in a killed run, and removes what was unfinished.
pub(super) fn recover(root: &Path) -> Result<Recovery, Error> {
    let hidden = root.join(HIDDEN);
    let mut recovery = Recovery::default();
    for previous in disk::children(&hidden.join("previous"))? {
        let Some(name) = previous.file_name() else {
            continue;
        };
        let trash = unused_name(&hidden.join("trash"))?;
        put_back(root, &previous, &root.join(name), &trash)?;
        recovery.put_back.push(name.to_string_lossy().into_owned());
    }
    for directory in ["staging", "trash"] {
        for leftover in disk::children(&hidden.join(directory))? {
            match disk::remove(&leftover) {
                Ok(()) => recovery.removed += 1,
                Err(error) => recovery.not_removed.push(error),
            }
        }
    }
    Ok(recovery)
}

/// Puts a previous version back, whether the new one is in place or not.
fn put_back(root: &Path, previous: &Path, current: &Path, trash: &Path) -> Result<(), Error> {
    if disk::exists(current)? {
        disk::rename(current, trash)?;
    }
    disk::rename(previous, current)?;
    disk::sync_directory(&root.join(HIDDEN).join("previous"))?;
    disk::sync_directory(root)
}

fn unused_name(directory: &Path) -> Result<PathBuf, Error> {
    let mut number = 0_u64;
    loop {
        let name = directory.join(format!("recovered-{number}"));
        if !disk::exists(&name)? {
            return Ok(name);
        }
        number += 1;
    }
}

fn marker(store: &Store, name: &str) -> PathBuf {
    store.hidden("installed").join(name)
}

fn on_trial(store: &Store) -> MutexGuard<'_, HashSet<ModelName>> {
    let on_trial = store.shared.on_trial.lock();
    // The set is whole at every moment, also if a thread that held the lock panicked.
    on_trial.unwrap_or_else(PoisonError::into_inner)
}
