//! What should be loaded is: after a restart of the gateway or of the agent, models are loaded again
//! from the disk, without network.
//!
//! A model is wanted from when `loadModel` or `reloadModel` has succeeded until `unloadModel` is
//! asked for. The agent is asked what it has when its connection ends, and from time to time.

use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::FutureExt;

use super::activity::ModelState;
use super::context::Context;
use super::error::Error;
use super::load_model::load;
use super::unload_model::unload;
use crate::agent::Model;
use crate::blocking::unblock;
use crate::model_name::ModelName;

/// How often the agent is asked what it has.
const CHECK_EVERY: Duration = Duration::from_secs(30);

/// How often it is asked while it is not there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The shortest time between two questions: some agents close each connection when they have answered.
const SOONEST: Duration = Duration::from_millis(500);

/// How long after a model could not be loaded it is tried again; doubled every time.
const FIRST_DELAY: Duration = Duration::from_secs(30);
const LONGEST_DELAY: Duration = Duration::from_secs(15 * 60);

/// A model that could not be loaded again.
pub(super) struct Failure {
    pub(super) name: ModelName,
    reason: String,
    delay: Duration,
    retry: Instant,
}

/// Keeps the agent's health up to date, and wanted models loaded. Never returns.
pub async fn watch(context: Rc<Context>) {
    loop {
        let soonest = Instant::now() + SOONEST;
        let pause = look(&context).await;
        let pausing = async {
            smol::Timer::after(pause).await;
        };
        let told = async {
            // Connections to an agent that is not there may end, too.
            if pause == LOOK_EVERY {
                std::future::pending::<()>().await;
            }
            context.agent.disconnected().await;
        };
        pausing.or(told).or(context.woken()).await;
        smol::Timer::at(soonest).await;
    }
}

/// Asks the agent what it has, does what is to be done about it, and tells when to ask again.
async fn look(context: &Context) -> Duration {
    let outcome = match context.heard(context.agent.list_models().await) {
        Ok(loaded) => restore_missing(context, &loaded).await,
        Err(error) => Err(error.into()),
    };
    match outcome {
        Ok(()) => until_next_retry(context),
        Err(Error::Agent(error)) if error.is_unreachable() => {
            // Another agent may do what this one refused.
            context.failures.borrow_mut().clear();
            LOOK_EVERY
        }
        Err(_) => CHECK_EVERY,
    }
}

/// What the model takes and gives, after it was loaded again where it should be loaded and is not.
/// `known`: what the agent has told before is good enough.
pub(super) async fn model(
    context: &Context,
    name: &ModelName,
    known: bool,
) -> Result<Rc<Model>, Error> {
    let found = if known { context.model(name).await } else { context.describe(name).await };
    let Err(Error::NotLoaded(_)) = found else { return found };
    if !context.restore || !context.store.record(name).wanted {
        return found;
    }
    let _turn = context.turns.wait(name).await;
    let found = context.describe(name).await;
    let Err(Error::NotLoaded(_)) = found else { return found };
    if !context.store.record(name).wanted {
        return found;
    }
    if let Some(failure) = context.failures.borrow().iter().find(|failure| failure.name == *name) {
        return Err(Error::NotRestored(name.to_string(), failure.reason.clone()));
    }
    restore(context, name).await?;
    context.describe(name).await
}

/// Brings the agent and the records together, as far as no command works on the model. Fails where the
/// agent goes away.
async fn restore_missing(context: &Context, loaded: &[Model]) -> Result<(), Error> {
    let now = Instant::now();
    for (name, record) in context.store.records() {
        let is_loaded = loaded.iter().any(|model| model.name == name.as_str());
        if record.wanted && is_loaded && !record.unsettled {
            context.show_model(&name, ModelState::Loaded, "");
            continue;
        }
        if !context.restore {
            if record.wanted {
                let detail = "SAPT_RESTORE is 0: use loadModel";
                context.show_model(&name, ModelState::Waiting, detail);
            }
            continue;
        }
        let later = |failure: &Failure| failure.name == name && failure.retry > now;
        if !(record.wanted || record.unsettled) || context.failures.borrow().iter().any(later) {
            continue;
        }
        // A command that works on it leaves it as it should be, and has this done again.
        let Some(_turn) = context.turns.take(&name) else { continue };
        match restore(context, &name).await {
            Err(Error::Agent(error)) if error.is_unreachable() => return Err(error.into()),
            // Others are told where they happen.
            _ => {}
        }
    }
    Ok(())
}

/// Loads a model again, if it is still wanted. Its turn has come.
async fn restore(context: &Context, name: &ModelName) -> Result<(), Error> {
    let record = context.store.record(name);
    if record.unsettled {
        unload(context, name).await?;
        if !record.wanted {
            return context.settle(name).await;
        }
    }
    if !record.wanted {
        return Ok(());
    }
    context.show_model(name, ModelState::Restoring, "");
    let path = context.store.model_path(name);
    let outcome = match unblock(move || path.is_dir()).await {
        true => load(context, name).await.map(drop),
        false => Err(Error::FilesMissing(name.to_string())),
    };
    match outcome {
        Ok(()) => {}
        Err(Error::Agent(error)) if error.is_already_exists() => {}
        Err(Error::Agent(error)) if error.is_unreachable() => {
            context.show_model(name, ModelState::Waiting, "");
            return Err(error.into());
        }
        Err(error) => return Err(note_failure(context, name, &error)),
    }
    log::info!("{name}: loaded again");
    context.failures.borrow_mut().retain(|failure| failure.name != *name);
    context.settle(name).await?;
    context.show_model(name, ModelState::Loaded, "");
    Ok(())
}

/// Tells a failure once, and when the next try may be.
fn note_failure(context: &Context, name: &ModelName, error: &Error) -> Error {
    let reason = error.to_string();
    context.show_model(name, ModelState::Failed, &reason);
    let mut failures = context.failures.borrow_mut();
    let before = failures.iter().position(|failure| failure.name == *name);
    let before = before.map(|index| failures.swap_remove(index));
    if before.as_ref().is_none_or(|before| before.reason != reason) {
        log::error!(
            "{name} could not be loaded again, which is tried again from time to time: {reason}"
        );
    }
    let delay = next_delay(before.map(|before| before.delay));
    let retry = Instant::now() + delay;
    failures.push(Failure { name: name.clone(), reason: reason.clone(), delay, retry });
    Error::NotRestored(name.to_string(), reason)
}

fn next_delay(last: Option<Duration>) -> Duration {
    last.map_or(FIRST_DELAY, |last| (last * 2).min(LONGEST_DELAY))
}

fn until_next_retry(context: &Context) -> Duration {
    let now = Instant::now();
    let failures = context.failures.borrow();
    let retries = failures.iter().map(|failure| failure.retry.saturating_duration_since(now));
    retries.fold(CHECK_EVERY, Duration::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_a_quarter_of_an_hour() {
        let mut delay = None;
        let delays: Vec<u64> = (0..7)
            .map(|_| {
                delay = Some(next_delay(delay));
                delay.unwrap().as_secs()
            })
            .collect();
        assert_eq!(delays, [30, 60, 120, 240, 480, 900, 900]);
    }
}
