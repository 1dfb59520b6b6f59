"""A bundle that is not as it was made."""

import subprocess

import pytest

from installer.debian import differences
from installer.gateway import SHELLS


def change(bundle):
    with open(bundle / "bin" / "sapt", "r+b") as file:
        file.seek(1000)
        file.write(b"\0\1")
    return "changed or missing: bin/sapt"


def lose(bundle):
    (bundle / "units" / "sapt.service").unlink()
    return "changed or missing: units/sapt.service"


def add(bundle):
    (bundle / "parts" / "zz added.sh").write_text("touch /tmp/ran\n")
    return "does not belong to it: parts/zz added.sh"


def link(bundle):
    (bundle / "parts" / "extra.sh").symlink_to("/etc/passwd")
    return "does not belong to it: parts/extra.sh"


def lose_list(bundle):
    (bundle / "SHA256SUMS").unlink()
    return "no SHA256SUMS"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("damage", [change, lose, add, link, lose_list])
def test_damage_is_told_and_nothing_is_installed(gateway, damage, shell):
    def verify():
        return gateway.run("sh", "/bundle/verify", path=SHELLS[shell])

    code, said = verify()
    assert code == 0 and "as they were made" in said
    told = damage(gateway.at("/bundle"))
    code, said = verify()
    assert code == 1 and told in said, said
    assert gateway.install(shell=shell)[0] == 1
    assert differences(gateway.pristine, gateway.snapshot()) == []


def test_the_same_files_make_the_same_bundle(bundle, place, tmp_path):
    from installer.bundles import WORKSPACE, MACHINE

    archives = []
    for number in ["1", "2"]:
        into = tmp_path / number
        command = [WORKSPACE / "installer" / "bundle", "--programs", bundle / "bin"]
        subprocess.run(
            [*command, "--into", into, MACHINE],
            check=True,
            stdout=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin", "SOURCE_DATE_EPOCH": "1700000000"},
        )
        [archive] = into.iterdir()
        archives.append(archive.read_bytes())
    assert archives[0] == archives[1]
