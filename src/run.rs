//! `sapt run`: the translator itself.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use async_signal::{Signal, Signals};
use futures_lite::{FutureExt, StreamExt};
use smol::LocalExecutor;
use uuid::Uuid;

use crate::command::{Commands, Context, Surroundings};
use crate::config::{Config, Problems, VARIABLES};
use crate::device::{Device, Requests, Settings};
use crate::edge::{Identity, Session};
use crate::s3::Proxies;
use crate::store::{self, Store};
use crate::{agent, s3};

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
    let config =
        Config::from_environment(|name| std::env::var_os(name)).map_err(Error::Configuration)?;
    config.log_levels.install();
    let store = Store::open(config.models_path.clone()).map_err(Error::Store)?;
    tell_unknown_variables();
    tell_recovery(&store);
    let signals = Signals::new([Signal::Term, Signal::Int]).map_err(Error::Signals)?;
    let executor = Rc::new(LocalExecutor::new());
    smol::block_on(executor.run(serve(config, store, signals, executor.clone())));
    Ok(())
}

async fn serve(
    config: Config,
    store: Store,
    mut signals: Signals,
    executor: Rc<LocalExecutor<'static>>,
) {
    log::info!(
        "sapt {} starts: agent at {}, models in {}, S3 {}",
        env!("CARGO_PKG_VERSION"),
        config.agent,
        config.models_path.display(),
        if config.storage.credentials.is_some() { "with a key" } else { "without a key" },
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
        io,
        clock,
        random: Box::new(Uuid::new_v4),
        value_limit: config.value_limit,
    });
    let settings = Settings {
        sync_window: config.sync_window,
        reply_format: config.reply_format,
        value_limit: config.value_limit,
    };
    let device = Device::new(session.clone(), Commands::new(context), settings, executor.clone());
    // Boxed, as all tasks are: the executor's code is linked once, not once for each.
    let showing = executor.spawn(device.clone().show_activity().boxed_local());
    let checking = executor.spawn(device.clone().check_agent().boxed_local());
    let running = session.clone().run(Rc::new(Requests(device.clone())));
    let running = executor.spawn(running.boxed_local());
    let signal = signals.next().await;
    log::info!("{} came: finishing what runs", name(signal));
    drop((showing, checking));
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
    let store::Recovery { put_back, removed, not_removed } = store.recovery();
    for name in put_back {
        log::info!("{name}: its previous version was put back after a run that was killed");
    }
    if *removed > 0 {
        log::info!("leftovers of a run that was killed, now removed: {removed}");
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
