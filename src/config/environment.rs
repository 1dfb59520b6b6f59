//! The environment's variables, read and checked together.

mod credentials;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Config, DeviceName, ReplyFormat, Storage};
use crate::agent::Address;
use crate::edge::resource::LARGEST_VALUE;
use crate::logging::Levels;
use crate::s3::{Bucket, Region, Roots};

/// One variable: its name, its default in words, and what it is for.
pub struct Variable {
    /// `SAPT_…`.
    pub name: &'static str,
    /// What holds where it is not set.
    pub default: &'static str,
    /// What it says, for the help text.
    pub purpose: &'static str,
}

const fn variable(name: &'static str, default: &'static str, purpose: &'static str) -> Variable {
    Variable { name, default, purpose }
}

/// Every variable, as the help text lists them.
pub const VARIABLES: &[Variable] = &[
    variable(
        "SAPT_PT_DEVICE_NAME",
        "sagemaker-edge-agent",
        "name with Edge Core; the device is NAME-0",
    ),
    variable(
        "SAPT_EDGE_SOCKET",
        "/tmp/edge.sock",
        "Edge Core's socket; mount its directory, not the file",
    ),
    variable("SAPT_AGENT_ADDRESS", "see below", "the agent: unix:/path or tcp://host:port"),
    variable(
        "SAPT_SAGE_SOCKET_FILE",
        "/tmp/sagemaker_edge_agent_example.sock",
        "the agent's socket, where SAPT_AGENT_ADDRESS is not set",
    ),
    variable(
        "SAPT_MAP_PORT",
        "none",
        "port on localhost that is bridged to the agent, used while its socket is not there",
    ),
    variable(
        "SAPT_MODELS_PATH",
        "/models",
        "models and data; the agent must see it under the same path",
    ),
    variable(
        "SAPT_MODEL_MAX_BYTES",
        "64G",
        "what a model may unpack to: bytes, or with K, M, G or T",
    ),
    variable("SAPT_KEEP_VERSIONS", "1", "earlier versions of each model that are kept, 0 to 10"),
    variable("SAPT_RESTORE", "1", "1: models are loaded again after a restart; 0: they are not"),
    variable("SAPT_AWS_REGION", "us-east-1", "region of the bucket"),
    variable("SAPT_AWS_ACCESS_KEY_ID", "none", "key for S3"),
    variable("SAPT_AWS_SECRET_ACCESS_KEY", "none", "its secret"),
    variable("SAPT_AWS_SESSION_TOKEN", "none", "its session token, for temporary keys"),
    variable(
        "SAPT_CREDENTIALS_DIR",
        "none",
        "directory with a file for each of the three above; read before each use",
    ),
    variable(
        "SAPT_AWS_SHARED_CREDENTIALS_FILE",
        "none",
        "AWS's shared credentials file; read before each use",
    ),
    variable("SAPT_AWS_PROFILE", "default", "which profile of that file"),
    variable(
        "SAPT_AWS_IOT_ENDPOINT",
        "none",
        "AWS IoT's credentials endpoint, xxx.credentials.iot.REGION.amazonaws.com",
    ),
    variable("SAPT_AWS_IOT_ROLE_ALIAS", "none", "the role alias whose credentials it gives"),
    variable("SAPT_AWS_IOT_CERTIFICATE", "none", "PEM file with the device's certificate"),
    variable("SAPT_AWS_IOT_KEY", "none", "PEM file with its private key"),
    variable("SAPT_AWS_IOT_THING_NAME", "none", "the thing's name, where a policy asks for it"),
    variable(
        "SAPT_AWS_CONTAINER_CREDENTIALS_URI",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI",
        "server that gives credentials, as ECS, EKS and Greengrass have it",
    ),
    variable(
        "SAPT_AWS_IMDS",
        "off",
        "on: ask the instance metadata service of EC2 for credentials; http://HOST:PORT: ask there",
    ),
    variable(
        "SAPT_PERSIST_CONFIG",
        "0",
        "1: what the cloud configures is kept below the models directory, keys too, and counts \
         after a restart",
    ),
    variable("SAPT_AWS_S3_BUCKET", "none", "the bucket"),
    variable("SAPT_AWS_S3_MODELS_DIR", "none", "where in the bucket models are; / for its root"),
    variable(
        "SAPT_AWS_S3_DATA_DIR",
        "none",
        "where in the bucket inputs and outputs are; / for its root",
    ),
    variable("SAPT_AWS_ENDPOINT_URL", "AWS", "another S3 server, http:// or https://"),
    variable(
        "SAPT_AWS_ADDRESSING_STYLE",
        "auto",
        "where the bucket goes: path or virtual (host name); auto: path for other servers than AWS",
    ),
    variable("SAPT_AWS_DUALSTACK", "0", "1 for AWS's endpoints that have IPv6 addresses too"),
    variable("SAPT_AWS_FIPS", "0", "1 for AWS's endpoints with validated cryptography"),
    variable(
        "SAPT_AWS_EXPECTED_BUCKET_OWNER",
        "none",
        "account that buckets have to belong to, 12 digits; others are refused",
    ),
    variable(
        "SAPT_PROXY",
        "HTTPS_PROXY, HTTP_PROXY",
        "proxy to S3, http://[user:password@]host:port, or https:// for TLS to the proxy itself",
    ),
    variable(
        "SAPT_NO_PROXY",
        "NO_PROXY",
        "hosts, .domains, addresses and networks that are reached without it; * for all",
    ),
    variable(
        "SAPT_TLS_LEARNED_TIME",
        "0",
        "1: judge certificates by the server's time where the gateway's clock is wrong; who holds \
         an expired certificate can then pose as the server",
    ),
    variable(
        "SAPT_CA_BUNDLE",
        "none",
        "PEM file of authorities to trust beside the built-in ones, for https to another S3 server",
    ),
    variable("SAPT_SYNC_WINDOW_S", "8", "seconds that a command may hold its request, 0 to 50"),
    variable("SAPT_VALUE_LIMIT", "16384", "largest resource value in bytes, 4096 to 65535"),
    variable("SAPT_REPLY_FORMAT", "sapt", "sapt, or jsonrpc for plain JSON-RPC 2.0 responses"),
    variable(
        "SAPT_CONTROL_SOCKET",
        CONTROL_SOCKET,
        "where sapt health and sapt call reach the running translator; its directory is made",
    ),
    variable("SAPT_LOG_LEVEL", "INFO,ERROR", "comma list of ERROR, WARN, INFO, DEBUG, TRACE"),
];

/// A variable that is wrong, and why. Never holds a secret's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What is wrong with it and what to do.
    pub reason: String,
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.0
            .iter()
            .try_for_each(|Problem { variable, reason }| write!(f, "\n  {variable}: {reason}"))
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Reads the configuration; `lookup` tells a variable's value. An empty one counts as not set.
    pub fn from_environment(lookup: Lookup<'_>) -> Result<Self, Problems> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let device_name = reader.parsed("SAPT_PT_DEVICE_NAME", DeviceName::parse);
        let config = Self {
            device_name: device_name.unwrap_or_else(default_device_name),
            edge_socket: reader.path("SAPT_EDGE_SOCKET", "/tmp/edge.sock"),
            agent: reader.agent_address(),
            roots: reader.parsed("SAPT_CA_BUNDLE", roots).unwrap_or_default(),
            network: reader.network(),
            models_path: reader.path("SAPT_MODELS_PATH", "/models"),
            model_max_bytes: reader.parsed("SAPT_MODEL_MAX_BYTES", bytes).unwrap_or(64 << 30),
            keep_versions: reader.parsed("SAPT_KEEP_VERSIONS", versions).unwrap_or(1),
            restore: reader.parsed("SAPT_RESTORE", flag).unwrap_or(true),
            sync_window: reader.parsed("SAPT_SYNC_WINDOW_S", seconds).unwrap_or(SYNC_WINDOW),
            value_limit: reader.parsed("SAPT_VALUE_LIMIT", value_limit).unwrap_or(16 * 1024),
            reply_format: reader.parsed("SAPT_REPLY_FORMAT", reply_format).unwrap_or_default(),
            control_socket: reader.control_socket(),
            log_levels: reader.parsed("SAPT_LOG_LEVEL", Levels::parse).unwrap_or_default(),
            persist: reader.parsed("SAPT_PERSIST_CONFIG", flag).unwrap_or(false),
            storage: reader.storage(),
        };
        if reader.problems.is_empty() { Ok(config) } else { Err(Problems(reader.problems)) }
    }

    /// Where what the cloud configured is kept: below the models directory, which outlives the process.
    pub fn persisted_path(&self) -> PathBuf {
        self.models_path.join(".sapt").join("config.json")
    }

    /// Reads only where the control socket is.
    pub fn control_socket(lookup: Lookup<'_>) -> Result<PathBuf, Problems> {
        let mut reader = Reader { lookup, problems: Vec::new() };
        let path = reader.control_socket();
        if reader.problems.is_empty() { Ok(path) } else { Err(Problems(reader.problems)) }
    }
}

/// Tells a variable's value.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A variable of this process's environment.
pub fn process_environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

const CONTROL_SOCKET: &str = "/run/sapt/control.sock";

/// What the configuration, the status and the health always fit into.
const SMALLEST_LIMIT: usize = 4096;

const SYNC_WINDOW: Duration = Duration::from_secs(8);

pub(super) struct Reader<'a> {
    lookup: Lookup<'a>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    pub(super) fn text(&mut self, variable: &'static str) -> Option<String> {
        let value = (self.lookup)(variable).filter(|value| !value.is_empty())?;
        let problem = match value.into_string() {
            Err(_) => "is not UTF-8",
            Ok(text) if is_placeholder(&text) => {
                "still holds the placeholder of the template: set it, or leave it out"
            }
            Ok(text) => return Some(text),
        };
        self.problem(variable, problem);
        None
    }

    pub(super) fn parsed<T>(
        &mut self,
        variable: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(variable)?;
        parse(&text).map_err(|reason| self.problem(variable, reason)).ok()
    }

    fn path(&mut self, variable: &'static str, default: &str) -> PathBuf {
        self.parsed(variable, absolute).unwrap_or_else(|| PathBuf::from(default))
    }

    fn control_socket(&mut self) -> PathBuf {
        self.path("SAPT_CONTROL_SOCKET", CONTROL_SOCKET)
    }

    fn agent_address(&mut self) -> Address {
        let given = self.parsed("SAPT_AGENT_ADDRESS", |text| {
            Address::parse(text).map_err(|error| error.to_string())
        });
        let socket = self.path("SAPT_SAGE_SOCKET_FILE", "/tmp/sagemaker_edge_agent_example.sock");
        let port = self.parsed("SAPT_MAP_PORT", |text| match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err("must be a port, 1 to 65535".to_owned()),
        });
        let default = match port {
            Some(port) => Address::UnixOrLocalPort { socket, port },
            None => Address::Unix(socket),
        };
        given.unwrap_or(default)
    }

    fn storage(&mut self) -> Storage {
        let region = self.parsed("SAPT_AWS_REGION", |text| {
            Region::parse(text).map_err(|error| error.to_string())
        });
        Storage {
            region: region.unwrap_or_default(),
            endpoint: self.endpoint(),
            bucket_owner: self.bucket_owner(),
            bucket: self.parsed("SAPT_AWS_S3_BUCKET", |text| {
                Bucket::parse(text).map_err(|error| error.to_string())
            }),
            models_directory: self.parsed("SAPT_AWS_S3_MODELS_DIR", directory),
            data_directory: self.parsed("SAPT_AWS_S3_DATA_DIR", directory),
            credentials: self.credentials(),
        }
    }

    pub(super) fn problem(&mut self, variable: &'static str, reason: impl Into<String>) {
        self.problems.push(Problem { variable, reason: reason.into() });
    }
}

/// The templates' values that are to be replaced, such as `AWS_ACCESS_KEY_GOES_HERE` and
/// `YOUR_S3_DIR_WHERE_SAGEMAKER_SAVES_COMPILED_MODELS`.
pub(crate) fn is_placeholder(text: &str) -> bool {
    text.ends_with("GOES_HERE") || text.contains("S3_DIR_WHERE_SAGEMAKER_")
}

fn default_device_name() -> DeviceName {
    DeviceName("sagemaker-edge-agent".to_owned())
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("must be an absolute path".to_owned()) }
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=50.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be a number of seconds from 0 to 50".to_owned())
}

fn value_limit(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|bytes| (SMALLEST_LIMIT..=LARGEST_VALUE).contains(bytes)).ok_or_else(
        || format!("must be a number of bytes from {SMALLEST_LIMIT} to {LARGEST_VALUE}"),
    )
}

/// A number of bytes, or of thousands of them in powers of 1,024: `512M`.
fn bytes(text: &str) -> Result<u64, String> {
    let suffix = |unit: char| text.strip_suffix([unit, unit.to_ascii_lowercase()]);
    let units = ['K', 'M', 'G', 'T'].into_iter().zip([10, 20, 30, 40]);
    let (number, shift) =
        units.filter_map(|(unit, shift)| Some((suffix(unit)?, shift))).next().unwrap_or((text, 0));
    let digits = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
    let bytes = digits.then(|| number.parse::<u64>().ok()?.checked_mul(1 << shift)).flatten();
    bytes
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "must be a number of bytes, such as 1073741824, 512M or 8G".to_owned())
}

fn versions(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|versions| (0..=10).contains(versions))
        .ok_or_else(|| "must be a number from 0 to 10".to_owned())
}

/// Whether something that is off or on is on.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("must be 1 or 0".to_owned()),
    }
}

/// The authorities in a PEM file.
fn roots(path: &str) -> Result<Roots, String> {
    let pem = std::fs::read(path).map_err(|error| format!("cannot read {path}: {error}"))?;
    Roots::default().with_pem(&pem).map_err(|error| format!("{path}: {error}"))
}

fn reply_format(text: &str) -> Result<ReplyFormat, String> {
    match text {
        "sapt" => Ok(ReplyFormat::Sapt),
        "jsonrpc" => Ok(ReplyFormat::JsonRpc),
        _ => Err("must be sapt or jsonrpc".to_owned()),
    }
}

/// A directory in a bucket. Templates escape its slashes for a shell: `a\/b` is `a/b`.
pub(super) fn directory(text: &str) -> Result<String, String> {
    let directory = text.replace("\\/", "/");
    let directory = directory.trim_matches('/');
    if directory.len() > 900 {
        return Err("is longer than keys in S3 can be".to_owned());
    }
    Ok(directory.to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::config) fn read(variables: &[(&str, &str)]) -> Result<Config, Problems> {
        Config::from_environment(&|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    pub(in crate::config) fn problems(variables: &[(&str, &str)]) -> Vec<&'static str> {
        read(variables).unwrap_err().0.into_iter().map(|problem| problem.variable).collect()
    }

    #[test]
    fn nothing_set_is_a_whole_configuration() {
        let config = read(&[]).unwrap();
        assert_eq!(config.device_name.as_str(), "sagemaker-edge-agent");
        assert_eq!(config.device_name.device_id(), "sagemaker-edge-agent-0");
        assert_eq!(config.edge_socket, PathBuf::from("/tmp/edge.sock"));
        assert_eq!(config.sync_window, Duration::from_secs(8));
        assert_eq!(config.value_limit, 16_384);
        assert!(config.storage.credentials.is_none());
        let socket = PathBuf::from("/tmp/sagemaker_edge_agent_example.sock");
        assert_eq!(config.agent, Address::Unix(socket));
    }

    #[test]
    fn models() {
        let config = read(&[]).unwrap();
        assert_eq!((config.model_max_bytes, config.keep_versions), (64 << 30, 1));
        assert!(config.restore && !read(&[("SAPT_RESTORE", "0")]).unwrap().restore);
        for (text, bytes) in
            [("1", 1), ("1000", 1000), ("2k", 2048), ("512M", 512 << 20), ("3T", 3 << 40)]
        {
            let config = read(&[("SAPT_MODEL_MAX_BYTES", text)]).unwrap();
            assert_eq!(config.model_max_bytes, bytes, "{text}");
        }
        assert_eq!(read(&[("SAPT_KEEP_VERSIONS", "10")]).unwrap().keep_versions, 10);
    }

    #[test]
    fn escaped_slashes() {
        let escaped = [("SAPT_AWS_S3_MODELS_DIR", r"DEMO-Sagemaker-Edge\/compilation-output")];
        let storage = read(&escaped).unwrap().storage;
        assert_eq!(
            storage.models_directory.as_deref(),
            Some("DEMO-Sagemaker-Edge/compilation-output")
        );
    }

    #[test]
    fn a_mapped_port_stands_in_for_the_socket() {
        let config = read(&[("SAPT_MAP_PORT", "8383"), ("SAPT_SAGE_SOCKET_FILE", "/s")]).unwrap();
        let socket = PathBuf::from("/s");
        assert_eq!(config.agent, Address::UnixOrLocalPort { socket, port: 8383 });
    }

    #[test]
    fn placeholders_are_reported_together() {
        assert_eq!(
            problems(&[
                ("SAPT_AWS_REGION", "YOUR_AWS_REGION_GOES_HERE"),
                ("SAPT_AWS_S3_BUCKET", "AWS_SAGEMAKER_S3_BUCKET_GOES_HERE"),
                ("SAPT_AWS_S3_DATA_DIR", "S3_DIR_WHERE_SAGEMAKER_STORES_INPUT_AND_OUTPUT_DATA"),
                ("SAPT_AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY_GOES_HERE"),
                ("SAPT_AWS_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY_GOES_HERE"),
            ]),
            [
                "SAPT_AWS_REGION",
                "SAPT_AWS_S3_BUCKET",
                "SAPT_AWS_S3_DATA_DIR",
                "SAPT_AWS_ACCESS_KEY_ID",
                "SAPT_AWS_SECRET_ACCESS_KEY"
            ]
        );
    }

    #[test]
    fn every_variable_is_checked() {
        for (variable, value) in [
            ("SAPT_PT_DEVICE_NAME", "a/b"),
            ("SAPT_EDGE_SOCKET", "edge.sock"),
            ("SAPT_AGENT_ADDRESS", "http://x"),
            ("SAPT_SAGE_SOCKET_FILE", "x"),
            ("SAPT_MAP_PORT", "70000"),
            ("SAPT_MODELS_PATH", "models"),
            ("SAPT_MODEL_MAX_BYTES", "0"),
            ("SAPT_MODEL_MAX_BYTES", "G"),
            ("SAPT_MODEL_MAX_BYTES", "+1"),
            ("SAPT_MODEL_MAX_BYTES", "8GB"),
            ("SAPT_MODEL_MAX_BYTES", "99999999T"),
            ("SAPT_KEEP_VERSIONS", "11"),
            ("SAPT_KEEP_VERSIONS", "-1"),
            ("SAPT_RESTORE", "yes"),
            ("SAPT_CA_BUNDLE", "/nowhere/at-all.pem"),
            ("SAPT_AWS_REGION", "us east"),
            ("SAPT_AWS_S3_BUCKET", "a/b"),
            ("SAPT_AWS_ENDPOINT_URL", "ftp://x"),
            ("SAPT_SYNC_WINDOW_S", "60"),
            ("SAPT_SYNC_WINDOW_S", "NaN"),
            ("SAPT_VALUE_LIMIT", "70000"),
            ("SAPT_VALUE_LIMIT", "4095"),
            ("SAPT_REPLY_FORMAT", "xml"),
            ("SAPT_CONTROL_SOCKET", "control.sock"),
            ("SAPT_LOG_LEVEL", "LOUD"),
            ("SAPT_PERSIST_CONFIG", "yes"),
        ] {
            assert_eq!(problems(&[(variable, value)]), [variable], "{value}");
        }
    }

    #[test]
    fn the_list_of_variables_is_complete() {
        for Variable { name, .. } in VARIABLES {
            assert!(problems(&[(name, "X_GOES_HERE")]).contains(name), "{name}");
        }
    }
}
