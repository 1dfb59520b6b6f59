"""`sapt` and `sapt-agent`, with other servers in S3's place; boto3 is what others use of them."""

import base64
import contextlib
import io
import json
import random
import struct

import numpy
import pytest

from results import failed, succeeded
from s3.servers import BUCKET, SERVERS
from s3.system import DATA, MODELS, System, picture, written

# What users' keys have in them, and what clients get wrong.
NAMES = [
    "plain",
    "with space",
    "two  spaces",
    "a+b",
    "100%",
    "a%20b",
    "a%2Fb",
    "a%252Fb",
    "é-日本-🚀",
    "e\u0301",
    "below/two/directories",
    "a&b=c?d#e;f,g:h@i!j'k(l)*m~n",
    'q"<>',
    "-_.~$",
    "[{|}]^`",
    "...",
    "~",
]

# What is no path: a file system would take it for another one, or for none.
NO_PATHS = ["a//b", "//a", "a/./b", "./a", "a/../b", "../a", "a/.."]


@pytest.fixture(scope="module", params=SERVERS, ids=lambda server: server.name)
def server(request, tmp_path_factory):
    with contextlib.closing(request.param(tmp_path_factory.mktemp(request.param.name))) as running:
        yield running


@pytest.fixture(scope="module")
def system(server, tmp_path_factory):
    with System(tmp_path_factory.mktemp("gateway"), server) as running:
        running.put_model()
        succeeded(running.load())
        yield running


def test_models_with_any_name(system):
    for number, name in enumerate(NAMES):
        system.put_model(f"{name}.tar.gz")
        model = f"model-{number}"
        assert succeeded(system.load(model, f"{name}.tar.gz")) == "succeeded", name
        described = succeeded(system.command("describeModel", name=model))
        assert described["input_tensor_metadatas"][0]["shape"] == [1, 8, 8, 1]
        assert succeeded(system.command("unloadModel", name=model)) == "succeeded"


def test_a_large_model(system):
    filling = random.Random(1).randbytes(30_000_000)
    system.put_model("large.tar.gz", filling)
    succeeded(system.load("large", "large.tar.gz"))
    assert (system.sapt.models / "large" / "filling").read_bytes() == filling
    succeeded(system.command("unloadModel", name="large"))


@pytest.mark.parametrize("name", NAMES)
def test_predictions_with_any_name(system, name):
    content, expected = picture(NAMES.index(name))
    system.put(f"{DATA}/{name}.png", content)
    key = written(system.predict(f"s3:///{name}.png", f"s3:///{name}.json"))
    result = json.loads(system.read(key))
    assert result["shape"] == [1, 10]
    probabilities = struct.unpack("<10f", base64.b64decode(result["b64_data"]))
    assert probabilities.index(max(probabilities)) == expected
    # Others find it by the name that was asked for, in the configured directory.
    stem = f"{DATA}/{name}-"
    listed = system.s3.list_objects_v2(Bucket=BUCKET, Prefix=stem)["Contents"]
    assert [each["Key"] for each in listed] == [key]


def test_an_output_that_numpy_opens(system):
    content, expected = picture(0)
    system.put("elsewhere/in put.png", content)
    url = written(
        system.predict(
            f"s3://{BUCKET}/elsewhere/in put.png", f"s3://{BUCKET}/elsewhere/out put.npy"
        )
    )
    array = numpy.load(io.BytesIO(system.read(url.removeprefix(f"{BUCKET}/"))))
    assert array.shape == (1, 10) and array.dtype == numpy.float32
    assert array.argmax() == expected


@pytest.mark.parametrize("name", NO_PATHS)
def test_keys_that_are_no_paths(system, name):
    content, expected = picture(NO_PATHS.index(name))
    source, target = (f"s3://{BUCKET}/{name}.{ending}" for ending in ["png", "npy"])
    if system.server.keeps_files:
        # What a file system cannot store, this server refuses.
        failed(system.predict(source, target), "S3_ERROR", f"{name}.png")
        return
    system.put(f"{name}.png", content)
    key = written(system.predict(source, target)).removeprefix(f"{BUCKET}/")
    assert key.startswith(f"{name}-")
    assert numpy.load(io.BytesIO(system.read(key))).argmax() == expected
    # And below the configured directory, where one slash joins the two.
    system.put(f"{DATA}/{name.removeprefix('/')}.png", content)
    key = written(system.predict(f"s3:///{name}.png", f"s3:///{name}.npy"))
    assert key.startswith(f"{DATA}/{name.removeprefix('/')}-")
    assert numpy.load(io.BytesIO(system.read(key))).argmax() == expected


def test_what_is_not_there(system):
    failed(
        system.load("absent", "ab sent.tar.gz"),
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
    system.configure(auth={**key, "awsSecretAccessKey": "another-secret"})
    try:
        failed(system.load("second"), "S3_ERROR", "SignatureDoesNotMatch")
    finally:
        system.configure(auth={**key, "awsSecretAccessKey": system.server.secret_access_key})
    succeeded(system.load("second"))
    succeeded(system.command("unloadModel", name="second"))
