"""The `sapt` binary against an agent of grpcio, commanded as Edge Core does.

    pip install -r peers/agent_client/requirements.txt
    SAPT=target/debug/sapt pytest peers/agent_client
"""

import base64
import io
import itertools
import json
import os
import re
import struct
import subprocess
import sys
import uuid

import numpy
import pytest

sys.path.insert(0, os.path.dirname(__file__))
import agent as peer
from edge_core import EdgeCore

INPUT = struct.pack("<3f", 0.5, -1.0, 8.0)
OUTPUT = struct.pack("<3f", 1.0, -2.0, 16.0)


class System:
    """The agent, Edge Core and `sapt` between them."""

    def __init__(self, directory):
        self.models = directory / "models"
        (self.models / "data").mkdir(parents=True)
        self.socket = directory / "agent.sock"
        self.numbers = itertools.count(1)
        self.start_agent()
        self.edge = EdgeCore(directory / "edge.sock")
        environment = {name: value for name, value in os.environ.items() if name[:5] != "SAPT_"}
        environment.update(
            SAPT_EDGE_SOCKET=str(directory / "edge.sock"),
            SAPT_AGENT_ADDRESS=f"unix:{self.socket}",
            SAPT_MODELS_PATH=str(self.models),
        )
        self.sapt = subprocess.Popen([os.path.abspath(os.environ["SAPT"])], env=environment)

    def start_agent(self):
        self.agent = peer.Agent()
        self.server = peer.serve(self.agent, self.socket)

    def stop_agent(self):
        self.server.stop(grace=None).wait()

    def command(self, method, **params):
        number = str(next(self.numbers))
        command = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        return self.edge.post(command)

    def close(self):
        self.sapt.terminate()
        assert self.sapt.wait(timeout=60) == 0
        self.edge.close()
        self.stop_agent()


@pytest.fixture
def system(tmp_path):
    running = System(tmp_path)
    try:
        running.edge.wait_for_device()
        yield running
    finally:
        running.close()


def succeeded(result):
    assert (result["reply"], result["error"]) == ("ok", "none"), result
    return result["response"]


def failed(result, *words):
    assert result["reply"] == "error", result
    for word in words:
        assert word in result["error"], result


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
    assert [model["name"] for model in listed] == ["demo-keras", "echo"]
    assert succeeded(system.command("describeModel", name="demo-keras")) == demo_model()
    assert succeeded(system.command("unloadModel", name="demo-keras")) == "succeeded"
    failed(system.command("describeModel", name="demo-keras"), "NOT_FOUND", "is not loaded")
    failed(system.command("unloadModel", name="demo-keras"), "NOT_FOUND")
    assert [model["name"] for model in succeeded(system.command("listModels"))] == ["echo"]


def test_every_call_has_a_deadline_and_grpcs_headers(system):
    system.command("listModels")
    method, _, left, metadata = system.agent.calls[-1]
    assert method == "ListModels"
    assert 0 < left <= 600
    assert metadata["user-agent"].startswith("sapt/")


def write_input(system):
    text = json.dumps({"b64_data": base64.b64encode(INPUT).decode()})
    (system.models / "data" / "tensor.json").write_text(text)


def received_input(system):
    predictions = [request for method, request, *_ in system.agent.calls if method == "Predict"]
    [tensor] = predictions[-1].tensors
    assert tensor.tensor_metadata == peer.demo_model().input_tensor_metadatas[0]
    return tensor.byte_data


def predict(system, **params):
    write_input(system)
    return system.command(
        "predict", model_name="demo-keras", input_data_url="file:///tensor.json", **params
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
    write_input(system)
    result = system.command(
        "predict", model_name="absent", input_data_url="file:///tensor.json"
    )
    failed(result, "NOT_FOUND")


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
    failed(system.command("listModels"), str(system.socket))
    system.start_agent()
    succeeded(system.command("listModels"))
    succeeded(predict(system))
