"""The real sapt-agent, spoken to by grpcio: the gRPC core that clients of the vendor's agent use.
The models are made with the onnx package.
"""

import json
import os
import pathlib
import signal
import threading
import time
import uuid

import grpc
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from programs import SaptAgent
from wire import MESSAGE_LIMIT, OPTIONS, services
from wire import messages as wire


@pytest.fixture(params=["unix", "tcp"])
def address(request, tmp_path):
    return f"unix:{tmp_path}/agent.sock" if request.param == "unix" else "tcp://127.0.0.1:0"


@pytest.fixture
def agent(address, tmp_path):
    running = SaptAgent(tmp_path, address, MESSAGE_LIMIT)
    yield running
    if running.process.poll() is None:
        assert running.stop() == 0


@pytest.fixture
def stub(agent):
    with grpc.insecure_channel(agent.address, options=OPTIONS) as channel:
        yield services.AgentStub(channel)


def package(directory, name, nodes, inputs, outputs, initializers=()):
    """Makes a model directory of a graph; inputs and outputs are (name, type, shape)."""

    def values(specs):
        return [helper.make_tensor_value_info(*spec) for spec in specs]

    graph = helper.make_graph(nodes, name, values(inputs), values(outputs), list(initializers))
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.checker.check_model(model)
    path = directory / name
    path.mkdir()
    onnx.save(model, path / "model.onnx")
    return str(path)


def identity(directory, name, element, shape):
    return package(
        directory,
        name,
        [helper.make_node("Identity", ["x"], ["y"])],
        [("x", element, shape)],
        [("y", element, shape)],
    )


def tensor(name, data_type, array):
    return wire.Tensor(
        tensor_metadata=wire.TensorMetadata(name=name, data_type=data_type, shape=array.shape),
        byte_data=array.tobytes(),
    )


def refused(call, request, **options):
    with pytest.raises(grpc.RpcError) as error:
        call(request, **options)
    return error.value.code(), error.value.details()


def test_the_life_of_a_model(agent, stub):
    url = package(
        agent.directory,
        "linear",
        [
            helper.make_node("MatMul", ["x", "w"], ["z"]),
            helper.make_node("Add", ["z", "b"], ["y"]),
        ],
        [("x", TensorProto.FLOAT, ["batch", 4])],
        [("y", TensorProto.FLOAT, ["batch", 3])],
        [
            onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(4, 3), "w"),
            onnx.numpy_helper.from_array(np.ones(3, dtype=np.float32), "b"),
        ],
    )
    assert not stub.ListModels(wire.ListModelsRequest()).models
    model = stub.LoadModel(wire.LoadModelRequest(url=url, name="linear")).model
    assert model.name == "linear" and model.url == url
    (declared,) = model.input_tensor_metadatas
    assert declared == wire.TensorMetadata(name=b"x", data_type=wire.FLOAT32, shape=[-1, 4])
    assert list(model.output_tensor_metadatas[0].shape) == [-1, 3]
    assert list(stub.ListModels(wire.ListModelsRequest()).models) == [model]
    assert stub.DescribeModel(wire.DescribeModelRequest(name="linear")).model == model

    x = np.random.default_rng(1).standard_normal((5, 4), dtype=np.float32)
    request = wire.PredictRequest(name="linear", tensors=[tensor(b"x", wire.FLOAT32, x)])
    (y,) = stub.Predict(request).tensors
    result = np.frombuffer(y.byte_data, np.float32).reshape(y.tensor_metadata.shape)
    expected = x @ np.arange(12, dtype=np.float32).reshape(4, 3) + 1
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)

    assert stub.UnLoadModel(wire.UnLoadModelRequest(name="linear")) == wire.UnLoadModelResponse()
    assert not stub.ListModels(wire.ListModelsRequest()).models


@pytest.mark.parametrize(
    ("element", "data_type", "dtype"),
    [
        (TensorProto.UINT8, "UINT8", np.uint8),
        (TensorProto.INT16, "INT16", np.int16),
        (TensorProto.INT32, "INT32", np.int32),
        (TensorProto.INT64, "INT64", np.int64),
        (TensorProto.FLOAT16, "FLOAT16", np.float16),
        (TensorProto.FLOAT, "FLOAT32", np.float32),
        (TensorProto.DOUBLE, "FLOAT64", np.float64),
    ],
)
def test_types(agent, stub, element, data_type, dtype):
    url = identity(agent.directory, "m", element, [2, 3])
    stub.LoadModel(wire.LoadModelRequest(url=url, name="m"))
    x = np.array([[0, 1, 2], [100, 101, 127]], dtype)
    request = wire.PredictRequest(
        name="m", tensors=[tensor(b"x", wire.DataType.Value(data_type), x)]
    )
    (y,) = stub.Predict(request).tensors
    assert y.tensor_metadata.data_type == wire.DataType.Value(data_type)
    np.testing.assert_array_equal(np.frombuffer(y.byte_data, dtype).reshape(2, 3), x)


def test_a_tensor_of_100_megabytes(agent, stub):
    count = 25_000_000
    url = identity(agent.directory, "large", TensorProto.FLOAT, [count])
    stub.LoadModel(wire.LoadModelRequest(url=url, name="large"))
    x = np.arange(count, dtype=np.float32)
    request = wire.PredictRequest(name="large", tensors=[tensor(b"x", wire.FLOAT32, x)])
    for _ in range(2):
        (y,) = stub.Predict(request).tensors
        assert y.byte_data == x.tobytes()


def test_messages_above_the_limit(address, tmp_path):
    limit = 8 << 20
    agent = SaptAgent(tmp_path, address, limit)
    with grpc.insecure_channel(agent.address, options=OPTIONS) as channel:
        stub = services.AgentStub(channel)
        url = identity(tmp_path, "m", TensorProto.UINT8, ["size"])
        stub.LoadModel(wire.LoadModelRequest(url=url, name="m"))

        def request(size):
            x = tensor(b"x", wire.UINT8, np.zeros(size, np.uint8))
            return wire.PredictRequest(name="m", tensors=[x])

        code, details = refused(stub.Predict, request(limit))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED, details
        (y,) = stub.Predict(request(limit - 1000)).tensors
        assert len(y.byte_data) == limit - 1000
    assert agent.stop() == 0


def test_status_codes_of_models(agent, stub):
    url = identity(agent.directory, "m", TensorProto.FLOAT, [1, 2])
    stub.LoadModel(wire.LoadModelRequest(url=url, name="m"))
    tvm = agent.directory / "tvm"
    tvm.mkdir()
    (tvm / "compiled.so").touch()
    huge = agent.directory / "huge"
    huge.mkdir()
    with open(huge / "model.onnx", "wb") as sparse:
        sparse.truncate(4 << 40)

    def load(url, name):
        return refused(stub.LoadModel, wire.LoadModelRequest(url=str(url), name=name))

    def predict(name, *tensors):
        return refused(stub.Predict, wire.PredictRequest(name=name, tensors=tensors))

    codes = grpc.StatusCode
    assert load(url, "m") == (codes.ALREADY_EXISTS, "model with the same name is already loaded")
    assert load(agent.directory / "missing", "n")[0] == codes.NOT_FOUND
    assert load(url, "-n")[0] == codes.INVALID_ARGUMENT
    assert load("/dev/null", "n")[0] == codes.INVALID_ARGUMENT
    assert load(huge, "n")[0] == codes.RESOURCE_EXHAUSTED
    code, details = load(tvm, "n")
    assert code == codes.FAILED_PRECONDITION and "ONNX" in details
    assert refused(stub.UnLoadModel, wire.UnLoadModelRequest(name="n")) == (
        codes.NOT_FOUND,
        "model doesn't exist",
    )
    assert refused(stub.DescribeModel, wire.DescribeModelRequest(name="n"))[0] == codes.NOT_FOUND
    assert (
        refused(stub.DescribeModel, wire.DescribeModelRequest(name="é"))[0]
        == codes.INVALID_ARGUMENT
    )
    assert predict("n")[0] == codes.NOT_FOUND
    assert predict("m")[0] == codes.INVALID_ARGUMENT
    for given in [
        tensor(b"z", wire.FLOAT32, np.zeros((1, 2), np.float32)),
        tensor(b"x", wire.FLOAT32, np.zeros((2, 1), np.float32)),
        tensor(b"x", wire.INT32, np.zeros((1, 2), np.int32)),
        tensor(b"x", wire.FLOAT32, np.zeros((1, 2), np.float64)),
        wire.Tensor(),
    ]:
        code, details = predict("m", given)
        assert code == codes.INVALID_ARGUMENT, details


def test_an_unknown_method(agent):
    with grpc.insecure_channel(agent.address) as channel:
        call = channel.unary_unary("/AWS.SageMaker.Edge.Agent/Unknown")
        assert refused(call, b"")[0] == grpc.StatusCode.UNIMPLEMENTED


def test_capture(agent, stub):
    url = identity(agent.directory, "m", TensorProto.FLOAT, [1])
    stub.LoadModel(wire.LoadModelRequest(url=url, name="m"))
    array = np.ones(1, np.float32)
    request = wire.CaptureDataRequest(
        model_name="m",
        capture_id=str(uuid.uuid4()),
        inference_timestamp=wire.Timestamp(seconds=int(time.time())),
        input_tensors=[tensor(b"x", wire.FLOAT32, array)],
        output_tensors=[tensor(b"y", wire.FLOAT32, array)],
        inputs=[wire.AuxilaryData(name="picture", encoding=wire.NONE, byte_data=bytes(5000))],
        outputs=[wire.AuxilaryData(name="label", encoding=wire.JSON, byte_data=b'"cat"')],
    )
    assert stub.CaptureData(request) == wire.CaptureDataResponse()

    def status(capture_id):
        return stub.GetCaptureDataStatus(
            wire.GetCaptureDataStatusRequest(capture_id=capture_id)
        ).status

    while status(request.capture_id) == wire.IN_PROGRESS:
        pass
    assert status(request.capture_id) == wire.SUCCESS
    assert status(str(uuid.uuid4())) == wire.CaptureDataStatus.Value("NOT_FOUND")
    if agent.address.startswith("unix:"):
        captures = pathlib.Path(agent.address.removeprefix("unix:") + ".capture")
        (path,) = captures.rglob("*.jsonl")
        manifest = json.loads(path.read_text())
        assert manifest["eventMetadata"]["eventId"] == request.capture_id
        (picture,) = manifest["deviceFleetAuxiliaryInputs"]
        assert os.path.getsize(picture["data-ref"].removeprefix("file://")) == 5000

    codes = grpc.StatusCode
    assert refused(stub.CaptureData, request)[0] == codes.ALREADY_EXISTS
    request.capture_id = str(uuid.uuid4())
    request.inference_timestamp.seconds += 3600
    assert refused(stub.CaptureData, request)[0] == codes.OUT_OF_RANGE
    request.inference_timestamp.seconds -= 3600
    request.model_name = "n"
    assert refused(stub.CaptureData, request)[0] == codes.NOT_FOUND
    request.capture_id = "x"
    assert refused(stub.CaptureData, request)[0] == codes.INVALID_ARGUMENT
    unknown = wire.GetCaptureDataStatusRequest(capture_id="x")
    assert refused(stub.GetCaptureDataStatus, unknown)[0] == codes.INVALID_ARGUMENT


def test_a_deadline_behind_a_long_prediction(agent, stub):
    side, count = 1000, 300
    names = ["x", *(f"p{index}" for index in range(count))]
    url = package(
        agent.directory,
        "slow",
        [helper.make_node("MatMul", [last, "x"], [next]) for last, next in zip(names, names[1:])],
        [("x", TensorProto.FLOAT, [side, side])],
        [(names[-1], TensorProto.FLOAT, [side, side])],
    )
    stub.LoadModel(wire.LoadModelRequest(url=url, name="slow"))
    x = np.zeros((side, side), np.float32)
    slow = wire.PredictRequest(name="slow", tensors=[tensor(b"x", wire.FLOAT32, x)])
    assert refused(stub.Predict, slow, timeout=0.3)[0] == grpc.StatusCode.DEADLINE_EXCEEDED
    # It is computed still, which holds up neither this nor the deadline of those that wait.
    stub.ListModels(wire.ListModelsRequest())
    waiting = [stub.Predict.future(slow, timeout=0.3) for _ in range(3)]
    for call in waiting:
        assert call.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    stub.ListModels(wire.ListModelsRequest())
    agent.process.kill()
    assert agent.stop(signal.SIGKILL) == -signal.SIGKILL


def test_many_clients_at_once(agent):
    url = identity(agent.directory, "m", TensorProto.FLOAT, [1000])

    def client(index, failures):
        try:
            with grpc.insecure_channel(
                agent.address, options=[*OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
            ) as channel:
                stub = services.AgentStub(channel)
                name = f"m{index}"
                stub.LoadModel(wire.LoadModelRequest(url=url, name=name))
                for value in range(50):
                    x = np.full(1000, index * 100 + value, np.float32)
                    given = [tensor(b"x", wire.FLOAT32, x)]
                    (y,) = stub.Predict(wire.PredictRequest(name=name, tensors=given)).tensors
                    assert y.byte_data == x.tobytes()
                    stub.ListModels(wire.ListModelsRequest())
                stub.UnLoadModel(wire.UnLoadModelRequest(name=name))
        except Exception as failure:
            failures.append(failure)

    failures = []
    clients = [threading.Thread(target=client, args=(index, failures)) for index in range(8)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert not failures


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_end(agent, stub, by):
    stub.ListModels(wire.ListModelsRequest())
    assert agent.stop(by) == 0
    assert not any("giving them up" in line for line in agent.lines)
    assert refused(stub.ListModels, wire.ListModelsRequest())[0] == grpc.StatusCode.UNAVAILABLE
