"""A directory, a server and a translator for each test."""

import subprocess

import pytest

from peer import LIMIT_SECONDS, EdgeCorePeer, install, start_sapt


@pytest.fixture(scope="session", autouse=True)
def installed():
    install()


@pytest.fixture
def edge_core(tmp_path):
    server = EdgeCorePeer(tmp_path / "edge.sock")
    yield server
    server.stop()


@pytest.fixture
def sapt(edge_core, tmp_path):
    process = start_sapt(
        edge_core.socket,
        tmp_path,
        SAPT_AWS_ACCESS_KEY_ID="AKIDEXAMPLE",
        SAPT_AWS_SECRET_ACCESS_KEY="a-secret-that-never-leaves",
    )
    yield process
    process.terminate()
    try:
        process.wait(LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
