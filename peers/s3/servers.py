"""Servers in S3's place, as processes on loopback."""

import json
import os
import socket
import subprocess
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


class Server:
    """A server that runs as `process`."""

    def settings(self, **directories):
        """The environment of `sapt` with this server."""
        return {
            "SAPT_AWS_REGION": REGION,
            "SAPT_AWS_ENDPOINT_URL": self.endpoint,
            "SAPT_AWS_ACCESS_KEY_ID": self.access_key_id,
            "SAPT_AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "SAPT_AWS_S3_BUCKET": BUCKET,
            **directories,
        }

    def close(self):
        """Ends it."""
        self.process.terminate()
        self.process.wait(LIMIT_SECONDS)


class Rclone(Server):
    """`rclone serve s3`. It checks signatures."""

    name = "rclone"
    # So that keys have to be paths.
    keeps_files = True
    access_key_id, secret_access_key = "AKIDEXAMPLE", "a-secret+of/rclone="
    administrator = (access_key_id, secret_access_key)

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


class MiniStack(Server):
    """`ministack`, in memory. It checks what keys may do, and the signatures of those that its IAM
    has made."""

    name = "ministack"
    # Whose signatures are not checked.
    administrator = ("test", "test")
    keeps_files = False

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
        iam = client(self.endpoint, "iam", *self.administrator)
        iam.create_user(UserName="gateway")
        allowed = {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
            "Resource": "*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
        iam.put_user_policy(UserName="gateway", PolicyName="objects", PolicyDocument=policy)
        key = iam.create_access_key(UserName="gateway")["AccessKey"]
        self.access_key_id, self.secret_access_key = key["AccessKeyId"], key["SecretAccessKey"]


SERVERS = [Rclone, MiniStack]


def storage(server):
    """A client of S3 for this server, with the bucket there."""
    s3 = client(server.endpoint, "s3", *server.administrator)
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
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
