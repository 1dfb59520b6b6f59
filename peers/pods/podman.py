"""Podman without a daemon, with everything that it keeps in one directory."""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from programs import LIMIT_SECONDS

PROGRAMS = ["podman", "conmon", "runc", "catatonit"]

# Debian's podman looks for these where PATH may not lead.
PLACES = [*os.environ["PATH"].split(os.pathsep), "/usr/sbin", "/usr/libexec/podman"]

# No daemon, no systemd and no network of its own are needed: S3 and Edge Core are on this machine.
CONFIGURATION = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
log_driver = "k8s-file"
netns = "host"

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
runtime = "runc"
"""


class Failed(Exception):
    """A command of podman's failed."""


class Podman:
    """A podman of its own in `directory`. It leaves nothing outside it, once it is closed."""

    def __init__(self, directory):
        self.directory = directory
        configuration = directory / "containers.conf"
        configuration.write_text(CONFIGURATION)
        temporary = directory / "temporary"
        temporary.mkdir()
        self._environment = {
            **os.environ,
            "CONTAINERS_CONF": str(configuration),
            "PATH": os.pathsep.join(PLACES),
            "TMPDIR": str(temporary),
        }
        self._command = [
            *["podman", "--log-level", "fatal", "--storage-driver", "vfs"],
            *["--root", directory / "root", "--runroot", directory / "run"],
            *["--tmpdir", directory / "tmp", "--network-config-dir", directory / "networks"],
        ]

    def run(self, *words):
        """What a command prints, which has to succeed."""
        ended = self.ended(*words)
        if ended.returncode:
            said = f"{ended.stdout}{ended.stderr}".strip()
            raise Failed(f"podman {' '.join(map(str, words))}: {ended.returncode}, {said}")
        return ended.stdout

    def ended(self, *words):
        """A command that may fail, when it has ended."""
        return subprocess.run(
            [*self._command, *words],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
        )

    def build(self, containerfile, context, name, *options):
        """Makes an image."""
        self.run(
            *["build", "--quiet", "--isolation", "chroot", "--tag", name],
            *["--file", containerfile, *options, context],
        )

    def load(self, archive, name):
        """Takes an image from an OCI archive."""
        image = self.run("pull", "--quiet", f"oci-archive:{archive}").strip()
        self.run("tag", image, name)

    def inspect(self, container):
        """All that podman knows of a container."""
        return json.loads(self.run("inspect", container))[0]

    def clear(self):
        """Ends what runs, however it came about, and keeps only images."""
        self.run("pod", "rm", "--all", "--force", "--time", "5")
        self.run("rm", "--all", "--force", "--time", "0")
        self.run("volume", "rm", "--all", "--force")
        for name in self.run("secret", "ls", "--format", "{{.Name}}").split():
            self.run("secret", "rm", name)

    def close(self):
        """Ends what runs, and deletes everything."""
        self.clear()
        for place in self.mounts():
            subprocess.run(["umount", "--lazy", place], check=True)
        shutil.rmtree(self.directory)
        # It is podman's, of every directory; the last one out removes it.
        for group in Path("/sys/fs/cgroup").glob("**/libpod_parent"):
            for each in [*group.glob("*/"), group]:
                with contextlib.suppress(OSError):
                    each.rmdir()

    def mounts(self):
        """What is mounted below its directory, the innermost first."""
        lines = Path("/proc/self/mounts").read_text().splitlines()
        places = [line.split()[1] for line in lines]
        return sorted(
            (each for each in places if each.startswith(f"{self.directory}/")), reverse=True
        )


def missing_programs():
    """What is not installed."""
    return [name for name in PROGRAMS if not shutil.which(name, path=os.pathsep.join(PLACES))]
