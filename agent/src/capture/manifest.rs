//! The manifest of a capture: one line of JSON, with the keys that the vendor's agent writes.

use serde::Serialize;

/// A capture with all of its data, or where the data is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest<'a> {
    pub(super) event_version: &'static str,
    pub(super) event_metadata: EventMetadata<'a>,
    pub(super) device_fleet_inputs: Vec<Entry<'a>>,
    pub(super) device_fleet_outputs: Vec<Entry<'a>>,
    pub(super) device_fleet_auxiliary_inputs: Vec<Entry<'a>>,
    pub(super) device_fleet_auxiliary_outputs: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventMetadata<'a> {
    pub(super) device_id: &'a str,
    pub(super) device_fleet_name: &'a str,
    /// The capture's id.
    pub(super) event_id: String,
    /// UTC, `2023-05-31T20:05:24`.
    pub(super) inference_time: String,
    pub(super) model_name: &'a str,
}

/// A tensor, or auxiliary data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry<'a> {
    pub(super) name: String,
    /// `Input` or `Output`.
    pub(super) mode: &'static str,
    /// What the bytes are: `csv`, `json`, `base64` or `octet-stream`.
    pub(super) observed_content_type: &'static str,
    /// Of tensors: `FLOAT32` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data_type: Option<&'static str>,
    /// Of tensors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) shape: Option<&'a [i32]>,
    /// `BASE64` with `data`, `NONE` with `data-ref`.
    pub(super) encoding: &'static str,
    #[serde(flatten)]
    pub(super) content: Content,
}

#[derive(Debug, Serialize)]
pub(super) enum Content {
    /// The bytes in base64.
    #[serde(rename = "data")]
    Embedded(String),
    /// A `file://` URL of the bytes.
    #[serde(rename = "data-ref")]
    File(String),
}
