"""The `sapt` binary against an agent of grpcio, commanded as Edge Core does."""

import base64
import contextlib
import io
import json
import re
import struct
import tarfile
import uuid

import numpy
import pytest

from agent_client import agent as peer
from programs import Sapt
from results import failed, succeeded
from s3.servers import BUCKET, Rclone
from wire import messages

INPUT = struct.pack("<3f", 0.5, -1.0, 8.0)
OUTPUT = struct.pack("<3f", 1.0, -2.0, 16.0)


class System:
    """The agent, Edge Core and `sapt` between them."""

    def __init__(self, directory, edge_core, **settings):
        self.socket = directory / "agent.sock"
        self.start_agent()
        self.edge_core = edge_core
        self.sapt = Sapt(directory, **settings)
        self.models = self.sapt.models

    def start_agent(self):
        self.agent = peer.Agent()
        self.server = peer.serve(self.agent, self.socket)

    def stop_agent(self):
        self.server.stop(grace=None).wait()

    def command(self, method, **params):
        return self.edge_core.call(method, params)

    def close(self):
        assert self.sapt.stop() == 0
        self.stop_agent()


@contextlib.contextmanager
def running(system):
    try:
        system.edge_core.wait_for("device")
        yield system
    finally:
        system.close()


@pytest.fixture
def system(tmp_path, edge_core):
    with running(System(tmp_path, edge_core)) as system:
        yield system


def demo_model():
    return {
        "name": "demo-keras",
        "url": "/models/demo-keras",
        "input_tensor_metadatas": [{"name": "input_1", "shape": [1, 3], "type": 5}],
        "output_tensor_metadatas": [{"name": "act_softmax", "shape": [1, 3], "type": 5}],
    }


def test_models_are_listed_described_and_unloaded(system):
    listed = succeeded(system.command("listModels"))
    assert listed[0] == demo_model()
    assert [model["name"] for model in listed] == ["demo-keras", "echo", "refusing"]
    assert succeeded(system.command("describeModel", name="demo-keras")) == demo_model()
    assert succeeded(system.command("unloadModel", name="demo-keras")) == "succeeded"
    failed(system.command("describeModel", name="demo-keras"), "NOT_FOUND", "is not loaded")
    failed(system.command("unloadModel", name="demo-keras"), "NOT_FOUND")
    assert [model["name"] for model in succeeded(system.command("listModels"))] == ["echo", "refusing"]


def test_every_call_has_a_deadline_and_grpcs_headers(system):
    system.command("listModels")
    method, _, left, metadata = system.agent.calls[-1]
    assert method == "ListModels"
    assert 0 < left <= 600
    assert metadata["user-agent"].startswith("sapt/")


def test_a_model_is_loaded_from_its_directory(tmp_path, edge_core):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("compiled.so")
        info.size = len(INPUT)
        tar.addfile(info, io.BytesIO(INPUT))
    with contextlib.closing(Rclone(tmp_path)) as server:
        server.storage().put_object(Bucket=BUCKET, Key="model.tar.gz", Body=packed.getvalue())
        settings = server.settings(SAPT_AWS_S3_MODELS_DIR="/")
        with running(System(tmp_path, edge_core, **settings)) as system:
            loaded = system.command("loadModel", name="compiled", s3_filename="model.tar.gz")
            assert succeeded(loaded) == "succeeded"
            [load] = received(system, "LoadModel")
            url = str(system.models / "compiled")
            assert load == messages.LoadModelRequest(url=url, name="compiled")
            assert (system.models / "compiled" / "compiled.so").read_bytes() == INPUT


def received(system, method):
    """The agent's requests of a method."""
    return [request for called, request, *_ in system.agent.calls if called == method]


def write_input(system):
    text = json.dumps({"b64_data": base64.b64encode(INPUT).decode()})
    (system.models / "data" / "tensor.json").write_text(text)


def received_input(system):
    [tensor] = received(system, "Predict")[-1].tensors
    assert tensor.tensor_metadata == peer.demo_model().input_tensor_metadatas[0]
    return tensor.byte_data


def predict(system, model="demo-keras", **params):
    write_input(system)
    return system.command(
        "predict", model_name=model, input_data_url="file:///tensor.json", **params
    )


def test_predict_with_the_result_inline(system):
    result = predict(system)
    succeeded(result)
    assert received_input(system) == INPUT
    assert base64.b64encode(OUTPUT).decode() in json.dumps(result)


def test_predict_into_a_file_that_numpy_opens(system):
    result = predict(system, output_url="file:///out.npy")
    assert succeeded(result) == "successful"
    assert received_input(system) == INPUT
    [output] = result["details"]["output"]
    name = re.fullmatch(r"file:///models/(out-act_softmax-\d+\.npy)", output["url"])[1]
    array = numpy.load(io.BytesIO((system.models / name).read_bytes()))
    assert array.dtype == numpy.float32 and array.shape == (1, 3)
    assert array.tobytes() == OUTPUT


def test_predict_of_a_model_that_is_not_loaded(system):
    failed(predict(system, "absent"), "NOT_FOUND", "absent")


def test_the_agents_words_arrive_in_any_script(system):
    failed(predict(system, "refusing"), "FAILED_PRECONDITION", peer.REFUSAL)


def test_a_capture_reaches_the_agent(system):
    capture = str(uuid.uuid4())
    label = base64.b64encode(b"cat").decode()
    aux = [{"name": "label", "encoding": "NONE", "b64_data": label}]
    succeeded(predict(system, capture_enable=True, aux_data=aux, capture_id=capture))
    stored = system.agent.captures[capture]
    assert stored.model_name == "demo-keras"
    assert stored.inference_timestamp.seconds > 0
    assert [tensor.byte_data for tensor in stored.input_tensors] == [INPUT]
    assert [tensor.byte_data for tensor in stored.output_tensors] == [OUTPUT]
    [data] = stored.inputs
    assert (data.name, data.encoding, data.byte_data) == ("label", 2, b"cat")
    assert succeeded(system.command("getDataCaptureStatus", capture_id=capture)) == "SUCCESS"
    unknown = str(uuid.uuid4())
    assert succeeded(system.command("getDataCaptureStatus", capture_id=unknown)) == "NOT_FOUND"


def test_the_agent_restarts(system):
    succeeded(system.command("listModels"))
    system.stop_agent()
    failed(system.command("listModels"), "UNAVAILABLE", str(system.socket))
    system.start_agent()
    succeeded(system.command("listModels"))
    succeeded(predict(system))
