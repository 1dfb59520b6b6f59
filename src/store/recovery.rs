//! Order after a killed run: `swap.rs` has the table of what was left and what is done about it.

use std::path::Path;

use super::record::Record;
use super::swap::put_back;
use super::{Error, Store, disk};
use crate::model_name::ModelName;

/// What [`Store::open`] had to put in order after a killed run.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Models whose previous version was put back, because the new one was still on trial.
    pub put_back: Vec<String>,
    /// How many unfinished extractions, outputs and deletions were removed.
    pub removed: usize,
    /// Leftovers that could not be removed. They do no harm but take space.
    pub not_removed: Vec<Error>,
    /// Records that cannot be read: where those models come from is not known, and they are not
    /// loaded by themselves.
    pub unreadable: Vec<Error>,
}

/// Takes back what was on trial in a killed run, and removes what was unfinished.
pub(super) fn recover(store: &Store, recovery: &mut Recovery) -> Result<(), Error> {
    for previous in disk::children(&store.hidden("previous"))? {
        let Some(name) = model_name(&previous) else { continue };
        put_back(store, &name, &previous)?;
        recovery.put_back.push(name.to_string());
    }
    for (name, record) in store.shared.records.all() {
        settle_trial(store, &name, &record)?;
        settle_kept(store, &name, &record)?;
    }
    remove_unknown_versions(store, recovery)?;
    for directory in ["staging", "trash"] {
        for leftover in disk::children(&store.hidden(directory))? {
            remove(&leftover, recovery);
        }
    }
    Ok(())
}

/// A version on trial whose previous one is not aside.
fn settle_trial(store: &Store, name: &ModelName, record: &Record) -> Result<(), Error> {
    let Some(trial) = &record.trial else { return Ok(()) };
    let decided =
        !disk::exists(&store.staging_path(trial.id))? && disk::exists(&store.model_path(name))?;
    let aside = match &record.current {
        Some(version) => disk::exists(&store.kept_path(name, version.id))?,
        None => false,
    };
    store.shared.records.change(name, &mut |record| {
        if decided {
            record.promote(aside);
        } else {
            record.trial = None;
        }
    })
}

/// Versions that are kept: one that was about to be used again goes back, one that is gone is
/// forgotten.
fn settle_kept(store: &Store, name: &ModelName, record: &Record) -> Result<(), Error> {
    let mut gone = Vec::new();
    for version in &record.kept {
        if disk::exists(&store.kept_path(name, version.id))? {
            continue;
        }
        let staged = store.staging_path(version.id);
        if disk::exists(&staged)? {
            store.put_with_kept(name, version.id, &staged)?;
        } else {
            gone.push(version.id);
        }
    }
    if gone.is_empty() {
        return Ok(());
    }
    store.shared.records.change(name, &mut |record| {
        record.kept.retain(|version| !gone.contains(&version.id));
    })
}

/// Versions that no record names: of a record that could not be read, or thrown away just then.
fn remove_unknown_versions(store: &Store, recovery: &mut Recovery) -> Result<(), Error> {
    for directory in disk::children(&store.hidden("versions"))? {
        let Some(name) = model_name(&directory) else { continue };
        let record = store.shared.records.of(&name);
        if record.kept.is_empty() {
            // Counted where there is something in it.
            if disk::children(&directory)?.is_empty() {
                let _ = disk::remove(&directory);
            } else {
                remove(&directory, recovery);
            }
            continue;
        }
        for version in disk::children(&directory)? {
            let id = version.file_name().and_then(|id| id.to_str()?.parse().ok());
            if !id.is_some_and(|id| record.keeps(id)) {
                remove(&version, recovery);
            }
        }
    }
    Ok(())
}

/// The largest number that names anything in the store.
pub(super) fn largest_number(store: &Store) -> u64 {
    let records = store.shared.records.all();
    let versions = records.iter().flat_map(|(_, record)| record.versions());
    versions.map(|version| version.id).max().unwrap_or(0)
}

fn remove(leftover: &Path, recovery: &mut Recovery) {
    match disk::remove(leftover) {
        Ok(()) => recovery.removed += 1,
        Err(error) => recovery.not_removed.push(error),
    }
}

fn model_name(path: &Path) -> Option<ModelName> {
    ModelName::parse(path.file_name()?.to_str()?).ok()
}
