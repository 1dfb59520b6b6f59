//! `reloadModel`: replace a model. The new version is pulled and unpacked before the old one is
//! touched, and the old one is loaded again where the agent refuses the new one.

use super::activity::Progress;
use super::archive::Archive;
use super::context::Context;
use super::error::Error;
use super::load_model::{load, put_back};
use super::pull::{Pulled, pull};
use super::reply::Success;
use super::unload_model::unload;
use crate::blocking::unblock;
use crate::model_name::ModelName;

pub(super) async fn run(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    archive: &Archive,
) -> Result<Success, Error> {
    let _place = context.loads.take()?;
    progress.phase("waiting", None);
    let _turn = context.turns.wait(name).await;
    let pulled = pull(context, progress, name, archive).await?;
    progress.phase("loading", None);
    if unload(context, name).await? {
        // Whoever loaded it: from here on it is to be loaded again, whatever happens.
        context.wanted(name).await?;
    }
    let was_wanted = context.store.record(name).wanted;
    let staging = match pulled {
        Pulled::Staged(staging) => staging,
        Pulled::InPlace => {
            load(context, name).await?;
            context.loaded(name).await?;
            return Ok(Success::word("succeeded"));
        }
    };
    let error = match unblock(move || staging.install()).await {
        Ok(installed) => match load(context, name).await {
            Ok(_) => {
                unblock(move || installed.keep()).await?;
                context.loaded(name).await?;
                return Ok(Success::word("succeeded"));
            }
            Err(error) => {
                put_back(name, installed).await;
                error
            }
        },
        Err(error) => error.into(),
    };
    let previous = match was_wanted {
        false => "no version of it was loaded before",
        true => match load(context, name).await {
            Ok(_) => {
                context.settle(name).await?;
                "the previous version was loaded again"
            }
            Err(again) => {
                log::error!("{name}: the previous version could not be loaded again: {again}");
                "and the previous version could not be loaded again"
            }
        },
    };
    Err(Error::NotReplaced(Box::new(error), previous))
}
