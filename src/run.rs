//! `sapt run`: the translator itself.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt};
use smol::LocalExecutor;
use uuid::Uuid;

use crate::command::{Commands, Context, Surroundings};
use crate::config::{Config, Persisted, Problems, VARIABLES, process_environment};
use crate::control;
use crate::device::{Device, Requests, Settings};
use crate::edge::{Identity, Session};
use crate::notify::Supervisor;
use crate::s3::Proxies;
use crate::store::{self, Limits, Store};
use crate::{agent, blocking, s3};

/// What takes less than this is finished before the process ends.
const DRAIN: Duration = Duration::from_secs(5);

/// Why the translator could not start. While it runs it ends for nothing but a signal.
#[derive(Debug)]
pub enum Error {
    /// The configuration is wrong.
    Configuration(Problems),
    /// The models directory cannot be used.
    Store(store::Error),
    /// The system gives no signals.
    Signals(std::io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configuration(problems) => problems.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Signals(error) => write!(f, "cannot wait for signals: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Configuration(problems) => Some(problems),
            Self::Store(error) => Some(error),
            Self::Signals(error) => Some(error),
        }
    }
}

/// Runs until SIGTERM or SIGINT. Finishes then what takes less than 5 s.
pub fn run() -> Result<(), Error> {
    let mut config =
        Config::from_environment(&process_environment).map_err(Error::Configuration)?;
    config.log_levels.install();
    let limits = Limits { bytes: config.model_max_bytes, ..Limits::default() };
    let store = Store::open(config.models_path.clone()).map_err(Error::Store)?;
    let store = store.with_limits(limits).keeping(config.keep_versions).map_err(Error::Store)?;
    tell_unknown_variables();
    tell_recovery(&store);
    let persisted = persisted(&mut config);
    let signals = Signals::new([Signal::Term, Signal::Int]).map_err(Error::Signals)?;
    let executor = Rc::new(LocalExecutor::new());
    let serving = serve(config, store, persisted, signals, executor.clone());
    smol::block_on(executor.run(serving.boxed_local()));
    Ok(())
}

async fn serve(
    config: Config,
    store: Store,
    persisted: Option<Persisted>,
    mut signals: Signals,
    executor: Rc<LocalExecutor<'static>>,
) {
    let key = match &config.storage.credentials {
        Some(source) => format!("with a key from {source}"),
        None => "without a key".to_owned(),
    };
    log::info!(
        "sapt {} starts: agent at {}, models in {}, S3 {key}",
        env!("CARGO_PKG_VERSION"),
        config.agent,
        config.models_path.display(),
    );
    let session = Session::new(Identity {
        socket: config.edge_socket,
        name: config.device_name.as_str().to_owned(),
        device_id: config.device_name.device_id(),
    });
    let clock: crate::clock::Clock = Rc::new(SystemTime::now);
    let Proxies { https, http, .. } = &config.network.proxies;
    for (scheme, proxy) in [("https", https), ("http", http)] {
        if let Some(proxy) = proxy {
            log::info!("{scheme} to S3 goes through the proxy {proxy}");
        }
    }
    let io = s3::Io::new(executor.clone(), clock.clone(), config.roots, config.network);
    let context = Context::new(Surroundings {
        agent: agent::Client::new(config.agent, executor.clone()),
        store,
        storage: config.storage,
        persisted,
        io,
        clock,
        random: Box::new(Uuid::new_v4),
        value_limit: config.value_limit,
        restore: config.restore,
    });
    let settings = Settings {
        sync_window: config.sync_window,
        reply_format: config.reply_format,
        value_limit: config.value_limit,
    };
    let device = Device::new(session.clone(), Commands::new(context), settings, executor.clone());
    // Until the end: what is asked while it ends is answered, too.
    let _control = control::serve(&config.control_socket, &device, &executor);
    // Boxed, as all tasks are: the executor's code is linked once, not once for each.
    let showing = executor.spawn(device.clone().show_activity().boxed_local());
    let watching = executor.spawn(device.clone().watch_agent().boxed_local());
    let running = session.clone().run(Rc::new(Requests(device.clone())));
    let running = executor.spawn(running.boxed_local());
    let supervisor = Supervisor::from_environment(process_environment).map(Rc::new);
    let watched = supervisor
        .clone()
        .map(|supervisor| executor.spawn(feed_watchdog(supervisor, device.clone()).boxed_local()));
    let signal = signals.next().await;
    log::info!("{} came: finishing what runs", name(signal));
    drop((showing, watching, watched));
    if let Some(supervisor) = &supervisor {
        supervisor.stopping();
    }
    let again = async {
        signals.next().await;
        log::error!("a second signal came: ending at once");
    };
    device.drain(DRAIN).or(again).await;
    session.close();
    // The close itself is bounded by its own deadline.
    running.await;
    log::info!("sapt ends");
}

/// Tells the service manager that the process serves, and as long as it wants to know that the loops
/// and the threads for work that blocks turn. Edge Core and the agent are none of its business: a
/// restart mends neither.
async fn feed_watchdog(supervisor: Rc<Supervisor>, device: Rc<Device>) {
    supervisor.ready(&control::readiness(&device).1);
    // By then Edge Core and the agent have answered, where they are there.
    let mut pause = Duration::from_secs(1);
    while let Some(beat) = supervisor.beat() {
        smol::Timer::after(pause.min(beat)).await;
        pause = beat;
        blocking::begin(Box::new(|| ())).await;
        supervisor.alive(&control::readiness(&device).1);
    }
}

/// Applies what the cloud configured before, where the operator wants that.
fn persisted(config: &mut Config) -> Option<Persisted> {
    let path = config.persisted_path();
    let shown = path.display();
    if !config.persist {
        if path.exists() {
            log::info!("{shown} is ignored, because SAPT_PERSIST_CONFIG is not 1");
        }
        return None;
    }
    let changes = Persisted::read(&path).unwrap_or_else(|error| {
        log::error!("what the cloud configured before is ignored: {error}");
        None
    });
    if let Some(changes) = &changes {
        log::info!("what the cloud configured before counts: {shown}");
        changes.clone().apply(&mut config.storage);
    }
    Some(Persisted::new(path, changes.unwrap_or_default()))
}

/// A variable that nobody reads is most likely one that is misspelt.
fn tell_unknown_variables() {
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let known = VARIABLES.iter().any(|variable| variable.name == name);
        if name.starts_with("SAPT_") && !known {
            log::info!("{name} is set and means nothing here; sapt help run lists the variables");
        }
    }
}

/// What a killed run left behind, and what was done about it.
fn tell_recovery(store: &Store) {
    let store::Recovery { put_back, removed, not_removed, unreadable } = store.recovery();
    for name in put_back {
        log::info!("{name}: its previous version was put back after a run that was killed");
    }
    if *removed > 0 {
        log::info!("leftovers of a run that was killed, now removed: {removed}");
    }
    for error in unreadable {
        log::error!("{error}");
    }
    for error in not_removed {
        log::error!("a leftover of a run that was killed stays and takes space: {error}");
    }
}

fn name(signal: Option<Result<Signal, std::io::Error>>) -> &'static str {
    match signal {
        Some(Ok(Signal::Int)) => "SIGINT",
        _ => "SIGTERM",
    }
}
