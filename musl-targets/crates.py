"""The crates that are linked into a program, as Cargo resolves them for a machine."""

import functools
import json
import os
import pathlib
import re
import subprocess

WORKSPACE = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ("sapt", "sapt-agent")


class Crate:
    """One version of a crate. `checksum` is empty where it is of this workspace."""

    def __init__(self, package, checksum):
        self.name = package["name"]
        self.version = package["version"]
        self.description = " ".join((package["description"] or "").split())
        # A slash is what stood for OR before SPDX.
        self.licence = re.sub(" ?/ ?", " OR ", package["license"])
        self.authors = package["authors"]
        self.repository = package["repository"]
        self.directory = pathlib.Path(package["manifest_path"]).parent
        self.checksum = checksum
        # The crates that it uses itself, sorted.
        self.uses = []

    @property
    def key(self):
        return (self.name, self.version)


# What is linked too and is no crate: name, licence and what it is.
BESIDE_CRATES = (
    ("rust-std", "Apache-2.0 OR MIT", "The Rust standard library"),
    ("musl", "MIT", "The C library"),
    ("libunwind", "Apache-2.0 WITH LLVM-exception", "LLVM's unwinder"),
)


def machines():
    """The names of the machine types that have a binary of their own."""
    files = sorted(path.name for path in (WORKSPACE / "musl-targets/machines").iterdir())
    return [name for name in files if "same_as" not in _settings(name)]


def triple(machine):
    """The target of a machine type."""
    return _machine(machine)["triple"]


def platform(machine):
    """The platform that its images are for, as OCI names it."""
    return _machine(machine)["platform"]


def largest(machine):
    """How many bytes sapt may have there."""
    return int(_machine(machine)["largest"])


def _machine(name):
    settings = _settings(name)
    return _machine(settings["same_as"]) if "same_as" in settings else settings


def _settings(name):
    lines = (WORKSPACE / "musl-targets/machines" / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def linked(program, target):
    """All crates of a program for a target, the program itself first."""
    # Not the graph of `cargo metadata`: there, packages of the workspace have the features of all.
    # Macros and what builds use are run, not linked.
    tree = _cargo(
        *("tree", "--package", program, "--edges", "normal,no-proc-macro"),
        *("--target", target, "--prefix", "depth", "--format", " {p}"),
    )
    packages = _packages(target)
    crates, above = {}, []
    for line in tree.splitlines():
        depth, name, version = re.match(r"(\d+) (\S+) v(\S+)", line).groups()
        key = (name, version)
        if key not in crates:
            crates[key] = Crate(packages[key], _checksums().get(key, ""))
        del above[int(depth) :]
        if above and key not in above[-1].uses:
            above[-1].uses.append(key)
        above.append(crates[key])
    first, *others = crates.values()
    for crate in crates.values():
        crate.uses.sort()
    return [first, *sorted(others, key=lambda crate: crate.key)]


def linked_anywhere(program):
    """All crates of a program for any machine type, the program itself first."""
    crates = {}
    for machine in machines():
        for crate in linked(program, triple(machine)):
            crates.setdefault(crate.key, crate)
    first, *others = crates.values()
    return [first, *sorted(others, key=lambda crate: crate.key)]


@functools.cache
def _packages(target):
    text = _cargo("metadata", "--format-version", "1", "--filter-platform", target)
    return {(each["name"], each["version"]): each for each in json.loads(text)["packages"]}


@functools.cache
def _checksums():
    entry = r'name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"'
    lock = (WORKSPACE / "Cargo.lock").read_text()
    return {(name, version): checksum for name, version, checksum in re.findall(entry, lock)}


def _cargo(*words):
    command = [os.environ.get("CARGO", "cargo"), *words, "--locked"]
    run = subprocess.run(command, cwd=WORKSPACE, check=True, stdout=subprocess.PIPE, text=True)
    return run.stdout
