//! The device: what Edge Core's requests do, and what its resources show.
//!
//! A command runs first, its result is written, and only then is the request acknowledged: the
//! cloud's reply carries the result. A command that outlives the sync window is acknowledged as
//! dispatched, and its result is written when it is there.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::FutureExt;
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender};

use crate::command::{self, AgentHealth, Commands, Error, METHODS, Reply, Request as Command};
use crate::config::{self, ReplyFormat};
use crate::edge::message::{Operation, Refusal};
use crate::edge::resource::Resource;
use crate::edge::{self, Request, Session, Standing};

/// Progress and health are shown at most this often.
const SHOW_EVERY: Duration = Duration::from_secs(1);

/// JSON-RPC's code for parameters that make no sense.
const INVALID_PARAMS: i64 = -32602;

/// The translator's one device.
pub struct Device {
    session: Rc<Session>,
    commands: Commands,
    settings: Settings,
    executor: Rc<LocalExecutor<'static>>,
    draining: Cell<bool>,
    /// Requests that are not wholly answered yet.
    answering: Cell<usize>,
    answered: (Sender<()>, Receiver<()>),
}

/// A command of somebody on the gateway. Until this is dropped the process does not end in order, so
/// that the result can be passed on.
pub struct LocalCommand {
    /// Its number, for [`Device::progress`].
    pub number: u64,
    /// Does it. Once this was begun it has to be seen through, whoever still waits for the result.
    pub running: Pin<Box<dyn Future<Output = Reply>>>,
    _answering: Answering,
}

/// Counts as a request that is not wholly answered.
struct Answering(Rc<Device>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.answering.set(self.0.answering.get() - 1);
        let _ = self.0.answered.0.try_send(());
    }
}

/// How the device behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a command may hold its request.
    pub sync_window: Duration,
    /// The form of results.
    pub reply_format: ReplyFormat,
    /// The largest resource value, in bytes.
    pub value_limit: usize,
}

impl Device {
    /// A device whose commands run on `executor`.
    pub fn new(
        session: Rc<Session>,
        commands: Commands,
        settings: Settings,
        executor: Rc<LocalExecutor<'static>>,
    ) -> Rc<Self> {
        let device = Self {
            session,
            commands,
            settings,
            executor,
            draining: Cell::new(false),
            answering: Cell::new(0),
            answered: smol::channel::bounded(1),
        };
        device.session.set(vec![device.configuration(), device.health()]);
        Rc::new(device)
    }

    /// Keeps the health resource up to date. Never returns.
    pub async fn show_activity(self: Rc<Self>) {
        let activity = self.commands.context().activity.clone();
        loop {
            if activity.is_transferring() {
                // A rate falls while nothing comes, too.
                let soon = async {
                    smol::Timer::after(SHOW_EVERY).await;
                };
                activity.changed().or(soon).await;
            } else {
                activity.changed().await;
            }
            self.session.publish(Box::new(|| vec![self.health()])).await;
            smol::Timer::after(SHOW_EVERY).await;
        }
    }

    /// Looks after the agent and the models that should be loaded. Never returns.
    pub async fn watch_agent(self: Rc<Self>) {
        command::watch(self.commands.context().clone()).await;
    }

    /// Takes no more commands, and returns when those that run are done, or `deadline` has passed.
    pub async fn drain(&self, deadline: Duration) {
        self.draining.set(true);
        let done = async {
            while self.answering.get() > 0 {
                let _ = self.answered.1.recv().await;
            }
        };
        let late = async {
            smol::Timer::after(deadline).await;
            log::error!("commands given up because they take too long: {}", self.answering.get());
        };
        done.or(late).await;
    }

    /// A command as it came, whoever sent it.
    pub fn parse(&self, payload: &[u8]) -> Command {
        let context = self.commands.context();
        let mut command = Command::parse(payload, || context.new_capture_id());
        if self.draining.get() {
            command.call = Err(Error::ShuttingDown);
        }
        command
    }

    /// Begins a command of somebody on the gateway. It is shown as any other; its result is no
    /// resource's value.
    pub fn begin(self: &Rc<Self>, command: Command) -> LocalCommand {
        let begun = self.commands.begin(command);
        let number = begun.number();
        let device = self.clone();
        let running = async move {
            device.show_soon();
            let reply = device.commands.finish(begun).await;
            device.show_soon();
            reply
        };
        LocalCommand { number, running: running.boxed_local(), _answering: self.answering() }
    }

    /// How far a command is that runs, as the health resource shows it.
    pub fn progress(&self, number: u64) -> Option<String> {
        self.commands.context().activity.progress(number)
    }

    /// Whether the device is registered with Edge Core.
    pub fn standing(&self) -> Standing {
        self.session.standing()
    }

    /// What is known of the agent. It is asked from time to time, and known at once to have gone
    /// when its connection ends.
    pub fn agent(&self) -> AgentHealth {
        self.commands.context().activity.agent()
    }

    /// Whether no more commands are taken.
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    fn answering(self: &Rc<Self>) -> Answering {
        self.answering.set(self.answering.get() + 1);
        Answering(self.clone())
    }

    fn take(self: &Rc<Self>, request: Request) {
        let answering = self.answering();
        let device = self.clone();
        let answer = async move {
            device.answer(request).await;
            drop(answering);
        };
        self.executor.spawn(answer.boxed_local()).detach();
    }

    async fn answer(self: Rc<Self>, request: Request) {
        let command = self.parse(&request.value);
        let (id, method) = (command.id.clone(), command.method.clone());
        let device = self.clone();
        let mut running =
            self.executor.spawn(async move { device.commands.run(command).await }.boxed_local());
        // Let it begin, so that the status that is shown counts it.
        smol::future::yield_now().await;
        self.show_soon();
        let in_time = async { Some((&mut running).await) };
        let too_late = async {
            smol::Timer::after(self.settings.sync_window).await;
            None
        };
        match in_time.or(too_late).await {
            Some(reply) => request.acknowledge(Box::new(|| self.result(reply))).await,
            None => {
                let Settings { reply_format, value_limit, .. } = self.settings;
                let dispatched = Reply::dispatched(id, method.as_ref(), reply_format, value_limit);
                let values = || vec![(Resource::Command, dispatched), self.status()];
                request.acknowledge(Box::new(values)).await;
                let reply = running.await;
                self.session.publish(Box::new(|| self.result(reply))).await;
            }
        }
    }

    /// Publishes what a command may have changed beside its result, without waiting.
    fn show_soon(self: &Rc<Self>) {
        let device = self.clone();
        let showing = async move {
            let shown = || vec![device.configuration(), device.status()];
            device.session.publish(Box::new(shown)).await;
        };
        self.executor.spawn(showing.boxed_local()).detach();
    }

    /// The values that a result changes.
    fn result(&self, reply: Reply) -> Vec<(Resource, String)> {
        let Settings { reply_format, value_limit, .. } = self.settings;
        let text = reply.encode_within(reply_format, value_limit);
        vec![
            (Resource::Command, text.clone()),
            (Resource::LastResult, text),
            self.configuration(),
            self.status(),
        ]
    }

    fn configuration(&self) -> (Resource, String) {
        let storage = self.commands.context().storage();
        (Resource::Configuration, config::view(&storage, &METHODS))
    }

    fn status(&self) -> (Resource, String) {
        (Resource::Status, self.commands.context().activity.status())
    }

    fn health(&self) -> (Resource, String) {
        (Resource::Health, self.commands.context().activity.health(self.settings.value_limit))
    }
}

/// Hands requests to the device, as long as there is one.
pub struct Requests(pub Rc<Device>);

impl edge::Device for Requests {
    fn request(&self, request: Request) {
        match (request.resource, request.operation) {
            (Resource::Command, Operation::Execute)
            | (Resource::Configuration, Operation::Write) => {
                self.0.take(request);
            }
            (resource, operation) => {
                let message = format!("{operation:?} is not possible on {}", resource.id());
                request.refuse(&Refusal { code: INVALID_PARAMS, message });
            }
        }
    }
}
