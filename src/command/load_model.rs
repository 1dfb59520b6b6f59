//! `loadModel`: pull a model from S3, unpack it and load it into the agent.

use super::activity::Progress;
use super::context::Context;
use super::data::storage_key;
use super::error::Error;
use super::reply::Success;
use crate::agent::{self, Model};
use crate::model_name::ModelName;
use crate::store::{Installed, Staging, pipe};

/// Chunks between the network and the thread that unpacks: enough that neither waits for the
/// other's jitter, little enough to be nothing.
const CHUNKS_AHEAD: usize = 16;

pub(super) async fn run(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    file: &str,
) -> Result<Success, Error> {
    let _place = context.loads.take()?;
    let _turn = context.turns.wait(name).await;
    // What would be refused after the pull is refused before it.
    match context.describe(name).await {
        Ok(_) => return Err(Error::AlreadyLoaded(name.to_string())),
        Err(Error::NotLoaded(_)) => {}
        Err(error) => return Err(error),
    }
    let staging = pull(context, progress, name, file).await?;
    progress.phase("loading", None);
    let installed = smol::unblock(move || staging.install()).await?;
    match load(context, name).await {
        Ok(_) => {
            smol::unblock(move || installed.keep()).await?;
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
    smol::unblock(move || installed.restore())
        .await
        .inspect_err(|error| log::error!("{name}: {error}"))
        .ok()
}

/// Streams an archive from S3 into a staging directory.
pub(super) async fn pull(
    context: &Context,
    progress: &Progress,
    name: &ModelName,
    file: &str,
) -> Result<Staging, Error> {
    let key = storage_key(context.storage().models_directory()?, file)?;
    let (bucket, client) = (context.bucket()?, context.s3()?);
    progress.phase("pulling", None);
    let mut object = client.read(&bucket, &key).await?;
    progress.phase("pulling", object.length);
    let mut staging = context.store.stage(name)?;
    let (feed, archive) = pipe(CHUNKS_AHEAD);
    let unpacking =
        smol::unblock(move || staging.extract(archive).map(|extracted| (staging, extracted)));
    // Where the reading side gives up it says why itself.
    let pulling = async {
        loop {
            match object.chunk().await {
                Ok(Some(chunk)) => {
                    let length = chunk.len() as u64;
                    if feed.send(chunk).await.is_err() {
                        return Ok(());
                    }
                    progress.advance(length);
                }
                Ok(None) => {
                    let _ = feed.finish().await;
                    return Ok(());
                }
                Err(error) => {
                    let _ = feed.fail(error.to_string()).await;
                    return Err(error);
                }
            }
        }
    };
    let (pulled, unpacked) = futures_lite::future::zip(pulling, unpacking).await;
    pulled?;
    let (staging, extracted) = unpacked?;
    log::info!(
        "{name}: unpacked {} files, {} bytes from s3://{bucket}/{key}",
        extracted.files,
        extracted.bytes
    );
    Ok(staging)
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
