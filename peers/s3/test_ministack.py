"""`sapt` and what only `ministack` looks at: regions, temporary keys, clocks."""

import contextlib

import pytest

from results import failed, succeeded
from s3.servers import REGION, MiniStack
from s3.system import DATA, System, picture, written

ELSEWHERE = "us-east-1"
FIVE_YEARS = 5 * 365 * 24 * 3600


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with contextlib.closing(MiniStack(tmp_path_factory.mktemp("ministack"))) as running:
        running.s3 = running.storage()
        yield running


def works(system):
    """Pulls a model, reads a picture, and writes a result that boto3 reads."""
    content, _ = picture(0)
    system.put_model()
    system.put(f"{DATA}/in put+.png", content)
    assert succeeded(system.load()) == "succeeded"
    key = written(system.predict("s3:///in put+.png", "s3:///out put+.npy"))
    assert system.read(key).startswith(b"\x93NUMPY")


def test_another_region_than_the_buckets(server, tmp_path):
    with System(tmp_path, server, server.s3, SAPT_AWS_REGION=ELSEWHERE) as system:
        works(system)


def test_another_region_by_a_remote_update(server, tmp_path):
    with System(tmp_path, server, server.s3) as system:
        works(system)
        system.configure(awsRegion=ELSEWHERE)
        succeeded(system.load("second"))
        system.configure(awsRegion=REGION)
        succeeded(system.load("third"))


def test_an_upload_is_the_first_to_meet_another_region(server, tmp_path):
    with System(tmp_path, server, server.s3) as system:
        system.put_model()
        succeeded(system.load())
        (system.sapt.models / "data" / "x.png").write_bytes(picture(0)[0])
        system.configure(awsRegion=ELSEWHERE)
        key = written(system.predict("file:///x.png", "s3:///result.npy"))
        assert system.read(key).startswith(b"\x93NUMPY")


def test_temporary_keys_from_the_environment(server, tmp_path):
    key, secret, token = server.session()
    settings = {
        "SAPT_AWS_ACCESS_KEY_ID": key,
        "SAPT_AWS_SECRET_ACCESS_KEY": secret,
        "SAPT_AWS_SESSION_TOKEN": token,
    }
    with System(tmp_path, server, server.s3, **settings) as system:
        works(system)


def test_temporary_keys_by_a_remote_update(server, tmp_path):
    key, secret, token = server.session()
    auth = {"awsAccessKeyId": key, "awsSecretAccessKey": secret}
    with System(tmp_path, server, server.s3) as system:
        system.configure(auth={**auth, "awsSessionToken": token})
        works(system)
        system.configure(auth={**auth, "awsSessionToken": "another-token"})
        failed(system.load("second"), "S3_ERROR", "InvalidToken")
        # The token of the old keys must not go with the new ones.
        system.configure(
            auth={
                "awsAccessKeyId": server.access_key_id,
                "awsSecretAccessKey": server.secret_access_key,
            }
        )
        succeeded(system.load("second"))


@pytest.mark.parametrize("shift", [FIVE_YEARS, -FIVE_YEARS], ids=["ahead", "behind"])
def test_another_clock_than_the_servers(shift, tmp_path):
    directory = tmp_path / "ministack"
    directory.mkdir()
    with contextlib.closing(MiniStack(directory, shift)) as server:
        with System(tmp_path, server) as system:
            works(system)
