//! The models that are loaded.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::OnnxModel;
use crate::model_name::ModelName;
use crate::tensor::TensorSpec;
use crate::wire;

/// A model under its name.
#[derive(Debug)]
pub(crate) struct LoadedModel {
    /// As the client gave it.
    pub(crate) url: String,
    pub(crate) name: ModelName,
    pub(crate) model: OnnxModel,
}

impl LoadedModel {
    /// What LoadModel, ListModels and DescribeModel tell.
    pub(crate) fn description(&self) -> wire::Model {
        let metadata = |specs: &[TensorSpec]| specs.iter().map(TensorSpec::metadata).collect();
        wire::Model {
            url: self.url.clone(),
            name: self.name.to_string(),
            input_tensor_metadatas: metadata(self.model.inputs()),
            output_tensor_metadatas: metadata(self.model.outputs()),
        }
    }
}

/// All models by name. Clones are the same models.
#[derive(Debug, Clone, Default)]
pub(crate) struct Models(Arc<Mutex<BTreeMap<ModelName, Slot>>>);

#[derive(Debug)]
enum Slot {
    /// The name is taken, the model not there yet.
    Loading,
    Loaded(Arc<LoadedModel>),
}

impl Models {
    /// Takes a name for a model that is about to be loaded.
    pub(crate) fn reserve(&self, name: ModelName) -> Result<Reservation, NameTaken> {
        match self.slots().entry(name.clone()) {
            Entry::Vacant(vacant) => {
                vacant.insert(Slot::Loading);
            }
            Entry::Occupied(occupied) => {
                return Err(NameTaken { loading: matches!(occupied.get(), Slot::Loading) });
            }
        }
        Ok(Reservation { models: self.clone(), name })
    }

    /// The model of that name.
    pub(crate) fn find(&self, name: &ModelName) -> Result<Arc<LoadedModel>, NoSuchModel> {
        match self.slots().get(name) {
            Some(Slot::Loaded(model)) => Ok(model.clone()),
            Some(Slot::Loading) => Err(NoSuchModel { loading: true }),
            None => Err(NoSuchModel { loading: false }),
        }
    }

    /// Takes the model out. Predictions that run with it are not disturbed.
    pub(crate) fn remove(&self, name: &ModelName) -> Result<Arc<LoadedModel>, NoSuchModel> {
        let mut slots = self.slots();
        match slots.remove(name) {
            Some(Slot::Loaded(model)) => Ok(model),
            Some(Slot::Loading) => {
                slots.insert(name.clone(), Slot::Loading);
                Err(NoSuchModel { loading: true })
            }
            None => Err(NoSuchModel { loading: false }),
        }
    }

    /// All that are loaded, in the order of their names.
    pub(crate) fn all(&self) -> Vec<Arc<LoadedModel>> {
        self.slots()
            .values()
            .filter_map(|slot| match slot {
                Slot::Loaded(model) => Some(model.clone()),
                Slot::Loading => None,
            })
            .collect()
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<ModelName, Slot>> {
        // No code that can panic runs while the lock is held.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is taken until the model is loaded, or until this is dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    models: Models,
    name: ModelName,
}

impl Reservation {
    /// Puts the model under its name.
    pub(crate) fn fill(self, url: String, model: OnnxModel) -> Arc<LoadedModel> {
        let loaded = Arc::new(LoadedModel { url, name: self.name.clone(), model });
        let slot = Slot::Loaded(loaded.clone());
        self.models.slots().insert(self.name.clone(), slot);
        loaded
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut slots = self.models.slots();
        if matches!(slots.get(&self.name), Some(Slot::Loading)) {
            slots.remove(&self.name);
        }
    }
}

/// Another model has the name.
#[derive(Debug)]
pub(crate) struct NameTaken {
    loading: bool,
}

impl fmt::Display for NameTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.loading {
            "model with the same name is already being loaded"
        } else {
            "model with the same name is already loaded"
        })
    }
}

impl std::error::Error for NameTaken {}

/// No model has the name.
#[derive(Debug)]
pub(crate) struct NoSuchModel {
    loading: bool,
}

impl fmt::Display for NoSuchModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.loading {
            "model doesn't exist yet: it is being loaded"
        } else {
            "model doesn't exist"
        })
    }
}

impl std::error::Error for NoSuchModel {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_taken_while_its_model_loads_and_free_after_a_failure() {
        let models = Models::default();
        let name = ModelName::parse("m").unwrap();
        let reservation = models.reserve(name.clone()).unwrap();
        assert!(models.reserve(name.clone()).unwrap_err().loading);
        assert!(models.find(&name).unwrap_err().loading);
        assert!(models.remove(&name).unwrap_err().loading);
        assert!(models.reserve(name.clone()).is_err(), "remove leaves the reservation");
        assert!(models.all().is_empty());
        drop(reservation);
        assert!(!models.find(&name).unwrap_err().loading);
        assert!(models.reserve(name).is_ok());
    }
}
