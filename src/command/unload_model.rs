//! `unloadModel`: take a model out of the agent. Its files stay.
//!
//! It is no longer wanted from when that was asked for, also if the agent is not there to do it, or
//! this process ends before it has: what was asked for last holds.

use super::context::Context;
use super::error::Error;
use super::reply::Success;
use crate::model_name::ModelName;

pub(super) async fn run(context: &Context, name: &ModelName) -> Result<Success, Error> {
    let _turn = context.turns.wait(name).await;
    context.unwanted(name).await?;
    if unload(context, name).await? {
        Ok(Success::word("succeeded"))
    } else {
        Err(Error::NotLoaded(name.to_string()))
    }
}

/// Unloads a model and tells whether it was loaded.
pub(super) async fn unload(context: &Context, name: &ModelName) -> Result<bool, Error> {
    context.forget(name);
    match context.heard(context.agent.unload_model(name).await) {
        Ok(()) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
