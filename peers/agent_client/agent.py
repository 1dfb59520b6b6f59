"""An agent made from proto/agent.proto with grpcio: the gRPC core that the vendor's agent uses, too.
"""

import pathlib
from concurrent import futures

import grpc

from wire import OPTIONS, messages, services

# Outside ASCII, and with the character that the wire's encoding is made of.
REFUSAL = "le modèle n’est pas là (日本, 100%)"


def demo_model():
    """Doubles every value."""
    return messages.Model(
        name="demo-keras",
        url="/models/demo-keras",
        input_tensor_metadatas=[
            messages.TensorMetadata(name=b"input_1", data_type="FLOAT32", shape=[1, 3])
        ],
        output_tensor_metadatas=[
            messages.TensorMetadata(name=b"act_softmax", data_type="FLOAT32", shape=[1, 3])
        ],
    )


def echo_model():
    """Answers with what it is given; has no metadata, as a model with dynamic shapes."""
    return messages.Model(name="echo", url="/models/echo")


def refusing_model():
    """Predicts nothing."""
    return messages.Model(
        name="refusing",
        url="/models/refusing",
        input_tensor_metadatas=demo_model().input_tensor_metadatas,
    )


MODELS = [demo_model(), echo_model(), refusing_model()]


class Agent(services.AgentServicer):
    """The seven methods, on models in memory. `calls` has what was received: the method, the
    request, the seconds left, and the metadata."""

    def __init__(self):
        self.calls = []
        self.models = {model.name: model for model in MODELS}
        self.captures = {}

    def received(self, method, request, context):
        metadata = dict(context.invocation_metadata())
        self.calls.append((method, request, context.time_remaining(), metadata))

    def model(self, name, context):
        if name not in self.models:
            context.abort(grpc.StatusCode.NOT_FOUND, f"model {name} is not loaded")
        return self.models[name]

    def ListModels(self, request, context):
        self.received("ListModels", request, context)
        return messages.ListModelsResponse(models=self.models.values())

    def DescribeModel(self, request, context):
        self.received("DescribeModel", request, context)
        return messages.DescribeModelResponse(model=self.model(request.name, context))

    def LoadModel(self, request, context):
        self.received("LoadModel", request, context)
        if request.name in self.models:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, f"{request.name} is loaded")
        if not pathlib.Path(request.url).is_dir():
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "no such directory")
        model = messages.Model(name=request.name, url=request.url)
        self.models[request.name] = model
        return messages.LoadModelResponse(model=model)

    def UnLoadModel(self, request, context):
        self.received("UnLoadModel", request, context)
        self.model(request.name, context)
        del self.models[request.name]
        return messages.UnLoadModelResponse()

    def Predict(self, request, context):
        self.received("Predict", request, context)
        model = self.model(request.name, context)
        if request.name == "refusing":
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, REFUSAL)
        if request.name == "echo":
            return messages.PredictResponse(tensors=request.tensors)
        [tensor] = request.tensors
        [wanted] = model.input_tensor_metadatas
        if tensor.tensor_metadata != wanted or len(tensor.byte_data) != 12:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "wrong tensor")
        values = memoryview(tensor.byte_data).cast("f")
        doubled = memoryview(bytearray(12)).cast("f")
        for index, value in enumerate(values):
            doubled[index] = value * 2
        output = messages.Tensor(
            tensor_metadata=model.output_tensor_metadatas[0], byte_data=doubled.tobytes()
        )
        return messages.PredictResponse(tensors=[output])

    def CaptureData(self, request, context):
        self.received("CaptureData", request, context)
        self.model(request.model_name, context)
        if request.capture_id in self.captures:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, "captured before")
        self.captures[request.capture_id] = request
        return messages.CaptureDataResponse()

    def GetCaptureDataStatus(self, request, context):
        self.received("GetCaptureDataStatus", request, context)
        status = "SUCCESS" if request.capture_id in self.captures else "NOT_FOUND"
        return messages.GetCaptureDataStatusResponse(status=status)


def serve(agent, socket):
    """Serves `agent` on a unix socket; returns grpcio's server."""
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=OPTIONS)
    services.add_AgentServicer_to_server(agent, server)
    if not server.add_insecure_port(f"unix:{socket}"):
        raise OSError(f"cannot listen on {socket}")
    server.start()
    return server
