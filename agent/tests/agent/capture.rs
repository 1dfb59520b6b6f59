//! CaptureData and GetCaptureDataStatus.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use data_encoding::BASE64;
use sapt_agent::wire::{
    AuxilaryData, CaptureDataRequest, CaptureDataStatus, DataType, Encoding,
    GetCaptureDataStatusRequest, Timestamp, auxilary_data,
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tract_onnx::pb::tensor_proto::DataType as Element;

use crate::graph::Graph;
use crate::running::{Agent, Client, load, tensor};

const FIRST: &str = "6f0f2b0e-2d2c-4a53-9d6c-000000000001";
const SECOND: &str = "6f0f2b0e-2d2c-4a53-9d6c-000000000002";
const THIRD: &str = "6f0f2b0e-2d2c-4a53-9d6c-000000000003";

/// 2023-05-31T20:05:24 UTC.
const TIME: Timestamp = Timestamp { seconds: 1_685_563_524, nanos: 0 };

fn request(id: &str) -> CaptureDataRequest {
    CaptureDataRequest {
        model_name: "m".to_owned(),
        capture_id: id.to_owned(),
        inference_timestamp: Some(TIME),
        ..CaptureDataRequest::default()
    }
}

fn auxiliary(name: &str, encoding: Encoding, data: &[u8]) -> AuxilaryData {
    AuxilaryData {
        name: name.to_owned(),
        encoding: encoding.into(),
        data: Some(auxilary_data::Data::ByteData(data.to_vec().into())),
    }
}

async fn with_model(settings: &[(&str, Value)]) -> (Agent, Client) {
    let agent = Agent::configured(settings);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Float, &[1]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    (agent, client)
}

async fn status(client: &mut Client, id: &str) -> Result<CaptureDataStatus, Status> {
    let request = GetCaptureDataStatusRequest { capture_id: id.to_owned() };
    let response = client.get_capture_data_status(request).await?;
    Ok(response.into_inner().status())
}

/// Asks until the capture is finished.
async fn finished(client: &mut Client, id: &str) -> CaptureDataStatus {
    loop {
        match status(client, id).await.unwrap() {
            CaptureDataStatus::InProgress => tokio::task::yield_now().await,
            finished => return finished,
        }
    }
}

fn directory(agent: &Path) -> PathBuf {
    agent.join("capture/prefix/fleet_1/m/2023/05/31/20")
}

fn files(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn manifest_and_tensors_are_written() {
    let limit = "sagemaker_edge_core_capture_data_base64_embed_limit";
    let (agent, mut client) = with_model(&[(limit, json!(4))]).await;
    let large = [1, 2, 3, 4, 5, 6, 7, 8];
    let capture = CaptureDataRequest {
        input_tensors: vec![tensor("x", DataType::Float32, &[1, 2], large)],
        output_tensors: vec![tensor("y", DataType::Uint8, &[4], *b"abcd")],
        inputs: vec![
            auxiliary("picture", Encoding::None, b"\x89PNG and more"),
            auxiliary("row", Encoding::Csv, b"1,2"),
        ],
        outputs: vec![
            auxiliary("label", Encoding::Json, b"{}"),
            auxiliary("mask", Encoding::Base64, b"AAAA"),
        ],
        ..request(FIRST)
    };
    client.capture_data(capture).await.unwrap();
    assert_eq!(finished(&mut client, FIRST).await, CaptureDataStatus::Success);

    let directory = directory(agent.path());
    assert_eq!(
        files(&directory),
        [
            format!("{FIRST}-auxiliary-input-0.bin"),
            format!("{FIRST}-input-0.bin"),
            format!("{FIRST}.jsonl"),
        ]
    );
    assert_eq!(fs::read(directory.join(format!("{FIRST}-input-0.bin"))).unwrap(), large);
    let text = fs::read_to_string(directory.join(format!("{FIRST}.jsonl"))).unwrap();
    assert_eq!(text.lines().count(), 1);
    let url = |kind| format!("file://{}/{FIRST}-{kind}-0.bin", directory.display());
    assert_eq!(
        serde_json::from_str::<Value>(&text).unwrap(),
        json!({
            "eventVersion": "0",
            "eventMetadata": {
                "deviceId": "gateway-1",
                "deviceFleetName": "fleet_1",
                "eventId": FIRST,
                "inferenceTime": "2023-05-31T20:05:24",
                "modelName": "m",
            },
            "deviceFleetInputs": [{
                "name": "x", "mode": "Input", "observedContentType": "octet-stream",
                "dataType": "FLOAT32", "shape": [1, 2],
                "encoding": "NONE", "data-ref": url("input"),
            }],
            "deviceFleetOutputs": [{
                "name": "y", "mode": "Output", "observedContentType": "octet-stream",
                "dataType": "UINT8", "shape": [4],
                "encoding": "BASE64", "data": BASE64.encode(b"abcd"),
            }],
            "deviceFleetAuxiliaryInputs": [
                {
                    "name": "picture", "mode": "Input", "observedContentType": "octet-stream",
                    "encoding": "NONE", "data-ref": url("auxiliary-input"),
                },
                {
                    "name": "row", "mode": "Input", "observedContentType": "csv",
                    "encoding": "BASE64", "data": BASE64.encode(b"1,2"),
                },
            ],
            "deviceFleetAuxiliaryOutputs": [
                {
                    "name": "label", "mode": "Output", "observedContentType": "json",
                    "encoding": "BASE64", "data": BASE64.encode(b"{}"),
                },
                {
                    "name": "mask", "mode": "Output", "observedContentType": "base64",
                    "encoding": "BASE64", "data": BASE64.encode(b"AAAA"),
                },
            ],
        })
    );
}

#[tokio::test]
async fn wrong_captures_are_refused_with_the_documented_codes() {
    let (agent, mut client) = with_model(&[]).await;
    let future = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
        + Duration::from_secs(3600);
    let future = Timestamp { seconds: future.as_secs().try_into().unwrap(), nanos: 0 };
    let nanos = Timestamp { nanos: -1, ..TIME };
    let unsized_tensor = tensor("x", DataType::Float32, &[2], vec![0; 7]);
    let no_data = AuxilaryData { data: None, ..auxiliary("a", Encoding::None, b"") };
    let no_encoding = AuxilaryData { encoding: 4, ..auxiliary("a", Encoding::None, b"") };
    for (capture, code, part) in [
        (request("not-a-uuid"), Code::InvalidArgument, "is not a UUID"),
        (
            CaptureDataRequest { model_name: "a b".to_owned(), ..request(FIRST) },
            Code::InvalidArgument,
            "is not a model name",
        ),
        (
            CaptureDataRequest { model_name: "missing".to_owned(), ..request(FIRST) },
            Code::NotFound,
            "model doesn't exist",
        ),
        (
            CaptureDataRequest { inference_timestamp: Some(future), ..request(FIRST) },
            Code::OutOfRange,
            "in the future",
        ),
        (
            CaptureDataRequest { inference_timestamp: Some(nanos), ..request(FIRST) },
            Code::InvalidArgument,
            "is not a time",
        ),
        (
            CaptureDataRequest { inference_timestamp: None, ..request(FIRST) },
            Code::InvalidArgument,
            "inference_timestamp is missing",
        ),
        (
            CaptureDataRequest { input_tensors: vec![unsized_tensor], ..request(FIRST) },
            Code::InvalidArgument,
            "need 8",
        ),
        (
            CaptureDataRequest { inputs: vec![no_data], ..request(FIRST) },
            Code::InvalidArgument,
            "neither byte_data",
        ),
        (
            CaptureDataRequest { outputs: vec![no_encoding], ..request(FIRST) },
            Code::InvalidArgument,
            "no encoding 4",
        ),
    ] {
        let refusal = client.capture_data(capture).await.unwrap_err();
        assert_eq!(refusal.code(), code, "{refusal}");
        assert!(refusal.message().contains(part), "{refusal}");
    }
    assert_eq!(status(&mut client, FIRST).await.unwrap(), CaptureDataStatus::NotFound);
    assert_eq!(status(&mut client, "x").await.unwrap_err().code(), Code::InvalidArgument);
    assert!(!agent.path().join("capture").exists());
}

#[tokio::test]
async fn an_id_is_taken_once() {
    let (_agent, mut client) = with_model(&[]).await;
    client.capture_data(request(FIRST)).await.unwrap();
    let refusal = client.capture_data(request(FIRST)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::AlreadyExists, "{refusal}");
    finished(&mut client, FIRST).await;
    let refusal = client.capture_data(request(FIRST)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::AlreadyExists, "{refusal}");
}

#[tokio::test]
async fn a_full_ring_refuses_and_a_full_batch_is_written() {
    let (agent, mut client) = with_model(&[
        ("sagemaker_edge_core_capture_data_buffer_size", json!(2)),
        ("sagemaker_edge_core_capture_data_batch_size", json!(1)),
    ])
    .await;
    // The first file's temporary name is a pipe that nobody reads: writing waits.
    let directory = directory(agent.path());
    fs::create_dir_all(&directory).unwrap();
    let pipe = directory.join(format!(".{FIRST}.jsonl.tmp"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    client.capture_data(request(FIRST)).await.unwrap();
    client.capture_data(request(SECOND)).await.unwrap();
    let refusal = client.capture_data(request(THIRD)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal}");
    assert_eq!(status(&mut client, FIRST).await.unwrap(), CaptureDataStatus::InProgress);
    assert_eq!(status(&mut client, SECOND).await.unwrap(), CaptureDataStatus::InProgress);
    assert_eq!(status(&mut client, THIRD).await.unwrap(), CaptureDataStatus::NotFound);

    // The reader of the pipe lets the writer go on; a pipe cannot be synced, so that it fails.
    let content = fs::read(&pipe).unwrap();
    assert!(content.starts_with(b"{\"eventVersion\""));
    assert_eq!(finished(&mut client, FIRST).await, CaptureDataStatus::Failure);
    assert_eq!(finished(&mut client, SECOND).await, CaptureDataStatus::Success);
    assert_eq!(files(&directory), [format!("{SECOND}.jsonl")]);
    client.capture_data(request(THIRD)).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_written_is_a_failure() {
    let (mut agent, mut client) = with_model(&[]).await;
    // A file where the directory should be.
    fs::write(agent.path().join("capture"), "").unwrap();
    client.capture_data(request(FIRST)).await.unwrap();
    assert_eq!(finished(&mut client, FIRST).await, CaptureDataStatus::Failure);
    let line = agent.process().wait_for("cannot write");
    assert!(line.contains(FIRST), "{line}");
}

#[tokio::test]
async fn captures_for_a_cloud_are_refused() {
    let destination = "sagemaker_edge_core_capture_data_destination";
    let (_agent, mut client) = with_model(&[(destination, json!("Cloud"))]).await;
    let refusal = client.capture_data(request(FIRST)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::FailedPrecondition, "{refusal}");
    assert!(refusal.message().contains("no network"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_captures_are_written_at_the_end() {
    let (mut agent, mut client) = with_model(&[
        ("sagemaker_edge_core_capture_data_batch_size", json!(20)),
        ("sagemaker_edge_core_capture_data_push_period_seconds", json!(3600)),
    ])
    .await;
    client.capture_data(request(FIRST)).await.unwrap();
    client.capture_data(request(SECOND)).await.unwrap();
    assert_eq!(status(&mut client, FIRST).await.unwrap(), CaptureDataStatus::InProgress);
    agent.process().signal(libc::SIGTERM);
    let (end, _) = agent.process().finish();
    assert!(end.success());
    assert_eq!(
        files(&directory(agent.path())),
        [format!("{FIRST}.jsonl"), format!("{SECOND}.jsonl")]
    );
}

#[tokio::test]
async fn without_a_configuration_captures_go_beside_the_socket() {
    let agent = Agent::start(&[]);
    let mut client = agent.client().await;
    let package = Graph::identity(Element::Float, &[1]).package(agent.path(), "m");
    load(&mut client, &package, "m").await.unwrap();
    client.capture_data(request(FIRST)).await.unwrap();
    assert_eq!(finished(&mut client, FIRST).await, CaptureDataStatus::Success);
    let manifest = format!("agent.sock.capture/fleet/m/2023/05/31/20/{FIRST}.jsonl");
    assert!(agent.path().join(manifest).exists());
}
