//! What commands work on.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use smol::channel::{Receiver, Sender, bounded};
use smol::lock::Semaphore;
use uuid::Uuid;

use super::activity::{Activity, AgentHealth, ModelState};
use super::error::Error;
use super::places::{Places, Turns};
use super::restore::Failure;
use crate::agent::{self, Model};
use crate::blocking::unblock;
use crate::clock::Clock;
use crate::config::{Persisted, Storage};
use crate::model_name::ModelName;
use crate::s3::{self, Bucket};
use crate::store::Store;

/// Commands that are under way at once. An agent that hangs holds up those that control it.
const COMMANDS: usize = 64;

/// Predictions that are under way at once: one that the agent computes, and a few whose input is
/// read or whose output is stored meanwhile.
const PREDICTIONS: usize = 8;

/// Loads and reloads that are under way or wait for their turn.
const LOADS: usize = 32;

/// Models that are pulled at once; more of them wait. A second one fills the pauses of the first, and
/// a third one of another server; beyond that they would only share what there is, and all be late.
const PULLS: usize = 3;

/// What the commands are given.
pub struct Surroundings {
    /// The agent.
    pub agent: agent::Client,
    /// The models directory.
    pub store: Store,
    /// S3's settings at start.
    pub storage: Storage,
    /// Where changes of them are kept, if they are.
    pub persisted: Option<Persisted>,
    /// How S3 is reached.
    pub io: s3::Io,
    /// The time.
    pub clock: Clock,
    /// Random 128-bit numbers, for capture ids.
    pub random: Box<dyn Fn() -> Uuid>,
    /// The largest resource value, in bytes.
    pub value_limit: usize,
    /// Whether models that should be loaded are loaded again after a restart.
    pub restore: bool,
}

/// What all commands share.
pub struct Context {
    pub(super) agent: agent::Client,
    pub(super) store: Store,
    pub(super) persisted: Option<Persisted>,
    pub(super) clock: Clock,
    pub(super) value_limit: usize,
    pub(super) commands: Places,
    pub(super) predictions: Places,
    pub(super) loads: Places,
    pub(super) turns: Turns,
    pub(super) pulls: Semaphore,
    pub(super) restore: bool,
    /// Models that could not be loaded again.
    pub(super) failures: RefCell<Vec<Failure>>,
    wake: (Sender<()>, Receiver<()>),
    /// What runs; shown by the device.
    pub activity: Rc<Activity>,
    storage: RefCell<Storage>,
    io: s3::Io,
    s3: RefCell<Option<s3::Client>>,
    models: RefCell<HashMap<ModelName, Rc<Model>>>,
    last_millisecond: Cell<u64>,
    random: Box<dyn Fn() -> Uuid>,
}

impl Context {
    /// Shares these surroundings.
    pub fn new(surroundings: Surroundings) -> Rc<Self> {
        let Surroundings {
            agent,
            store,
            storage,
            persisted,
            io,
            clock,
            random,
            value_limit,
            restore,
        } = surroundings;
        let context = Self {
            activity: Activity::new(clock.clone()),
            pulls: Semaphore::new(PULLS),
            restore,
            failures: RefCell::default(),
            wake: bounded(1),
            agent,
            store,
            persisted,
            clock,
            value_limit,
            commands: Places::new(COMMANDS, "commands"),
            predictions: Places::new(PREDICTIONS, "predictions"),
            loads: Places::new(LOADS, "loads"),
            turns: Turns::default(),
            storage: RefCell::new(storage),
            io,
            s3: RefCell::default(),
            models: RefCell::default(),
            last_millisecond: Cell::new(0),
            random,
        };
        context.tell_storage();
        for (name, record) in context.store.records() {
            if record.wanted {
                context.show_model(&name, ModelState::Waiting, "");
            }
        }
        Rc::new(context)
    }

    /// S3's settings as they are now.
    pub fn storage(&self) -> Storage {
        self.storage.borrow().clone()
    }

    /// A new id for a capture.
    pub fn new_capture_id(&self) -> Uuid {
        (self.random)()
    }

    /// What an answer of the agent says about its health.
    pub(super) fn heard<T>(&self, answer: Result<T, agent::Error>) -> Result<T, agent::Error> {
        let turned = self.activity.set_agent(match &answer {
            Err(error) if error.is_unreachable() => AgentHealth::Unreachable(error.to_string()),
            _ => AgentHealth::Answering,
        });
        if turned {
            self.wake();
        }
        answer
    }

    /// Has the agent asked soon what it has.
    pub(super) fn wake(&self) {
        let _ = self.wake.0.try_send(());
    }

    /// Waits until the agent should be asked.
    pub(super) async fn woken(&self) {
        let _ = self.wake.1.recv().await;
    }

    /// The agent has loaded what is in place, as was asked for.
    pub(super) async fn loaded(&self, name: &ModelName) -> Result<(), Error> {
        self.wanted(name).await?;
        self.settle(name).await?;
        self.show_model(name, ModelState::Loaded, "");
        Ok(())
    }

    /// A model should be loaded from now on.
    pub(super) async fn wanted(&self, name: &ModelName) -> Result<(), Error> {
        self.set_wanted(name, true).await
    }

    /// The agent has loaded what is in place, or nothing.
    pub(super) async fn settle(&self, name: &ModelName) -> Result<(), Error> {
        let (store, name) = (self.store.clone(), name.clone());
        Ok(unblock(move || store.settle(&name)).await?)
    }

    /// A model should not be loaded any more.
    pub(super) async fn unwanted(&self, name: &ModelName) -> Result<(), Error> {
        self.set_wanted(name, false).await?;
        self.activity.forget_model(name);
        Ok(())
    }

    async fn set_wanted(&self, name: &ModelName, wanted: bool) -> Result<(), Error> {
        // What was learnt of an earlier wish is of no use for this one.
        self.failures.borrow_mut().retain(|failure| failure.name != *name);
        let (store, name) = (self.store.clone(), name.clone());
        Ok(unblock(move || store.set_wanted(&name, wanted)).await?)
    }

    /// Shows how a model is that should be loaded.
    pub(super) fn show_model(&self, name: &ModelName, state: ModelState, detail: &str) {
        let source = self.store.record(name).current.map(|version| version.url);
        self.activity.show_model(name, state, detail, source.unwrap_or_default());
    }

    pub(super) fn change_storage(&self, change: impl FnOnce(&mut Storage)) {
        change(&mut self.storage.borrow_mut());
        *self.s3.borrow_mut() = None;
        self.tell_storage();
    }

    /// The client for the bucket, made when it is first needed.
    pub(super) fn s3(&self) -> Result<s3::Client, Error> {
        let mut client = self.s3.borrow_mut();
        if let Some(client) = client.as_ref() {
            return Ok(client.clone());
        }
        let storage = self.storage.borrow();
        let made =
            storage.client(self.io.clone(), s3::Timeouts::default(), s3::Retry::default())?;
        Ok(client.insert(made).clone())
    }

    pub(super) fn bucket(&self) -> Result<Bucket, Error> {
        Ok(self.storage.borrow().bucket()?.clone())
    }

    /// What the model takes and gives, asked of the agent once.
    pub(super) async fn model(&self, name: &ModelName) -> Result<Rc<Model>, Error> {
        let known = self.models.borrow().get(name).cloned();
        match known {
            Some(model) => Ok(model),
            None => self.describe(name).await,
        }
    }

    /// What the model takes and gives, asked of the agent now.
    pub(super) async fn describe(&self, name: &ModelName) -> Result<Rc<Model>, Error> {
        match self.heard(self.agent.describe_model(name).await) {
            Ok(model) => Ok(self.learn(name, model)),
            Err(error) => {
                self.forget(name);
                if error.is_not_found() {
                    return Err(Error::NotLoaded(name.to_string()));
                }
                Err(error.into())
            }
        }
    }

    /// The agent has told what a model is.
    pub(super) fn learn(&self, name: &ModelName, model: Model) -> Rc<Model> {
        let model = Rc::new(model);
        self.models.borrow_mut().insert(name.clone(), model.clone());
        model
    }

    /// What was known of a model is no longer true.
    pub(super) fn forget(&self, name: &ModelName) {
        self.models.borrow_mut().remove(name);
    }

    /// Milliseconds since 1970 that no other prediction gets: output files are named by them.
    pub(super) fn unique_millisecond(&self) -> u64 {
        let now = (self.clock)().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let unique = u64::try_from(now).unwrap_or(0).max(self.last_millisecond.get() + 1);
        self.last_millisecond.set(unique);
        unique
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    fn tell_storage(&self) {
        let storage = self.storage.borrow();
        let missing = storage
            .bucket()
            .map(|_| ())
            .and_then(|()| storage.credentials().map(|_| ()))
            .and_then(|()| storage.models_directory().map(|_| ()))
            .and_then(|()| storage.data_directory().map(|_| ()));
        self.activity.set_storage(match missing {
            Ok(()) => "set".to_owned(),
            Err(unset) => format!("{} is not set", unset.0),
        });
    }
}
