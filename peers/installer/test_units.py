"""The units, as systemd sees them."""

import pytest

# What is left: they are root's, in the gateway's own root, with the sockets in /tmp; the translator
# talks to S3 and the vendor's agent to processors of its own. In tenths.
EXPOSURE = {"sagemaker_edge_agent": 9, "sapt": 18}
VENDOR = 32


def look(gateway, unit, most):
    file = f"/etc/systemd/system/{unit}.service"
    code, said = gateway.run("systemd-analyze", "verify", "--man=no", file)
    assert (code, said) == (0, "")
    code, said = gateway.run(
        *["systemd-analyze", "security", "--offline=yes", "--no-pager"],
        *[f"--threshold={most}", file],
    )
    assert code == 0, said


def test_are_right_and_confined(gateway):
    gateway.installs()
    for unit, most in EXPOSURE.items():
        look(gateway, unit, most)


def test_the_vendors_agents_too(gateway):
    gateway.write("/agent/bin/x86_64/sagemaker_edge_agent_binary", "#!/bin/sh\n", 0o755)
    gateway.installs("--agent-dir", "/agent")
    look(gateway, "sagemaker_edge_agent", VENDOR)


@pytest.mark.parametrize("unit", EXPOSURE)
def test_never_give_up(gateway, unit):
    gateway.installs()
    text = gateway.at(f"/etc/systemd/system/{unit}.service").read_text().splitlines()
    for line in ["Restart=always", "StartLimitIntervalSec=0", "WatchdogSec=30", "Type=notify"]:
        assert line in text
