//! `sapt prepare`: an installation's env file, checked, and the files that are made of it.
//!
//! `env_file` reads it, `variables` tells what holds in the end, `agent`, `manifest` and `service` make
//! texts of that. All of these are pure.

mod agent;
pub mod env_file;
mod manifest;
mod service;
mod variables;

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use miniserde::json::to_string;

use crate::agent::Address;
use crate::config::{Config, Lookup, VARIABLES, is_placeholder};
use crate::whole_file::{Refused, replace};
use manifest::Filling;
use variables::Variable;
pub(crate) use variables::Variables;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Order {
    /// The operator's file.
    pub env_file: PathBuf,
    /// Where `sapt.env` goes.
    pub service: Option<PathBuf>,
    /// Where `sagemaker_agent.env` and `neo_config.json` go.
    pub agent: Option<PathBuf>,
    /// The Pod to make.
    pub pod: Option<Pod>,
    /// Nothing is written.
    pub dry: bool,
}

/// A Pod to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Where its manifests go.
    pub directory: PathBuf,
    /// The template.
    pub manifest: PathBuf,
    /// The gateway's device id.
    pub node: Option<String>,
    /// The images' machine type.
    pub machine: Machine,
}

/// A machine type as images are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Machine(&'static str);

impl Machine {
    /// Reads one of the four.
    pub fn parse(text: &str) -> Option<Self> {
        let known = ["x86_64", "aarch64", "arm64", "armhf"].into_iter();
        known.filter(|known| *known == text).map(Self).next()
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Default for Machine {
    /// That of this program.
    fn default() -> Self {
        Self(if cfg!(target_arch = "arm") { "armhf" } else { std::env::consts::ARCH })
    }
}

/// What is wrong with variables, a line each.
struct Problems<'a> {
    variables: &'a Variables,
    lines: Vec<String>,
}

impl Problems<'_> {
    /// Adds one, with the line that the file has for the variable.
    fn add(&mut self, name: &str, reason: &str) {
        let line = match self.variables.find(name) {
            Some(known) => format!("line {}, ", known.line),
            None => String::new(),
        };
        self.lines.push([&line, name, ": ", reason].concat());
    }
}

/// Why nothing, or not all, was done.
#[derive(Debug)]
pub enum Error {
    /// The env file is wrong, or a template with it: a line each.
    Wrong(PathBuf, Vec<String>),
    /// A file cannot be read or written.
    Refused(Refused),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(file, lines) => {
                write!(f, "{} cannot be used:", file.display())?;
                for line in lines.iter().take(MOST_PROBLEMS) {
                    write!(f, "\n  {line}")?;
                }
                match lines.len().saturating_sub(MOST_PROBLEMS) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
            Self::Refused(refused) => refused.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Wrong(..) => None,
            Self::Refused(refused) => Some(refused),
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// A line for each file.
    pub files: String,
    /// A line for each remark.
    pub remarks: String,
}

/// More lines are read by nobody.
const MOST_PROBLEMS: usize = 40;

/// No env file and no template is larger, in bytes.
const LARGEST: u64 = 4 << 20;

/// The first lines of what is written.
const WRITTEN: &str = "# Written by sapt prepare: change the env file that it is made of, and run it \
                       again.\n";

/// What a manifest of a Secret begins with.
const SECRET: &str = "\
# Written by sapt prepare.
apiVersion: v1
kind: Secret
metadata:
  name: sapt-credentials
stringData:
";

const KEY: [&str; 3] =
    ["SAPT_AWS_ACCESS_KEY_ID", "SAPT_AWS_SECRET_ACCESS_KEY", "SAPT_AWS_SESSION_TOKEN"];

/// Variables that have other readers too.
const COMMON: [&str; 10] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
];

/// Variables with a file of the gateway, which a Pod has only where somebody mounts it.
const FILES: [&str; 5] = [
    "SAPT_CA_BUNDLE",
    "SAPT_AWS_SHARED_CREDENTIALS_FILE",
    "SAPT_AWS_IOT_CERTIFICATE",
    "SAPT_AWS_IOT_KEY",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

/// Variables whose place in a Pod is the template's.
const OF_TEMPLATE: [&str; 4] =
    ["SAPT_CREDENTIALS_DIR", "SAPT_CONTROL_SOCKET", "SAPT_EDGE_SOCKET", "SAPT_SAGE_SOCKET_FILE"];

const MESSAGE_LIMIT: &str = "SAGEMAKER_EDGE_AGENT_MESSAGE_LIMIT";
const NODE: &str = "MVS_PELION_GW_DEVICE_ID";

/// The variables of a file that a service is started with. No environment is asked.
pub(crate) fn environment_of(file: &Path) -> Result<Variables, Error> {
    let assignments = env_file::parse(&read(file)?).map_err(|problems| wrong(file, &problems))?;
    Ok(Variables::settle(assignments, &|_| None))
}

fn wrong(file: &Path, problems: &[env_file::Problem]) -> Error {
    Error::Wrong(file.to_owned(), problems.iter().map(ToString::to_string).collect())
}

/// Does it. Where anything is wrong nothing is written.
pub fn prepare(order: &Order, environment: Lookup<'_>) -> Result<Done, Error> {
    let text = read(&order.env_file)?;
    let assignments =
        env_file::parse(&text).map_err(|problems| wrong(&order.env_file, &problems))?;
    let variables = Variables::settle(assignments, environment);
    let mut problems = Problems { variables: &variables, lines: Vec::new() };
    check_inherited(&mut problems);
    let config = Config::from_environment(&|name| variables.value(name).map(Into::into));
    let mut plan = Plan::default();
    match config {
        Err(found) => {
            for it in found.0 {
                problems.add(it.variable, &it.reason);
            }
            // The agent's own are checked all the same.
            if let Ok(standard) = Config::from_environment(&|_| None) {
                agent_files(&standard, &mut problems);
            }
        }
        Ok(config) => {
            let (environment, configuration) = agent_files(&config, &mut problems);
            if let Some(directory) = &order.agent {
                plan.add(directory, "sagemaker_agent.env", environment, 0o644);
                plan.add(directory, "neo_config.json", configuration, 0o644);
            }
        }
    }
    if let Some(directory) = &order.service {
        plan.add(directory, "sapt.env", service::environment_file(&for_sapt(&variables)), 0o600);
    }
    if let Some(pod) = &order.pod {
        plan.pod(pod, &mut problems)?;
    }
    if !problems.lines.is_empty() {
        return Err(Error::Wrong(order.env_file.clone(), problems.lines));
    }
    let files = plan.carry_out(order.dry)?;
    Ok(Done { files, remarks: remarks(&variables, order.pod.is_some()) })
}

fn read(path: &Path) -> Result<Vec<u8>, Refused> {
    let mut text = Vec::new();
    let file = File::open(path).map_err(Refused::to("read", path))?;
    file.take(LARGEST + 1).read_to_end(&mut text).map_err(Refused::to("read", path))?;
    if text.len() as u64 > LARGEST {
        let too_large = std::io::Error::other("it has more than 4 MiB");
        return Err(Refused::to("read", path)(too_large));
    }
    Ok(text)
}

/// What comes from the environment has not gone through the file's own checks.
fn check_inherited(problems: &mut Problems<'_>) {
    let strange = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    for it in problems.variables.iter() {
        if it.inherited && it.value.reveal().contains(strange) {
            let reason =
                "its value in the environment has control characters or is not UTF-8; unset it";
            problems.add(&it.name, reason);
        }
    }
}

/// `sagemaker_agent.env` and `neo_config.json`.
fn agent_files(config: &Config, problems: &mut Problems<'_>) -> (String, String) {
    let variables = problems.variables;
    for Variable { name, .. } in variables.iter() {
        let is_agent = name.starts_with("SAGEMAKER_EDGE_") && name != MESSAGE_LIMIT;
        if is_agent && !agent::is_setting(name) {
            problems.add(name, "the agent has no such setting; see sapt prepare --help");
        }
    }
    let limit = variables.value(MESSAGE_LIMIT).unwrap_or("524288000");
    if !limit.parse::<u32>().is_ok_and(|limit| limit > 0) {
        problems.add(MESSAGE_LIMIT, "must be a number of bytes below 4294967296");
    }
    let address = match &config.agent {
        Address::Unix(socket) | Address::UnixOrLocalPort { socket, .. } => {
            socket.to_string_lossy().into_owned()
        }
        tcp @ Address::Tcp { .. } => tcp.to_string(),
    };
    let environment = service::environment_file(&[
        ("SAGEMAKER_EDGE_AGENT_SOCKET", address.as_str()),
        ("SAGEMAKER_EDGE_AGENT_CONFIG", "/etc/neo_config.json"),
        (MESSAGE_LIMIT, limit),
    ]);
    (environment, agent::configuration(config, problems))
}

/// The variables that sapt reads.
fn for_sapt(variables: &Variables) -> Vec<(&str, &str)> {
    let mut known = Vec::new();
    for Variable { name, value, .. } in variables.iter() {
        if is_for_sapt(name) {
            known.push((name.as_str(), value.reveal()));
        }
    }
    known
}

fn is_for_sapt(name: &str) -> bool {
    VARIABLES.iter().any(|known| known.name == name) || COMMON.contains(&name)
}

fn remarks(variables: &Variables, pod: bool) -> String {
    let mut remarks = String::new();
    for variable in variables.iter() {
        let name = &variable.name;
        let remark = if variable.inherited {
            "has the value of this process's environment, not of the file"
        } else if pod && FILES.contains(&name.as_str()) {
            "names a file of the gateway: mount it under that path in the Pod, too"
        } else if is_for_sapt(name) || name.starts_with("SAGEMAKER_EDGE_") || name == NODE {
            continue;
        } else {
            "means nothing here, and is left out"
        };
        remarks += &["line ", &variable.line.to_string(), ": ", name, " ", remark, "\n"].concat();
    }
    remarks
}

/// The files to write.
#[derive(Default)]
struct Plan(Vec<(PathBuf, String, u32)>);

impl Plan {
    fn add(&mut self, directory: &Path, name: &str, content: String, mode: u32) {
        self.0.push((directory.join(name), content, mode));
    }

    fn pod(&mut self, pod: &Pod, problems: &mut Problems<'_>) -> Result<(), Refused> {
        let variables = problems.variables;
        let node = pod.node.as_deref().or_else(|| variables.value(NODE));
        let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if node.is_some_and(|node| is_placeholder(node) || !node.chars().all(part)) {
            problems.add(NODE, "must be the gateway's device id: kubectl get nodes tells it");
        }
        let address = variables.value("SAPT_AGENT_ADDRESS");
        let at_socket = address.and_then(|address| address.strip_prefix("unix:"));
        let mut inside = for_sapt(variables);
        inside.retain(|(name, value)| {
            let elsewhere = KEY.contains(name)
                || OF_TEMPLATE.contains(name)
                || at_socket.is_some() && *name == "SAPT_AGENT_ADDRESS";
            !value.is_empty() && !elsewhere
        });
        let filling = Filling {
            node,
            machine: pod.machine.as_str(),
            edge_socket: variables.value("SAPT_EDGE_SOCKET").map(Path::new),
            agent_socket: at_socket.or(variables.value("SAPT_SAGE_SOCKET_FILE")).map(Path::new),
            models: variables.value("SAPT_MODELS_PATH"),
            variables: inside,
        };
        let template = read(&pod.manifest)?;
        let template = String::from_utf8_lossy(&template);
        let name = pod.manifest.file_name().unwrap_or_default().to_string_lossy();
        match manifest::fill(&template, &filling) {
            Ok(filled) => self.add(&pod.directory, &name, filled, 0o600),
            Err(reason) => problems.add(&name, reason),
        }
        let mut secret = String::new();
        for name in KEY {
            if let Some(value) = variables.value(name) {
                secret += &["  ", name, ": ", &to_string(value), "\n"].concat();
            }
        }
        if !secret.is_empty() {
            secret.insert_str(0, SECRET);
            self.add(&pod.directory, "sapt-credentials.yaml", secret, 0o600);
        }
        Ok(())
    }

    /// Writes what differs, and tells of each file.
    fn carry_out(self, dry: bool) -> Result<String, Refused> {
        let mut told = String::new();
        for (path, content, mode) in self.0 {
            let is_there = fs::symlink_metadata(&path)
                .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o7777 == mode)
                && fs::read(&path).is_ok_and(|there| there == content.as_bytes());
            let word = match (is_there, dry) {
                (true, _) => "unchanged",
                (false, true) => "would change",
                (false, false) => {
                    replace(&path, content.as_bytes(), mode)?;
                    "changed"
                }
            };
            told += &[word, " ", &path.to_string_lossy(), "\n"].concat();
        }
        Ok(told)
    }
}
