"""Servers in S3's place, as processes on loopback."""

import json
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
from s3.certificate import Authority

REGION = "eu-west-1"
BUCKET = "edge-models"

# Where a virtual environment's programs are.
PROGRAMS = Path(sysconfig.get_path("scripts"))


class Server:
    """A server that runs as `process`."""

    # Where it speaks TLS, the file with its authority.
    authority = None

    @property
    def address(self):
        """Host and port."""
        return self.endpoint.split("//")[1]

    def settings(self, **settings):
        """The environment of `sapt` with this server."""
        if self.authority:
            settings = {"SAPT_CA_BUNDLE": str(self.authority), **settings}
        return {
            "SAPT_AWS_REGION": REGION,
            "SAPT_AWS_ENDPOINT_URL": self.endpoint,
            "SAPT_AWS_ACCESS_KEY_ID": self.access_key_id,
            "SAPT_AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "SAPT_AWS_S3_BUCKET": BUCKET,
            **settings,
        }

    def storage(self):
        """A client of S3 for this server, with the bucket there."""
        s3 = client(self.endpoint, "s3", *self.administrator, verify=self.authority)
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        return s3

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
                *self.tls(directory),
                root,
            ]
        )
        listening(self.process, port)

    def tls(self, directory):
        """Further options."""
        return []


class RcloneTls(Rclone):
    """As `Rclone`, over TLS with a private authority."""

    name = "rclone-tls"

    def tls(self, directory):
        self.endpoint = self.endpoint.replace("http:", "https:")
        self.authority = directory / "authority.pem"
        certificate, key = directory / "certificate.pem", directory / "key.pem"
        Authority().write(self.authority, certificate, key)
        return ["--cert", certificate, "--key", key]


class MiniStack(Server):
    """`ministack`, in memory. It checks what keys may do, and the signatures of those that its IAM
    has made."""

    name = "ministack"
    # Whose signatures are not checked.
    administrator = ("test", "test")
    keeps_files = False

    def __init__(self, directory, clock_shift_seconds=0):
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
        command = [PROGRAMS / "ministack"]
        if clock_shift_seconds:
            shift = Path(__file__).with_name("other_clock.py")
            command = [sys.executable, shift, str(clock_shift_seconds), *command]
        self.process = subprocess.Popen(command, env=environment, cwd=directory)
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

    def session(self):
        """Temporary keys for the same user: id, secret, token."""
        keys = (self.access_key_id, self.secret_access_key)
        made = client(self.endpoint, "sts", *keys).get_session_token()["Credentials"]
        return made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"]


class Hadro(Server):
    """`hadro`, which serves a directory. It checks signatures, and can be slow and busy."""

    name = "hadro"
    access_key_id, secret_access_key = "AKIDEXAMPLE", "a-secret+of/hadro="

    def __init__(self, directory, *options):
        self.root = directory / "buckets"
        (self.root / BUCKET).mkdir(parents=True)
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [
                PROGRAMS / "hadro",
                *["--port", str(port), "--region", REGION, "--log-level", "error"],
                *["--access-key", self.access_key_id, "--secret-key", self.secret_access_key],
                *options,
                self.root,
            ]
        )
        listening(self.process, port)

    def storage(self):
        return Files(self.root)


class Files:
    """Stands for a client of S3 where objects can only be put as files."""

    def __init__(self, root):
        self.root = root

    def put_object(self, Bucket, Key, Body):
        path = self.root / Bucket / Key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(Body)


SERVERS = [Rclone, RcloneTls, MiniStack]


def client(endpoint, service, access_key_id, secret_access_key, verify=None):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        region_name=REGION,
        verify=verify and str(verify),
        config=Config(
            s3={"addressing_style": "path"},
            proxies={},
            # Over TLS they go behind the body, which rclone does not take.
            request_checksum_calculation="when_required",
        ),
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
            # None says when it listens.
            time.sleep(0.05)
