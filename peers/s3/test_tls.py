"""`sapt` and a server whose certificate is of a private authority."""

import contextlib

import pytest

from results import failed, succeeded
from s3.certificate import Authority
from s3.servers import RcloneTls
from s3.system import System


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with contextlib.closing(RcloneTls(tmp_path_factory.mktemp("rclone"))) as running:
        running.s3 = running.storage()
        yield running


def test_an_authority_that_is_not_known(server, tmp_path):
    with System(tmp_path, server, server.s3, SAPT_CA_BUNDLE=None) as system:
        failed(system.load(), "S3_ERROR", server.address, "UnknownIssuer", "SAPT_CA_BUNDLE")


def test_another_authority_than_the_servers(server, tmp_path):
    other = tmp_path / "other.pem"
    Authority().write(other, tmp_path / "certificate.pem", tmp_path / "key.pem")
    with System(tmp_path, server, server.s3, SAPT_CA_BUNDLE=str(other)) as system:
        failed(system.load(), "S3_ERROR", server.address, "certificate", "SAPT_CA_BUNDLE")


def test_the_servers_authority_among_others(server, tmp_path):
    other = tmp_path / "other.pem"
    Authority().write(other, tmp_path / "certificate.pem", tmp_path / "key.pem")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(other.read_bytes() + server.authority.read_bytes())
    with System(tmp_path, server, server.s3, SAPT_CA_BUNDLE=str(bundle)) as system:
        system.put_model()
        assert succeeded(system.load()) == "succeeded"
