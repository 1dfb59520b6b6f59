//! A whole gateway in a temporary directory: Edge Core, S3, the agent and `sapt`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::edge_core::{CloudReply, EdgeCore, Status};
use crate::fault_proxy::FaultProxy;
use crate::program::{self, Program};
use crate::s3::{Options, S3};

/// The device that `sapt` registers, unless told otherwise.
pub const DEVICE: &str = "sagemaker-edge-agent-0";

/// The bucket of the lab.
pub const BUCKET: &str = "sagemaker-lab";

/// The prefix of models in it.
pub const MODELS: &str = "compiled-models";

/// The prefix of data in it.
pub const DATA: &str = "data";

/// Longer than anything here takes on a slow machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A gateway whose parts run. They end when it is dropped.
pub struct Gateway {
    /// `sapt`.
    pub sapt: Program,
    /// The agent, where one was wanted.
    pub agent: Option<Program>,
    /// Edge Core, and the cloud behind it.
    pub edge: EdgeCore,
    /// What stands before S3, where that was wanted.
    pub proxy: Option<FaultProxy>,
    /// S3.
    pub s3: S3,
    options: Options,
    plan: Plan,
}

/// How a gateway is set up.
pub struct Plan {
    directory: TempDir,
    with_agent: bool,
    register: bool,
    https: bool,
    proxied: bool,
    s3: Options,
    sapt: PathBuf,
    environment: Vec<(String, Option<String>)>,
}

impl Plan {
    /// A gateway with everything, for this `sapt`.
    pub fn new(sapt: impl Into<PathBuf>) -> Self {
        Self {
            directory: TempDir::new().expect("there is room for temporary files"),
            with_agent: true,
            register: true,
            https: false,
            proxied: false,
            s3: Options::default(),
            sapt: sapt.into(),
            environment: Vec::new(),
        }
    }

    /// Sets a variable of `sapt`'s environment.
    pub fn set(mut self, variable: &str, value: &str) -> Self {
        self.environment.push((variable.to_owned(), Some(value.to_owned())));
        self
    }

    /// Leaves a variable out that is there otherwise.
    pub fn unset(mut self, variable: &str) -> Self {
        self.environment.push((variable.to_owned(), None));
        self
    }

    /// S3 speaks TLS, with an authority of its own.
    pub fn with_https(mut self) -> Self {
        self.https = true;
        self
    }

    /// A fault proxy stands before S3. It speaks no TLS.
    pub fn with_fault_proxy(mut self) -> Self {
        self.proxied = true;
        self
    }

    /// S3 is one with these options, but for its root.
    pub fn with_s3(mut self, options: Options) -> Self {
        self.s3 = options;
        self
    }

    /// Nothing listens where the agent should.
    pub fn without_agent(mut self) -> Self {
        self.with_agent = false;
        self
    }

    /// Does not wait until the device is registered.
    pub fn without_waiting(mut self) -> Self {
        self.register = false;
        self
    }

    /// The temporary directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Where the agent listens.
    pub fn agent_socket(&self) -> PathBuf {
        self.directory().join("agent.sock")
    }

    /// Where Edge Core listens.
    pub fn edge_socket(&self) -> PathBuf {
        self.directory().join("edge.sock")
    }

    /// Where `sapt` is asked something.
    pub fn control_socket(&self) -> PathBuf {
        self.directory().join("control.sock")
    }

    /// The models directory.
    pub fn models(&self) -> PathBuf {
        self.directory().join("models")
    }

    /// Starts all of it.
    pub fn start(self) -> Gateway {
        fs::create_dir_all(self.models().join("data")).expect("there is room");
        let edge = EdgeCore::start(&self.edge_socket());
        self.start_with(edge)
    }

    /// Starts all of it around this Edge Core.
    pub fn start_with(self, edge: EdgeCore) -> Gateway {
        fs::create_dir_all(self.models().join("data")).expect("there is room");
        let options = Options {
            root: Some(self.directory().join("s3")),
            tls: self.https || self.s3.tls,
            ..self.s3.clone()
        };
        let s3 = S3::start(options.clone());
        s3.put(BUCKET, ".keep", b"");
        let agent = self.with_agent.then(|| self.start_agent());
        let proxy = self.proxied.then(|| FaultProxy::start(s3.address()));
        let sapt = self.start_sapt(&s3, proxy.as_ref(), &options);
        let gateway = Gateway { sapt, agent, edge, proxy, s3, options, plan: self };
        if gateway.plan.register {
            gateway.wait_until_registered();
        }
        gateway
    }

    fn start_agent(&self) -> Program {
        let config = self.directory().join("agent.json");
        let captured = self.directory().join("captured");
        fs::create_dir_all(&captured).expect("there is room");
        let text = serde_json::json!({
            "sagemaker_edge_core_device_name": "lab",
            "sagemaker_edge_core_device_fleet_name": "lab",
            "sagemaker_edge_core_region": "us-east-1",
            "sagemaker_edge_provider_provider": "None",
            "sagemaker_edge_core_capture_data_destination": "Disk",
            "sagemaker_edge_core_capture_data_disk_path": captured,
            "sagemaker_edge_core_folder_prefix": "lab",
            "sagemaker_edge_core_capture_data_buffer_size": 30,
            "sagemaker_edge_core_capture_data_batch_size": 10,
            "sagemaker_edge_core_capture_data_push_period_seconds": 4,
            "sagemaker_edge_core_capture_data_base64_embed_limit": 3072,
        });
        fs::write(&config, text.to_string()).expect("there is room");
        let mut command = Command::new(program::find("sapt-agent"));
        command.arg("-f").arg("-a").arg(self.agent_socket()).arg("-c").arg(config);
        command.args(["-m", "524288000"]);
        let agent = Program::start(&mut command);
        agent.wait_for_line("listening", PATIENCE).unwrap_or_else(|error| panic!("{error}"));
        agent
    }

    fn start_sapt(&self, s3: &S3, proxy: Option<&FaultProxy>, options: &Options) -> Program {
        Program::start(&mut self.sapt(s3, proxy, options))
    }

    fn sapt(&self, s3: &S3, proxy: Option<&FaultProxy>, options: &Options) -> Command {
        let endpoint = proxy.map_or_else(|| s3.endpoint(), FaultProxy::endpoint);
        let mut command = Command::new(&self.sapt);
        command
            .env_clear()
            .env("SAPT_EDGE_SOCKET", self.edge_socket())
            .env("SAPT_AGENT_ADDRESS", format!("unix:{}", self.agent_socket().display()))
            .env("SAPT_CONTROL_SOCKET", self.control_socket())
            .env("SAPT_MODELS_PATH", self.models())
            .env("SAPT_AWS_REGION", &options.region)
            .env("SAPT_AWS_ENDPOINT_URL", endpoint)
            .env("SAPT_AWS_ACCESS_KEY_ID", &options.access_key_id)
            .env("SAPT_AWS_SECRET_ACCESS_KEY", &options.secret_access_key)
            .env("SAPT_AWS_S3_BUCKET", BUCKET)
            .env("SAPT_AWS_S3_MODELS_DIR", MODELS)
            .env("SAPT_AWS_S3_DATA_DIR", DATA);
        if let Some(token) = &options.session_token {
            command.env("SAPT_AWS_SESSION_TOKEN", token);
        }
        if let Some(authority) = s3.ca_pem() {
            let bundle = self.directory().join("authority.pem");
            fs::write(&bundle, authority).expect("there is room");
            command.env("SAPT_CA_BUNDLE", bundle);
        }
        for (variable, value) in &self.environment {
            match value {
                Some(value) => command.env(variable, value),
                None => command.env_remove(variable),
            };
        }
        command
    }
}

impl Gateway {
    /// How it was set up.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Waits until the device is registered with Edge Core.
    pub fn wait_until_registered(&self) {
        if let Err(error) = self.edge.wait_for_device(DEVICE, PATIENCE) {
            panic!("{error}; sapt said:\n{}", self.sapt.said());
        }
    }

    /// Starts `sapt` as it was started first: another one, or the next one after it was ended.
    pub fn start_sapt(&self) -> Program {
        self.plan.start_sapt(&self.s3, self.proxy.as_ref(), &self.options)
    }

    /// A command of `sapt` with the environment that it was started with.
    pub fn sapt_command(&self) -> Command {
        self.plan.sapt(&self.s3, self.proxy.as_ref(), &self.options)
    }

    /// Starts the agent again, after it was ended.
    pub fn restart_agent(&mut self) {
        self.agent = Some(self.plan.start_agent());
    }

    /// Sends a command as the cloud does, and returns the value that its own reply carries.
    pub fn command(&self, command: &str) -> Value {
        let reply = self.post(command.as_bytes());
        assert_eq!(reply.status, Status::Changed, "{command}: {}", self.sapt.said());
        parse(&reply.value)
    }

    /// Sends anything as the cloud does.
    pub fn post(&self, payload: &[u8]) -> CloudReply {
        self.edge.post(DEVICE, "/33311/0/5701", payload)
    }

    /// A resource's current value.
    pub fn value(&self, resource: u32) -> Value {
        parse(&self.edge.read(DEVICE, &format!("/33311/0/{resource}")).value)
    }

    /// Waits until a resource's value is one that is wanted.
    pub fn wait_for_value(&self, resource: u32, accept: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/33311/0/{resource}");
        let accept = |value: &[u8]| serde_json::from_slice(value).is_ok_and(|value| accept(&value));
        match self.edge.wait_for_value(DEVICE, &path, PATIENCE, accept) {
            Ok(value) => parse(&value),
            Err(error) => panic!("{error}; sapt said:\n{}", self.sapt.said()),
        }
    }

    /// Puts a file where `file:///NAME` finds it.
    pub fn put_data(&self, name: &str, content: &[u8]) {
        fs::write(self.plan.models().join("data").join(name), content).expect("there is room");
    }

    /// Puts a model where `loadModel` finds it.
    pub fn put_model(&self, file: &str, archive: &[u8]) {
        self.s3.put(BUCKET, &format!("{MODELS}/{file}"), archive);
    }

    /// Reads the file that an output's URL names, `file:///models/…` or `s3://PREFIX/…`.
    pub fn output(&self, url: &str) -> Vec<u8> {
        let found = match url.strip_prefix("s3://") {
            Some(key) => self.s3.read(BUCKET, key),
            None => url
                .strip_prefix("file://")
                .and_then(|path| {
                    path.strip_prefix("/models/").map(|rest| self.plan.models().join(rest))
                })
                .and_then(|path| fs::read(path).ok()),
        };
        found.unwrap_or_else(|| panic!("there is nothing at {url}"))
    }
}

fn parse(value: &[u8]) -> Value {
    serde_json::from_slice(value)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(value)))
}
