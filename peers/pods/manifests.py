"""The manifests that are shipped, and what users and this machine change in them."""

import base64
import re
from pathlib import Path

import yaml

WORKSPACE = Path(__file__).resolve().parents[2]
EDGE_AGENT = WORKSPACE / "edge-agent.yaml"
WITH_ENGINE = WORKSPACE / "kubernetes" / "edge-agent-with-engine.yaml"
FLEET = WORKSPACE / "kubernetes" / "fleet"
GROUPS = FLEET / "groups"

# What a user puts in the place of each placeholder.
FILLED = {
    "MVS_PELION_GW_DEVICE_ID": "016f324f1753162e4903427d03c00000",
    "SAPT_UNAME_M_GOES_HERE": "x86_64",
}


def all_files():
    return [EDGE_AGENT, WITH_ENGINE, *sorted(FLEET.rglob("*.yaml"))]


def fill(text, values):
    """A template with its placeholders replaced, each of which has to be there."""
    for placeholder, value in {**FILLED, **values}.items():
        assert placeholder in text, placeholder
        text = text.replace(placeholder, value)
    return text


def uncomment(text, variable):
    """A template with a variable put in that was commented out."""
    changed, count = re.subn(
        rf"^( *)# (- name: {variable}\n)\1# (  .*\n)", r"\1\2\1\3", text, flags=re.MULTILINE
    )
    assert count == 1, variable
    return changed


def pod_of(text):
    """The Pod of a manifest that has nothing else."""
    [pod] = yaml.safe_load_all(text)
    assert pod["kind"] == "Pod"
    return pod


def container_of(pod, name="edge-agent"):
    [container] = [each for each in pod["spec"]["containers"] if each["name"] == name]
    return container


def volume_of(pod, name):
    [volume] = [each for each in pod["spec"]["volumes"] if each["name"] == name]
    return volume


def mount_of(container, name):
    [mount] = [each for each in container["volumeMounts"] if each["name"] == name]
    return mount


def set_variable(container, name, value):
    """Sets a variable of a container, whether it is there or not."""
    others = [each for each in container["env"] if each["name"] != name]
    container["env"] = [*others, {"name": name, "value": value}]


def secret(**keys):
    """A Secret with the keys for S3."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "sapt-credentials"},
        "type": "Opaque",
        "data": {name: base64.b64encode(key.encode()).decode() for name, key in keys.items()},
    }


def keys(access_key_id, secret_access_key):
    """The files of that Secret."""
    return {
        "SAPT_AWS_ACCESS_KEY_ID": access_key_id,
        "SAPT_AWS_SECRET_ACCESS_KEY": secret_access_key,
    }


def keys_of(server):
    """Those for a server in S3's place."""
    return keys(server.access_key_id, server.secret_access_key)
