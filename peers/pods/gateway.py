"""A gateway that Pods run on: what they find there, and a client for what others do."""

import tempfile
from pathlib import Path

import yaml

from edge_core.peer import EdgeCorePeer
from pods import manifests
from programs import SaptAgent
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
        self.manifest = None
        self.pod = None

    def start_agent(self):
        """`sapt-agent` on the gateway itself."""
        self.agent = SaptAgent(self.directory, f"unix:{self.sockets / AGENT_SOCKET}", MESSAGE_LIMIT)

    def edge_agent(self, text=None, **values):
        """The Pod of `edge-agent.yaml`, filled by its user, and with what differs on this gateway:
        its directories, and that S3 is elsewhere."""
        text = text or manifests.EDGE_AGENT.read_text()
        pod = manifests.pod_of(manifests.fill(text, {**STORAGE, **values}))
        container = manifests.container_of(pod)
        for name in ["edge-core", "agent"]:
            manifests.volume_of(pod, name)["hostPath"]["path"] = str(self.sockets)
        # The agent on this machine has to see the models under the Pod's path: here, the Pod sees
        # them under this machine's.
        manifests.volume_of(pod, "models")["hostPath"]["path"] = str(self.models)
        manifests.mount_of(container, "models")["mountPath"] = str(self.models)
        manifests.set_variable(container, "SAPT_MODELS_PATH", str(self.models))
        manifests.set_variable(container, "SAPT_AWS_ENDPOINT_URL", self.server.endpoint)
        return pod

    def deploy(self, pod, **keys):
        """Deploys a Pod, and the Secret with these keys."""
        documents = [manifests.secret(**keys), pod]
        # It is there. Podman 4.3 never mounts an optional one.
        manifests.volume_of(pod, "credentials")["secret"]["optional"] = False
        self.manifest = self.directory / "deployed.yaml"
        self.manifest.write_text(yaml.safe_dump_all(documents))
        self.pod = pod
        # S3 is on this machine; a Pod of a gateway has a network of its own.
        self.podman.run("kube", "play", "--network", "host", self.manifest)
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

    def exec(self, command, name="edge-agent"):
        """Runs a command in a container, as an exec probe does."""
        return self.podman.ended("exec", self.container(name), *command)

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
            if self.manifest:
                self.podman.ended("kube", "down", self.manifest)
                # What `kube down` leaves there.
                self.podman.run("pod", "rm", "--all", "--force", "--time", "0")
                self.podman.run("volume", "rm", "--all", "--force")
                for name in self.podman.run("secret", "ls", "--format", "{{.Name}}").split():
                    self.podman.run("secret", "rm", name)
            if self.agent:
                assert self.agent.stop() == 0
        finally:
            self.edge_core.stop()
            self._temporary.cleanup()
