//! Versions that are unpacked already: the one in place, and earlier ones that are kept.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::record::Version;
use super::staging::Staging;
use super::{Error, Store, disk};
use crate::model_name::ModelName;

/// A version that need not be pulled.
#[derive(Debug)]
pub enum Unpacked {
    /// It is in place.
    InPlace,
    /// It was kept, and can be installed again.
    Kept(Box<Staging>),
}

impl Store {
    /// The versions of a model that are unpacked and whole, the one in place first.
    pub fn unpacked(&self, name: &ModelName) -> Vec<Version> {
        let record = self.shared.records.of(name);
        let in_place = record.current.map(|version| (self.model_path(name), version));
        let kept =
            record.kept.into_iter().map(|version| (self.kept_path(name, version.id), version));
        let mut unpacked = Vec::new();
        for (path, version) in in_place.into_iter().chain(kept) {
            if version.url.is_empty() {
                continue;
            }
            match is_whole(&path, &version) {
                Ok(true) => unpacked.push(version),
                Ok(false) => log::error!(
                    "{name}: {} is not what was unpacked there; it is not used again",
                    path.display()
                ),
                Err(error) => log::error!("{name}: {error}"),
            }
        }
        unpacked
    }

    /// Takes one of these versions for use; none if it has been removed meanwhile.
    pub fn take_unpacked(&self, name: &ModelName, version: &Version) -> Option<Unpacked> {
        let record = self.shared.records.of(name);
        if record.current.is_some_and(|current| current.id == version.id) {
            return Some(Unpacked::InPlace);
        }
        Staging::of_kept(self, name, version).ok().map(|staging| Unpacked::Kept(Box::new(staging)))
    }

    /// Removes versions that are kept beyond the number that is to be.
    pub(super) fn prune(&self, name: &ModelName) -> Result<(), Error> {
        let mut removed = Vec::new();
        let changed = self.shared.records.change(name, &mut |record| {
            removed = record.kept.split_off(self.keep.min(record.kept.len()));
        });
        for version in removed {
            self.throw_away(&self.kept_path(name, version.id))?;
        }
        // Only an empty one.
        let _ = fs::remove_dir(self.hidden("versions").join(name.as_str()));
        changed
    }

    /// Removes the oldest version that is kept, of whatever model; false if there is none.
    pub(super) fn remove_oldest_kept(&self) -> Result<bool, Error> {
        let mut oldest: Option<(ModelName, u64)> = None;
        for (name, record) in self.shared.records.all() {
            for Version { id, .. } in record.kept {
                // One that is about to be used again is not there.
                let older = oldest.as_ref().is_none_or(|(_, oldest)| id < *oldest);
                if older && disk::exists(&self.kept_path(&name, id))? {
                    oldest = Some((name.clone(), id));
                }
            }
        }
        let Some((name, id)) = oldest else { return Ok(false) };
        log::info!("{name}: an earlier version is removed, for there is too little room");
        self.throw_away(&self.kept_path(&name, id))?;
        self.shared.records.change(&name, &mut |record| {
            record.kept.retain(|version| version.id != id);
        })?;
        Ok(true)
    }

    /// Puts a version where it is kept. It happens whole or not at all; what does not reach the disk
    /// before a power failure is where it was, or forgotten.
    pub(super) fn put_with_kept(
        &self,
        name: &ModelName,
        id: u64,
        from: &Path,
    ) -> Result<(), Error> {
        let directory = self.hidden("versions").join(name.as_str());
        disk::create_hidden_directory(&directory)?;
        disk::rename(from, &self.kept_path(name, id))?;
        let _ = disk::sync_directory(&directory);
        let _ = disk::sync_directory(&self.hidden("versions"));
        Ok(())
    }

    /// Where a version is kept.
    pub(super) fn kept_path(&self, name: &ModelName, id: u64) -> PathBuf {
        self.hidden("versions").join(name.as_str()).join(id.to_string())
    }

    /// Deletes a directory, so that it is there whole or not at all; it is fine if it is gone.
    fn throw_away(&self, path: &Path) -> Result<(), Error> {
        let trash = self.trash();
        match disk::rename(path, &trash) {
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => disk::remove(&trash),
        }
    }
}

/// Whether a directory has as many files and bytes as were unpacked there.
fn is_whole(path: &Path, version: &Version) -> Result<bool, Error> {
    if !disk::exists(path)? {
        return Ok(false);
    }
    Ok(disk::measure(path)? == (version.files, version.bytes))
}
