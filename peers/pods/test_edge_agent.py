"""`edge-agent.yaml`, deployed by `podman kube play` beside `sapt-agent` and Edge Core's peer."""

import base64
import itertools
import json
import os
import uuid
from pathlib import Path

import pytest

from agent_client import agent as agent_peer
from edge_core.peer import DEVICE
from pods import manifests
from pods.confinement import confined, mounts
from pods.gateway import AGENT_SOCKET, DATA, best_of
from results import failed, succeeded
from s3.servers import BUCKET, client
from s3.system import picture, written


@pytest.fixture
def deployed(gateway, server):
    """The gateway with its Pod, registered, and with the agent."""
    gateway.start_agent()
    gateway.deploy(gateway.edge_agent(), **manifests.keys_of(server))
    assert gateway.edge_core.wait_for("device")["deviceId"] == DEVICE
    return gateway


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
    first, second = (iam.create_access_key(UserName="gateway")["AccessKey"] for _ in range(2))
    for number, key in enumerate([first, second]):
        rotate(volume, manifests.keys(key["AccessKeyId"], key["SecretAccessKey"]))
        assert succeeded(deployed.load(f"model-{number}")) == "succeeded"
        iam.delete_access_key(UserName="gateway", AccessKeyId=key["AccessKeyId"])
        # It was this key that counted.
        deployed.put_model(f"{number}.tar.gz")
        failed(
            deployed.load(f"other-{number}", f"{number}.tar.gz"), "S3_ERROR", "InvalidAccessKeyId"
        )


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


def test_its_probes(deployed):
    assert "ready" in deployed.becomes("readinessProbe", 0)
    assert deployed.probe("livenessProbe")[0] == 0

    # Without the agent there is no work for it, but no reason to start it again.
    assert deployed.agent.stop() == 0
    failed(deployed.command("listModels"), "UNAVAILABLE")
    assert "agent" in deployed.becomes("readinessProbe", 1)
    assert deployed.probe("livenessProbe")[0] == 0
    deployed.start_agent()
    deployed.becomes("readinessProbe", 0)

    deployed.edge_core.stop()
    assert "Edge Core" in deployed.becomes("readinessProbe", 1)
    assert deployed.probe("livenessProbe")[0] == 0


def test_it_comes_back_after_it_was_killed(deployed):
    deployed.loads_and_lists()
    pid = deployed.kill()
    deployed.edge_core.wait_for("closed")
    # Of a second registration; the first device event was the one before.
    devices = itertools.count()
    deployed.edge_core.wait_for("device", lambda _: next(devices) == 1)
    assert deployed.state()["Pid"] != pid
    # The control socket of the killed process was in its way.
    deployed.becomes("readinessProbe", 0)
    assert deployed.probe("livenessProbe")[0] == 0


def test_it_is_confined(deployed):
    confined(deployed, "edge-agent")
    mounted = mounts(deployed, "edge-agent")
    for place in ["/edge-core", "/agent", "/credentials"]:
        assert "ro" in mounted[place], place
    for place in ["/run/sapt", str(deployed.models)]:
        assert "rw" in mounted[place], place


def test_a_large_tensor_fits_into_its_memory(gateway, server):
    """What the manifest's limit is measured for."""
    values = bytes(64 << 20)
    tensor = {"name": "x", "shape": [1, len(values) // 4], "type": 5}
    content = {**tensor, "b64_data": base64.b64encode(values).decode()}
    (gateway.models / "data" / "large.json").write_text(json.dumps(content))
    # Its model answers with what it is given.
    agent = agent_peer.serve(agent_peer.Agent(), gateway.sockets / AGENT_SOCKET)
    try:
        gateway.deploy(gateway.edge_agent(), **manifests.keys_of(server))
        gateway.edge_core.wait_for("device")
        started = gateway.state()["Pid"]
        result = gateway.command(
            "predict",
            model_name="echo",
            input_data_url="file:///large.json",
            output_url="file:///large.npy",
        )
        predicted = gateway.models / written(result).removeprefix("file:///models/")
        assert predicted.stat().st_size > len(values)
        assert gateway.state()["Pid"] == started
    finally:
        agent.stop(grace=None).wait()


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


def test_a_models_directory_of_another_user_is_told(gateway):
    """As root without its powers, it cannot write there."""
    os.chown(gateway.models, 1000, 1000)
    pod = gateway.edge_agent()
    pod["spec"]["restartPolicy"] = "Never"
    gateway.deploy(pod, **manifests.keys("AKIDEXAMPLE", "a-secret"))
    assert gateway.podman.run("wait", gateway.container()).strip() == "1"
    logs = gateway.logs()
    assert f"{gateway.models}" in logs and "Permission denied" in logs, logs
    assert "runs as user 0" in logs, logs
