"""The Pod that a fleet's DaemonSet makes on a gateway, from kustomization to registration."""

import json
import shutil

import pytest
import yaml

from pods import manifests
from pods.gateway import IMAGE, MODELS, STORAGE
from pods.kubernetes import Kubectl
from results import succeeded
from s3.servers import BUCKET, REGION

NODE = manifests.FILLED["MVS_PELION_GW_DEVICE_ID"]
DEVICE = f"sagemaker-edge-agent-{NODE}-0"


@pytest.fixture(scope="module")
def kubectl(tmp_path_factory):
    return Kubectl("1.20", tmp_path_factory.mktemp("kubectl"))


def filled(kubectl, directory):
    """What is applied of a user's copy with the placeholders replaced."""
    shutil.copytree(manifests.FLEET, directory)
    group = directory / "groups" / "jetson"
    kustomization = group / "kustomization.yaml"
    text = kustomization.read_text()
    for placeholder, value in STORAGE.items():
        assert placeholder in text
        text = text.replace(placeholder, value)
    kustomization.write_text(text)
    return list(yaml.safe_load_all(kubectl.kustomize(group)))


def pod_on(daemon_set, node):
    """The Pod that a gateway's kubelet starts, which knows what the fields are that its variables
    name."""
    template = daemon_set["spec"]["template"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "name": "edge-agent"},
        "spec": {**template["spec"], "nodeName": node},
    }
    environment = manifests.container_of(pod)["env"]
    [gateway] = [each for each in environment if "valueFrom" in each]
    assert gateway.pop("valueFrom") == {"fieldRef": {"fieldPath": "spec.nodeName"}}
    gateway["value"] = node
    for each in environment:
        each["value"] = each["value"].replace(f"$({gateway['name']})", node)
    return pod


def test_each_gateway_has_a_device_of_its_own(kubectl, gateway, server):
    settings, daemon_set = filled(kubectl, gateway.directory / "fleet")
    assert (settings["kind"], daemon_set["kind"]) == ("ConfigMap", "DaemonSet")
    pod = pod_on(daemon_set, NODE)
    gateway.podman.run("tag", IMAGE, manifests.container_of(pod)["image"])
    gateway.move(pod)
    gateway.start_agent()
    gateway.deploy(pod, settings, **manifests.keys_of(server))

    device = gateway.edge_core.wait_for("device")
    assert device["deviceId"] == DEVICE
    config = json.loads(device["resources"]["/33311/0/5702"]["value"])["config"]
    assert config["awsRegion"] == REGION
    assert config["awsS3Bucket"] == BUCKET
    assert config["awsS3ModelsDirectory"] == MODELS
    request = {"jsonrpc": "2.0", "id": "1", "method": "listModels"}
    reply = gateway.edge_core.execute(DEVICE, json.dumps(request))
    assert succeeded(json.loads(reply["value"])) == []
