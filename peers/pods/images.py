"""Images of the project's programs: loaded from their archives, or built of static programs."""

import os
import shutil
import struct
from pathlib import Path

from programs import program

WORKSPACE = Path(__file__).resolve().parents[2]

CONTAINERFILES = {
    "SAPT": WORKSPACE / "Containerfile",
    "SAPT_AGENT": WORKSPACE / "agent" / "Containerfile",
}

INTERPRETER = 3  # PT_INTERP, ELF's type of segment that names a dynamic linker


class NoImage(Exception):
    """There is nothing to make an image of."""


def make(podman, variable, name):
    """Puts an image in podman's store: from the OCI archive that `{variable}_IMAGE` names, else of
    the program that `variable` names."""
    archive = os.environ.get(f"{variable}_IMAGE")
    if archive:
        podman.load(Path(archive).resolve(), name)
        return
    path = Path(program(variable))
    if not is_static(path):
        raise NoImage(
            f"{variable} is linked with a dynamic linker, which an image that has nothing else "
            f"lacks: set it to what `musl-targets/build` makes, or {variable}_IMAGE to an archive"
        )
    context = podman.directory / path.name
    context.mkdir()
    shutil.copy(path, context)
    podman.build(CONTAINERFILES[variable], context, name)


def is_static(path):
    """Whether an ELF file names no dynamic linker."""
    with open(path, "rb") as file:
        head = file.read(64)
        wide = head[4] == 2
        (offset,) = struct.unpack_from("<Q" if wide else "<I", head, 32 if wide else 28)
        size, count = struct.unpack_from("<HH", head, 54 if wide else 42)
        file.seek(offset)
        segments = file.read(size * count)
    types = [struct.unpack_from("<I", segments, size * each)[0] for each in range(count)]
    return INTERPRETER not in types
