//! The agent's configuration, `neo_config.json`, and its limits. Pure.

use std::path::{Component, Path};

use miniserde::json::to_string;

use super::Problems;
use crate::config::{Config, is_placeholder};

/// What all its keys begin with.
const PREFIX: &str = "sagemaker_edge_";

/// Its keys in the order in which they are written, each with what it may be, and what holds where it
/// is not set. One text, as a table of them would be three times as large in the program.
const SETTINGS: &str = "\
core_device_name text:63
core_device_uuid text:63
core_device_fleet_name name gateways
core_iot_thing_name text:128
core_region text:15
core_endpoint_override text:1024
core_root_certs_path path
provider_provider None|Aws|Custom None
provider_provider_path path
provider_aws_ca_cert_file path
provider_aws_cert_file path
provider_aws_cert_pk_file path
provider_aws_iot_cred_endpoint text:1024
provider_s3_bucket_name text:63
core_folder_prefix below captured
core_capture_data_destination Disk|Cloud Disk
core_capture_data_disk_path path
core_capture_data_buffer_size 2..65536 30
core_capture_data_batch_size 1..65535 10
core_capture_data_push_period_seconds 1..86400 4
core_capture_data_base64_embed_limit 0..3072 3072
core_capture_data_periodic_upload true|false
telemetry_libsystemd_path path
log_verbose true|false false";

const PROVIDER: &str = "provider_provider";
const PROVIDER_PATH: &str = "provider_provider_path";
const BUCKET: &str = "provider_s3_bucket_name";
const DESTINATION: &str = "core_capture_data_destination";
const BUFFER: &str = "core_capture_data_buffer_size";
const BATCH: &str = "core_capture_data_batch_size";

/// Key, kind and default of each.
fn settings() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SETTINGS.lines().map(|line| {
        let (key, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (kind, default) = rest.split_once(' ').unwrap_or((rest, ""));
        (key, kind, default)
    })
}

/// The variable that sets a key.
fn variable(key: &str) -> String {
    [PREFIX, key].concat().to_ascii_uppercase()
}

/// Whether the agent has a setting that this variable sets.
pub(super) fn is_setting(name: &str) -> bool {
    settings().any(|(key, ..)| variable(key) == name)
}

/// The configuration as JSON. Where there are problems it is not to be used.
pub(super) fn configuration(config: &Config, problems: &mut Problems<'_>) -> String {
    let variables = problems.variables;
    let models = config.models_path.to_string_lossy();
    let to_cloud = variables.value(&variable(DESTINATION)) == Some("Cloud");
    let mut values: Vec<(&str, String)> = Vec::new();
    let mut json = String::from("{");
    for (key, kind, default) in settings() {
        let given = variables.value(&variable(key));
        let value = match (given, key) {
            (Some(given), _) => given.to_owned(),
            (None, "core_device_name") => config.device_name.as_str().to_owned(),
            (None, "core_region") => config.storage.region.as_str().to_owned(),
            (None, "core_root_certs_path") => [&*models, "/aws/certs"].concat(),
            (None, "core_capture_data_disk_path") => [&*models, "/data"].concat(),
            (None, BUCKET) => {
                let bucket = config.storage.bucket.as_ref().map_or("", |bucket| bucket.as_str());
                // To the disk it goes without one, and any other one is refused.
                let counts = to_cloud || bucket.contains("sagemaker");
                if counts { bucket.to_owned() } else { String::new() }
            }
            (None, _) => default.to_owned(),
        };
        if value.is_empty() {
            continue;
        }
        if let Some(reason) = wrong(kind, &value) {
            let hint =
                if given.is_some() { "" } else { "; it is made of others: set it by itself" };
            problems.add(&variable(key), &(reason + hint));
            continue;
        }
        let bare = kind.contains("..") || kind == "true|false";
        let text = if bare { value.clone() } else { to_string(&value) };
        let comma = if values.is_empty() { "" } else { "," };
        json += &[comma, "\n  \"", PREFIX, key, "\": ", &text].concat();
        values.push((key, value));
    }
    for (key, reason) in together(&values, to_cloud) {
        problems.add(&variable(key), reason);
    }
    json + "\n}\n"
}

/// Why a value is none of this kind.
fn wrong(kind: &str, value: &str) -> Option<String> {
    let length = value.chars().count();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let (holds, wanted) = match kind {
        _ if is_placeholder(value) => (false, "must be set in place of the template's placeholder"),
        "name" => {
            (length <= 63 && value.bytes().all(plain), "must have 1 to 63 letters, digits, - and _")
        }
        "path" => (value.starts_with('/'), "must be an absolute path"),
        "below" => (Path::new(value).components().all(below), "must be a relative path without .."),
        _ => {
            if let Some(most) = kind.strip_prefix("text:") {
                let holds = most.parse().is_ok_and(|most: usize| length <= most);
                return (!holds).then(|| format!("has {length} characters; it may have {most}"));
            }
            if let Some((least, most)) = kind.split_once("..") {
                // As JSON has numbers.
                let number = |text: &str| {
                    let zero = text == "0" || !text.starts_with('0');
                    text.parse::<u32>().ok().filter(|_| zero && !text.starts_with('+'))
                };
                let (holds, least) = match (number(least), number(value), number(most)) {
                    (Some(from), Some(value), Some(to)) => ((from..=to).contains(&value), least),
                    _ => (false, least),
                };
                return (!holds).then(|| format!("must be a whole number from {least} to {most}"));
            }
            let holds = kind.split('|').any(|choice| choice == value);
            return (!holds).then(|| ["must be one of ", kind].concat());
        }
    };
    (!holds).then(|| wanted.to_owned())
}

/// What does not go together: the setting, and why.
fn together(values: &[(&str, String)], to_cloud: bool) -> Vec<(&'static str, &'static str)> {
    let value =
        |key| values.iter().find(|(known, _)| *known == key).map(|(_, value)| value.as_str());
    let count = |key| value(key).and_then(|value| value.parse::<u32>().ok());
    let mut wrong = Vec::new();
    if let (Some(batch), Some(buffer)) = (count(BATCH), count(BUFFER))
        && batch >= buffer
    {
        wrong.push((BATCH, "must be less than SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BUFFER_SIZE"));
    }
    match value(BUCKET) {
        Some(bucket) if !bucket.contains("sagemaker") => {
            wrong.push((BUCKET, "must contain \"sagemaker\": the agent takes no other bucket"));
        }
        None if to_cloud => wrong.push((BUCKET, "is missing, and captured data goes to the cloud")),
        _ => {}
    }
    let provider = value(PROVIDER).is_some_and(|provider| provider != "None");
    if provider && value(PROVIDER_PATH).is_none() {
        wrong.push((PROVIDER_PATH, "is missing, and SAGEMAKER_EDGE_PROVIDER_PROVIDER is not None"));
    }
    if to_cloud && !provider {
        wrong.push((
            DESTINATION,
            "is Cloud: set SAGEMAKER_EDGE_PROVIDER_PROVIDER too, or Disk here",
        ));
    }
    wrong
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
