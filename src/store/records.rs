//! The records of all models: one file each, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::{Record, Version};
use super::{Error, disk};
use crate::model_name::ModelName;

/// What is known of all models, in memory and on the disk.
#[derive(Debug)]
pub(super) struct Records {
    /// Files are named as their models are and nothing more: a name may be as long as a file's.
    directory: PathBuf,
    /// Where a file is written before it replaces the last one.
    new: PathBuf,
    known: Mutex<Vec<Known>>,
}

#[derive(Debug)]
struct Known {
    name: ModelName,
    record: Record,
    /// The disk has it too.
    written: bool,
}

impl Records {
    /// Reads all records. Of a model whose record cannot be read only its name is known; the errors
    /// tell.
    pub(super) fn read(hidden: &Path, root: &Path) -> Result<(Self, Vec<Error>), Error> {
        let directory = hidden.join("records");
        let (mut known, mut unreadable) = (Vec::new(), Vec::new());
        for path in disk::children(&directory)? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.and_then(|name| ModelName::parse(name).ok()) else { continue };
            let record = match fs::read_to_string(&path).map(|text| Record::read(&text)) {
                Ok(Some(record)) => record,
                outcome => {
                    unreadable.push(match outcome {
                        Err(error) => Error::io("read", path)(error),
                        Ok(_) => Error::UnreadableRecord { path },
                    });
                    // It is a model all the same, of unknown origin.
                    let current = disk::exists(&root.join(name.as_str()))?.then(Version::default);
                    Record { current, ..Record::default() }
                }
            };
            known.push(Known { name, record, written: true });
        }
        let new = hidden.join("staging/record");
        Ok((Self { directory, new, known: Mutex::new(known) }, unreadable))
    }

    /// What is known of one model.
    pub(super) fn of(&self, name: &ModelName) -> Record {
        let known = self.lock();
        let found = known.iter().find(|known| known.name == *name);
        found.map(|known| known.record.clone()).unwrap_or_default()
    }

    /// What is known of all models.
    pub(super) fn all(&self) -> Vec<(ModelName, Record)> {
        self.lock().iter().map(|known| (known.name.clone(), known.record.clone())).collect()
    }

    /// Whether the place of this name is a model's.
    pub(super) fn is_installed(&self, name: &str) -> bool {
        let known = self.lock();
        known.iter().any(|known| known.name.as_str() == name && known.record.is_installed())
    }

    /// Changes what is known of one model. It is on the disk when this returns.
    ///
    /// # Errors
    ///
    /// It is not on the disk. It holds all the same, and the next change writes it too.
    pub(super) fn change(
        &self,
        name: &ModelName,
        change: &mut dyn FnMut(&mut Record),
    ) -> Result<(), Error> {
        let mut known = self.lock();
        let index = known.iter().position(|known| known.name == *name).unwrap_or_else(|| {
            let (name, record) = (name.clone(), Record::default());
            known.push(Known { name, record, written: true });
            known.len() - 1
        });
        let Some(Known { record, written, .. }) = known.get_mut(index) else { return Ok(()) };
        let before = record.clone();
        change(record);
        if *written && *record == before {
            if record.is_empty() {
                known.swap_remove(index);
            }
            return Ok(());
        }
        *written = false;
        let path = self.directory.join(name.as_str());
        if record.is_empty() {
            disk::remove(&path)?;
            *written = true;
            known.swap_remove(index);
        } else {
            self.write(&path, &record.write())?;
            *written = true;
        }
        disk::sync_directory(&self.directory)
    }

    fn write(&self, path: &Path, text: &str) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let mut file = File::create(&self.new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        write().map_err(Error::io("write", &self.new))?;
        disk::rename(&self.new, path)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        // It is whole at every moment, also if a thread that held the lock panicked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
