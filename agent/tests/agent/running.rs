//! A running agent in a directory of its own.

use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};

use sapt_agent::wire::agent_client::AgentClient;
use sapt_agent::wire::{
    LoadModelRequest, Model, PredictRequest, Tensor, TensorMetadata, UnLoadModelRequest, tensor,
};
use tempfile::TempDir;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

pub(crate) type Client = AgentClient<Channel>;

/// The process, which is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Agent {
    directory: TempDir,
    process: Process,
}

impl Agent {
    /// Starts it with `flags` after the socket's, and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), flags)
    }

    pub(crate) fn start_in(directory: TempDir, flags: &[&str]) -> Self {
        let mut process = Process::start(&directory.path().join("agent.sock"), flags);
        process.wait_for("listening on ");
        Self { directory, process }
    }

    /// Starts it with a configuration whose captures go to the directory `capture`.
    pub(crate) fn configured(settings: &[(&str, serde_json::Value)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut configuration = serde_json::json!({
            "sagemaker_edge_core_device_name": "gateway-1",
            "sagemaker_edge_core_device_fleet_name": "fleet_1",
            "sagemaker_edge_core_capture_data_disk_path": directory.path().join("capture"),
            "sagemaker_edge_core_folder_prefix": "prefix",
        });
        for (key, value) in settings {
            configuration[*key] = value.clone();
        }
        let path = directory.path().join("configuration.json");
        std::fs::write(&path, configuration.to_string()).unwrap();
        Self::start_in(directory, &["-c", path.to_str().unwrap()])
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.path().join("agent.sock")
    }

    pub(crate) fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends the process, and leaves the directory.
    pub(crate) fn into_directory(self) -> TempDir {
        self.directory
    }

    pub(crate) async fn client(&self) -> Client {
        connect(&format!("unix:{}", self.socket().display())).await
    }
}

pub(crate) async fn connect(address: &str) -> Client {
    let channel = Endpoint::from_shared(address.to_owned()).unwrap().connect().await.unwrap();
    AgentClient::new(channel).max_decoding_message_size(1 << 30).max_encoding_message_size(1 << 30)
}

/// The child and its standard error.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Process {
    pub(crate) fn start(address: &Path, flags: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sapt-agent"))
            .arg("-a")
            .arg(address)
            .args(flags)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads up to a line that contains `part`, and returns it.
    pub(crate) fn wait_for(&mut self, part: &str) -> String {
        let mut seen = Vec::new();
        for line in &mut self.lines {
            let line = line.unwrap();
            if line.contains(part) {
                return line;
            }
            seen.push(line);
        }
        panic!("the agent ended without {part:?}: {seen:#?}");
    }

    pub(crate) fn signal(&self, signal: libc::c_int) {
        let process = libc::pid_t::try_from(self.child.id()).unwrap();
        // SAFETY: kill has no preconditions; the child was not waited for, so the id is its own.
        #[allow(unsafe_code)]
        let result = unsafe { libc::kill(process, signal) };
        assert_eq!(result, 0);
    }

    /// Waits for its end; the rest of standard error.
    pub(crate) fn finish(&mut self) -> (ExitStatus, String) {
        let rest: Vec<String> = (&mut self.lines).map(Result::unwrap).collect();
        (self.child.wait().unwrap(), rest.join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) async fn load(
    client: &mut Client,
    directory: &Path,
    name: &str,
) -> Result<Model, Status> {
    let request =
        LoadModelRequest { url: directory.to_str().unwrap().to_owned(), name: name.to_owned() };
    let response = client.load_model(request).await?;
    Ok(response.into_inner().model.unwrap())
}

pub(crate) async fn unload(client: &mut Client, name: &str) -> Result<(), Status> {
    let request = UnLoadModelRequest { name: name.to_owned() };
    client.un_load_model(request).await.map(drop)
}

pub(crate) async fn predict(
    client: &mut Client,
    name: &str,
    tensors: Vec<Tensor>,
) -> Result<Vec<Tensor>, Status> {
    let request = PredictRequest { name: name.to_owned(), tensors };
    Ok(client.predict(request).await?.into_inner().tensors)
}

pub(crate) fn metadata(
    name: &str,
    data_type: sapt_agent::wire::DataType,
    shape: &[i32],
) -> TensorMetadata {
    TensorMetadata {
        name: name.to_owned().into_bytes().into(),
        data_type: data_type.into(),
        shape: shape.into(),
    }
}

pub(crate) fn tensor(
    name: &str,
    data_type: sapt_agent::wire::DataType,
    shape: &[i32],
    bytes: impl Into<Vec<u8>>,
) -> Tensor {
    Tensor {
        tensor_metadata: Some(metadata(name, data_type, shape)),
        data: Some(tensor::Data::ByteData(bytes.into().into())),
    }
}

/// The little-endian bytes of numbers.
pub(crate) fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
