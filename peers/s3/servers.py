"""Servers in S3's place, as processes on loopback."""

import os
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import boto3
from botocore.config import Config

from programs import LIMIT_SECONDS

REGION = "eu-west-1"
BUCKET = "edge-models"

# Where a virtual environment's programs are.
PROGRAMS = Path(sysconfig.get_path("scripts"))


class Rclone:
    """`rclone serve s3`, on files. Has no keys with an empty part, as `a//b`."""

    name = "rclone"
    checks_signatures = True
    keeps_empty_parts = False
    access_key_id, secret_access_key = "AKIDEXAMPLE", "a-secret+of/rclone="

    def __init__(self, directory):
        root = directory / "buckets"
        root.mkdir()
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [
                PROGRAMS / "rclone",
                *["--config", directory / "none.conf", "--cache-dir", directory / "cache"],
                *["serve", "s3", "--addr", f"127.0.0.1:{port}", "--log-level", "ERROR"],
                *["--auth-key", f"{self.access_key_id},{self.secret_access_key}"],
                root,
            ]
        )
        listening(self.process, port)


class MiniStack:
    """`ministack`, in memory. Its signatures are checked for keys that its IAM has made."""

    name = "ministack"
    checks_signatures = sys.version_info >= (3, 12)
    keeps_empty_parts = True

    def __init__(self, directory):
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        environment = {
            **os.environ,
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "HOME": str(directory),
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "ERROR",
            "SFTP_ENABLED": "0",
        }
        self.process = subprocess.Popen([PROGRAMS / "ministack"], env=environment, cwd=directory)
        listening(self.process, port)
        iam = client(self.endpoint, "iam", "test", "test")
        iam.create_user(UserName="gateway")
        key = iam.create_access_key(UserName="gateway")["AccessKey"]
        self.access_key_id, self.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]


SERVERS = [Rclone, MiniStack]


def storage(server):
    """A client of S3 for this server, with the bucket there."""
    s3 = client(server.endpoint, "s3", server.access_key_id, server.secret_access_key)
    s3.create_bucket(
        Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION}
    )
    return s3


def client(endpoint, service, access_key_id, secret_access_key):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        region_name=REGION,
        config=Config(s3={"addressing_style": "path"}, proxies={}),
    )


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def listening(process, port):
    """Returns when something accepts connections there."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not listen"
            # Neither says when it listens.
            time.sleep(0.05)
