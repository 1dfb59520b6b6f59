"""Installing into a Debian system in which no systemd runs, as an image is made."""

import os
import subprocess

import pytest

from installer import bundles
from installer.debian import differences
from installer.gateway import ENV_FILE, SHELLS

every_shell = pytest.mark.parametrize("shell", SHELLS)


@every_shell
def test_installs_and_a_second_time_changes_nothing(gateway, shell):
    said = gateway.installs(shell=shell)
    assert "make /usr/local/bin/sapt (0755)" in said
    for path, mode in [
        ("/usr/local/bin/sapt", 0o755),
        ("/usr/local/bin/sapt-agent", 0o755),
        ("/etc/sapt/sapt.env", 0o600),
        ("/etc/neo_config.json", 0o644),
        ("/models", 0o755),
        ("/models/data/digit.bmp", 0o644),
        ("/models/aws/certs", 0o755),
    ]:
        status = gateway.at(path).stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (mode, 0, 0), path
    for unit in ["sapt", "sagemaker_edge_agent"]:
        link = gateway.at(f"/etc/systemd/system/multi-user.target.wants/{unit}.service")
        assert link.resolve() == gateway.at(f"/etc/systemd/system/{unit}.service")
    assert not list(gateway.root.rglob("*sapt-new*"))
    before = gateway.snapshot(times=True)
    assert "nothing to change" in gateway.installs(shell=shell)
    assert differences(before, gateway.snapshot(times=True)) == []


@every_shell
def test_what_was_installed_is_removed(gateway, shell):
    gateway.installs(shell=shell)
    gateway.write("/models/mine/model.onnx", "kept")
    gateway.removes(shell=shell)
    left = differences(gateway.pristine, gateway.snapshot())
    assert {path.split("/")[0] for path in left} == {"models", "var"}
    assert gateway.at("/models/mine/model.onnx").read_text() == "kept"
    assert [path for path in left if path.startswith("var")] == [
        "var/lib/sapt",
        "var/lib/sapt/installed",
    ]
    # Afterwards, too: it is known whose the data was.
    code, said = gateway.run("sh", "/bundle/remove", "--purge", path=SHELLS[shell])
    assert code == 0 and "remove /models with everything in it" in said, said
    assert differences(gateway.pristine, gateway.snapshot()) == []


@every_shell
def test_purge_leaves_nothing(gateway, shell):
    gateway.installs(shell=shell)
    gateway.write("/etc/neo_config.json", "changed by hand")
    gateway.write("/models/.hidden", "")
    gateway.removes("--purge", shell=shell)
    assert differences(gateway.pristine, gateway.snapshot()) == []


def test_a_dry_run_tells_the_same_and_changes_nothing(gateway):
    told = gateway.installs("--dry-run")
    assert differences(gateway.pristine, gateway.snapshot()) == []
    assert told in gateway.installs()
    installed = gateway.snapshot()
    assert "remove /usr/local/bin/sapt" in gateway.removes("--dry-run")
    assert differences(installed, gateway.snapshot()) == []


def test_other_values_change_only_what_differs(gateway):
    gateway.installs()
    before = gateway.snapshot(times=True)
    gateway.configure(ENV_FILE + "SAPT_LOG_LEVEL=DEBUG\n")
    gateway.installs()
    changed = ["etc/sapt/sapt.env", "var/lib/sapt/installed"]
    assert differences(before, gateway.snapshot(times=True)) == changed
    assert 'SAPT_LOG_LEVEL="DEBUG"' in gateway.at("/etc/sapt/sapt.env").read_text()


def test_an_upgrade_is_what_a_fresh_installation_is(gateway, bundle, place):
    gateway.installs()
    fresh = gateway.snapshot()
    gateway.removes("--purge")
    bundles.age(gateway.at("/bundle"))
    gateway.installs()
    assert gateway.at("/usr/local/lib/sapt/parts/older.sh").exists()
    gateway.write("/models/data/digit.bmp", "the operator's own")
    gateway.use(bundle)
    said = gateway.installs()
    assert "replace /usr/local/bin/sapt (0755)" in said
    assert "remove /usr/local/lib/sapt/parts/older.sh" in said
    assert differences(fresh, gateway.snapshot()) == ["models/data/digit.bmp"]


def test_into_another_root_from_outside(gateway, bundle, place):
    gateway.installs()
    inside = gateway.snapshot()
    gateway.removes("--purge")
    env_file = place / "outside.env"
    env_file.write_text(ENV_FILE)
    words = ["--root", gateway.root]
    subprocess.run([bundle / "install", *words, env_file], check=True, stdout=subprocess.PIPE)
    assert differences(inside, gateway.snapshot()) == []
    subprocess.run([bundle / "remove", *words, "--purge"], check=True, stdout=subprocess.PIPE)
    assert differences(gateway.pristine, gateway.snapshot()) == []


@every_shell
def test_models_that_are_there_stay(gateway, shell):
    # As the prototype's installation left them: its user's.
    gateway.write("/models/keras/compiled.params", "weights")
    gateway.write("/models/aws/certs/root.pem", "certificate", 0o600)
    gateway.write("/models/keras/open", "", 0o666)
    outside = gateway.at("/outside")
    outside.write_text("")
    gateway.at("/models/link").symlink_to("/outside")
    for path in [outside, *gateway.at("/models").rglob("*"), gateway.at("/models")]:
        os.chown(path, 1000, 1000, follow_symlinks=False)
    gateway.installs(shell=shell)
    assert gateway.at("/models/keras/compiled.params").read_text() == "weights"
    # sapt is root without root's powers.
    owners = {path.lstat().st_uid for path in gateway.at("/models").rglob("*")}
    assert owners == {0}
    assert outside.stat().st_uid == 1000
    # The agent takes no certificate that can be written; all else is its owner's business.
    assert gateway.at("/models/aws/certs/root.pem").stat().st_mode & 0o777 == 0o444
    assert gateway.at("/models/keras/open").stat().st_mode & 0o777 == 0o666
    assert "nothing to change" in gateway.installs(shell=shell)
    gateway.removes(shell=shell)
    assert gateway.at("/models/aws/certs/root.pem").exists()


def test_models_on_another_disk_by_a_link(gateway):
    gateway.at("/mnt/disk").mkdir()
    gateway.write("/mnt/disk/keras/model", "weights")
    gateway.at("/models").symlink_to("/mnt/disk")
    gateway.installs()
    assert gateway.at("/mnt/disk/data/digit.bmp").exists()
    gateway.removes("--purge")
    assert gateway.at("/models").is_symlink() and not list(gateway.at("/mnt/disk").iterdir())


def test_what_is_somebody_elses_is_not_lost(gateway):
    gateway.write("/etc/neo_config.json", "the prototype's")
    assert "/etc/neo_config.json.before-sapt" in gateway.installs()
    assert gateway.at("/etc/neo_config.json.before-sapt").read_text() == "the prototype's"
    gateway.write("/etc/sapt/sapt.env", "edited", 0o600)
    said = gateway.removes()
    assert "was changed since it was installed" in said
    assert gateway.at("/etc/sapt/sapt.env").read_text() == "edited"
    assert not gateway.at("/etc/neo_config.json").exists()


# Places into which a run may be cut: at its n-th file.
AT = 'echo x >>/tmp/count; [ "$(wc -l </tmp/count)" -eq {n} ] && {{ {what}; }}; exec /bin/mv "$@"'


@pytest.mark.parametrize("n", [1, 2, 9, 15, 18])
def test_a_step_that_fails_undoes_the_run(gateway, n):
    gateway.write("/models/keras/model", "weights")
    gateway.write("/models/two\nlines/x", "")
    gateway.write("/etc/neo_config.json", "the prototype's")
    os.chown(gateway.at("/models"), 1000, 1000)
    os.chown(gateway.at("/models/keras/model"), 1001, 1002)
    os.chown(gateway.at("/models/two\nlines/x"), 1001, 1002)
    before = gateway.snapshot()
    code, said = gateway.install(before=gateway.shim("mv", AT.format(n=n, what="exit 1")))
    assert code == 1 and "everything is as it was before" in said, said
    assert differences(before, gateway.snapshot()) == []


@pytest.mark.parametrize("signal", ["HUP", "INT", "TERM"])
def test_a_run_that_is_ended_by_a_signal_is_undone(gateway, signal):
    shims = gateway.shim("mv", AT.format(n=9, what=f"kill -{signal} $PPID"))
    code, said = gateway.install(before=shims)
    assert code == 130 and "everything is as it was before" in said, said
    assert differences(gateway.pristine, gateway.snapshot()) == []


@pytest.mark.parametrize("n", [1, 9, 18])
def test_a_run_that_is_killed_is_undone_by_the_next(gateway, n):
    gateway.installs()
    fresh = gateway.snapshot()
    gateway.removes("--purge")
    code, _ = gateway.install(before=gateway.shim("mv", AT.format(n=n, what="kill -9 $PPID")))
    assert code != 0
    assert gateway.at("/var/lib/sapt/undo/steps").exists()
    assert "the run before was killed" in gateway.installs()
    assert differences(fresh, gateway.snapshot()) == []


def test_an_upgrade_that_fails_leaves_the_old_one(gateway, bundle):
    bundles.age(gateway.at("/bundle"))
    gateway.installs()
    before = gateway.snapshot()
    gateway.use(bundle)
    shims = gateway.shim("mv", AT.format(n=3, what="exit 1"))
    assert gateway.install(before=shims)[0] == 1
    assert differences(before, gateway.snapshot()) == []


def test_only_one_at_a_time(gateway):
    gateway.write("/run/sapt-installer/process", f"{os.getpid()}\n")
    code, said = gateway.install()
    assert code == 1 and "another run is at work" in said
    # One that was killed holds nothing.
    gateway.write("/run/sapt-installer/process", "4194304\n")
    gateway.installs()


@pytest.mark.parametrize(
    "words, part",
    [
        (["--translator", "both"], "service or pod"),
        (["--agent-dir", "/nowhere"], "no directory /nowhere"),
        (["--agent-dir", "/tmp"], "vendor's archive"),
        (["--wrong"], "--wrong"),
        (["/tmp/other.env"], "one env file"),
    ],
)
def test_wrong_arguments(gateway, words, part):
    code, said = gateway.install(*words)
    assert (code, part in said) == (64, True), said
    assert differences(gateway.pristine, gateway.snapshot()) == []
