//! Models of any size over a network that fails: whole, in bounded memory.
//!
//! `SAPT_TEST_MODEL_MIB` is the size of the archive (16 without it), `SAPT_TEST_BINARY` the `sapt`
//! that is shipped, in place of the one that was built with this test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::fault_proxy::{Ending, Fault, FaultProxy};
use lab::gateway::{DEVICE, Gateway, Plan};
use lab::s3::{self, Gate, Method};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const MIB: usize = 1024 * 1024;

/// The most memory that the `sapt` that is shipped may ever hold, whatever a model's size. One with
/// debug information has much more code in memory.
const MOST_MIB: f64 = 12.0;

/// The most that any may hold beyond what it has when idle.
const MOST_MORE_MIB: f64 = 8.0;

#[test]
fn a_cut_every_few_bytes() {
    let archive = Archive::new(1);
    let gateway = gateway();
    let idle = most_memory(&gateway);
    gateway.put_model("m.tar.gz", &archive.packed);
    let every = archive.packed.len() / 21;
    proxy(&gateway).fail_all(Method::Get, Fault::Download(every as u64, Ending::Close));

    assert_eq!(load(&gateway)["error"], "none");

    assert_eq!(archive.state_of(&model(&gateway)), State::Whole);
    let ranges = proxy(&gateway)
        .requests()
        .iter()
        .filter(|request| request.header("range").is_some())
        .count();
    assert!(ranges >= 20, "{ranges} ranges");
    within_memory(&gateway, idle);
}

#[test]
fn resets_and_cuts_in_turn() {
    let archive = Archive::new(1);
    let gateway = gateway();
    let idle = most_memory(&gateway);
    gateway.put_model("m.tar.gz", &archive.packed);
    let every = (archive.packed.len() / 7) as u64;
    for ending in [Ending::Reset, Ending::Close, Ending::Reset, Ending::Close] {
        proxy(&gateway).fail_next(Method::Get, Fault::Download(every, ending));
    }

    assert_eq!(load(&gateway)["error"], "none");

    assert_eq!(archive.state_of(&model(&gateway)), State::Whole);
    within_memory(&gateway, idle);
}

#[test]
fn an_object_that_is_replaced_while_it_is_read() {
    let (old, new) = (Archive::new(1), Archive::new(2));
    let gateway = gateway();
    let idle = most_memory(&gateway);
    gateway.put_model("m.tar.gz", &old.packed);
    let every = (old.packed.len() / 4) as u64;
    let gate = Gate::new();
    gateway.s3.fail_next(Method::Get, s3::Fault::Hold(every / 2, gate.clone()));
    proxy(&gateway).fail_next(Method::Get, Fault::Download(every, Ending::Close));

    begin_load(&gateway);
    gate.reached();
    gateway.put_model("m.tar.gz", &new.packed);
    gate.release();
    let result = loaded(&gateway);

    let requests = proxy(&gateway).requests();
    assert!(requests[1].header("range").is_some() && requests[1].status == Some(412));
    // It is read anew, and nothing of the old one is left.
    assert_eq!(result["error"], "none");
    assert_eq!(new.state_of(&model(&gateway)), State::Whole);
    within_memory(&gateway, idle);
}

fn gateway() -> Gateway {
    let sapt = std::env::var("SAPT_TEST_BINARY");
    Plan::new(sapt.unwrap_or_else(|_| env!("CARGO_BIN_EXE_sapt").to_owned()))
        .with_fault_proxy()
        .set("SAPT_SYNC_WINDOW_S", "0")
        .start()
}

fn proxy(gateway: &Gateway) -> &FaultProxy {
    gateway.proxy.as_ref().expect("it was wanted")
}

fn model(gateway: &Gateway) -> PathBuf {
    gateway.plan().models().join("m")
}

fn load(gateway: &Gateway) -> Value {
    begin_load(gateway);
    loaded(gateway)
}

fn begin_load(gateway: &Gateway) {
    let params = json!({"name": "m", "s3_filename": "m.tar.gz"});
    gateway.command(&json!({"id": "load", "method": "loadModel", "params": params}).to_string());
}

/// The result of a load that takes as long as it likes.
fn loaded(gateway: &Gateway) -> Value {
    // A minute for each 100 MiB, on a machine that does something else too.
    let patience = Duration::from_secs(60 + 60 * size_mib() as u64 / 100);
    let parse = |value: &[u8]| serde_json::from_slice::<Value>(value);
    let accept = |value: &[u8]| parse(value).is_ok_and(|value| value["id"] == "load");
    match gateway.edge.wait_for_value(DEVICE, "/33311/0/5704", patience, accept) {
        Ok(value) => parse(&value).unwrap(),
        Err(error) => panic!("{error}; sapt said:\n{}", gateway.sapt.said()),
    }
}

fn within_memory(gateway: &Gateway, idle: f64) {
    let peak = most_memory(gateway);
    println!("most memory held: {peak:.1} MiB, and {idle:.1} MiB before");
    assert!(peak - idle <= MOST_MORE_MIB, "{peak} MiB");
    assert!(peak <= MOST_MIB || std::env::var_os("SAPT_TEST_BINARY").is_none(), "{peak} MiB");
}

/// The most memory that was ever held, in MiB.
fn most_memory(gateway: &Gateway) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", gateway.sapt.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib / 1024.0
}

fn size_mib() -> usize {
    let text = std::env::var("SAPT_TEST_MODEL_MIB");
    text.map_or(16, |text| text.parse().expect("a number of MiB"))
}

/// The digits model beside a file that makes it large and does not compress.
struct Archive {
    packed: Vec<u8>,
    digest: [u8; 32],
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Whole,
    Other,
}

impl Archive {
    fn new(seed: u64) -> Self {
        let mut content = vec![0; size_mib() * MIB];
        fastrand::Rng::with_seed(seed).fill(&mut content);
        let graph = fs::read(lab::program::workspace().join("lab/models/digits/digits.onnx"));
        let files = [("digits.onnx", &graph.unwrap()[..]), ("filling", &content[..])];
        Self { packed: lab::models::archive(&files), digest: Sha256::digest(&content).into() }
    }

    fn state_of(&self, directory: &Path) -> State {
        let mut file = File::open(directory.join("filling")).unwrap();
        let (mut hash, mut buffer) = (Sha256::new(), vec![0; MIB]);
        loop {
            match file.read(&mut buffer).unwrap() {
                0 => break,
                length => hash.update(&buffer[..length]),
            }
        }
        if <[u8; 32]>::from(hash.finalize()) == self.digest { State::Whole } else { State::Other }
    }
}
