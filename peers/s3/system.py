"""A gateway, with a server in S3's place."""

import io
import json
import tarfile
from pathlib import Path

from edge_core.peer import EdgeCorePeer
from programs import Sapt, SaptAgent
from results import succeeded
from s3.servers import BUCKET
from wire import MESSAGE_LIMIT

DIGITS = Path(__file__).resolve().parents[2] / "lab" / "models" / "digits"
PREDICTIONS = json.loads((DIGITS / "accuracy.json").read_text())["predictions"]

MODELS = "models of/the fleet+1"
DATA = "data 100%/für"


class System:
    """`sapt`, `sapt-agent`, Edge Core's peer, and a client of the server for what others do."""

    def __init__(self, directory, server, storage=None, **settings):
        self.server = server
        self.s3 = storage or server.storage()
        self.edge_core = EdgeCorePeer(directory / "edge.sock")
        self.agent = SaptAgent(directory, f"unix:{directory / 'agent.sock'}", MESSAGE_LIMIT)
        directories = {"SAPT_AWS_S3_MODELS_DIR": MODELS, "SAPT_AWS_S3_DATA_DIR": DATA}
        environment = {**server.settings(**directories), **settings}
        self.sapt = Sapt(directory, **{name: value for name, value in environment.items() if value})
        self.edge_core.wait_for("device")

    def command(self, method, **params):
        return self.edge_core.call(method, params)

    def configure(self, **config):
        succeeded(self.edge_core.send({"config": config}))

    def put(self, key, body):
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=body)

    def read(self, key):
        return self.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()

    def put_model(self, name="digits.tar.gz", filling=b""):
        self.put(f"{MODELS}/{name}", archive(filling))

    def load(self, model="digits", file="digits.tar.gz"):
        return self.command("loadModel", name=model, s3_filename=file)

    def predict(self, source, target):
        return self.command(
            "predict", model_name="digits", input_data_url=source, output_url=target
        )

    def close(self):
        try:
            assert self.sapt.stop() == 0
            assert self.agent.stop() == 0
        finally:
            self.edge_core.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def archive(filling=b""):
    """The trained model, as SageMaker packs models."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        tar.add(DIGITS / "digits.onnx", "digits.onnx")
        info = tarfile.TarInfo("filling")
        info.size = len(filling)
        tar.addfile(info, io.BytesIO(filling))
    return packed.getvalue()


def picture(index):
    """A picture that the model has never seen, and what it predicts for it."""
    name = sorted(PREDICTIONS)[index]
    return (DIGITS / "held-out" / name).read_bytes(), PREDICTIONS[name]


def written(result):
    """Where a prediction was stored: bucket and key, the former empty for the configured one."""
    assert succeeded(result) == "successful"
    [output] = result["details"]["output"]
    return output["url"].removeprefix("s3://")
