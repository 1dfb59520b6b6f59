//! The configuration file: JSON with the vendor agent's `sagemaker_edge_*` keys.

use std::fmt;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::arguments::Address;

/// What the file configures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// `sagemaker_edge_core_device_name`, else `sagemaker_edge_core_device_uuid`.
    pub device: String,
    /// `sagemaker_edge_core_device_fleet_name`.
    pub fleet: String,
    /// Where captured data goes.
    pub capture: CaptureConfiguration,
    /// `sagemaker_edge_log_verbose`: a line for every call.
    pub verbose: bool,
    /// What an operator should know of settings that this agent has no use for.
    pub remarks: Vec<String>,
}

/// How data is captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureConfiguration {
    /// `sagemaker_edge_core_capture_data_destination`, with the path for `Disk`.
    pub destination: Destination,
    /// `sagemaker_edge_core_capture_data_buffer_size`: the most captures that wait to be written.
    pub buffer_size: usize,
    /// `sagemaker_edge_core_capture_data_batch_size`: as many are written together.
    pub batch_size: usize,
    /// `sagemaker_edge_core_capture_data_push_period_seconds`: fewer are written after this time.
    pub push_period: Duration,
    /// `sagemaker_edge_core_capture_data_base64_embed_limit`: bytes; what is larger becomes a file
    /// of its own.
    pub embed_limit: usize,
}

/// Where captured data goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Below this directory: `sagemaker_edge_core_capture_data_disk_path` joined with
    /// `sagemaker_edge_core_folder_prefix`.
    Disk(PathBuf),
    /// To a cloud that this agent never talks to: every capture is refused.
    Cloud,
}

/// Longest name of a device or fleet.
const NAME_LIMIT: usize = 63;
const REGION_LIMIT: usize = 15;
/// 3 KiB, 4 KiB in base64: the vendor's default and maximum.
const EMBED_LIMIT: u64 = 3072;

/// Keys of the vendor's agent that configure what this one does not do.
const WITHOUT_EFFECT: [&str; 10] = [
    "sagemaker_edge_core_iot_thing_name",
    "sagemaker_edge_core_endpoint_override",
    "sagemaker_edge_core_capture_data_periodic_upload",
    "sagemaker_edge_core_capture_data_periodic_upload_period_seconds",
    "sagemaker_edge_core_root_certs_path",
    "sagemaker_edge_provider_aws_ca_cert_file",
    "sagemaker_edge_provider_aws_cert_file",
    "sagemaker_edge_provider_aws_cert_pk_file",
    "sagemaker_edge_provider_aws_iot_cred_endpoint",
    "sagemaker_edge_telemetry_libsystemd_path",
];

const USED: [&str; 15] = [
    "sagemaker_edge_core_device_uuid",
    "sagemaker_edge_core_device_name",
    "sagemaker_edge_core_device_fleet_name",
    "sagemaker_edge_core_region",
    "sagemaker_edge_provider_provider",
    "sagemaker_edge_provider_provider_path",
    "sagemaker_edge_provider_s3_bucket_name",
    "sagemaker_edge_core_folder_prefix",
    "sagemaker_edge_core_capture_data_destination",
    "sagemaker_edge_core_capture_data_disk_path",
    "sagemaker_edge_core_capture_data_buffer_size",
    "sagemaker_edge_core_capture_data_batch_size",
    "sagemaker_edge_core_capture_data_push_period_seconds",
    "sagemaker_edge_core_capture_data_base64_embed_limit",
    "sagemaker_edge_log_verbose",
];

impl Configuration {
    /// Without a file: captures go to disk as they come, into a directory beside the socket.
    pub fn standard(address: &Address) -> Self {
        let directory = match address {
            Address::Unix(socket) => {
                let mut directory = socket.clone().into_os_string();
                directory.push(".capture");
                directory.into()
            }
            Address::Tcp(..) => std::env::temp_dir().join("sapt-agent.capture"),
        };
        Self {
            device: "device".to_owned(),
            fleet: "fleet".to_owned(),
            capture: CaptureConfiguration {
                destination: Destination::Disk(directory),
                buffer_size: 30,
                batch_size: 1,
                push_period: Duration::from_secs(4),
                embed_limit: EMBED_LIMIT as usize,
            },
            verbose: false,
            remarks: Vec::new(),
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        let text = std::fs::read(path)
            .map_err(|error| ConfigurationError::Unreadable(path.into(), error))?;
        let value = serde_json::from_slice(&text)
            .map_err(|error| ConfigurationError::NotJson(path.into(), error))?;
        let Value::Object(object) = value else {
            return Err(ConfigurationError::NotAnObject(path.into()));
        };
        Self::from_object(&object)
            .map_err(|problems| ConfigurationError::Invalid(path.into(), problems))
    }

    /// Takes every setting, or tells every problem.
    fn from_object(object: &Map<String, Value>) -> Result<Self, Vec<Problem>> {
        let mut settings = Settings { object, problems: Vec::new() };
        let device = settings.device();
        let fleet = settings.fleet();
        settings.text("sagemaker_edge_core_region", REGION_LIMIT);
        let remarks = settings.provider().into_iter().chain(settings.unused());
        let remarks = remarks.collect();
        let capture = settings.capture();
        let verbose = settings.flag("sagemaker_edge_log_verbose");
        match (device, fleet, capture, settings.problems.is_empty()) {
            (Some(device), Some(fleet), Some(capture), true) => {
                Ok(Self { device, fleet, capture, verbose, remarks })
            }
            _ => Err(settings.problems),
        }
    }
}

/// Reads settings and collects what is wrong with them.
struct Settings<'a> {
    object: &'a Map<String, Value>,
    problems: Vec<Problem>,
}

impl Settings<'_> {
    fn device(&mut self) -> Option<String> {
        let uuid = self.text("sagemaker_edge_core_device_uuid", NAME_LIMIT);
        let name = self.text("sagemaker_edge_core_device_name", NAME_LIMIT);
        let device = name.or(uuid);
        let given = |key| self.object.contains_key(key);
        if device.is_none()
            && !given("sagemaker_edge_core_device_name")
            && !given("sagemaker_edge_core_device_uuid")
        {
            self.problem(
                "sagemaker_edge_core_device_name",
                "is missing, and so is sagemaker_edge_core_device_uuid: set one of them",
            );
        }
        device
    }

    fn fleet(&mut self) -> Option<String> {
        const KEY: &str = "sagemaker_edge_core_device_fleet_name";
        let fleet = self.required(KEY, NAME_LIMIT)?;
        // It becomes a directory.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if fleet.bytes().all(plain) {
            Some(fleet)
        } else {
            self.problem(KEY, format!("is {fleet:?}: use letters, digits, - and _"));
            None
        }
    }

    /// Checks the settings of the cloud provider; returns a remark if there is one.
    fn provider(&mut self) -> Option<String> {
        const KEY: &str = "sagemaker_edge_provider_provider";
        let provider = self.choice(KEY, &["None", "Aws", "Custom"], "None")?;
        self.text("sagemaker_edge_provider_provider_path", usize::MAX);
        const BUCKET: &str = "sagemaker_edge_provider_s3_bucket_name";
        if let Some(bucket) = self.text(BUCKET, NAME_LIMIT)
            && !bucket.contains("sagemaker")
        {
            self.problem(BUCKET, format!("is {bucket:?}: it must contain \"sagemaker\""));
        }
        (provider != "None")
            .then(|| format!("{KEY} is {provider}: this agent never talks to a cloud"))
    }

    /// Remarks on keys that do nothing here.
    fn unused(&self) -> Vec<String> {
        self.object
            .keys()
            .filter(|key| !USED.contains(&key.as_str()))
            .map(|key| {
                if WITHOUT_EFFECT.contains(&key.as_str()) {
                    format!("{key} has no effect in this agent")
                } else {
                    format!("{key:?} is not a known key, and is ignored")
                }
            })
            .collect()
    }

    fn capture(&mut self) -> Option<CaptureConfiguration> {
        const DESTINATION: &str = "sagemaker_edge_core_capture_data_destination";
        const DISK_PATH: &str = "sagemaker_edge_core_capture_data_disk_path";
        const BUFFER: &str = "sagemaker_edge_core_capture_data_buffer_size";
        const BATCH: &str = "sagemaker_edge_core_capture_data_batch_size";

        let prefix = self.folder_prefix();
        let destination = self.choice(DESTINATION, &["Disk", "Cloud"], "Disk");
        let destination = match destination {
            Some("Disk") => self.required(DISK_PATH, usize::MAX).and_then(|path| {
                let path = PathBuf::from(path);
                if !path.is_absolute() {
                    self.problem(DISK_PATH, format!("is {path:?}: use an absolute path"));
                    return None;
                }
                Some(Destination::Disk(path.join(prefix.unwrap_or_default())))
            }),
            Some(_) => {
                self.text(DISK_PATH, usize::MAX);
                Some(Destination::Cloud)
            }
            None => None,
        };
        let buffer_size = self.count(BUFFER, 2..=65_536, 30);
        let batch_size = self.count(BATCH, 1..=65_535, 1);
        let push_period =
            self.count("sagemaker_edge_core_capture_data_push_period_seconds", 1..=86_400, 4);
        let embed_limit = self.count(
            "sagemaker_edge_core_capture_data_base64_embed_limit",
            0..=EMBED_LIMIT,
            EMBED_LIMIT,
        );
        if let (Some(buffer), Some(batch)) = (buffer_size, batch_size)
            && batch >= buffer
        {
            self.problem(BATCH, format!("is {batch}: it must be less than {BUFFER}, {buffer}"));
        }
        Some(CaptureConfiguration {
            destination: destination?,
            buffer_size: usize::try_from(buffer_size?).ok()?,
            batch_size: usize::try_from(batch_size?).ok()?,
            push_period: Duration::from_secs(push_period?),
            embed_limit: usize::try_from(embed_limit?).ok()?,
        })
    }

    fn folder_prefix(&mut self) -> Option<PathBuf> {
        const KEY: &str = "sagemaker_edge_core_folder_prefix";
        let prefix = PathBuf::from(self.text(KEY, usize::MAX)?);
        let below = |component| matches!(component, Component::Normal(_) | Component::CurDir);
        if prefix.components().all(below) {
            Some(prefix)
        } else {
            self.problem(KEY, format!("is {prefix:?}: use a relative path without .."));
            None
        }
    }

    /// A text that may be missing, at most `limit` characters long.
    fn text(&mut self, key: &'static str, limit: usize) -> Option<String> {
        match self.object.get(key)? {
            Value::String(text) if text.is_empty() => {
                self.problem(key, "is empty");
                None
            }
            Value::String(text) if text.chars().count() > limit => {
                self.problem(
                    key,
                    format!("has {} characters: at most {limit}", text.chars().count()),
                );
                None
            }
            Value::String(text) => Some(text.clone()),
            other => {
                self.problem(key, format!("is {other}: it must be a string"));
                None
            }
        }
    }

    fn required(&mut self, key: &'static str, limit: usize) -> Option<String> {
        if !self.object.contains_key(key) {
            self.problem(key, "is missing");
        }
        self.text(key, limit)
    }

    fn choice(
        &mut self,
        key: &'static str,
        choices: &[&'static str],
        default: &'static str,
    ) -> Option<&'static str> {
        if !self.object.contains_key(key) {
            return Some(default);
        }
        let text = self.text(key, usize::MAX)?;
        let chosen = choices.iter().find(|choice| **choice == text);
        if chosen.is_none() {
            self.problem(key, format!("is {text:?}: use {}", choices.join(", ")));
        }
        chosen.copied()
    }

    fn count(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
        default: u64,
    ) -> Option<u64> {
        let Some(value) = self.object.get(key) else {
            return Some(default);
        };
        let count = value.as_u64().filter(|count| range.contains(count));
        if count.is_none() {
            let (least, most) = range.into_inner();
            self.problem(
                key,
                format!("is {value}: it must be a whole number from {least} to {most}"),
            );
        }
        count
    }

    fn flag(&mut self, key: &'static str) -> bool {
        match self.object.get(key) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                self.problem(key, format!("is {other}: it must be true or false"));
                false
            }
        }
    }

    fn problem(&mut self, key: &'static str, what: impl Into<String>) {
        self.problems.push(Problem { key, what: what.into() });
    }
}

/// What is wrong with one setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    key: &'static str,
    what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.what)
    }
}

/// The configuration file cannot be used.
#[derive(Debug)]
pub enum ConfigurationError {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// The file is not JSON.
    NotJson(PathBuf, serde_json::Error),
    /// The file is JSON, but not an object.
    NotAnObject(PathBuf),
    /// All settings that are wrong.
    Invalid(PathBuf, Vec<Problem>),
}

impl fmt::Display for ConfigurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("configuration ")?;
        match self {
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotJson(path, error) => write!(f, "{} is not JSON: {error}", path.display()),
            Self::NotAnObject(path) => write!(f, "{} is not a JSON object", path.display()),
            Self::Invalid(path, problems) => {
                write!(f, "{}:", path.display())?;
                problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
            }
        }
    }
}

impl std::error::Error for ConfigurationError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreadable(_, error) => Some(error),
            Self::NotJson(_, error) => Some(error),
            Self::NotAnObject(_) | Self::Invalid(..) => None,
        }
    }
}

#[cfg(test)]
#[path = "configuration_tests.rs"]
mod tests;
