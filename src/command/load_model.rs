//! `loadModel`: pull a model, unpack it and load it into the agent.

use super::activity::Progress;
use super::archive::Archive;
use super::context::Context;
use super::error::Error;
use super::pull::{Pulled, pull};
use super::reply::Success;
use crate::agent::{self, Model};
use crate::blocking::unblock;
use crate::model_name::ModelName;
use crate::store::Installed;

pub(super) async fn run(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    archive: &Archive,
) -> Result<Success, Error> {
    let _place = context.loads.take()?;
    progress.phase("waiting", None);
    let _turn = context.turns.wait(name).await;
    // What would be refused after the pull is refused before it.
    match context.describe(name).await {
        Ok(_) => return Err(Error::AlreadyLoaded(name.to_string())),
        Err(Error::NotLoaded(_)) => {}
        Err(error) => return Err(error),
    }
    let staging = match pull(context, progress, name, archive).await? {
        Pulled::Staged(staging) => staging,
        Pulled::InPlace => {
            progress.phase("loading", None);
            load(context, name).await?;
            context.loaded(name).await?;
            return Ok(Success::word("succeeded"));
        }
    };
    progress.phase("loading", None);
    let installed = unblock(move || staging.install()).await?;
    match load(context, name).await {
        Ok(_) => {
            unblock(move || installed.keep()).await?;
            context.loaded(name).await?;
            Ok(Success::word("succeeded"))
        }
        Err(error) => {
            let previous = match put_back(name, installed).await {
                Some(true) => "the previous version of its files was put back",
                Some(false) => "its files were removed again",
                None => "and its previous files could not be put back",
            };
            Err(Error::NotReplaced(Box::new(error), previous))
        }
    }
}

/// Puts the files back that were there before, and tells whether there were any; `None` where it
/// could not.
pub(super) async fn put_back(name: &ModelName, installed: Installed) -> Option<bool> {
    unblock(move || installed.restore())
        .await
        .inspect_err(|error| log::error!("{name}: {error}"))
        .ok()
}

/// Has the agent load what is installed.
pub(super) async fn load(context: &Context, name: &ModelName) -> Result<Model, Error> {
    let path = context.store.model_path(name);
    let url = path.to_string_lossy();
    context.forget(name);
    match context.heard(context.agent.load_model(name, &url).await) {
        Ok(model) => Ok(model),
        // Loading is not tried twice, but whether it worked can be asked.
        Err(error) if error.may_have_run() => ask_whether_loaded(context, name, error).await,
        Err(error) => Err(error.into()),
    }
}

async fn ask_whether_loaded(
    context: &Context,
    name: &ModelName,
    error: agent::Error,
) -> Result<Model, Error> {
    log::info!("{name}: {error}; asking the agent whether it is loaded");
    match context.agent.describe_model(name).await {
        Ok(model) => Ok(model),
        Err(_) => Err(error.into()),
    }
}
