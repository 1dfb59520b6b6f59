//! The agent's configuration, `neo_config.json`, and its limits. Pure.

use std::path::{Component, Path};

use miniserde::json::to_string;

use super::variables::Variables;
use super::{Problem, set};
use crate::config::{Config, is_placeholder};

/// What a setting may be.
enum Kind {
    /// At most so many characters.
    Text(usize),
    /// Letters, digits, `-` and `_`, at most 63.
    Name,
    /// Absolute.
    Path,
    /// Relative, and stays below.
    Prefix,
    /// One of these, between blanks.
    Choice(&'static str),
    /// A whole number from and to.
    Count(u32, u32),
    /// `true` or `false`.
    Flag,
}

const PROVIDER: &str = "sagemaker_edge_provider_provider";
const PROVIDER_PATH: &str = "sagemaker_edge_provider_provider_path";
const BUCKET: &str = "sagemaker_edge_provider_s3_bucket_name";
const DESTINATION: &str = "sagemaker_edge_core_capture_data_destination";
const BUFFER: &str = "sagemaker_edge_core_capture_data_buffer_size";
const BATCH: &str = "sagemaker_edge_core_capture_data_batch_size";

/// Its keys, in the order in which they are written, and what holds where they are not set.
const SETTINGS: [(&str, Kind, &str); 24] = [
    ("sagemaker_edge_core_device_name", Kind::Text(63), ""),
    ("sagemaker_edge_core_device_uuid", Kind::Text(63), ""),
    ("sagemaker_edge_core_device_fleet_name", Kind::Name, "gateways"),
    ("sagemaker_edge_core_iot_thing_name", Kind::Text(128), ""),
    ("sagemaker_edge_core_region", Kind::Text(15), ""),
    ("sagemaker_edge_core_endpoint_override", Kind::Text(1024), ""),
    ("sagemaker_edge_core_root_certs_path", Kind::Path, ""),
    (PROVIDER, Kind::Choice("None Aws Custom"), "None"),
    (PROVIDER_PATH, Kind::Path, ""),
    ("sagemaker_edge_provider_aws_ca_cert_file", Kind::Path, ""),
    ("sagemaker_edge_provider_aws_cert_file", Kind::Path, ""),
    ("sagemaker_edge_provider_aws_cert_pk_file", Kind::Path, ""),
    ("sagemaker_edge_provider_aws_iot_cred_endpoint", Kind::Text(1024), ""),
    (BUCKET, Kind::Text(63), ""),
    ("sagemaker_edge_core_folder_prefix", Kind::Prefix, "captured"),
    (DESTINATION, Kind::Choice("Disk Cloud"), "Disk"),
    ("sagemaker_edge_core_capture_data_disk_path", Kind::Path, ""),
    (BUFFER, Kind::Count(2, 65_536), "30"),
    (BATCH, Kind::Count(1, 65_535), "10"),
    ("sagemaker_edge_core_capture_data_push_period_seconds", Kind::Count(1, 86_400), "4"),
    ("sagemaker_edge_core_capture_data_base64_embed_limit", Kind::Count(0, 3072), "3072"),
    ("sagemaker_edge_core_capture_data_periodic_upload", Kind::Flag, ""),
    ("sagemaker_edge_telemetry_libsystemd_path", Kind::Path, ""),
    ("sagemaker_edge_log_verbose", Kind::Flag, "false"),
];

/// Whether the agent has a setting that this variable sets.
pub(super) fn is_setting(variable: &str) -> bool {
    SETTINGS.iter().any(|(key, ..)| key.eq_ignore_ascii_case(variable))
}

/// The configuration as JSON. Where there are problems it is not to be used.
pub(super) fn configuration(
    variables: &Variables,
    config: &Config,
    problems: &mut Vec<Problem>,
) -> String {
    let models = config.models_path.to_string_lossy();
    let given = |key: &str| variables.value(&key.to_ascii_uppercase()).map(str::to_owned);
    let to_cloud = given(DESTINATION).is_some_and(|destination| destination == "Cloud");
    let mut settings: Vec<(&str, String)> = Vec::new();
    for (key, kind, default) in &SETTINGS {
        let made = || match *key {
            "sagemaker_edge_core_device_name" => config.device_name.as_str().to_owned(),
            "sagemaker_edge_core_region" => config.storage.region.as_str().to_owned(),
            "sagemaker_edge_core_root_certs_path" => format!("{models}/aws/certs"),
            "sagemaker_edge_core_capture_data_disk_path" => format!("{models}/data"),
            // To the disk it goes without one, and any other one is refused.
            BUCKET => match &config.storage.bucket {
                Some(bucket) if to_cloud || bucket.as_str().contains("sagemaker") => {
                    bucket.as_str().to_owned()
                }
                _ => String::new(),
            },
            _ => (*default).to_owned(),
        };
        let is_given = given(key).is_some();
        let value = given(key).unwrap_or_else(made);
        if value.is_empty() {
            continue;
        }
        match checked(kind, &value) {
            Ok(json) => settings.push((key, json)),
            Err(reason) => {
                let hint = if is_given { "" } else { " (it is made of others: set it by itself)" };
                problems.push(set(variables, &key.to_ascii_uppercase(), reason + hint));
            }
        }
    }
    let json =
        |key| settings.iter().find(|(known, _)| *known == key).map(|(_, json)| json.as_str());
    for (key, reason) in together(&json, to_cloud) {
        problems.push(set(variables, &key.to_ascii_uppercase(), reason.to_owned()));
    }
    let lines: Vec<String> =
        settings.iter().map(|(key, json)| format!("  \"{key}\": {json}")).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// The value as JSON.
fn checked(kind: &Kind, value: &str) -> Result<String, String> {
    if is_placeholder(value) {
        return Err("still holds the placeholder of the template".to_owned());
    }
    let length = value.chars().count();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let below = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    let (holds, wanted) = match kind {
        Kind::Text(most) => {
            if length > *most {
                return Err(format!("has {length} characters; it may have {most}"));
            }
            (true, "")
        }
        Kind::Name => {
            (length <= 63 && value.bytes().all(plain), "must have 1 to 63 letters, digits, - and _")
        }
        Kind::Path => (value.starts_with('/'), "must be an absolute path"),
        Kind::Prefix => {
            (Path::new(value).components().all(below), "must be a relative path without ..")
        }
        Kind::Choice(choices) => {
            if !choices.split(' ').any(|choice| choice == value) {
                return Err(format!("must be one of: {choices}"));
            }
            (true, "")
        }
        Kind::Count(least, most) => {
            return match value.parse() {
                Ok(count) if (*least..=*most).contains(&count) => Ok(count.to_string()),
                _ => Err(format!("must be a whole number from {least} to {most}")),
            };
        }
        Kind::Flag => match value {
            "true" | "1" => return Ok("true".to_owned()),
            "false" | "0" => return Ok("false".to_owned()),
            _ => (false, "must be true or false"),
        },
    };
    if holds { Ok(to_string(value)) } else { Err(wanted.to_owned()) }
}

/// What does not go together: the setting, and why.
fn together<'a>(
    json: &impl Fn(&'static str) -> Option<&'a str>,
    to_cloud: bool,
) -> Vec<(&'static str, &'static str)> {
    let mut wrong = Vec::new();
    let count = |key| json(key).and_then(|json| json.parse::<u32>().ok());
    if let (Some(batch), Some(buffer)) = (count(BATCH), count(BUFFER))
        && batch >= buffer
    {
        wrong.push((BATCH, "must be less than SAGEMAKER_EDGE_CORE_CAPTURE_DATA_BUFFER_SIZE"));
    }
    match json(BUCKET) {
        Some(bucket) if !bucket.contains("sagemaker") => {
            wrong.push((BUCKET, "must contain \"sagemaker\": the agent takes no other bucket"));
        }
        None if to_cloud => wrong.push((BUCKET, "is missing, and captured data goes to the cloud")),
        _ => {}
    }
    let provider = json(PROVIDER).is_some_and(|provider| provider != "\"None\"");
    if provider && json(PROVIDER_PATH).is_none() {
        wrong.push((PROVIDER_PATH, "is missing, and SAGEMAKER_EDGE_PROVIDER_PROVIDER is not None"));
    }
    if to_cloud && !provider {
        wrong.push((
            DESTINATION,
            "is Cloud, which takes a provider: set \
                     SAGEMAKER_EDGE_PROVIDER_PROVIDER too, or Disk here",
        ));
    }
    wrong
}

#[cfg(test)]
#[path = "agent_tests.rs"]
mod tests;
