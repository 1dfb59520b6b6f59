//! The switch from one version of a model to the next, and back.
//!
//! Each step is one rename: of a directory, or of a file of the model's record over the last one.
//!
//! ```text
//! install    the record names the version on trial
//!            NAME          → previous/NAME, where there is one
//!            staging/ID    → NAME
//! keep       previous/NAME → versions/NAME/ID of the one before, or the trash: the decision
//!            the record has the version on trial as the current one, and wanted
//! take back  the record has no version on trial, where there is a previous one
//!            NAME          → the trash, or versions/NAME/ID where it was kept before
//!            previous/NAME → NAME
//!            the record has no version on trial
//! ```
//!
//! What the steps have done so far says what has to be done after a crash:
//!
//! | `previous/NAME` | on trial | `staging/ID` | `NAME` | so                                       |
//! |-----------------|----------|--------------|--------|------------------------------------------|
//! | there           | any      | any          | any    | not decided: the previous version is put back |
//! | none            | no       | any          | any    | nothing to do                            |
//! | none            | yes      | there        | any    | nothing was done: no longer on trial     |
//! | none            | yes      | none         | there  | decided, or a first version: it is current |
//! | none            | yes      | none         | none   | a first version was taken back           |
//!
//! The record is first when taking back, because the second rename makes it look as if the version
//! on trial was decided for; where there is no previous version it is last, because without it the
//! files at `NAME` would be nobody's.
//!
//! Deletion starts with a rename into the trash, so that a version is there whole or not at all.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use super::record::Version;
use super::{Error, Store, disk};
use crate::model_name::ModelName;

/// A new version of a model, on trial. Dropped undecided, it is taken back as by
/// [`Installed::restore`].
#[derive(Debug)]
pub struct Installed {
    store: Store,
    name: ModelName,
    /// The version's.
    id: u64,
    /// The previous version is aside.
    has_previous: bool,
    /// The new version is in place.
    in_place: bool,
    /// Nothing is decided yet.
    on_trial: bool,
}

/// Puts a staged directory at the model's place.
pub(super) fn install(
    store: &Store,
    name: &ModelName,
    version: &Version,
    staged: &Path,
) -> Result<Installed, Error> {
    if !on_trial(store).insert(name.clone()) {
        return Err(Error::OnTrial { name: name.to_string() });
    }
    let mut installed = Installed {
        store: store.clone(),
        name: name.clone(),
        id: version.id,
        has_previous: false,
        in_place: false,
        on_trial: true,
    };
    // After an error, dropping it takes back what was done.
    installed.swap_in(version, staged)?;
    Ok(installed)
}

impl Installed {
    /// The new version stays, and is wanted. The previous one is kept, or deleted where as many
    /// newer ones are kept as should be.
    ///
    /// # Errors
    ///
    /// The previous version could not be put away. Then it is back, as by [`Installed::restore`].
    pub fn keep(mut self) -> Result<(), Error> {
        let aside = self.has_previous && self.put_previous_away()?;
        self.has_previous = false;
        self.on_trial = false;
        // That was the decision. What does not reach the disk now is done at the next start.
        let store = &self.store;
        let promoted = store.shared.records.change(&self.name, &mut |record| record.promote(aside));
        for outcome in [promoted, store.prune(&self.name)] {
            let _ = outcome.inspect_err(|error| log::error!("{}: {error}", self.name));
        }
        Ok(())
    }

    /// The new version is deleted, or kept where it was kept before, and the previous one, if there
    /// was one, is put back.
    ///
    /// Returns whether there was one.
    pub fn restore(mut self) -> Result<bool, Error> {
        self.take_back()
    }

    fn swap_in(&mut self, version: &Version, staged: &Path) -> Result<(), Error> {
        let (store, current, previous) = (&self.store, self.current(), self.previous());
        // If an earlier version could not be put back then, it has to be now.
        if disk::exists(&previous)? {
            put_back(store, &self.name, &previous)?;
        }
        let has_previous = match fs::symlink_metadata(&current) {
            // A link to a directory elsewhere: the link is moved, what it leads to stays.
            Ok(metadata) if metadata.is_dir() || metadata.is_symlink() => true,
            Ok(_) => return Err(Error::NotAModel { path: current }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            Err(error) => return Err(Error::io("look at", current)(error)),
        };
        store.shared.records.change(&self.name, &mut |record| {
            record.trial = Some(version.clone());
        })?;
        if has_previous {
            disk::rename(&current, &previous)?;
            self.has_previous = true;
            disk::sync_directory(&store.hidden("previous"))?;
        }
        disk::rename(staged, &current)?;
        self.in_place = true;
        disk::sync_directory(store.root())?;
        disk::sync_directory(&store.hidden("staging"))
    }

    /// Tells whether the previous version is kept.
    fn put_previous_away(&self) -> Result<bool, Error> {
        let (store, previous) = (&self.store, self.previous());
        let known = store.shared.records.of(&self.name).current;
        let is_link = previous.is_symlink();
        let Some(version) = known.filter(|_| store.keep > 0 && !is_link) else {
            let trash = store.trash();
            disk::rename(&previous, &trash)?;
            // If it does not reach the disk, a power failure undoes the decision; what cannot be
            // deleted now is deleted at the next start.
            let _ = disk::sync_directory(&store.hidden("previous"));
            let _ = disk::remove(&trash);
            return Ok(false);
        };
        store.put_with_kept(&self.name, version.id, &previous)?;
        let _ = disk::sync_directory(&store.hidden("previous"));
        Ok(true)
    }

    fn take_back(&mut self) -> Result<bool, Error> {
        let (current, previous) = (self.current(), self.previous());
        self.on_trial = false;
        let had_previous = self.has_previous;
        if had_previous {
            self.forget_trial()?;
        }
        let mut trash = None;
        if self.in_place && disk::exists(&current)? {
            trash = put_away(&self.store, &self.name, Some(self.id))?;
        }
        if had_previous {
            disk::rename(&previous, &current)?;
            self.has_previous = false;
            disk::sync_directory(&self.store.hidden("previous"))?;
        }
        disk::sync_directory(self.store.root())?;
        if !had_previous {
            self.forget_trial()?;
        }
        self.in_place = false;
        if let Some(trash) = trash {
            let _ = disk::remove(&trash);
        }
        Ok(had_previous)
    }

    fn forget_trial(&self) -> Result<(), Error> {
        let was_in_place = self.in_place;
        self.store.shared.records.change(&self.name, &mut |record| {
            record.trial = None;
            // The agent may have been asked to load it, and may have done it unheard.
            record.unsettled |= was_in_place;
        })
    }

    fn current(&self) -> PathBuf {
        self.store.model_path(&self.name)
    }

    fn previous(&self) -> PathBuf {
        self.store.hidden("previous").join(self.name.as_str())
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        if self.on_trial || self.has_previous {
            // When it cannot be taken back now, the next start does it.
            let _ = self.take_back();
        }
        on_trial(&self.store).remove(&self.name);
    }
}

/// Puts a previous version back, whether the new one is in place or not.
pub(super) fn put_back(store: &Store, name: &ModelName, previous: &Path) -> Result<(), Error> {
    let current = store.model_path(name);
    let mut trial = None;
    store.shared.records.change(name, &mut |record| {
        trial = record.trial.take();
        record.unsettled = true;
    })?;
    if disk::exists(&current)? {
        put_away(store, name, trial.map(|version| version.id))?;
    }
    disk::rename(previous, &current)?;
    disk::sync_directory(&store.hidden("previous"))?;
    disk::sync_directory(store.root())
}

/// Takes a version away from the model's place: to where it was kept before, or to the trash, which is
/// told.
fn put_away(store: &Store, name: &ModelName, id: Option<u64>) -> Result<Option<PathBuf>, Error> {
    let current = store.model_path(name);
    if let Some(id) = id.filter(|id| store.shared.records.of(name).keeps(*id)) {
        store.put_with_kept(name, id, &current)?;
        return Ok(None);
    }
    let trash = store.trash();
    disk::rename(&current, &trash)?;
    Ok(Some(trash))
}

fn on_trial(store: &Store) -> MutexGuard<'_, HashSet<ModelName>> {
    let on_trial = store.shared.on_trial.lock();
    // The set is whole at every moment, also if a thread that held the lock panicked.
    on_trial.unwrap_or_else(PoisonError::into_inner)
}
