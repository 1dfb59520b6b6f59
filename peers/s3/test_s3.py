"""`sapt` and `sapt-agent`, with other servers in S3's place; boto3 is what others use of them."""

import base64
import contextlib
import io
import json
import random
import struct
import tarfile
from pathlib import Path
from urllib.parse import urlsplit

import numpy
import pytest

from edge_core.peer import EdgeCorePeer
from programs import Sapt, SaptAgent
from results import failed, succeeded
from s3.servers import BUCKET, SERVERS, storage
from wire import MESSAGE_LIMIT

DIGITS = Path(__file__).resolve().parents[2] / "lab" / "models" / "digits"
PREDICTIONS = json.loads((DIGITS / "accuracy.json").read_text())["predictions"]

MODELS = "models of/the fleet+1"
DATA = "data 100%/für"

# What users' keys have in them, and what clients get wrong.
NAMES = [
    "plain",
    "with space",
    "a+b",
    "100%",
    "a%20b",
    "é-日本-🚀",
    "below/two/directories",
    "a&b=c?d#e;f,g:h@i!j'k(l)*m~n",
    'q"<>',
    "-_.~$",
]


class System:
    """A gateway, with a server in S3's place."""

    def __init__(self, directory, server):
        self.server = server
        self.s3 = storage(server)
        self.edge_core = EdgeCorePeer(directory / "edge.sock")
        self.agent = SaptAgent(directory, f"unix:{directory / 'agent.sock'}", MESSAGE_LIMIT)
        self.sapt = Sapt(
            directory,
            **server.settings(SAPT_AWS_S3_MODELS_DIR=MODELS, SAPT_AWS_S3_DATA_DIR=DATA),
        )

    def command(self, method, **params):
        return self.edge_core.call(method, params)

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def read(self, key):
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def close(self):
        assert self.sapt.stop() == 0
        assert self.agent.stop() == 0
        self.edge_core.stop()


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.name)
def server(request, tmp_path_factory):
    with contextlib.closing(request.param(tmp_path_factory.mktemp(request.param.name))) as running:
        yield running


@pytest.fixture(scope="module")
def system(server, tmp_path_factory):
    running = System(tmp_path_factory.mktemp("gateway"), server)
    try:
        running.edge_core.wait_for("device")
        running.put(f"{MODELS}/digits.tar.gz", archive())
        succeeded(running.command("loadModel", name="digits", s3_filename="digits.tar.gz"))
        yield running
    finally:
        running.close()


def archive(filling=b""):
    """The trained model, as SageMaker packs models."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(DIGITS / "digits.onnx", "digits.onnx")
        info = tarfile.TarInfo("filling")
        info.size = len(filling)
        tar.addfile(info, io.BytesIO(filling))
    return packed.getvalue()


def picture(index):
    """A picture that the model has never seen, and what it predicts for it."""
    name = sorted(PREDICTIONS)[index]
    return (DIGITS / "held-out" / name).read_bytes(), PREDICTIONS[name]


def test_models_with_any_name(system):
    packed = archive()
    for number, name in enumerate(NAMES):
        system.put(f"{MODELS}/{name}.tar.gz", packed)
        model = f"model-{number}"
        loaded = system.command("loadModel", name=model, s3_filename=f"{name}.tar.gz")
        assert succeeded(loaded) == "succeeded", name
        described = succeeded(system.command("describeModel", name=model))
        assert described["input_tensor_metadatas"][0]["shape"] == [1, 8, 8, 1]
        assert succeeded(system.command("unloadModel", name=model)) == "succeeded"


def test_a_large_model(system):
    filling = random.Random(1).randbytes(30_000_000)
    system.put(f"{MODELS}/large.tar.gz", archive(filling))
    succeeded(system.command("loadModel", name="large", s3_filename="large.tar.gz"))
    assert (system.sapt.models / "large" / "filling").read_bytes() == filling
    succeeded(system.command("unloadModel", name="large"))


@pytest.mark.parametrize("name", NAMES)
def test_predictions_with_any_name(system, name):
    content, expected = picture(NAMES.index(name))
    system.put(f"{DATA}/{name}.png", content)
    result = system.command(
        "predict",
        model_name="digits",
        input_data_url=f"s3:///{name}.png",
        output_url=f"s3:///{name}.json",
    )
    assert succeeded(result) == "successful"
    [output] = result["details"]["output"]
    written = json.loads(system.read(output["url"].removeprefix("s3://")))
    assert written["shape"] == [1, 10]
    probabilities = struct.unpack("<10f", base64.b64decode(written["b64_data"]))
    assert probabilities.index(max(probabilities)) == expected
    # Others find it by the name that was asked for, in the configured directory.
    stem = f"{DATA}/{name}-"
    listed = system.s3.list_objects_v2(Bucket=BUCKET, Prefix=stem)["Contents"]
    assert [each["Key"] for each in listed] == [output["url"].removeprefix("s3://")]


def test_an_output_that_numpy_opens(system):
    content, expected = picture(0)
    system.put("elsewhere/in put.png", content)
    result = system.command(
        "predict",
        model_name="digits",
        input_data_url=f"s3://{BUCKET}/elsewhere/in put.png",
        output_url=f"s3://{BUCKET}/elsewhere/out put.npy",
    )
    succeeded(result)
    [output] = result["details"]["output"]
    key = urlsplit(output["url"]).path.removeprefix("/")
    array = numpy.load(io.BytesIO(system.read(key)))
    assert array.shape == (1, 10) and array.dtype == numpy.float32
    assert array.argmax() == expected


def test_keys_that_are_no_paths(system):
    content, expected = picture(1)
    name = "a//b/./c/../d"
    command = {
        "model_name": "digits",
        "input_data_url": f"s3:///{name}.png",
        "output_url": f"s3:///{name}.npy",
    }
    if system.server.keeps_files:
        # What a file system cannot store, this server refuses.
        failed(system.command("predict", **command), "S3_ERROR", f"{DATA}/{name}.png")
        return
    system.put(f"{DATA}/{name}.png", content)
    result = system.command("predict", **command)
    succeeded(result)
    key = result["details"]["output"][0]["url"].removeprefix("s3://")
    assert key.startswith(f"{DATA}/{name}-")
    assert numpy.load(io.BytesIO(system.read(key))).argmax() == expected


def test_what_is_not_there(system):
    failed(
        system.command("loadModel", name="absent", s3_filename="ab sent.tar.gz"),
        "S3_ERROR",
        "NoSuchKey",
        f"{MODELS}/ab sent.tar.gz",
    )
    failed(
        system.command("predict", model_name="digits", input_data_url="s3://absent-bucket/x"),
        "S3_ERROR",
        "NoSuchBucket",
    )
    assert [model["name"] for model in succeeded(system.command("listModels"))] == ["digits"]


def test_a_wrong_secret_is_refused_and_a_right_one_taken(system):
    key = {"awsAccessKeyId": system.server.access_key_id}
    configure(system, {**key, "awsSecretAccessKey": "another-secret"})
    try:
        failed(
            system.command("loadModel", name="second", s3_filename="digits.tar.gz"),
            "S3_ERROR",
            "SignatureDoesNotMatch",
        )
    finally:
        configure(system, {**key, "awsSecretAccessKey": system.server.secret_access_key})
    succeeded(system.command("loadModel", name="second", s3_filename="digits.tar.gz"))
    succeeded(system.command("unloadModel", name="second"))


def configure(system, auth):
    succeeded(system.edge_core.send({"config": {"auth": auth}}))
