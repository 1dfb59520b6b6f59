"""A Debian system with a bundle in it."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from installer import bundles, debian
from installer.gateway import Gateway


def cannot(reason):
    """Skips the test, but where installations are required it fails."""
    if os.environ.get("CI_INSTALLER") in ("required", "booted"):
        pytest.fail(f"cannot install here: {reason}", pytrace=False)
    pytest.skip(f"cannot install here: {reason}")


@pytest.fixture(scope="package")
def place():
    """A directory for what is large; pytest keeps its own, and this is to be gone."""
    reason = debian.missing()
    if reason:
        cannot(reason)
    try:
        debian.prove()
    except subprocess.CalledProcessError as error:
        cannot(f"{error}\n{error.stderr or ''}")
    directory = Path(tempfile.mkdtemp(prefix="sapt-installer-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="package")
def bundle(place):
    """The bundle of the `sapt` under test, unpacked; nobody changes it."""
    directory = place / "bundle"
    directory.mkdir()
    return bundles.unpacked(directory, with_agent=False)


@pytest.fixture
def gateway(place, bundle):
    """A gateway on which nothing is installed yet."""
    made = Gateway(Path(tempfile.mkdtemp(prefix="gateway-", dir=place)), bundle)
    yield made
    made.remove()
