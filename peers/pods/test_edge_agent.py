"""`edge-agent.yaml`, deployed by `podman kube play` beside `sapt-agent` and Edge Core's peer."""

import base64
import json
import os
import struct
import uuid
from pathlib import Path

import pytest

from edge_core.peer import DEVICE
from pods import manifests
from results import failed, succeeded
from s3.servers import BUCKET, client
from s3.system import picture, written
from pods.gateway import DATA


def keys_of(server):
    return manifests.keys(server.access_key_id, server.secret_access_key)


@pytest.fixture
def deployed(gateway, server):
    """The gateway with its Pod, registered, and with the agent."""
    gateway.start_agent()
    gateway.deploy(gateway.edge_agent(), **keys_of(server))
    assert gateway.edge_core.wait_for("device")["deviceId"] == DEVICE
    return gateway


def best_of(tensor):
    """The class that a predicted tensor says."""
    probabilities = struct.unpack("<10f", base64.b64decode(json.loads(tensor)["b64_data"]))
    return probabilities.index(max(probabilities))


def test_the_main_job(deployed):
    deployed.put_model()
    assert succeeded(deployed.load()) == "succeeded"
    [model] = succeeded(deployed.command("listModels"))
    assert model["url"] == str(deployed.models / "digits")

    content, expected = picture(0)
    (deployed.models / "data" / "here.png").write_bytes(content)
    url = written(deployed.predict("file:///here.png", "file:///predicted.data"))
    predicted = deployed.models / url.removeprefix("file:///models/")
    assert best_of(predicted.read_bytes()) == expected

    content, expected = picture(1)
    deployed.s3.put_object(Bucket=BUCKET, Key=f"{DATA}/there.png", Body=content)
    capture_id = str(uuid.uuid4())
    key = written(
        deployed.predict(
            "s3:///there.png", "s3:///predicted.data", capture_enable=True, capture_id=capture_id
        )
    )
    assert best_of(deployed.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) == expected
    captured = deployed.command("getDataCaptureStatus", capture_id=capture_id)
    assert succeeded(captured) in ("SUCCESS", "IN_PROGRESS")

    assert succeeded(deployed.command("unloadModel", name="digits")) == "succeeded"


def test_it_registers_again_when_edge_core_makes_its_socket_anew(deployed):
    started = deployed.state()["Pid"]
    before = os.stat(deployed.edge_core.socket).st_ino
    # Kept, so that the new file cannot get its number.
    os.link(deployed.edge_core.socket, deployed.directory / "old.sock")
    deployed.restart_edge_core()
    assert os.stat(deployed.edge_core.socket).st_ino != before
    assert deployed.edge_core.wait_for("device")["deviceId"] == DEVICE
    deployed.loads_and_lists()
    assert deployed.state()["Pid"] == started


def test_it_finds_an_agent_that_makes_its_socket_anew(deployed):
    deployed.loads_and_lists()
    assert deployed.agent.stop() == 0
    failed(deployed.command("listModels"), "UNAVAILABLE")
    deployed.start_agent()
    assert succeeded(deployed.load()) == "succeeded"


def swap(volume, files):
    """Replaces a Secret volume's files as a kubelet does: all at once, by a link."""
    version = volume / f"..{uuid.uuid4()}"
    version.mkdir()
    for name, content in files.items():
        (version / name).write_text(content)
    (volume / "..data_tmp").symlink_to(version.name)
    (volume / "..data_tmp").replace(volume / "..data")
    for name in files:
        link = volume / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..data") / name)


def overwrite(volume, files):
    """Replaces them one by one."""
    for name, content in files.items():
        (volume / name).write_text(content)


@pytest.mark.parametrize("rotate", [swap, overwrite])
def test_rotated_keys_count_for_the_next_command(deployed, server, rotate):
    deployed.put_model()
    iam = client(server.endpoint, "iam", *server.administrator)
    volume = deployed.credentials()
    first, second = (
        iam.create_access_key(UserName="gateway")["AccessKey"] for _ in range(2)
    )
    for number, key in enumerate([first, second]):
        rotate(volume, manifests.keys(key["AccessKeyId"], key["SecretAccessKey"]))
        assert succeeded(deployed.load(f"model-{number}")) == "succeeded"
        iam.delete_access_key(UserName="gateway", AccessKeyId=key["AccessKeyId"])
        # It was this key that counted.
        deployed.put_model(f"{number}.tar.gz")
        failed(deployed.load(f"other-{number}", f"{number}.tar.gz"), "S3_ERROR", "InvalidAccessKeyId")


def test_keys_as_plain_variables(gateway, server):
    text = manifests.EDGE_AGENT.read_text()
    for variable in ["SAPT_AWS_ACCESS_KEY_ID", "SAPT_AWS_SECRET_ACCESS_KEY"]:
        text = manifests.uncomment(text, variable)
    gateway.start_agent()
    filled = gateway.edge_agent(
        text,
        YOUR_AWS_ACCESS_KEY_GOES_HERE=server.access_key_id,
        YOUR_AWS_SECRET_ACCESS_KEY_GOES_HERE=server.secret_access_key,
    )
    # They count before these.
    gateway.deploy(filled, **manifests.keys("AKIDUNKNOWN", "of-no-user"))
    gateway.edge_core.wait_for("device")
    gateway.loads_and_lists()


def test_it_is_confined(deployed):
    process = Path(f"/proc/{deployed.state()['Pid']}")
    lines = (process / "status").read_text().splitlines()
    status = {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}
    assert status["Uid"].split() == ["0"] * 4
    for kind in ["Inh", "Prm", "Eff", "Bnd", "Amb"]:
        assert int(status[f"Cap{kind}"], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    # A filter is on.
    assert status["Seccomp"] == "2"

    mounted = [line.split() for line in (process / "mounts").read_text().splitlines()]
    options = {place: words.split(",") for _, place, _, words, *_ in mounted}
    for place in ["/", "/edge-core", "/agent"]:
        assert "ro" in options[place], place
    for place in ["/run/sapt", str(deployed.models)]:
        assert "rw" in options[place], place


def test_its_memory_is_limited(deployed):
    limit = manifests.container_of(deployed.pod)["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    group = Path(f"/proc/{deployed.state()['Pid']}/cgroup").read_text().splitlines()
    controllers = {line.split(":")[1]: line.split(":")[2] for line in group}
    if "memory" in controllers:
        file = Path("/sys/fs/cgroup/memory" + controllers["memory"]) / "memory.limit_in_bytes"
    else:
        file = Path("/sys/fs/cgroup" + controllers[""]) / "memory.max"
    assert int(file.read_text()) == int(limit.removesuffix("Mi")) << 20


def test_it_stops_in_order_within_its_grace_period(deployed):
    deployed.loads_and_lists()
    deployed.stop()
    # 137 if it had been killed.
    assert deployed.state()["ExitCode"] == 0
    assert deployed.edge_core.wait_for("closed")["code"] != 1006


def test_placeholders_that_were_left_are_told(gateway):
    pod = manifests.pod_of(manifests.fill(manifests.EDGE_AGENT.read_text(), {}))
    for name in ["edge-core", "agent", "models"]:
        manifests.volume_of(pod, name)["hostPath"]["path"] = str(gateway.sockets)
    pod["spec"]["restartPolicy"] = "Never"
    gateway.deploy(pod, **manifests.keys("AKIDEXAMPLE", "a-secret"))
    assert gateway.podman.run("wait", gateway.container()).strip() == "64"
    logs = gateway.logs()
    for variable in ["REGION", "S3_BUCKET", "S3_MODELS_DIR", "S3_DATA_DIR"]:
        assert f"SAPT_AWS_{variable}: still holds the placeholder" in logs, logs
