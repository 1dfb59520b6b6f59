//! `sapt` is killed at random moments of loads and reloads. After each start the models directory
//! holds only whole versions, and what the records say is loaded is.
//!
//! `SAPT_TEST_ROUNDS` says how often, and `SAPT_TEST_SEED` which moments.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::hint::spin_loop;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use lab::bridge::Bridge;
use lab::gateway::{Gateway, PATIENCE};
use lab::models;
use lab::s3::{Fault, Gate, Method};
use sapt::agent::{Address, Client};
use sapt::model_name::ModelName;
use serde_json::json;

use support::onnx::Element::Uint8;
use support::onnx::one;
use support::{plan, request};

/// A version: its input's shape, its files, and the archive of them.
struct Version {
    shape: Vec<i32>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    archive: Vec<u8>,
}

impl Version {
    /// With a file that is long, also when it is compressed.
    fn new(shape: i32, seed: u64) -> Self {
        let mut noise = vec![0; 200_000];
        Rng::with_seed(seed).fill(&mut noise);
        let graph = one(Uint8, &[i64::from(shape)]);
        let files: [(&str, &[u8]); 3] =
            [("a.bin", &noise[..50_000]), ("m.onnx", &graph), ("sub/z.bin", &noise)];
        let owned = files.map(|(name, content)| (PathBuf::from(name), content.to_vec()));
        Self { shape: vec![shape], archive: models::archive(&files), files: owned.into() }
    }

    /// The same version as an object that was not seen before: gzip's readers pass over zeros.
    fn object(&self, round: usize) -> Vec<u8> {
        let mut object = self.archive.clone();
        object.resize(object.len() + round, 0);
        object
    }
}

/// Files below a directory, by path.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                pending.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs::read(path).unwrap());
            }
        }
    }
    found
}

/// What is in a directory, if it is there.
fn children(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// The shape of the model that the agent has, by itself.
fn agents(gateway: &Gateway) -> Option<Vec<i32>> {
    let executor = Rc::new(smol::LocalExecutor::new());
    let client = Client::new(Address::Unix(gateway.plan().agent_socket()), executor.clone());
    let name = ModelName::parse("m").unwrap();
    match smol::block_on(executor.run(client.describe_model(&name))) {
        Ok(model) => Some(model.inputs[0].shape.clone()),
        Err(error) if error.is_not_found() => None,
        Err(error) => panic!("{error}"),
    }
}

struct Rounds {
    gateway: Gateway,
    bridge: Bridge,
    versions: [Version; 2],
    random: Rng,
}

impl Rounds {
    /// Sends a command for a version, as an object that is new to `sapt` or one that it knows.
    fn send(&mut self, round: usize, id: &str, method: &str) -> usize {
        let which = self.random.usize(..2);
        let file = format!("{which}.tar.gz");
        if self.random.u8(..4) > 0 {
            self.gateway.put_model(&file, &self.versions[which].object(round));
        }
        let params = json!({"name": "m", "s3_filename": file});
        self.gateway.command(&request(id, method, &params));
        which
    }

    /// A reload that nothing happens to, of any version: it is what is loaded then.
    fn reload(&mut self, round: usize) {
        let id = format!("reload-{round}");
        let which = self.send(round, &id, "reloadModel");
        let result = self.gateway.wait_for_value(5704, |value| value["id"] == *id);
        assert_eq!(result["response"], "succeeded", "{result}");
        assert_eq!(agents(&self.gateway).as_ref(), Some(&self.versions[which].shape), "{id}");
        self.check(&id);
    }

    /// Waits for a moment: when so much of an object has come, or when some time has passed.
    fn kill_in_the_middle_of(&mut self, round: usize) -> String {
        let method = *self.random.choice(&["loadModel", "reloadModel"]).unwrap();
        let length = self.versions[0].archive.len() as u64;
        let id = format!("killed-{round}");
        let how = self.random.u8(..4);
        // Until it is as far, or the command is done: what is known is not read, and what is refused
        // not asked for.
        let far_enough = |gateway: &Gateway, reached: &dyn Fn() -> bool| {
            let until = Instant::now() + PATIENCE;
            while !reached() && gateway.value(5704)["id"] != *id && Instant::now() < until {
                spin_loop();
            }
        };
        let moment = match how {
            0 => {
                let bytes = self.random.u64(..length);
                let gate = Gate::new();
                self.gateway.s3.fail_next(Method::Get, Fault::Hold(bytes, gate.clone()));
                self.send(round, &id, method);
                far_enough(&self.gateway, &|| gate.is_reached());
                self.gateway.sapt.kill();
                // Also where it was not needed.
                gate.release();
                format!("after {bytes} bytes")
            }
            1 => {
                // Only LoadModel names the path.
                let path = self.gateway.plan().models().join("m").display().to_string();
                self.bridge.hold(path.as_bytes());
                self.send(round, &id, method);
                far_enough(&self.gateway, &|| self.bridge.held(Duration::ZERO).is_ok());
                self.gateway.sapt.kill();
                self.bridge.hold(b"what nobody says");
                "before the agent has loaded it".to_owned()
            }
            _ => {
                // Nothing is waited for: any moment is a good one.
                let most = if how == 2 { 5_000 } else { 40_000 };
                let time = Duration::from_micros(self.random.u64(..most));
                self.send(round, &id, method);
                let until = Instant::now() + time;
                while Instant::now() < until {
                    spin_loop();
                }
                self.gateway.sapt.kill();
                format!("after {time:?}")
            }
        };
        format!("{method} {moment}")
    }

    /// The version that a directory has, which has to be a whole one.
    fn whole(&self, directory: &Path, context: &str) -> usize {
        let found = files(directory);
        let same = self.versions.iter().position(|version| version.files == found);
        same.unwrap_or_else(|| {
            let lengths: Vec<_> = found.iter().map(|(path, file)| (path, file.len())).collect();
            panic!("{context}: {} is a mixture: {lengths:?}", directory.display())
        })
    }

    fn check(&self, context: &str) {
        let said = || self.gateway.sapt.said();
        // What is wanted is loaded.
        let health = self.gateway.wait_for_value(5705, |health| {
            health["agent"]["state"] == "answering"
                && health["models"].as_array().unwrap().iter().all(|m| m["state"] == "loaded")
        });
        let wanted = !health["models"].as_array().unwrap().is_empty();
        let models = self.gateway.plan().models();
        let place = models.join("m");
        let current = place.exists().then(|| self.whole(&place, context));
        // It is what is on the disk, as is what happens to be loaded without being wanted.
        let on_disk = current.map(|current| self.versions[current].shape.clone());
        let until = Instant::now() + PATIENCE;
        loop {
            let loaded = agents(&self.gateway);
            if loaded == on_disk || (loaded.is_none() && !wanted) {
                break;
            }
            let late = wanted || Instant::now() > until;
            assert!(!late, "{context}: {loaded:?} is loaded, not {on_disk:?}: {}", said());
        }
        for directory in ["staging", "previous", "trash"] {
            let mut left = children(&models.join(".sapt").join(directory));
            // What is settled at this moment.
            left.retain(|path| !path.ends_with("record"));
            assert_eq!(left, [""; 0].map(PathBuf::from), "{context}");
        }
        let others: Vec<PathBuf> = children(&models)
            .into_iter()
            .filter(|path| !["data", ".sapt", "m"].iter().any(|known| path.ends_with(known)))
            .collect();
        assert_eq!(others, [""; 0].map(PathBuf::from), "{context}");
        let kept = children(&models.join(".sapt/versions/m"));
        assert!(kept.len() <= 1, "{context}: {kept:?}");
        kept.iter().for_each(|version| {
            self.whole(version, context);
        });
    }
}

#[test]
fn killed_at_random_moments() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = number("SAPT_TEST_ROUNDS").unwrap_or(12) as usize;
    let seed = number("SAPT_TEST_SEED").unwrap_or(1);
    let plan = plan().set("SAPT_SYNC_WINDOW_S", "0");
    let at = plan.directory().join("bridge.sock");
    let bridge = Bridge::unix(&at, &plan.agent_socket());
    let gateway = plan.set("SAPT_AGENT_ADDRESS", &format!("unix:{}", at.display())).start();
    let versions = [Version::new(4, 1), Version::new(5, 2)];
    let mut rounds_of = Rounds { gateway, bridge, versions, random: Rng::with_seed(seed) };
    for (which, version) in rounds_of.versions.iter().enumerate() {
        rounds_of.gateway.put_model(&format!("{which}.tar.gz"), &version.archive);
    }
    for round in 1..=rounds {
        // Now and then it begins with nothing loaded, or with another version.
        if rounds_of.random.u8(..3) == 0 {
            let id = format!("unload-{round}");
            rounds_of.gateway.command(&request(&id, "unloadModel", &json!({"name": "m"})));
            rounds_of.gateway.wait_for_value(5704, |value| value["id"] == *id);
        }
        let context = rounds_of.kill_in_the_middle_of(round);
        let with_agent = rounds_of.random.u8(..4) == 0;
        if with_agent {
            rounds_of.gateway.agent.as_mut().unwrap().kill();
            rounds_of.gateway.restart_agent();
        }
        let context = format!("seed {seed}, round {round}: {context}, agent too: {with_agent}");
        let gateway = &mut rounds_of.gateway;
        gateway.sapt = gateway.start_sapt();
        if let Err(error) = gateway.sapt.wait_for_line("registered with Edge Core", PATIENCE) {
            panic!("{context}: {error}");
        }
        let found = gateway.sapt.said().matches("was killed").count();
        println!("{context}: {found} things to be put in order");
        rounds_of.check(&context);
        // What is known of the versions is true.
        if round == rounds || rounds_of.random.u8(..3) == 0 {
            rounds_of.reload(round);
        }
    }
}
