"""`kubernetes/edge-agent-with-engine.yaml`: everything but Edge Core and S3 is in the Pod."""

import pytest
import yaml

from pods import manifests
from pods.confinement import confined, mounts
from pods.gateway import STORAGE, best_of, eventually
from results import succeeded
from s3.system import picture, written


@pytest.fixture
def deployed(podman_with_agent, gateway, server):
    text = manifests.fill(manifests.WITH_ENGINE.read_text(), STORAGE)
    configuration, pod = yaml.safe_load_all(text)
    gateway.move(pod)
    gateway.deploy(pod, configuration, **manifests.keys_of(server))
    gateway.edge_core.wait_for("device")
    return gateway


def test_the_main_job_and_what_is_captured(deployed):
    deployed.put_model()
    # The first command may come before the agent listens.
    deployed.becomes("readinessProbe", 0)
    assert succeeded(deployed.load()) == "succeeded"
    [model] = succeeded(deployed.command("listModels"))
    assert model["url"] == "/models/digits"

    content, expected = picture(0)
    (deployed.models / "data" / "here.png").write_bytes(content)
    result = deployed.predict("file:///here.png", "file:///predicted.data", capture_enable=True)
    predicted = deployed.models / written(result).removeprefix("file:///models/")
    assert best_of(predicted.read_bytes()) == expected

    capture_id = result["details"]["capture_id"]
    # Both exit in order, and what was captured is on the gateway's disk.
    deployed.stop()
    assert deployed.state("edge-agent")["ExitCode"] == 0
    assert deployed.state("sapt-agent")["ExitCode"] == 0
    captures = deployed.directory / "var/lib/sapt-agent/captures"
    files = [each for each in captures.rglob("*") if each.is_file()]
    assert any(capture_id in each.read_text(errors="replace") for each in files), files


def test_the_engine_comes_back_with_its_models(deployed):
    deployed.becomes("readinessProbe", 0)
    deployed.loads_and_lists()
    killed = deployed.kill("sapt-agent")
    eventually(lambda: deployed.state("sapt-agent")["Pid"], lambda pid: pid not in (0, killed))
    # sapt loads it again from the disk.
    listed = eventually(
        lambda: deployed.command("listModels"), lambda result: result["response"] not in ("", [])
    )
    assert [model["name"] for model in succeeded(listed)] == ["digits"]


def test_both_are_confined(deployed):
    deployed.becomes("readinessProbe", 0)
    confined(deployed, "edge-agent")
    confined(deployed, "sapt-agent")
    mounted = mounts(deployed, "sapt-agent")
    assert "ro" in mounted["/models"] and "ro" in mounted["/etc/sapt-agent"]
    assert "rw" in mounted["/agent"] and "rw" in mounted["/captures"]
