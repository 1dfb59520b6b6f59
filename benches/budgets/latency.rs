//! How long it takes to start, and what a command takes on top of the agent's own time.

use std::future::Future;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lab::edge_core::{EdgeCore, Status};
use lab::gateway::{DEVICE, Gateway, PATIENCE, Plan};
use lab::models;
use lab::program::Program;
use sapt::agent::{Address, Client};
use sapt::model_name::ModelName;
use sapt::tensor::{Tensor, to_npy};
use smol::LocalExecutor;

use crate::process;
use crate::table::{Table, median, milliseconds};

const STARTS: usize = 50;
const LISTS: usize = 1000;
const PREDICTIONS: usize = 200;

/// The bytes of 224 by 224 pixels of three floats.
const TENSOR: usize = 602_112;

/// From the start of the process until Edge Core knows the device. The models directory is there
/// from the second start on, as on a gateway.
pub(crate) fn start(sapt: &Path, table: &mut Table) {
    let models = tempfile::tempdir().expect("there is room");
    let times = (0..STARTS).map(|_| {
        let directory = tempfile::tempdir().expect("there is room");
        let edge = EdgeCore::start(&directory.path().join("edge.sock"));
        let mut command = Command::new(sapt);
        command
            .env_clear()
            .env("SAPT_EDGE_SOCKET", edge.socket())
            .env("SAPT_AGENT_ADDRESS", format!("unix:{}/agent.sock", directory.path().display()))
            .env("SAPT_CONTROL_SOCKET", directory.path().join("control.sock"))
            .env("SAPT_MODELS_PATH", models.path());
        let begin = Instant::now();
        let running = Program::start(&mut command);
        let registered = edge.wait_for_device(DEVICE, PATIENCE);
        let time = begin.elapsed();
        registered.unwrap_or_else(|error| panic!("{error}; it said:\n{}", running.said()));
        time
    });
    let time = milliseconds(median(times.collect()));
    table.add("exec to device registered", (10.0, time), "ms", &format!("median of {STARTS}"));
}

/// `listModels` and `predict` through Edge Core, in turn with the same calls made of the agent.
pub(crate) fn calls(sapt: &Path, table: &mut Table) {
    let gateway = Plan::new(sapt).start();
    gateway.put_model("speed.tar.gz", &models::speed());
    command(
        &gateway,
        r#"{"id":"1","method":"loadModel","params":{"name":"speed","s3_filename":"speed.tar.gz"}}"#,
    );
    let bare = Bare::new(&gateway);

    let (through, alone) = in_turn(
        LISTS,
        || command(&gateway, r#"{"id":"1","method":"listModels"}"#),
        || drop(bare.run(bare.client.list_models()).expect("the agent answers")),
    );
    add(table, "listModels, over the bare call", 0.3, through, alone, LISTS);
    let id = gateway.sapt.id();
    let resident = process::memory(id, "VmRSS");
    table.show(
        "memory held after many commands",
        resident,
        "MiB",
        &format!("{:.2} MiB of it anonymous", process::memory(id, "RssAnon")),
    );

    let name = ModelName::parse("speed").expect("it is a name");
    let model = bare.run(bare.client.describe_model(&name)).expect("it is loaded");
    let pixels: Bytes = (0..TENSOR / 4).flat_map(|at| ((at % 256) as f32).to_le_bytes()).collect();
    let spec = model.inputs.first().expect("it has an input").clone();
    let tensor = Tensor::new(spec, pixels.clone()).expect("they are as many as it takes");
    let file = to_npy(&tensor);
    let parts: Vec<Bytes> = file.parts(0..file.length()).collect();
    gateway.put_data("pixels.npy", &parts.concat());
    gateway.put_data("pixels.raw", &pixels);
    for format in ["npy", "raw"] {
        let predict = format!(
            r#"{{"id":"1","method":"predict","params":{{"model_name":"speed","input_data_url":"file:///pixels.{format}"}}}}"#
        );
        let before = process::processor_time(id);
        let (through, alone) = in_turn(
            PREDICTIONS,
            || command(&gateway, &predict),
            || {
                let inputs = vec![tensor.clone()];
                drop(bare.run(bare.client.predict(&name, inputs)).expect("the agent answers"));
            },
        );
        let what = format!("predict, 602,112 bytes of {format}, over the bare call");
        add(table, &what, 2.0, through, alone, PREDICTIONS);
        let taken = process::processor_time(id) - before;
        let each = taken / (PREDICTIONS + PREDICTIONS / 10) as f64;
        table.show("processor time of sapt for each", each, "ms", "on all its threads");
    }
}

fn add(table: &mut Table, what: &str, budget: f64, through: Duration, alone: Duration, of: usize) {
    let (through, alone) = (milliseconds(through), milliseconds(alone));
    let remark = format!("{through:.2} over {alone:.2}, medians of {of}");
    table.add(what, (budget, through - alone), "ms", &remark);
}

/// The medians of both; the first few of each are not counted.
fn in_turn(times: usize, first: impl Fn(), second: impl Fn()) -> (Duration, Duration) {
    let timed = |what: &dyn Fn()| {
        let begin = Instant::now();
        what();
        begin.elapsed()
    };
    let both = (0..times + times / 10).map(|_| (timed(&first), timed(&second)));
    let (firsts, seconds) = both.skip(times / 10).unzip();
    (median(firsts), median(seconds))
}

fn command(gateway: &Gateway, command: &str) {
    let reply = gateway.post(command.as_bytes());
    let value = String::from_utf8_lossy(&reply.value);
    let right = reply.status == Status::Changed && value.contains(r#""error":"none""#);
    assert!(right, "{command}: {}: {value}", reply.status);
}

/// The agent without anything in between.
struct Bare {
    client: Client,
    executor: Rc<LocalExecutor<'static>>,
}

impl Bare {
    fn new(gateway: &Gateway) -> Self {
        let executor = Rc::new(LocalExecutor::new());
        let address = Address::Unix(gateway.plan().agent_socket());
        Self { client: Client::new(address, executor.clone()), executor }
    }

    fn run<T>(&self, call: impl Future<Output = T>) -> T {
        smol::block_on(self.executor.run(call))
    }
}
