//! The agent's methods.

use std::rc::Rc;

use prost::Message;
use smol::LocalExecutor;
use smol::lock::Mutex;

use super::call::call;
use super::connection::Connections;
use super::frame::{Frame, TooLarge};
use super::{
    Address, Capture, CaptureStatus, Deadlines, Error, Malformed, Method, Model, conversion, proto,
};
use crate::model_name::ModelName;
use crate::tensor::Tensor;

/// A client of the agent. Clones share one connection, which is made when it is first needed and
/// made again when it is lost.
///
/// Control calls (list, describe, load, unload) run one at a time, in the order they came: the agent
/// demands it. The others run at once. A call that is dropped is cancelled at the agent, too.
#[derive(Clone)]
pub struct Client {
    shared: Rc<Shared>,
}

struct Shared {
    connections: Connections,
    settings: Settings,
    control: Mutex<()>,
}

/// What can be set for a [`Client`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How long calls may take.
    pub deadlines: Deadlines,
    /// The most bytes that a message may have, in either direction; 524,288,000, as the agent is
    /// installed with.
    pub message_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { deadlines: Deadlines::default(), message_limit: 524_288_000 }
    }
}

impl Client {
    /// A client with default settings, whose connection is driven by `executor`.
    pub fn new(address: Address, executor: Rc<LocalExecutor<'static>>) -> Self {
        Self::with_settings(address, executor, Settings::default())
    }

    /// A client whose connection is driven by `executor`.
    pub fn with_settings(
        address: Address,
        executor: Rc<LocalExecutor<'static>>,
        settings: Settings,
    ) -> Self {
        let connections = Connections::new(address, executor, settings.deadlines.connect);
        Self { shared: Rc::new(Shared { connections, settings, control: Mutex::new(()) }) }
    }

    /// Where the agent is looked for.
    pub fn address(&self) -> &Address {
        &self.shared.connections.address
    }

    /// Waits until a connection to the agent has ended since this last returned: it may be another
    /// agent that is there next. For one who waits.
    pub async fn disconnected(&self) {
        self.shared.connections.ended().await;
    }

    /// The loaded models.
    pub async fn list_models(&self) -> Result<Vec<Model>, Error> {
        let method = Method::ListModels;
        let response: proto::ListModelsResponse =
            self.unary(method, &proto::ListModelsRequest {}).await?;
        let models = response.models.into_iter();
        let models = models.map(|model| conversion::model(Some(model)));
        models.collect::<Result<_, _>>().map_err(malformed(method))
    }

    /// One loaded model. The agent knows: NOT_FOUND, INVALID_ARGUMENT.
    pub async fn describe_model(&self, name: &ModelName) -> Result<Model, Error> {
        let method = Method::DescribeModel;
        let name = name.as_str().to_owned();
        let request = proto::DescribeModelRequest { name };
        let response: proto::DescribeModelResponse = self.unary(method, &request).await?;
        conversion::model(response.model).map_err(malformed(method))
    }

    /// Loads a model from `url`, a directory on the gateway as the agent sees it.
    ///
    /// The agent knows: NOT_FOUND, ALREADY_EXISTS, RESOURCE_EXHAUSTED, FAILED_PRECONDITION (the
    /// package could not be loaded), INVALID_ARGUMENT.
    pub async fn load_model(&self, name: &ModelName, url: &str) -> Result<Model, Error> {
        let method = Method::LoadModel;
        let request =
            proto::LoadModelRequest { url: url.to_owned(), name: name.as_str().to_owned() };
        let response: proto::LoadModelResponse = self.unary(method, &request).await?;
        conversion::model(response.model).map_err(malformed(method))
    }

    /// Unloads a model. The agent knows: NOT_FOUND.
    pub async fn unload_model(&self, name: &ModelName) -> Result<(), Error> {
        let name = name.as_str().to_owned();
        let request = proto::UnLoadModelRequest { name };
        let proto::UnLoadModelResponse {} = self.unary(Method::UnLoadModel, &request).await?;
        Ok(())
    }

    /// Runs a model. The agent knows: NOT_FOUND, INVALID_ARGUMENT.
    ///
    /// The inputs' bytes are not copied on their way to the socket; the outputs share the one buffer
    /// that the response was received into.
    pub async fn predict(
        &self,
        name: &ModelName,
        inputs: Vec<Tensor>,
    ) -> Result<Vec<Tensor>, Error> {
        let method = Method::Predict;
        let frame = conversion::predict_request(name, inputs, self.shared.settings.message_limit);
        let response: proto::PredictResponse = self.send(method, frame).await?;
        let tensors = response.tensors.into_iter().map(conversion::tensor);
        tensors.collect::<Result<_, _>>().map_err(malformed(method))
    }

    /// Has the agent keep a prediction.
    ///
    /// The agent knows: ALREADY_EXISTS, RESOURCE_EXHAUSTED, OUT_OF_RANGE (the time is in the
    /// future), INVALID_ARGUMENT, FAILED_PRECONDITION (no network), NOT_FOUND.
    pub async fn capture_data(&self, capture: Capture) -> Result<(), Error> {
        let frame = conversion::capture_request(capture, self.shared.settings.message_limit);
        let proto::CaptureDataResponse {} = self.send(Method::CaptureData, frame).await?;
        Ok(())
    }

    /// What became of a capture. One that the agent does not know is
    /// [`CaptureStatus::NotFound`], or the error NOT_FOUND.
    pub async fn capture_status(&self, id: uuid::Uuid) -> Result<CaptureStatus, Error> {
        let method = Method::GetCaptureDataStatus;
        let capture_id = id.to_string();
        let request = proto::GetCaptureDataStatusRequest { capture_id };
        let response: proto::GetCaptureDataStatusResponse = self.unary(method, &request).await?;
        CaptureStatus::try_from(response.status)
            .map_err(|_| malformed(method)(Malformed::UnknownCaptureStatus(response.status)))
    }

    async fn unary<R: Message + Default>(
        &self,
        method: Method,
        request: &impl Message,
    ) -> Result<R, Error> {
        let frame = Frame::of(request, self.shared.settings.message_limit);
        self.send(method, frame).await
    }

    async fn send<R: Message + Default>(
        &self,
        method: Method,
        frame: Result<Frame, TooLarge>,
    ) -> Result<R, Error> {
        let frame = frame.map_err(|TooLarge { length, limit }| Error::TooLarge {
            method,
            length,
            limit,
        })?;
        let Settings { deadlines, message_limit } = &self.shared.settings;
        let _turn = if method.is_control() { Some(self.shared.control.lock().await) } else { None };
        let deadline = method.deadline(deadlines);
        let connections = &self.shared.connections;
        let message = call(connections, method, frame, *message_limit, deadline).await?;
        R::decode(message).map_err(|error| malformed(method)(Malformed::Protobuf(error)))
    }
}

fn malformed(method: Method) -> impl Fn(Malformed) -> Error {
    move |problem| Error::Malformed { method, problem }
}
