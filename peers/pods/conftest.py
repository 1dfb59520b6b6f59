"""A machine for Pods."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from pods import images
from pods.gateway import AGENT_IMAGE, Gateway, IMAGE
from pods.podman import Failed, Podman, missing_programs
from s3.servers import MiniStack


def cannot(reason):
    """Skips the test, but where Pods are required it fails."""
    if os.environ.get("CI_PODS") == "required":
        pytest.fail(f"Pods cannot run here: {reason}", pytrace=False)
    pytest.skip(f"Pods cannot run here: {reason}")


@pytest.fixture(scope="package")
def bare_podman():
    """Podman without an image, where it can run at all."""
    missing = missing_programs()
    if missing:
        cannot(f"not installed: {', '.join(missing)}")
    # By hand: pytest keeps its directories, and these are to be gone.
    podman = Podman(Path(tempfile.mkdtemp(prefix="sapt-pods-")))
    try:
        yield podman
    finally:
        podman.close()
    assert podman.mounts() == []


@pytest.fixture(scope="package")
def podman(bare_podman):
    """Podman with the image of `sapt`, which has run once."""
    try:
        images.make(bare_podman, "SAPT", IMAGE)
        bare_podman.run("run", "--rm", IMAGE, "--version")
    except (Failed, images.NoImage) as reason:
        cannot(reason)
    return bare_podman


@pytest.fixture(scope="package")
def podman_with_agent(podman):
    """Podman with the image of `sapt-agent`, too. It takes long to build, and may be absent."""
    try:
        images.make(podman, "SAPT_AGENT", AGENT_IMAGE)
    except images.NoImage as reason:
        pytest.skip(f"the Pod with the engine: {reason}")
    return podman


@pytest.fixture(scope="package")
def server(tmp_path_factory):
    """A server in S3's place whose keys can be deleted."""
    with contextlib.closing(MiniStack(tmp_path_factory.mktemp("s3"))) as running:
        running.storage()
        yield running


@pytest.fixture
def gateway(podman, server):
    """A gateway on which no Pod runs yet."""
    with contextlib.closing(Gateway(podman, server)) as made:
        yield made
