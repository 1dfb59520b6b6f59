//! The JSON-RPC commands that the cloud sends: what they are, and doing them.
//!
//! [`Request`] is a command as it came, parsed; [`Commands::run`] does it; a [`Reply`] is what
//! comes of it. Commands run concurrently. One file a method.

mod activity;
mod archive;
mod configure;
mod context;
mod data;
mod data_capture_status;
mod describe_model;
mod error;
mod list_models;
mod load_model;
mod location;
mod method;
mod places;
mod predict;
mod pull;
mod rate;
mod reload_model;
mod reply;
mod request;
mod restore;
mod unload_model;

use std::rc::Rc;

pub use activity::{Activity, AgentHealth};
pub use archive::{Archive, Source};
pub use context::{Context, Surroundings};
pub use error::Error;
pub use location::Location;
pub use method::{METHODS, Method};
pub use reply::{Reply, Success};
pub(crate) use reply::{object, text};
pub use request::{Call, Id, Request};
pub use restore::watch;

use activity::Progress;

/// Does commands.
pub struct Commands {
    context: Rc<Context>,
}

/// A command that has begun.
pub struct Begun {
    request: Request,
    progress: Progress,
}

impl Begun {
    /// Its number, for [`Activity::progress`].
    pub fn number(&self) -> u64 {
        self.progress.number()
    }
}

impl Commands {
    /// Commands that work on these surroundings.
    pub fn new(context: Rc<Context>) -> Self {
        Self { context }
    }

    /// What the commands work on.
    pub fn context(&self) -> &Rc<Context> {
        &self.context
    }

    /// Does what was asked and tells what came of it. Never fails: an error is a reply too.
    pub async fn run(&self, request: Request) -> Reply {
        self.finish(self.begin(request)).await
    }

    /// The command counts as running from now on, and is done by [`Commands::finish`].
    pub fn begin(&self, request: Request) -> Begun {
        let progress = self.context.activity.begin(&request.id, request.method.as_ref());
        Begun { request, progress }
    }

    /// Does what was asked, as [`Commands::run`].
    pub async fn finish(&self, begun: Begun) -> Reply {
        let Begun { request: Request { id, method, call }, progress } = begun;
        let outcome = match call {
            Ok(call) => self.call(call, &progress).await,
            Err(error) => Err(error),
        };
        let name = method.as_ref().map_or("a request", Method::name);
        match &outcome {
            Ok(_) => log::info!("{name} (id {id}): done"),
            Err(error) => log::error!("{name} (id {id}): {}: {error}", error.code()),
        }
        if matches!(method, Some(Method::LoadModel | Method::ReloadModel | Method::UnloadModel)) {
            self.context.wake();
        }
        progress.end(outcome.is_ok());
        Reply::new(id, method, outcome)
    }

    async fn call(&self, call: Call, progress: &Progress) -> Result<Success, Error> {
        let context = &self.context;
        let _place = context.commands.take()?;
        match call {
            Call::ListModels => list_models::run(context).await,
            Call::LoadModel { name, archive } => {
                load_model::run(context, progress, &name, &archive).await
            }
            Call::DescribeModel { name } => describe_model::run(context, &name).await,
            Call::ReloadModel { name, archive } => {
                reload_model::run(context, progress, &name, &archive).await
            }
            Call::UnloadModel { name } => unload_model::run(context, &name).await,
            Call::Predict(prediction) => predict::run(context, progress, *prediction).await,
            Call::DataCaptureStatus { id } => data_capture_status::run(context, id).await,
            Call::Configure(update) => configure::run(context, *update).await,
        }
    }
}
