//! `{"config":{…}}`: change the configuration until the process ends.

use super::context::Context;
use super::reply::Success;
use crate::config::Update;

pub(super) fn run(context: &Context, update: Update) -> Success {
    context.change_storage(|storage| update.apply(storage));
    Success::word("config updated")
}
