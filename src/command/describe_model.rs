//! `describeModel`: a loaded model's inputs and outputs.

use super::context::Context;
use super::error::Error;
use super::list_models::describe;
use super::reply::Success;
use super::restore;
use crate::model_name::ModelName;

pub(super) async fn run(context: &Context, name: &ModelName) -> Result<Success, Error> {
    let model = restore::model(context, name, false).await?;
    Ok(describe(&model).into())
}
