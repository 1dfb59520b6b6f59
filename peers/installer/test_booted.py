"""Installing on a gateway whose systemd runs, and what becomes of it. Takes minutes."""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from edge_core.peer import EdgeCorePeer
from installer import bundles
from installer.conftest import cannot
from installer.gateway import Gateway
from installer.machine import Machine
from pods.podman import Failed, Podman, missing_programs
from s3.servers import BUCKET, MiniStack, REGION
from s3.system import archive

pytestmark = pytest.mark.skipif(
    os.environ.get("CI_INSTALLER") != "booted", reason="CI_INSTALLER=booted has it run"
)

AGENT, SAPT = "sagemaker_edge_agent.service", "sapt.service"


@pytest.fixture(scope="module")
def whole_bundle(place):
    """A bundle with the agent under test, too."""
    directory = place / "whole"
    directory.mkdir()
    return bundles.unpacked(directory, with_agent=True)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with contextlib.closing(MiniStack(tmp_path_factory.mktemp("s3"))) as running:
        running.storage().put_object(
            Bucket=BUCKET, Key="compilation-output/digits.tar.gz", Body=archive()
        )
        yield running


@pytest.fixture(scope="module")
def podman():
    missing = missing_programs()
    if missing:
        cannot(f"not installed: {', '.join(missing)}")
    podman = Podman(Path(tempfile.mkdtemp(prefix="sapt-booted-")))
    yield podman
    podman.close()


class Site:
    """A gateway that runs between Edge Core and S3, or with Edge Core alone and no network."""

    def __init__(self, place, bundle, podman, server=None):
        self.gateway = Gateway(Path(tempfile.mkdtemp(prefix="booted-", dir=place)), bundle)
        self.shared = Path(tempfile.mkdtemp(prefix="tmp-", dir=place))
        self.shared.chmod(0o1777)
        self.values = {"SAPT_PT_DEVICE_NAME": "gateway"}
        if server:
            self.values |= {
                "SAPT_AWS_ACCESS_KEY_ID": server.access_key_id,
                "SAPT_AWS_SECRET_ACCESS_KEY": server.secret_access_key,
                "SAPT_AWS_REGION": REGION,
                "SAPT_AWS_S3_BUCKET": BUCKET,
                "SAPT_AWS_S3_MODELS_DIR": "compilation-output",
                "SAPT_AWS_S3_DATA_DIR": "data",
                "SAPT_AWS_ENDPOINT_URL": server.endpoint,
            }
        self.configure()
        self.machine = Machine(podman, self.gateway, self.shared, "host" if server else "none")
        # Afterwards: /tmp is emptied at each start of the system.
        self.edge_core = EdgeCorePeer(self.shared / "edge.sock")

    def configure(self, **values):
        """Writes the operator's env file."""
        self.values.update(values)
        lines = [
            f'if [ -z "${{{name}}}" ]; then\n\texport {name}="{value}"\nfi\n'
            for name, value in self.values.items()
        ]
        self.gateway.write("/srv/my.env", "".join(lines), 0o600)

    def reboot(self):
        """Edge Core, too, begins anew."""
        self.edge_core.stop()
        self.machine.reboot()
        self.edge_core = EdgeCorePeer(self.shared / "edge.sock")

    def install(self, *options):
        return self.machine.run("/bundle/install", *options, "/srv/my.env")

    def installs(self, *options):
        code, said = self.install(*options)
        assert code == 0, said
        return said

    def close(self):
        self.machine.close()
        self.edge_core.stop()
        self.gateway.remove()


def running(*parts):
    """What a fixture yields of it."""
    try:
        made = Site(*parts)
    except Failed as reason:
        cannot(reason)
    yield made
    made.close()


@pytest.fixture
def site(place, whole_bundle, podman, server):
    yield from running(place, whole_bundle, podman, server)


@pytest.fixture
def lonely_site(place, whole_bundle, podman):
    yield from running(place, whole_bundle, podman)


def predicts(machine, source="s3_filename=digits.tar.gz"):
    """The main job, from an archive to a prediction, without the cloud."""
    if machine.loaded() != ["digits"]:
        machine.call("loadModel", "name=digits", source)
    answer = machine.call(
        "predict", "model_name=digits", "input_data_url=file:///digit.bmp", "output_url=file:///x"
    )
    assert answer["response"] == "successful", answer


def test_one_command_to_a_predicting_gateway(site):
    machine = site.machine
    said = site.installs()
    assert "installed" in said
    # All green.
    machine.runs("sapt", "check", "--environment", "/etc/sapt/sapt.env", "--write")
    assert site.edge_core.wait_for("device")
    # With what the bundle has, and with what S3 has.
    predicts(machine, "url=file:///digits.tar.gz")
    machine.call("unloadModel", "name=digits")
    predicts(machine)
    shown = machine.until("/usr/local/lib/sapt/status", fits=lambda said: "  ready: reg" in said)
    assert "sapt: active (running)" in shown and machine.run("/usr/local/lib/sapt/status")[0] == 0
    logs = machine.runs("/usr/local/lib/sapt/logs", "--no-follow")
    assert " INFO  sapt " in logs and '{"time"' not in logs, logs
    assert machine.run("systemctl", "--failed", "--quiet")[1] == ""
    # Nothing of the units was left out.
    assert machine.runs("journalctl", "--quiet", "--priority=warning") == ""
    for unit in [AGENT, SAPT]:
        status = machine.runs("cat", f"/proc/{machine.process(unit)}/status")
        for line in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"]:
            assert line in status, (unit, status)
        assert "Seccomp:\t2" in status

    # A second one changes nothing, and starts nothing again.
    before = site.gateway.snapshot(times=True).keys(), machine.process(AGENT), machine.process(SAPT)
    assert "nothing to change" in site.installs()
    after = site.gateway.snapshot(times=True).keys(), machine.process(AGENT), machine.process(SAPT)
    assert before == after

    # Another value starts again what it is for.
    site.configure(SAPT_LOG_LEVEL="DEBUG")
    site.installs()
    assert (machine.process(AGENT), machine.process(SAPT)) != before[1:]
    assert machine.process(AGENT) == before[1]
    site.configure(SAGEMAKER_EDGE_LOG_VERBOSE="true")
    process = machine.process(SAPT)
    site.installs()
    assert machine.process(SAPT) == process and machine.process(AGENT) != before[1]
    machine.has_loaded("digits")

    # What is around it does not undo an installation, and is told.
    site.edge_core.stop()
    machine.until("sapt", "health", "--ready", fits=lambda said: said.startswith("not ready"))
    code, said = site.install()
    assert code == 2 and "nothing to change" in said and "1 of 11 failed" in said, said


def test_without_a_network_and_without_s3(lonely_site):
    machine = lonely_site.machine
    assert machine.runs("cat", "/proc/net/route").count("\n") == 1, "only the heading"
    said = lonely_site.installs()
    assert "nothing failed" in said, said
    predicts(machine, "url=file:///digits.tar.gz")
    assert "nothing to change" in lonely_site.installs()
    lonely_site.reboot()
    machine.has_loaded("digits")


def test_a_reboot_and_kills_are_survived(site):
    machine = site.machine
    site.installs()
    predicts(machine)
    site.reboot()
    machine.has_loaded("digits")
    predicts(machine)
    for unit in [AGENT, SAPT]:
        for _ in range(3):
            process = machine.process(unit)
            machine.runs("kill", "-9", str(process))
            machine.until(
                *["systemctl", "show", "--property=MainPID,ActiveState", unit],
                fits=lambda said: f"={process}\n" not in said and "ActiveState=active" in said,
            )
        assert machine.restarts(unit) == 3
        machine.has_loaded("digits")
    predicts(machine)
    # Of one that hangs the watchdog knows.
    machine.runs("kill", "-STOP", str(machine.process(SAPT)))
    machine.until(
        *["systemctl", "show", "--property=NRestarts", SAPT], fits=lambda said: "=4" in said
    )
    machine.has_loaded("digits")


def test_one_that_cannot_start_leaves_the_one_before(site, place, whole_bundle):
    machine = site.machine
    site.installs()
    predicts(machine)
    before = site.gateway.snapshot()
    agent = site.gateway.at("/bundle/bin/sapt-agent")
    agent.write_text("#!/bin/sh\necho 'this one is broken' >&2\nexit 3\n")
    bundles.seal(site.gateway.at("/bundle"))
    site.configure(SAPT_LOG_LEVEL="DEBUG")
    code, said = site.install()
    assert code == 1 and "this one is broken" in said and "as it was before" in said, said
    after = site.gateway.snapshot()
    ours = [path for path in before.keys() | after.keys() if "sapt" in path or "systemd/sys" in path]
    assert [path for path in ours if before.get(path) != after.get(path)] == []
    machine.has_loaded("digits")
    predicts(machine)


def test_removing_ends_the_services(site):
    machine = site.machine
    site.installs()
    predicts(machine)
    machine.runs("/usr/local/lib/sapt/remove")
    assert machine.run("systemctl", "is-active", AGENT, SAPT)[0] != 0
    assert "sapt" not in machine.runs("ps", "-e", "-o", "comm")
    assert site.gateway.at("/models/digits").exists()
    assert not list(site.shared.glob("sagemaker_edge_agent*"))
    site.reboot()
    # And back again: what was loaded still is.
    site.installs()
    machine.has_loaded("digits")
    machine.runs("/usr/local/lib/sapt/remove", "--purge")
    assert not site.gateway.at("/models").exists()
