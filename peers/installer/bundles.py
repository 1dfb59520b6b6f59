"""Bundles, as `installer/bundle` makes them of the programs under test."""

import os
import shutil
import subprocess
from pathlib import Path

from installer.debian import digest
from programs import program

WORKSPACE = Path(__file__).resolve().parents[2]
MACHINE = os.uname().machine


def unpacked(directory, with_agent):
    """Makes a bundle and unpacks it below `directory`; where it is. Where the agent is not to run,
    a stand-in for it is enough."""
    programs = directory / "programs"
    programs.mkdir()
    shutil.copy(program("SAPT"), programs / "sapt")
    if with_agent:
        shutil.copy(program("SAPT_AGENT"), programs / "sapt-agent")
    else:
        (programs / "sapt-agent").write_text("#!/bin/sh\n")
    command = [WORKSPACE / "installer" / "bundle", "--programs", programs, "--into", directory]
    subprocess.run([*command, MACHINE], check=True, stdout=subprocess.DEVNULL)
    [archive] = directory.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", archive, "-C", directory], check=True)
    archive.unlink()
    shutil.rmtree(programs)
    [bundle] = [path for path in directory.iterdir() if path.is_dir()]
    return bundle


def seal(bundle):
    """Has a bundle that was changed be as it was made."""
    files = sorted(
        str(path.relative_to(bundle))
        for path in bundle.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    )
    lines = [f"{digest(bundle / name)}  {name}\n" for name in files]
    (bundle / "SHA256SUMS").write_text("".join(lines))


def age(bundle):
    """Makes an earlier version of a bundle: another program, another unit, and a part that there is
    no more."""
    about = bundle / "about"
    about.write_text(about.read_text().replace("version=", "version=0.0."))
    for name in ["bin/sapt", "bin/sapt-agent"]:
        with open(bundle / name, "ab") as file:
            file.write(b"older")
    unit = bundle / "units" / "sapt.service"
    unit.write_text(unit.read_text().replace("RestartSec=2", "RestartSec=3"))
    (bundle / "parts" / "older.sh").write_text("# What a later version has no use for.\n")
    seal(bundle)
