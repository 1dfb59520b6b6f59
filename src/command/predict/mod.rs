//! `predict`: read inputs, run a model on them, store or return its outputs, capture both.
//!
//! While the agent computes one prediction, others read their inputs and store their outputs: the
//! agent takes predictions one at a time itself.

mod input;
mod output;

use miniserde::json::Value;
use uuid::Uuid;

use super::activity::Progress;
use super::context::Context;
use super::error::Error;
use super::location::Location;
use super::reply::{Success, object, text};
use super::restore;
use crate::agent::{self, AuxiliaryData, Model};
use crate::model_name::ModelName;
use crate::tensor::Preprocess;

/// What is to be predicted.
#[derive(Debug)]
pub struct Prediction {
    /// The model.
    pub model: ModelName,
    /// Where its inputs are.
    pub input: Input,
    /// Where its outputs go; without it they are returned.
    pub output: Option<Location>,
    /// For how many seconds outputs in S3 can be read by URLs that are given with them.
    pub presign_s: Option<u32>,
    /// What is done to pictures.
    pub preprocess: Preprocess,
    /// Whether inputs and outputs are captured.
    pub capture: Option<Capture>,
}

/// Where inputs are.
#[derive(Debug)]
pub enum Input {
    /// One place for all input tensors.
    One(Location),
    /// A place for each input tensor, by name.
    ByTensor(Vec<(String, Location)>),
}

/// What is captured beside the tensors.
#[derive(Debug)]
pub struct Capture {
    /// The capture's id.
    pub id: Uuid,
    /// The caller's own data.
    pub aux: Vec<AuxiliaryData>,
}

pub(super) async fn run(
    context: &Context,
    progress: &Progress,
    prediction: Prediction,
) -> Result<Success, Error> {
    let _place = context.predictions.take()?;
    let Prediction { model: name, input, output, presign_s, preprocess, capture } = prediction;
    progress.phase("reading", None);
    let contents = input::read(context, input).await?;
    let known = restore::model(context, &name, true).await?;
    let attempt = async |model: &Model| {
        progress.phase("decoding", None);
        let inputs = input::decode(contents.clone(), &model.inputs, &preprocess).await?;
        progress.phase("predicting", None);
        let outputs = context.heard(context.agent.predict(&name, inputs.clone()).await)?;
        Ok::<_, Error>((inputs, outputs))
    };
    let (inputs, outputs) = match attempt(&known).await {
        // What was known of the model may be out of date: somebody else may have replaced it.
        Err(error) if is_refusal(&error) => {
            let current = restore::model(context, &name, false).await?;
            if *current == *known && !is_not_loaded(&error) {
                return Err(error);
            }
            attempt(&current).await?
        }
        outcome => outcome?,
    };
    progress.phase("storing", None);
    let time = context.now();
    let shown = match output {
        Some(location) => output::store(context, location, &outputs, presign_s).await?,
        None => output::inline(&outputs, context.value_limit)?,
    };
    let mut details = vec![("output", shown)];
    if let Some(Capture { id, aux }) = capture {
        details.push(("capture_id", text(&id.to_string())));
        let capture = agent::Capture { model: name.clone(), id, time, inputs, outputs, aux };
        // The prediction is done, whatever becomes of its capture.
        if let Err(error) = context.heard(context.agent.capture_data(capture).await) {
            log::error!("{name}: the capture {id} failed: {error}");
            details.push(("capture_error", text(&error.to_string())));
        }
    }
    Ok(Success { response: text("successful"), details: Some(object(details)) })
}

/// Whether a prediction surely did not run, for a reason that a replaced model can have.
fn is_refusal(error: &Error) -> bool {
    match error {
        Error::Tensor(_) | Error::Inputs(_) => true,
        Error::Agent(error) => error.is_not_found() || error.is_invalid_argument(),
        _ => false,
    }
}

/// Whether the agent did not have the model: it has it again.
fn is_not_loaded(error: &Error) -> bool {
    matches!(error, Error::Agent(error) if error.is_not_found())
}

/// Outputs as `details.output` lists them.
fn list(entries: impl IntoIterator<Item = Value>) -> Value {
    Value::Array(entries.into_iter().collect())
}
