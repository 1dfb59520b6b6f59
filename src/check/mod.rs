//! `sapt check`: whether a gateway is as it should be, and what to do where it is not.
//!
//! Nothing here disturbs a translator that runs. It is asked over its control socket; the models
//! directory is only read; Edge Core is never connected to, as who says nothing there holds up all
//! others, and a second translator of the name would be refused.

mod gateway;
mod report;
mod storage;

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use futures_lite::FutureExt;
use serde_json::Value;
use smol::LocalExecutor;

pub use report::{Report, Row, State};

use crate::agent::{Client, Deadlines, Settings};
use crate::config::{Config, Lookup, Persisted, VARIABLES};
use crate::control::question::{Unanswered, ask};
use crate::prepare::environment_of;
use crate::store::records_at;

/// What is to be checked, and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The environment is in this file, and not that of this process.
    pub environment: Option<PathBuf>,
    /// An object is written to S3.
    pub write: bool,
    /// The report is for a program.
    pub json: bool,
}

const CONFIGURATION: &str = "configuration";
const TRANSLATOR: &str = "translator";
const EDGE_CORE: &str = "Edge Core";
const AGENT: &str = "agent";
const LOADED: &str = "loaded models";

/// How long the translator and the agent may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Checks all of it. An error is one of the environment's file.
pub fn check(order: &Order, environment: Lookup<'_>) -> Result<Report, crate::prepare::Error> {
    match &order.environment {
        None => {
            let none_set = VARIABLES.iter().all(|variable| environment(variable.name).is_none());
            let hint = if none_set {
                "; no SAPT_ variable is set here: those of a service are in a file, see --environment"
            } else {
                ""
            };
            Ok(checked(order, environment, hint))
        }
        Some(file) => {
            let variables = environment_of(file)?;
            let hint = format!(", from {}", file.display());
            Ok(checked(order, &|name| variables.value(name).map(Into::into), &hint))
        }
    }
}

fn checked(order: &Order, environment: Lookup<'_>, hint: &str) -> Report {
    let mut config = match Config::from_environment(environment) {
        Ok(config) => config,
        Err(problems) => {
            let mut all = String::new();
            for problem in &problems.0 {
                let bar = if all.is_empty() { "" } else { " | " };
                all += &[bar, problem.variable, ": ", &problem.reason].concat();
            }
            let mut rows = vec![Row::failed(CONFIGURATION, all, "correct these variables")];
            for name in [TRANSLATOR, EDGE_CORE, AGENT, LOADED, "models directory", "S3 bucket"] {
                rows.push(Row::skipped(name, "the configuration is wrong", ""));
            }
            return Report(rows);
        }
    };
    let mut rows = vec![configuration(&config, order.environment.as_deref(), hint)];
    if let Some(Err(error)) = apply_persisted(&mut config) {
        rows.push(Row::told("kept configuration", &error));
    }
    let executor = Rc::new(LocalExecutor::new());
    let found = Rc::new(RefCell::new(rows));
    let work = look(config, order.write, executor.clone(), found.clone());
    smol::block_on(executor.run(work.boxed_local()));
    Report(found.take())
}

fn configuration(config: &Config, file: Option<&Path>, hint: &str) -> Row {
    let key = match &config.storage.credentials {
        Some(source) => format!("a key from {source}"),
        None => "no key".to_owned(),
    };
    let device = config.device_name.device_id();
    let seen = format!("device {device}, agent at {}, S3 with {key}{hint}", config.agent);
    let open =
        |file: &Path| fs::metadata(file).is_ok_and(|there| there.permissions().mode() & 0o077 != 0);
    match file {
        Some(file) if config.storage.credentials.is_some() && open(file) => {
            let seen = format!("others can read {}, and it may hold the key", file.display());
            Row::failed(CONFIGURATION, seen, &format!("chmod 600 {}", file.display()))
        }
        _ => Row::good(CONFIGURATION, seen),
    }
}

/// As the translator does it when it starts.
fn apply_persisted(config: &mut Config) -> Option<Result<(), String>> {
    let path = config.persisted_path();
    match config.persist.then(|| Persisted::read(&path))? {
        Ok(changes) => changes?.apply(&mut config.storage),
        Err(error) => return Some(Err(format!("{error}; configure it again, or remove it"))),
    }
    Some(Ok(()))
}

async fn look(
    config: Config,
    write: bool,
    executor: Rc<LocalExecutor<'static>>,
    rows: Rc<RefCell<Vec<Row>>>,
) {
    let socket = &config.control_socket;
    let alive = ask(socket, "health", PATIENCE);
    let runs = alive.is_ok();
    let add = |row| rows.borrow_mut().push(row);
    add(match alive {
        Ok(health) => Row::good(TRANSLATOR, detail(&health, "detail")),
        Err(error) => Row::told(TRANSLATOR, &error.to_string()),
    });
    add(if runs { edge_core(socket) } else { gateway::edge_core_socket(&config.edge_socket) });
    // The agent wants one call of this kind at a time: the translator sees to that.
    let loaded = if runs { listed(socket) } else { listed_by_agent(&config, &executor).await };
    add(match &loaded {
        Ok(_) => Row::good(AGENT, format!("answers at {}", config.agent)),
        Err(error) => Row::told(AGENT, error),
    });
    add(models(&config, loaded.ok()));
    add(gateway::models_directory(&config.models_path));
    add(gateway::room(&config.models_path));
    let storage = storage::rows(&config, write, executor).await;
    rows.borrow_mut().extend(storage);
}

/// What the translator says of its registration.
fn edge_core(socket: &Path) -> Row {
    match ask(socket, "ready", PATIENCE) {
        Ok(ready) => {
            let seen = detail(&ready, "edge_core");
            match ready.get("registered").and_then(Value::as_bool) {
                Some(true) => Row::good(EDGE_CORE, seen),
                _ => Row::told(EDGE_CORE, &seen),
            }
        }
        Err(error) => Row::told(EDGE_CORE, &error.to_string()),
    }
}

fn detail(answer: &Value, member: &str) -> String {
    answer.get(member).and_then(Value::as_str).unwrap_or("?").to_owned()
}

/// The models that the agent has, as the translator lists them.
fn listed(socket: &Path) -> Result<Vec<String>, String> {
    match ask(socket, "listModels", PATIENCE) {
        Ok(models) => {
            let models = models.as_array().map(Vec::as_slice).unwrap_or_default();
            Ok(models.iter().map(|model| detail(model, "name")).collect())
        }
        Err(Unanswered::Refused(error)) => Err(error),
        Err(Unanswered::NoAnswer(_)) => Err(format!(
            "does not list its models within {} s; it may be loading one: see again later",
            PATIENCE.as_secs()
        )),
    }
}

async fn listed_by_agent(
    config: &Config,
    executor: &Rc<LocalExecutor<'static>>,
) -> Result<Vec<String>, String> {
    let deadlines = Deadlines { control: PATIENCE, ..Deadlines::default() };
    let settings = Settings { deadlines, ..Settings::default() };
    let client = Client::with_settings(config.agent.clone(), executor.clone(), settings);
    match client.list_models().await {
        Ok(models) => Ok(models.into_iter().map(|model| model.name).collect()),
        Err(error) => Err(error.to_string()),
    }
}

/// Whether all models are loaded that should be.
fn models(config: &Config, loaded: Option<Vec<String>>) -> Row {
    let Some(loaded) = loaded else {
        return Row::skipped(LOADED, "the agent does not answer", "");
    };
    let names = match loaded[..] {
        [] => "none".to_owned(),
        _ => loaded.join(", "),
    };
    let records = match records_at(&config.models_path) {
        Ok(records) => records,
        Err(error) => {
            return Row::skipped(LOADED, &format!("{names}; what should be loaded: {error}"), "");
        }
    };
    let mut missing = String::new();
    for (name, record) in &records {
        if record.wanted && !loaded.iter().any(|loaded| loaded == name.as_str()) {
            missing += &[" ", name.as_str()].concat();
        }
    }
    if missing.is_empty() {
        return Row::good(LOADED, names);
    }
    let fix = if config.restore {
        "sapt loads them again as long as it runs; its log says why it could not: sapt call \
         loadModel pulls one anew"
    } else {
        "SAPT_RESTORE is 0: use sapt call loadModel"
    };
    Row::failed(LOADED, [&names, "; missing:", &missing].concat(), fix)
}
