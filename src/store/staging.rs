//! A model that is on its way in.

use std::io::Read;
use std::path::PathBuf;

use super::archive::{self, Extracted};
use super::swap::{self, Installed};
use super::{DATA, Error, Store, disk};
use crate::model_name::ModelName;

/// A directory of its own for one version of a model. Dropped, it is removed with all in it.
#[derive(Debug)]
pub struct Staging {
    store: Store,
    name: ModelName,
    directory: PathBuf,
    extracted: bool,
}

impl Store {
    /// Begins a new version of a model. Several can be on their way at once, also of one model.
    pub fn stage(&self, name: &ModelName) -> Result<Staging, Error> {
        if name.as_str() == DATA {
            return Err(Error::ReservedName { path: self.model_path(name) });
        }
        let directory = self.hidden("staging").join(format!("model-{}", self.next_number()));
        disk::create_directory(&directory)?;
        Ok(Staging { store: self.clone(), name: name.clone(), directory, extracted: false })
    }
}

impl Staging {
    /// Extracts a `.tar.gz` or `.tar` archive, recognised by content, as it arrives.
    ///
    /// Everything is on the disk when this returns. A second call starts over with an empty
    /// directory.
    ///
    /// # Errors
    ///
    /// An archive that is damaged, cut off, empty, above the limits, or has an entry that could
    /// write elsewhere or is not a file, directory or link; and what the disk refuses. If `archive`
    /// fails, [`Error::Source`] has its error.
    pub fn extract(&mut self, mut archive: impl Read) -> Result<Extracted, Error> {
        self.extracted = false;
        disk::remove(&self.directory)?;
        disk::create_directory(&self.directory)?;
        let extracted = archive::extract(&mut archive, &self.directory, self.store.limits)?;
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
        swap::install(&self.store, &self.name, &self.directory)
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // When it cannot be removed now, the next start removes it. After an installation it is gone.
        let _ = disk::remove(&self.directory);
    }
}
