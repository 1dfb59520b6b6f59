//! `{"config":{…}}`: change the configuration until the process ends, or for good.

use super::context::Context;
use super::error::Error;
use super::reply::Success;
use crate::config::Update;

pub(super) async fn run(context: &Context, update: Update) -> Result<Success, Error> {
    if let Some(persisted) = &context.persisted {
        persisted.keep(&update).await.map_err(Error::NotPersisted)?;
    }
    context.change_storage(|storage| update.apply(storage));
    Ok(Success::word("config updated"))
}
