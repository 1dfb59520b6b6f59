//! From places to tensors.

use bytes::Bytes;

use super::Input;
use crate::blocking::unblock;
use crate::command::context::Context;
use crate::command::data;
use crate::command::error::Error;
use crate::tensor::{Preprocess, Tensor, TensorSpec, read_input, read_inputs};

/// What was found in the places.
#[derive(Debug, Clone)]
pub(super) enum Contents {
    /// For all input tensors.
    One(Bytes),
    /// For each input tensor, by name.
    ByTensor(Vec<(String, Bytes)>),
}

/// Reads all that is needed.
pub(super) async fn read(context: &Context, input: Input) -> Result<Contents, Error> {
    match input {
        Input::One(location) => data::read(context, &location).await.map(Contents::One),
        Input::ByTensor(locations) => {
            let mut contents = Vec::with_capacity(locations.len());
            for (tensor, location) in locations {
                contents.push((tensor, data::read(context, &location).await?));
            }
            Ok(Contents::ByTensor(contents))
        }
    }
}

/// Makes the model's input tensors of it, on another thread.
pub(super) async fn decode(
    contents: Contents,
    specs: &[TensorSpec],
    preprocess: &Preprocess,
) -> Result<Vec<Tensor>, Error> {
    let (specs, preprocess) = (specs.to_vec(), preprocess.clone());
    unblock(move || match contents {
        Contents::One(content) => Ok(read_inputs(content, &specs, &preprocess)?),
        Contents::ByTensor(contents) => by_tensor(&contents, &specs, &preprocess),
    })
    .await
}

fn by_tensor(
    contents: &[(String, Bytes)],
    specs: &[TensorSpec],
    preprocess: &Preprocess,
) -> Result<Vec<Tensor>, Error> {
    let wanted = || {
        let names = specs.iter().map(|spec| spec.name_text().into_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    for (name, _) in contents {
        if !specs.iter().any(|spec| spec.name_text() == *name) {
            let name: String = name.chars().take(64).collect();
            return Err(Error::Inputs(format!(
                "the model has no input {name:?}; its inputs are {}",
                wanted()
            )));
        }
    }
    let tensor =
        |spec: &TensorSpec| match contents.iter().find(|(name, _)| spec.name_text() == *name) {
            Some((_, content)) => Ok(read_input(content.clone(), spec, preprocess)?),
            None => Err(Error::Inputs(format!(
                "no URL was given for the input {:?}; the model's inputs are {}",
                spec.name_text(),
                wanted()
            ))),
        };
    specs.iter().map(tensor).collect()
}
