//! `getDataCaptureStatus`: what has become of captured data.

use uuid::Uuid;

use super::context::Context;
use super::error::Error;
use super::reply::Success;

pub(super) async fn run(context: &Context, id: Uuid) -> Result<Success, Error> {
    let status = context.heard(context.agent.capture_status(id).await)?;
    Ok(Success::word(status.as_str_name()))
}
