//! The seven methods, and the status that each error becomes.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use prost::Message;
use time::OffsetDateTime;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::capture::{Auxiliary, Capture, CaptureError, Captures};
use crate::engine::{LoadError, OnnxModel, PackageError, RunError};
use crate::log::Log;
use crate::model_name::ModelName;
use crate::models::Models;
use crate::payload::Payload;
use crate::tensor::{CheckedTensor, TensorError, check_inputs};
use crate::wire::agent_server::Agent;
use crate::wire::{self, Encoding};
use crate::worker::Worker;

/// The agent, behind its gRPC interface.
#[derive(Debug)]
pub(crate) struct AgentService {
    pub(crate) models: Models,
    pub(crate) captures: std::sync::Arc<Captures>,
    /// Loads, one at a time: each may need twice the model's size.
    pub(crate) loader: Worker,
    /// Predictions, one at a time, as the interface has it.
    pub(crate) predictor: Worker,
    /// Bytes: `-m`.
    pub(crate) message_limit: usize,
    pub(crate) log: Log,
}

/// How far a client's clock may be ahead of this process's.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

#[tonic::async_trait]
impl Agent for AgentService {
    async fn predict(
        &self,
        request: Request<wire::PredictRequest>,
    ) -> Result<Response<wire::PredictResponse>, Status> {
        let wire::PredictRequest { name, tensors } = request.into_inner();
        let log = self.log;
        let loaded = self.models.find(&model_name(&name)?).map_err(not_found)?;
        let inputs =
            copying(|| check_inputs(loaded.model.inputs(), tensors)).map_err(invalid_argument)?;
        let tensors = self
            .predictor
            .run(move || {
                log.debug(format_args!("predicting with {}", loaded.name));
                loaded.model.run(inputs)
            })
            .await
            .map_err(internal)?
            .map_err(|error| match error {
                RunError::Shapes(_) => invalid_argument(error),
                RunError::Engine(_) => internal(error),
            })?;
        let response = wire::PredictResponse { tensors };
        let size = response.encoded_len();
        if size > self.message_limit {
            return Err(Status::resource_exhausted(format!(
                "the outputs are {size} bytes, messages are limited to {} (flag -m)",
                self.message_limit
            )));
        }
        Ok(Response::new(response))
    }

    async fn load_model(
        &self,
        request: Request<wire::LoadModelRequest>,
    ) -> Result<Response<wire::LoadModelResponse>, Status> {
        let wire::LoadModelRequest { url, name } = request.into_inner();
        let name = model_name(&name)?;
        let path = directory(&url)?;
        let reservation =
            self.models.reserve(name).map_err(|error| Status::already_exists(error.to_string()))?;
        let log = self.log;
        let load = move || {
            let loaded = OnnxModel::load(&path).map(|model| reservation.fill(url, model))?;
            log.info(format_args!("loaded model {} from {}", loaded.name, loaded.url));
            Ok(loaded)
        };
        let loaded = self
            .loader
            .run(load)
            .await
            // The engine has stopped at something in the model: it cannot be loaded.
            .map_err(|error| Status::failed_precondition(error.to_string()))?
            .map_err(|error: LoadError| {
                log.warning(format_args!("LoadModel: {error}"));
                match &error {
                    LoadError::Package(PackageError::TooLarge { .. }) => {
                        Status::resource_exhausted(error.to_string())
                    }
                    _ => Status::failed_precondition(error.to_string()),
                }
            })?;
        Ok(Response::new(wire::LoadModelResponse { model: Some(loaded.description()) }))
    }

    async fn un_load_model(
        &self,
        request: Request<wire::UnLoadModelRequest>,
    ) -> Result<Response<wire::UnLoadModelResponse>, Status> {
        // The interface has no INVALID_ARGUMENT here: no model has a name that is none.
        let name = ModelName::parse(&request.into_inner().name).map_err(not_found)?;
        self.models.remove(&name).map_err(not_found)?;
        self.log.info(format_args!("unloaded model {name}"));
        Ok(Response::new(wire::UnLoadModelResponse {}))
    }

    async fn list_models(
        &self,
        _request: Request<wire::ListModelsRequest>,
    ) -> Result<Response<wire::ListModelsResponse>, Status> {
        self.log.debug("ListModels");
        let models = self.models.all();
        Ok(Response::new(wire::ListModelsResponse {
            models: models.iter().map(|model| model.description()).collect(),
        }))
    }

    async fn describe_model(
        &self,
        request: Request<wire::DescribeModelRequest>,
    ) -> Result<Response<wire::DescribeModelResponse>, Status> {
        let name = request.into_inner().name;
        self.log.debug(format_args!("DescribeModel {name:?}"));
        let loaded = self.models.find(&model_name(&name)?).map_err(not_found)?;
        Ok(Response::new(wire::DescribeModelResponse { model: Some(loaded.description()) }))
    }

    async fn capture_data(
        &self,
        request: Request<wire::CaptureDataRequest>,
    ) -> Result<Response<wire::CaptureDataResponse>, Status> {
        let request = request.into_inner();
        self.log.debug(format_args!("CaptureData {:?}", request.capture_id));
        let id = capture_id(&request.capture_id)?;
        let model = model_name(&request.model_name)?;
        let inference_time = inference_time(request.inference_timestamp, SystemTime::now())?;
        self.models.find(&model).map_err(not_found)?;
        let capture = copying(|| {
            Ok::<_, Status>(Capture {
                id,
                model,
                inference_time,
                input_tensors: tensors(request.input_tensors)?,
                output_tensors: tensors(request.output_tensors)?,
                inputs: auxiliaries(request.inputs)?,
                outputs: auxiliaries(request.outputs)?,
            })
        })?;
        self.captures.submit(capture).map_err(|error| match error {
            CaptureError::Cloud => Status::failed_precondition(error.to_string()),
            CaptureError::SameId(_) => Status::already_exists(error.to_string()),
            CaptureError::Full(_) => Status::resource_exhausted(error.to_string()),
        })?;
        Ok(Response::new(wire::CaptureDataResponse {}))
    }

    async fn get_capture_data_status(
        &self,
        request: Request<wire::GetCaptureDataStatusRequest>,
    ) -> Result<Response<wire::GetCaptureDataStatusResponse>, Status> {
        let id = capture_id(&request.into_inner().capture_id)?;
        Ok(Response::new(wire::GetCaptureDataStatusResponse {
            status: self.captures.status(id).into(),
        }))
    }
}

/// Runs what may copy much shared memory, without holding up other calls.
fn copying<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}

fn model_name(text: &str) -> Result<ModelName, Status> {
    ModelName::parse(text).map_err(invalid_argument)
}

/// The directory that a `url` of LoadModel names: a path, with or without `file://`.
fn directory(url: &str) -> Result<PathBuf, Status> {
    let path = match url.strip_prefix("file://") {
        // RFC 8089 section 2: an empty authority, or this host.
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => url,
    };
    if path.is_empty() || path.contains('\0') || path.contains("://") {
        return Err(Status::invalid_argument(format!(
            "{:?} is not a directory on this machine: use a path",
            shortened(url)
        )));
    }
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => Ok(Path::new(path).into()),
        Ok(_) => Err(Status::invalid_argument(format!(
            "{:?} is not a directory: a model is a directory with one .onnx file",
            shortened(url)
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Status::not_found(format!("model directory {:?} doesn't exist", shortened(url))))
        }
        Err(error) => {
            Err(Status::invalid_argument(format!("cannot look at {:?}: {error}", shortened(url))))
        }
    }
}

fn capture_id(text: &str) -> Result<Uuid, Status> {
    Uuid::try_parse(text).map_err(|_| {
        Status::invalid_argument(format!("capture_id {:?} is not a UUID", shortened(text)))
    })
}

fn inference_time(
    timestamp: Option<wire::Timestamp>,
    now: SystemTime,
) -> Result<OffsetDateTime, Status> {
    let wire::Timestamp { seconds, nanos } =
        timestamp.ok_or_else(|| Status::invalid_argument("inference_timestamp is missing"))?;
    let nanoseconds = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000);
    let (Ok(since), Some(nanoseconds)) = (u64::try_from(seconds), nanoseconds) else {
        return Err(Status::invalid_argument(format!(
            "inference_timestamp {seconds} s {nanos} ns is not a time since 1970"
        )));
    };
    let since = Duration::new(since, nanoseconds);
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    if since > now.saturating_add(CLOCK_TOLERANCE) {
        return Err(Status::out_of_range(format!(
            "inference_timestamp {seconds} is in the future: it is {} now",
            now.as_secs()
        )));
    }
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|error| Status::out_of_range(format!("inference_timestamp: {error}")))
}

fn tensors(tensors: Vec<wire::Tensor>) -> Result<Vec<CheckedTensor>, Status> {
    tensors
        .into_iter()
        .map(CheckedTensor::parse)
        .collect::<Result<_, TensorError>>()
        .map_err(invalid_argument)
}

fn auxiliaries(auxiliaries: Vec<wire::AuxilaryData>) -> Result<Vec<Auxiliary>, Status> {
    auxiliaries
        .into_iter()
        .map(|wire::AuxilaryData { name, encoding, data }| {
            let invalid = |what: &dyn std::fmt::Display| {
                Status::invalid_argument(format!("auxiliary data {:?}: {what}", shortened(&name)))
            };
            let encoding = Encoding::try_from(encoding)
                .map_err(|_| invalid(&format_args!("there is no encoding {encoding}")))?;
            let data =
                data.ok_or_else(|| invalid(&"has neither byte_data nor a shared_memory_handle"))?;
            let data = Payload::from(data).read().map_err(|error| invalid(&error))?;
            Ok(Auxiliary { name, encoding, data })
        })
        .collect()
}

fn not_found(error: impl std::error::Error) -> Status {
    Status::not_found(error.to_string())
}

fn invalid_argument(error: impl std::error::Error) -> Status {
    Status::invalid_argument(bounded(error.to_string()))
}

fn internal(error: impl std::error::Error) -> Status {
    Status::internal(bounded(error.to_string()))
}

/// Status messages are headers, of which clients take some kilobytes.
fn bounded(message: String) -> String {
    const LIMIT: usize = 1500;
    match message.char_indices().nth(LIMIT) {
        None => message,
        Some((end, _)) => message.split_at(end).0.to_owned() + "…",
    }
}

/// The beginning of a text from a request.
fn shortened(text: &str) -> String {
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn times_in_the_future_are_out_of_range() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let at = |seconds, nanos| inference_time(Some(wire::Timestamp { seconds, nanos }), now);
        assert_eq!(at(1_000_000, 0).unwrap().unix_timestamp(), 1_000_000);
        assert!(at(1_000_005, 0).is_ok());
        assert_eq!(at(1_000_005, 1).unwrap_err().code(), Code::OutOfRange);
        assert_eq!(at(i64::MAX, 0).unwrap_err().code(), Code::OutOfRange);
        for (seconds, nanos) in [(-1, 0), (1, -1), (1, 1_000_000_000)] {
            assert_eq!(at(seconds, nanos).unwrap_err().code(), Code::InvalidArgument);
        }
        assert_eq!(inference_time(None, now).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn urls_of_models() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().to_str().unwrap();
        for url in [path.to_owned(), format!("file://{path}"), format!("file://localhost{path}")] {
            assert_eq!(directory(&url).unwrap(), root.path(), "{url}");
        }
        let missing = format!("{path}/missing");
        assert_eq!(directory(&missing).unwrap_err().code(), Code::NotFound);
        for url in ["", "s3://bucket/model", "file://", "a\0b", "/dev/null"] {
            assert_eq!(directory(url).unwrap_err().code(), Code::InvalidArgument, "{url:?}");
        }
    }

    #[test]
    fn messages_are_bounded() {
        assert_eq!(bounded("é".repeat(2000)).chars().count(), 1501);
    }
}
