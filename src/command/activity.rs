//! What runs, how far it is, and how the agent is: the values of the status and health resources.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::SystemTime;

use miniserde::json::{self, Number, Value};
use smol::channel::{Receiver, Sender};

use super::method::Method;
use super::rate::Rate;
use super::reply::{object, text};
use super::request::Id;
use crate::clock::Clock;
use crate::model_name::ModelName;

/// The value has to fit, whatever runs and whatever the system says about the agent.
const LONGEST_DETAIL: usize = 300;

/// Knows what runs. Who shows it waits for [`Activity::changed`].
pub struct Activity {
    state: RefCell<State>,
    change: Sender<()>,
    changes: Receiver<()>,
    clock: Clock,
}

/// How a model is that should be loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ModelState {
    /// It could not be loaded again.
    Failed,
    /// It is being loaded again.
    Restoring,
    /// The agent is waited for, or somebody who loads it.
    Waiting,
    /// It is loaded.
    Loaded,
}

impl ModelState {
    /// In the order in which they are shown: there may not be room for all models.
    const ALL: [Self; 4] = [Self::Failed, Self::Restoring, Self::Waiting, Self::Loaded];

    fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Restoring => "restoring",
            Self::Waiting => "waiting",
            Self::Loaded => "loaded",
        }
    }
}

/// How the agent is, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AgentHealth {
    /// Nobody has asked it anything yet.
    #[default]
    Unknown,
    /// It answers.
    Answering,
    /// It does not; holds why.
    Unreachable(String),
}

#[derive(Default)]
struct State {
    /// By method, in the order in which they were first seen.
    methods: Vec<(String, MethodState)>,
    /// By number, the one that has run for longest first. A `Vec`, whose code is small.
    running: Vec<(u64, Running)>,
    models: Vec<ShownModel>,
    started: u64,
    agent: AgentHealth,
    storage: String,
}

#[derive(Clone, Copy)]
struct MethodState {
    running: usize,
    failed: bool,
}

#[derive(PartialEq, Eq)]
struct ShownModel {
    name: String,
    state: ModelState,
    detail: String,
    source: String,
}

impl ShownModel {
    fn show(&self) -> Value {
        let mut members = vec![("name", text(&self.name)), ("state", text(self.state.word()))];
        for (key, value) in [("detail", &self.detail), ("source", &self.source)] {
            if !value.is_empty() {
                members.push((key, text(value)));
            }
        }
        object(members)
    }
}

struct Running {
    id: String,
    method: String,
    phase: &'static str,
    bytes: u64,
    total: Option<u64>,
    rate: Rate,
}

impl Running {
    fn show(&self, now: SystemTime) -> Value {
        let number = |bytes| Value::Number(Number::U64(bytes));
        // Not everything moves bytes.
        let rate = self.rate.per_second(now).filter(|_| self.bytes > 0);
        object([
            ("id", text(&self.id)),
            ("method", text(&self.method)),
            ("phase", text(self.phase)),
            ("bytes", number(self.bytes)),
            ("total", self.total.map_or(Value::Null, number)),
            ("rate", rate.map_or(Value::Null, number)),
        ])
    }
}

impl Activity {
    /// Nothing runs. The clock is for rates.
    pub fn new(clock: Clock) -> Rc<Self> {
        let (change, changes) = smol::channel::bounded(1);
        Rc::new(Self { state: RefCell::default(), change, changes, clock })
    }

    /// Waits until something is different from when this last returned.
    pub async fn changed(&self) {
        let _ = self.changes.recv().await;
    }

    /// Whether a command that runs shows a rate.
    pub fn is_transferring(&self) -> bool {
        self.state.borrow().running.iter().any(|(_, running)| running.bytes > 0)
    }

    /// How far a command is that runs, as the health resource shows it.
    pub fn progress(&self, number: u64) -> Option<String> {
        let state = self.state.borrow();
        let (_, running) = state.running.iter().find(|(running, _)| *running == number)?;
        Some(json::to_string(&running.show((self.clock)())))
    }

    /// What is known of the agent.
    pub fn agent(&self) -> AgentHealth {
        self.state.borrow().agent.clone()
    }

    /// The value of the status resource: `{"predict":"idle",…}`.
    pub fn status(&self) -> String {
        let state = self.state.borrow();
        let word = |state: &MethodState| match state {
            MethodState { running: 1.., .. } => "running",
            MethodState { failed: true, .. } => "error",
            MethodState { .. } => "idle",
        };
        let methods = state.methods.iter().map(|(name, state)| (name.as_str(), text(word(state))));
        json::to_string(&object(methods))
    }

    /// The value of the health resource, at most `limit` bytes: what has run for longest is shown,
    /// and models by how much they need somebody; and how many `more` of both there are than there
    /// is room for.
    pub fn health(&self, limit: usize) -> String {
        let state = self.state.borrow();
        let now = (self.clock)();
        let (agent, detail) = match &state.agent {
            AgentHealth::Unknown => ("unknown", ""),
            AgentHealth::Answering => ("answering", ""),
            AgentHealth::Unreachable(reason) => ("unreachable", reason.as_str()),
        };
        let detail = beginning(detail);
        let models = |shown: usize| {
            let by_need = ModelState::ALL
                .into_iter()
                .flat_map(|need| state.models.iter().filter(move |model| model.state == need));
            Value::Array(by_need.take(shown).map(ShownModel::show).collect())
        };
        let value = |running: usize, shown: usize| {
            let entries = state.running.iter().take(running).map(|(_, entry)| entry.show(now));
            let mut members = vec![
                ("version", text(env!("CARGO_PKG_VERSION"))),
                ("agent", object([("state", text(agent)), ("detail", text(&detail))])),
                ("storage", text(&state.storage)),
                ("running", Value::Array(entries.collect())),
                ("models", models(shown)),
            ];
            for (key, more) in [
                ("more", state.running.len() - running),
                ("more_models", state.models.len() - shown),
            ] {
                if more > 0 {
                    members.push((key, Value::Number(Number::U64(more as u64))));
                }
            }
            json::to_string(&object(members))
        };
        // An entry takes more than 32 bytes: more of them than this would not fit anyway.
        let most = limit / 32;
        let (mut running, mut shown) =
            (state.running.len().min(most), state.models.len().min(most));
        let mut health = value(running, shown);
        while health.len() > limit && running + shown > 0 {
            // Neither takes the other's room.
            if running > shown {
                running -= 1;
            } else {
                shown -= 1;
            }
            health = value(running, shown);
        }
        health
    }

    /// How a model is that should be loaded. Models are listed by name.
    pub(super) fn show_model(
        &self,
        name: &ModelName,
        state: ModelState,
        detail: &str,
        source: String,
    ) {
        let name = name.to_string();
        let model =
            ShownModel { name, state, detail: beginning(detail), source: beginning(&source) };
        let models = &mut self.state.borrow_mut().models;
        match models.iter().position(|known| known.name >= model.name) {
            Some(index) if models.get(index).is_some_and(|known| *known == model) => return,
            Some(index) if models.get(index).is_some_and(|known| known.name == model.name) => {
                models.splice(index..=index, [model]);
            }
            Some(index) => models.insert(index, model),
            None => models.push(model),
        }
        self.note();
    }

    /// A model need not be loaded any more.
    pub(super) fn forget_model(&self, name: &ModelName) {
        self.state.borrow_mut().models.retain(|known| known.name != name.as_str());
        self.note();
    }

    /// What is known of the agent now. Tells whether it has gone away or come back.
    pub fn set_agent(&self, agent: AgentHealth) -> bool {
        let mut state = self.state.borrow_mut();
        let is_away = |agent: &AgentHealth| matches!(agent, AgentHealth::Unreachable(_));
        let turned = is_away(&state.agent) != is_away(&agent);
        if state.agent != agent {
            match &agent {
                AgentHealth::Unreachable(reason) => {
                    log::error!("{reason}");
                    let mut models = state.models.iter_mut();
                    for model in models.by_ref().filter(|model| model.state == ModelState::Loaded) {
                        model.state = ModelState::Waiting;
                    }
                }
                AgentHealth::Answering => log::info!("the agent answers"),
                AgentHealth::Unknown => {}
            }
            state.agent = agent;
            self.note();
        }
        turned
    }

    /// Whether commands that need S3 have what they need, in words.
    pub fn set_storage(&self, storage: String) {
        self.state.borrow_mut().storage = storage;
        self.note();
    }

    /// A command begins. It counts as running until its progress ends.
    pub(super) fn begin(self: &Rc<Self>, id: &Id, method: Option<&Method>) -> Progress {
        // Whatever names the cloud makes up, only methods have a state.
        let name = match method {
            None | Some(Method::Unknown(_) | Method::Configure) => None,
            Some(method) => Some(method.name().to_owned()),
        };
        let mut state = self.state.borrow_mut();
        state.started += 1;
        let number = state.started;
        if let Some(name) = &name {
            match state.methods.iter_mut().find(|(known, _)| known == name) {
                Some((_, method)) => method.running += 1,
                None => {
                    state.methods.push((name.clone(), MethodState { running: 1, failed: false }));
                }
            }
        }
        let id: String = match id {
            Id::Text(text) => text.chars().take(64).collect(),
            other => other.to_string(),
        };
        let method = method.map_or("", Method::name).to_owned();
        let rate = Rate::new((self.clock)());
        let running = Running { id, method, phase: "started", bytes: 0, total: None, rate };
        state.running.push((number, running));
        self.note();
        Progress { activity: self.clone(), number, name, failed: true }
    }

    fn note(&self) {
        let _ = self.change.try_send(());
    }
}

/// How far one command is.
pub(super) struct Progress {
    activity: Rc<Activity>,
    number: u64,
    name: Option<String>,
    failed: bool,
}

impl Progress {
    /// The command's number in the activity.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What the command does now, with how many bytes there are to it, where that is known.
    pub(super) fn phase(&self, phase: &'static str, total: Option<u64>) {
        let now = (self.activity.clock)();
        self.update(&mut |running| {
            running.phase = phase;
            running.bytes = 0;
            running.total = total;
            running.rate = Rate::new(now);
        });
    }

    /// More bytes are done.
    pub(super) fn advance(&self, bytes: u64) {
        let now = (self.activity.clock)();
        self.update(&mut |running| {
            running.bytes += bytes;
            running.rate.advance(bytes, now);
        });
    }

    /// The command is done.
    pub(super) fn end(mut self, succeeded: bool) {
        self.failed = !succeeded;
    }

    fn update(&self, change: &mut dyn FnMut(&mut Running)) {
        let running = &mut self.activity.state.borrow_mut().running;
        if let Some((_, running)) = running.iter_mut().find(|(number, _)| *number == self.number) {
            change(running);
        }
        self.activity.note();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let mut state = self.activity.state.borrow_mut();
        state.running.retain(|(number, _)| *number != self.number);
        let mut methods = state.methods.iter_mut();
        if let Some((_, method)) = methods.find(|(name, _)| self.name.as_ref() == Some(name)) {
            method.running -= 1;
            method.failed = self.failed;
        }
        drop(state);
        self.activity.note();
    }
}

/// As much as can be shown.
fn beginning(text: &str) -> String {
    text.chars().take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> serde_json::Value {
        serde_json::from_str(text).unwrap()
    }

    /// With a clock that stands still.
    fn activity() -> Rc<Activity> {
        Activity::new(Rc::new(|| SystemTime::UNIX_EPOCH))
    }

    #[test]
    fn status_tells_each_methods_state() {
        let activity = activity();
        let id = Id::Text("1".to_owned());
        assert_eq!(value(&activity.status()), json!({}));
        let first = activity.begin(&id, Some(&Method::Predict));
        let second = activity.begin(&id, Some(&Method::Predict));
        first.end(true);
        assert_eq!(value(&activity.status()), json!({"predict": "running"}));
        second.end(true);
        assert_eq!(value(&activity.status()), json!({"predict": "idle"}));
        drop(activity.begin(&id, Some(&Method::LoadModel)));
        assert_eq!(value(&activity.status()), json!({"predict": "idle", "loadModel": "error"}));
        activity.begin(&id, Some(&Method::Unknown("x".to_owned()))).end(false);
        activity.begin(&id, Some(&Method::Configure)).end(false);
        activity.begin(&id, None).end(false);
        assert_eq!(value(&activity.status()).as_object().unwrap().len(), 2);
    }

    #[test]
    fn health_tells_progress() {
        let activity = activity();
        let progress = activity.begin(&Id::Null, Some(&Method::LoadModel));
        progress.phase("pulling", Some(100));
        progress.advance(30);
        progress.advance(12);
        activity.set_agent(AgentHealth::Unreachable("it is gone".to_owned()));
        let health = value(&activity.health(1024));
        assert_eq!(
            health["running"],
            json!([{"id": "none", "method": "loadModel", "phase": "pulling", "bytes": 42,
                    "total": 100, "rate": null}])
        );
        assert_eq!(health["agent"], json!({"state": "unreachable", "detail": "it is gone"}));
        progress.end(true);
        assert_eq!(value(&activity.health(1024))["running"], json!([]));
    }

    #[test]
    fn health_fits_into_a_value() {
        let activity = activity();
        let running: Vec<Progress> = (0..500)
            .map(|number| {
                activity.begin(&Id::Text(format!("{number:0>64}")), Some(&Method::ListModels))
            })
            .collect();
        let text = activity.health(1024);
        assert!(text.len() <= 1024);
        let health = value(&text);
        let shown = health["running"].as_array().unwrap();
        assert!(!shown.is_empty());
        assert_eq!(shown[0]["id"], format!("{:0>64}", 0));
        assert_eq!(health["more"], 500 - shown.len());
        drop(running);
        assert!(value(&activity.health(1024)).get("more").is_none());
    }

    #[test]
    fn models_are_told_and_fit_by_how_much_they_need_somebody() {
        let activity = activity();
        let name = |text: &str| ModelName::parse(text).unwrap();
        activity.show_model(&name("b"), ModelState::Loaded, "", "s3://x/b".to_owned());
        activity.show_model(&name("a"), ModelState::Waiting, "", String::new());
        activity.show_model(&name("c"), ModelState::Restoring, "", String::new());
        activity.show_model(&name("c"), ModelState::Failed, "no", String::new());
        assert_eq!(
            value(&activity.health(4096))["models"],
            json!([{"name": "c", "state": "failed", "detail": "no"},
                   {"name": "a", "state": "waiting"},
                   {"name": "b", "state": "loaded", "source": "s3://x/b"}])
        );
        // Without the agent nothing is loaded.
        activity.set_agent(AgentHealth::Unreachable("gone".to_owned()));
        assert_eq!(value(&activity.health(4096))["models"][2]["state"], "waiting");
        activity.forget_model(&name("a"));
        activity.forget_model(&name("c"));
        for number in 0..100 {
            let state = ModelState::ALL[number % 4];
            let long = "x".repeat(1000);
            activity.show_model(&name(&format!("m{number}")), state, &long, long.clone());
        }
        let running: Vec<Progress> = (0..100)
            .map(|number| activity.begin(&Id::Text(format!("{number:0>64}")), None))
            .collect();
        let text = activity.health(4096);
        assert!(text.len() <= 4096);
        let health = value(&text);
        let shown = health["models"].as_array().unwrap();
        assert!(!shown.is_empty() && shown.iter().all(|model| model["state"] == "failed"));
        assert_eq!(health["more_models"], 101 - shown.len());
        let entries = health["running"].as_array().unwrap();
        assert!(!entries.is_empty());
        assert_eq!(health["more"], running.len() - entries.len());
    }

    #[test]
    fn an_agent_goes_away_and_comes_back_once() {
        let activity = activity();
        let gone = |reason: &str| AgentHealth::Unreachable(reason.to_owned());
        assert!(!activity.set_agent(AgentHealth::Answering));
        assert!(activity.set_agent(gone("it hangs")));
        assert!(!activity.set_agent(gone("it is gone")));
        assert!(activity.set_agent(AgentHealth::Answering));
        assert!(!activity.set_agent(AgentHealth::Answering));
    }
}
