//! `reloadModel`: replace a model. The new version is pulled and unpacked before the old one is
//! touched, and the old one is loaded again where the agent refuses the new one.

use super::activity::Progress;
use super::context::Context;
use super::error::Error;
use super::load_model::{load, pull, put_back};
use super::reply::Success;
use super::unload_model::unload;
use crate::model_name::ModelName;

pub(super) async fn run(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    file: &str,
) -> Result<Success, Error> {
    let _place = context.loads.take()?;
    let _turn = context.turns.wait(name).await;
    let staging = pull(context, progress, name, file).await?;
    progress.phase("loading", None);
    let was_loaded = unload(context, name).await?;
    let error = match smol::unblock(move || staging.install()).await {
        Ok(installed) => match load(context, name).await {
            Ok(_) => {
                smol::unblock(move || installed.keep()).await?;
                return Ok(Success::word("succeeded"));
            }
            Err(error) => {
                put_back(name, installed).await;
                error
            }
        },
        Err(error) => error.into(),
    };
    let previous = match was_loaded {
        false => "no version of it was loaded before",
        true => match load(context, name).await {
            Ok(_) => "the previous version was loaded again",
            Err(again) => {
                log::error!("{name}: the previous version could not be loaded again: {again}");
                "and the previous version could not be loaded again"
            }
        },
    };
    Err(Error::NotReplaced(Box::new(error), previous))
}
