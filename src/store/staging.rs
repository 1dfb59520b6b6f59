//! A model that is on its way in.

use std::io::Read;
use std::path::PathBuf;

use super::archive::{self, Extracted};
use super::digest::Hashing;
use super::record::{Origin, Version};
use super::swap::{self, Installed};
use super::{DATA, Error, Sha256, Store, disk};
use crate::model_name::ModelName;

/// A directory of its own for one version of a model. Dropped, it is removed with all in it; a
/// version that was kept goes back to where it was.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    name: ModelName,
    directory: PathBuf,
    version: Version,
    /// What the archive's digest has to be.
    sha256: Option<Sha256>,
    extracted: bool,
}

impl Store {
    /// Begins a new version of a model. Several can be on their way at once, also of one model.
    pub fn stage(&self, name: &ModelName, origin: Origin) -> Result<Staging, Error> {
        if name.as_str() == DATA {
            return Err(Error::ReservedName { path: self.model_path(name) });
        }
        let Origin { url, etag, sha256, pulled } = origin;
        let id = self.next_number();
        let directory = self.staging_path(id);
        disk::create_directory(&directory)?;
        let version = Version { id, url, etag, pulled, ..Version::default() };
        let (store, name) = (self.clone(), name.clone());
        Ok(Staging { store, name, directory, version, sha256, extracted: false })
    }
}

impl Staging {
    /// Takes a version that is kept, to install it again.
    pub(super) fn of_kept(
        store: &Store,
        name: &ModelName,
        version: &Version,
    ) -> Result<Self, Error> {
        let directory = store.staging_path(version.id);
        disk::rename(&store.kept_path(name, version.id), &directory)?;
        let (store, name, version) = (store.clone(), name.clone(), version.clone());
        Ok(Self { store, name, directory, version, sha256: None, extracted: true })
    }

    /// Extracts a `.tar.gz` or `.tar` archive, recognised by content, as it arrives.
    ///
    /// Everything is on the disk when this returns. A second call starts over with an empty
    /// directory.
    ///
    /// # Errors
    ///
    /// An archive that is damaged, cut off, empty, above the limits, or has an entry that could
    /// write elsewhere or is not a file, directory or link; one that is not what it should be by its
    /// digest; and what the disk refuses. If `archive` fails, [`Error::Source`] has its error.
    pub fn extract(&mut self, archive: impl Read) -> Result<Extracted, Error> {
        self.extracted = false;
        disk::remove(&self.directory)?;
        disk::create_directory(&self.directory)?;
        let mut hashing = Hashing::new(archive, self.sha256.is_some());
        let room = |bytes| self.store.make_room(bytes);
        let extracted = archive::extract(&mut hashing, &self.directory, self.store.limits, &room)?;
        let found = hashing.finish();
        if let (Some(wanted), Some(found)) = (&self.sha256, &found)
            && wanted != found
        {
            return Err(Error::Checksum { wanted: wanted.clone(), found: found.clone() });
        }
        self.version.sha256 = found;
        // As they are counted later, links and all.
        (self.version.files, self.version.bytes) = disk::measure(&self.directory)?;
        self.extracted = true;
        Ok(extracted)
    }

    /// Puts the extracted version where the agent reads it, and keeps the previous one aside until
    /// it is decided which of the two stays.
    ///
    /// # Errors
    ///
    /// [`Error::OnTrial`] while another version of the model is installed and not yet decided about.
    /// After any error the previous version is where it was.
    pub fn install(self) -> Result<Installed, Error> {
        if !self.extracted {
            return Err(Error::NothingExtracted { name: self.name.to_string() });
        }
        swap::install(&self.store, &self.name, &self.version, &self.directory)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // When it cannot be done now, the next start does it. After an installation it is gone.
        let id = self.version.id;
        let _ = if self.store.shared.records.of(&self.name).keeps(id) {
            self.store.put_with_kept(&self.name, id, &self.directory)
        } else {
            disk::remove(&self.directory)
        };
    }
}
