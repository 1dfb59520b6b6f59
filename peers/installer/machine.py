"""A gateway that runs: systemd as process 1 of a container whose root the Debian system is."""

import json
import re
import time
from pathlib import Path

from installer.debian import LIMIT_SECONDS
from pods.podman import Podman

# What systemd needs to confine services, which containers have not by themselves.
RIGHTS = ["--cap-add", "SYS_ADMIN", "--cap-add", "NET_ADMIN", "--security-opt", "seccomp=unconfined"]

NAME = "gateway"


class Machine:
    """The container of a system. Its /tmp is a directory of this machine, where Edge Core's socket
    is; S3 is on this machine's loopback, which the network "host" reaches, and "none" does not."""

    def __init__(self, podman, system, shared, network):
        self.podman = podman
        podman.run(
            *["create", "--name", NAME, "--systemd", "always", *RIGHTS, "--network", network],
            *["--volume", f"{shared}:/tmp", "--rootfs", system.root, "/sbin/init"],
        )
        self.start()

    def start(self):
        """Switches it on, and waits until systemd has started everything."""
        self.podman.run("start", NAME)
        self.until("systemctl", "is-system-running", fits=lambda said: "running" in said)

    def reboot(self):
        """As `reboot` does: systemd ends all services, and begins anew."""
        self.podman.run("stop", "--time", "50", NAME)
        self.start()

    def run(self, *words, **variables):
        """Runs a command on it; its exit code and what it says."""
        settings = [f"--env={name}={value}" for name, value in variables.items()]
        ended = self.podman.ended("exec", *settings, NAME, *words)
        return ended.returncode, ended.stdout + ended.stderr

    def runs(self, *words, **variables):
        """Runs a command, which has to succeed; what it says."""
        code, said = self.run(*words, **variables)
        assert code == 0, said
        return said

    def until(self, *words, fits):
        """What a command says once that fits. For what nothing tells: it asks again."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            _, said = self.run(*words)
            if fits(said):
                return said
            assert time.monotonic() < deadline, said
            time.sleep(0.1)

    def process(self, unit):
        """The process of a service, as its own system numbers it; 0 where there is none."""
        return int(self.runs("systemctl", "show", "--property=MainPID", "--value", unit))

    def restarts(self, unit):
        return int(self.runs("systemctl", "show", "--property=NRestarts", "--value", unit))

    def call(self, method, *parameters):
        """What `sapt call` answers."""
        code, said = self.run("sapt", "call", "--json", method, *parameters)
        answer = json.loads(said.strip().splitlines()[-1])
        assert code == 0, answer
        return answer["result"]

    def loaded(self):
        """The names of the agent's models."""
        return [model["name"] for model in self.call("listModels")]

    def has_loaded(self, name):
        """Waits until the agent has a model."""
        self.until("sapt", "call", "--json", "listModels", fits=lambda said: f'"{name}"' in said)

    def close(self):
        self.podman.run("rm", "--force", "--time", "10", NAME)


def plain(text):
    """Without the colours of a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def groups_of_systemd():
    """Control groups that a container's systemd has left."""
    return list(Path("/sys/fs/cgroup").glob("**/libpod_parent"))
