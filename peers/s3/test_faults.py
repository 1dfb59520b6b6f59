"""`sapt` and a server that only reads, is slow, and often busy."""

import contextlib
import random

import pytest

from results import failed, succeeded
from s3.servers import Hadro
from s3.system import DATA, MODELS, System, picture
from s3.test_s3 import NAMES

# Three of ten requests are answered 503, the same ones in every run.
BUSY = ["--error-rate", "0.3", "--fault-seed", "1"]
SLOW = ["--latency-ms", "20", "--bandwidth-mbps", "40"]


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hadro")
    with contextlib.closing(Hadro(directory)) as server, System(directory, server) as running:
        yield running


def test_a_model_comes_through_a_slow_and_busy_server(tmp_path):
    filling = random.Random(2).randbytes(6_000_000)
    with contextlib.closing(Hadro(tmp_path, *BUSY, *SLOW)) as server:
        with System(tmp_path, server) as system:
            system.put_model("large.tar.gz", filling)
            for model in ["first", "second", "third"]:
                assert succeeded(system.load(model, "large.tar.gz")) == "succeeded"
                assert (system.sapt.models / model / "filling").read_bytes() == filling


def test_names_are_read_as_they_are(system):
    system.put_model()
    succeeded(system.load())
    for name in NAMES:
        content, expected = picture(NAMES.index(name))
        system.put(f"{DATA}/{name}.png", content)
        result = system.command("predict", model_name="digits", input_data_url=f"s3:///{name}.png")
        assert succeeded(result) == "successful", name


def test_what_is_not_there(system):
    failed(system.load("absent", "absent.tar.gz"), "S3_ERROR", "NoSuchKey", MODELS)


def test_a_server_that_only_reads(system):
    content, _ = picture(0)
    system.put(f"{DATA}/picture.png", content)
    result = system.predict("s3:///picture.png", "s3:///result.npy")
    failed(result, "S3_ERROR", "MethodNotAllowed")


def test_a_server_that_is_always_busy(tmp_path):
    with contextlib.closing(Hadro(tmp_path, "--error-rate", "1")) as server:
        with System(tmp_path, server) as system:
            failed(system.load(), "S3_ERROR", "503", "SlowDown")
