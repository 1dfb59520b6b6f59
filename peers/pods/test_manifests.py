"""The manifests, as Kubernetes reads them: of 1.13 and of today."""

import platform
import re
import subprocess

import pytest
import yaml

from pods import manifests
from pods.kubernetes import KUBECTLS, VERSIONS, Kubectl, problems
from pods.manifests import WORKSPACE, container_of, volume_of
from programs import program

GROUPS = sorted(each.name for each in manifests.GROUPS.iterdir())

# The seed's, which users know.
PLACEHOLDERS = {
    "SAPT_AWS_REGION": "YOUR_AWS_REGION_GOES_HERE",
    "SAPT_AWS_ACCESS_KEY_ID": "YOUR_AWS_ACCESS_KEY_GOES_HERE",
    "SAPT_AWS_SECRET_ACCESS_KEY": "YOUR_AWS_SECRET_ACCESS_KEY_GOES_HERE",
    "SAPT_AWS_S3_BUCKET": "YOUR_AWS_SAGEMAKER_S3_BUCKET_GOES_HERE",
    "SAPT_AWS_S3_MODELS_DIR": "YOUR_S3_DIR_WHERE_SAGEMAKER_SAVES_COMPILED_MODELS",
    "SAPT_AWS_S3_DATA_DIR": "YOUR_S3_DIR_WHERE_SAGEMAKER_STORES_INPUT_AND_OUTPUT_DATA",
    "SAPT_PT_DEVICE_NAME": "sagemaker-edge-agent",
}


def documents(path):
    return list(yaml.safe_load_all(path.read_text()))


@pytest.fixture(scope="module", params=KUBECTLS)
def kubectl(request, tmp_path_factory):
    if platform.machine() != "x86_64":
        pytest.skip("the packages with kubectl have it for x86_64 only")
    made = Kubectl(request.param, tmp_path_factory.mktemp("kubectl"))
    assert f"v{request.param}." in made.version()
    return made


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "path", [manifests.EDGE_AGENT, manifests.WITH_ENGINE], ids=lambda p: p.stem
)
def test_pods_are_valid(path, version):
    for document in documents(path):
        assert problems(document, version) == []


def test_unknown_fields_are_problems():
    pod = manifests.pod_of(manifests.EDGE_AGENT.read_text())
    container = container_of(pod)
    container["startupProbe"] = container["livenessProbe"]
    # Known to today's, but not to a gateway's.
    assert "startupProbe" in problems(pod, VERSIONS[0])[0]
    assert problems(pod, VERSIONS[-1]) == []
    container["startProbe"] = container["livenessProbe"]
    assert "startProbe" in problems(pod, VERSIONS[-1])[0]


@pytest.mark.parametrize("group", GROUPS)
def test_fleets_are_valid(kubectl, group):
    built = list(yaml.safe_load_all(kubectl.kustomize(manifests.GROUPS / group)))
    for version in VERSIONS:
        for document in built:
            assert problems(document, version) == []
    kinds = [document["kind"] for document in built]
    assert set(kinds) == {"ConfigMap", "DaemonSet"}
    [daemon_set] = [each for each in built if each["kind"] == "DaemonSet"]
    spec = daemon_set["spec"]["template"]["spec"]
    # Other groups' Pods and gateways are not its own.
    assert daemon_set["metadata"]["name"] == f"edge-agent-{group}"
    assert daemon_set["spec"]["selector"]["matchLabels"]["sapt-group"] == group
    assert spec["nodeSelector"] == {"sapt-group": group}
    assert all(":" in container["image"] for container in spec["containers"])

    # All that the Pod names is there, and in a volume: a gateway keeps just that when offline.
    made = {each["metadata"]["name"] for each in built if each["kind"] == "ConfigMap"}
    volumes = [each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each]
    assert set(volumes) == made
    [settings] = container_of_spec(spec)["envFrom"]
    assert settings["configMapRef"]["name"] in made
    # The Secret is the users', under the name that the README has.
    assert volume_of({"spec": spec}, "credentials")["secret"]["secretName"] == "sapt-credentials"


def container_of_spec(spec, name="edge-agent"):
    return container_of({"spec": spec}, name)


@pytest.mark.parametrize("group", GROUPS)
def test_fleets_run_the_same_pod(kubectl, group):
    built = list(yaml.safe_load_all(kubectl.kustomize(manifests.GROUPS / group)))
    [daemon_set] = [each for each in built if each["kind"] == "DaemonSet"]
    spec = daemon_set["spec"]["template"]["spec"]
    like = manifests.WITH_ENGINE if len(spec["containers"]) > 1 else manifests.EDGE_AGENT
    pod = documents(like)[-1]
    assert set(spec) - set(pod["spec"]) == {"nodeSelector"}
    assert set(pod["spec"]) - set(spec) == {"nodeName"}
    assert (
        daemon_set["spec"]["template"]["metadata"]["annotations"] == pod["metadata"]["annotations"]
    )

    # What differs on purpose.
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert volumes.pop("settings")
    wanted = {each["name"]: each for each in pod["spec"]["volumes"]}
    for each in [volumes, wanted]:
        each.get("configuration", {}).pop("configMap", None)
    assert volumes == wanted
    for container in spec["containers"]:
        wanted = container_of(pod, container["name"])
        tag = wanted["image"].replace("SAPT_UNAME_M_GOES_HERE", "")
        assert container["image"].startswith(tag)
        sets = {name: container.pop(name, None) for name in ["env", "envFrom", "image"]}
        has = {name: wanted.pop(name, None) for name in ["env", "image"]}
        assert container == wanted
        if container["name"] == "edge-agent":
            settings = [
                each for each in built if each["metadata"]["name"].startswith("sapt-settings")
            ]
            names = {each["name"] for each in sets["env"]} | set(settings[0]["data"])
            assert names - {"GATEWAY"} == {each["name"] for each in has["env"]}


def test_both_pods_have_the_same_sapt():
    alone, [_, beside] = documents(manifests.EDGE_AGENT)[0], documents(manifests.WITH_ENGINE)
    assert container_of(alone) == container_of(beside)
    assert alone["metadata"] == beside["metadata"]
    for pod in [alone, beside]:
        del pod["spec"]["containers"]
    # The agent's socket is in the Pod itself, and further volumes are the engine's.
    del beside["spec"]["volumes"][-2:]
    for pod in [alone, beside]:
        pod["spec"]["volumes"].remove(volume_of(pod, "agent"))
    assert alone == beside


def test_the_template_is_the_seeds():
    text = manifests.EDGE_AGENT.read_text()
    assert "nodeName: MVS_PELION_GW_DEVICE_ID\n" in text
    assert re.search(r'^    image: ".*-SAPT_UNAME_M_GOES_HERE"$', text, flags=re.MULTILINE)
    for variable in ["SAPT_AWS_ACCESS_KEY_ID", "SAPT_AWS_SECRET_ACCESS_KEY"]:
        text = manifests.uncomment(text, variable)
    variables = {
        each["name"]: each["value"] for each in container_of(manifests.pod_of(text))["env"]
    }
    assert variables.items() >= PLACEHOLDERS.items()


def test_variables_are_ones_that_sapt_reads():
    known = subprocess.run([program("SAPT"), "help", "run"], capture_output=True, text=True).stdout
    texts = [each.read_text() for each in manifests.all_files()]
    used = set(re.findall(r"SAPT_[A-Z0-9_]*[A-Z0-9]", " ".join(texts))) - {"SAPT_UNAME_M_GOES_HERE"}
    assert len(used) > 10
    assert {each for each in used if each not in known} == set()


@pytest.mark.parametrize(
    "name,manifest", [("sapt", "Cargo.toml"), ("sapt-agent", "agent/Cargo.toml")]
)
def test_images_are_of_this_version(name, manifest):
    version = re.search(r'^version = "(.*)"', (WORKSPACE / manifest).read_text(), re.MULTILINE)[1]
    named = rf'image: "{name}:(.*)-'
    tagged = rf"- name: {name}\n(?:  #.*\n)*  newTag: (.*)-"
    found = {
        each
        for path in manifests.all_files()
        for each in re.findall(f"(?:{named}|{tagged})", path.read_text())
    }
    versions = {part for each in found for part in each if part}
    assert versions == {version}
