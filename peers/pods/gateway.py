"""A gateway that Pods run on: what they find there, and a client for what others do."""

import base64
import copy
import json
import os
import signal
import struct
import tempfile
import time
from pathlib import Path

import yaml

from edge_core.peer import EdgeCorePeer
from pods import manifests
from programs import LIMIT_SECONDS, SaptAgent
from results import succeeded
from s3.servers import BUCKET, REGION, client
from s3.system import archive
from wire import MESSAGE_LIMIT

IMAGE = "localhost/sapt:0.1.0-x86_64"
AGENT_IMAGE = "localhost/sapt-agent:0.1.0-x86_64"

MODELS = "compilation-output"
DATA = "data"

# What users fill in.
STORAGE = {
    "YOUR_AWS_REGION_GOES_HERE": REGION,
    "YOUR_AWS_SAGEMAKER_S3_BUCKET_GOES_HERE": BUCKET,
    "YOUR_S3_DIR_WHERE_SAGEMAKER_SAVES_COMPILED_MODELS": MODELS,
    "YOUR_S3_DIR_WHERE_SAGEMAKER_STORES_INPUT_AND_OUTPUT_DATA": DATA,
}

AGENT_SOCKET = "sagemaker_edge_agent_example.sock"


class Gateway:
    """Edge Core's peer, the directories, and the Pod that was deployed."""

    def __init__(self, podman, server):
        self.podman, self.server = podman, server
        self.s3 = client(server.endpoint, "s3", *server.administrator)
        self._temporary = tempfile.TemporaryDirectory(prefix="sapt-gateway-")
        self.directory = Path(self._temporary.name)
        # As the gateway has them: /tmp for both kinds of sockets, and /models.
        self.sockets = self.directory / "tmp"
        self.models = self.directory / "models"
        for each in [self.sockets, self.models, self.models / "data"]:
            each.mkdir()
        self.edge_core = EdgeCorePeer(self.sockets / "edge.sock")
        self.agent = None
        self.pod = None

    def start_agent(self):
        """`sapt-agent` on the gateway itself."""
        self.agent = SaptAgent(self.directory, f"unix:{self.sockets / AGENT_SOCKET}", MESSAGE_LIMIT)

    def edge_agent(self, text=None, **values):
        """The Pod of `edge-agent.yaml`, filled by its user, on this gateway."""
        text = text or manifests.EDGE_AGENT.read_text()
        pod = manifests.pod_of(manifests.fill(text, {**STORAGE, **values}))
        self.move(pod)
        # The agent on this machine has to see the models under the Pod's path: here, the Pod sees
        # them under this machine's.
        container = manifests.container_of(pod)
        manifests.mount_of(container, "models")["mountPath"] = str(self.models)
        manifests.set_variable(container, "SAPT_MODELS_PATH", str(self.models))
        return pod

    def move(self, pod):
        """Has a Pod use this gateway's directories, and S3 where it is."""
        places = {"/tmp": self.sockets, "/models": self.models}
        for volume in pod["spec"]["volumes"]:
            if "hostPath" in volume:
                path = volume["hostPath"]["path"]
                volume["hostPath"]["path"] = str(places.get(path, self.directory / path[1:]))
        container = manifests.container_of(pod)
        manifests.set_variable(container, "SAPT_AWS_ENDPOINT_URL", self.server.endpoint)

    def deploy(self, pod, *others, **keys):
        """Deploys a Pod with what else it wants, and the Secret with these keys."""
        played = copy.deepcopy(pod)
        # It is there. Podman 4.3 never mounts an optional one.
        manifests.volume_of(played, "credentials")["secret"]["optional"] = False
        # Podman would run it in a shell, which the image has not. `probe` runs it.
        del manifests.container_of(played)["livenessProbe"]
        documents = [*others, manifests.secret(**keys), played]
        manifest = self.directory / "deployed.yaml"
        manifest.write_text(yaml.safe_dump_all(documents))
        self.pod = pod
        # S3 is on this machine; a Pod of a gateway has a network of its own.
        self.podman.run("kube", "play", "--network", "host", manifest)
        # Podman 4.3 leaves them in base64.
        for name, key in keys.items():
            (self.credentials() / name).write_text(key)

    def credentials(self):
        """The directory that the Pod sees the Secret's files in."""
        mounts = self.podman.inspect(self.container())["Mounts"]
        [mount] = [each for each in mounts if each["Destination"] == "/credentials"]
        return Path(mount["Source"])

    def container(self, name="edge-agent"):
        """Podman's name of one of the Pod's containers."""
        return f"{self.pod['metadata']['name']}-{name}"

    def state(self, name="edge-agent"):
        return self.podman.inspect(self.container(name))["State"]

    def logs(self, name="edge-agent"):
        ended = self.podman.ended("logs", self.container(name))
        return ended.stdout + ended.stderr

    def probe(self, kind, name="edge-agent"):
        """Runs the command of one of a container's probes; its exit code and what it says."""
        command = manifests.container_of(self.pod, name)[kind]["exec"]["command"]
        ended = self.podman.ended("exec", self.container(name), *command)
        return ended.returncode, ended.stdout + ended.stderr

    def becomes(self, kind, code):
        """Waits until a probe ends with this code; returns what it says."""
        return eventually(lambda: self.probe(kind), lambda ended: ended[0] == code)[1]

    def kill(self, name="edge-agent"):
        """Kills a container's process; returns which it was."""
        pid = self.state(name)["Pid"]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self):
        """Stops the Pod as Kubernetes does: SIGTERM, and after its grace period SIGKILL."""
        grace = self.pod["spec"]["terminationGracePeriodSeconds"]
        self.podman.run("pod", "stop", "--time", str(grace), self.pod["metadata"]["name"])

    def restart_edge_core(self):
        """Its socket is another file then."""
        self.edge_core.stop()
        self.edge_core = EdgeCorePeer(self.edge_core.socket)

    def command(self, method, **params):
        return self.edge_core.call(method, params)

    def put_model(self, name="digits.tar.gz"):
        self.s3.put_object(Bucket=BUCKET, Key=f"{MODELS}/{name}", Body=archive())

    def load(self, model="digits", file="digits.tar.gz"):
        return self.command("loadModel", name=model, s3_filename=file)

    def predict(self, source, target, **params):
        return self.command(
            "predict", model_name="digits", input_data_url=source, output_url=target, **params
        )

    def loads_and_lists(self):
        """A short way through everything: S3, the disk and the agent."""
        self.put_model()
        succeeded(self.load())
        assert [model["name"] for model in succeeded(self.command("listModels"))] == ["digits"]

    def close(self):
        try:
            self.podman.clear()
            if self.agent:
                assert self.agent.stop() == 0
        finally:
            self.edge_core.stop()
            self._temporary.cleanup()


def eventually(look, fits):
    """What `look` returns once it fits. For what nothing tells: it asks again, as kubelets do."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while True:
        found = look()
        if fits(found):
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def best_of(tensor):
    """The class that a predicted tensor says."""
    probabilities = struct.unpack("<10f", base64.b64decode(json.loads(tensor)["b64_data"]))
    return probabilities.index(max(probabilities))
