"""Env files that want to be more than data, end to end."""

import pytest

from installer.debian import differences
from installer.gateway import ENV_FILE

HOSTILE = {
    "command": 'export SAPT_AWS_S3_BUCKET="$(touch /tmp/ran)"',
    "backquotes": "SAPT_AWS_S3_BUCKET=`touch /tmp/ran`",
    "statement": "SAPT_AWS_S3_BUCKET=x; touch /tmp/ran",
    "bare command": "touch /tmp/ran",
    "variable": "SAPT_AWS_S3_BUCKET=$HOME",
    "open quote": 'SAPT_AWS_S3_BUCKET="x',
    "long line": f"SAPT_AWS_S3_BUCKET={'x' * (1 << 20)}",
    "redirection": "SAPT_AWS_S3_BUCKET=x >/tmp/ran",
    "nul": "SAPT_AWS_S3_BUCKET=x\0y",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_is_refused_by_line_and_changes_nothing(gateway, name):
    gateway.configure(f"{ENV_FILE}\n{HOSTILE[name]}\n")
    code, said = gateway.install()
    line = ENV_FILE.count("\n") + 2
    assert code == 64, said
    assert f"line {line}" in said and len(said) < 4096, said
    assert not gateway.at("/tmp/ran").exists()
    assert differences(gateway.pristine, gateway.snapshot()) == []


def test_everything_wrong_is_told_at_once(gateway):
    wrong = ["SAPT_AWS_S3_BUCKET=a/b", "SAPT_VALUE_LIMIT=1", "SAPT_SYNC_WINDOW_S=x"]
    wrong.append(f"SAGEMAKER_EDGE_CORE_DEVICE_NAME={'x' * 64}")
    gateway.configure("\n".join(wrong))
    code, said = gateway.install()
    assert code == 64
    assert all(each.split("=")[0] in said for each in wrong), said


def test_a_template_that_was_not_filled_is_told(gateway):
    gateway.configure(gateway.at("/bundle/templates/gateway.env").read_text())
    code, said = gateway.install()
    assert code == 64
    for each in ["ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION", "S3_BUCKET", "S3_MODELS_DIR"]:
        assert f"SAPT_AWS_{each}" in said, said


def test_quotes_and_signs_are_data(gateway):
    key = r"""a'b"c $(x) `y` \z %h ; # {}"""
    gateway.configure(f"{ENV_FILE}\nSAPT_AWS_SESSION_TOKEN='{key.replace(chr(39), chr(39) + chr(92) + chr(39) * 2)}'\n")
    gateway.installs()
    # As a shell reads it, which systemd does in the same way.
    code, said = gateway.run(
        "sh", "-c", '. /etc/sapt/sapt.env && printf %s "$SAPT_AWS_SESSION_TOKEN"'
    )
    assert (code, said) == (0, key)


def test_paths_that_become_part_of_a_unit_are_plain(gateway):
    for path in ["/models dir", "/m%h", "/", "/a/../b", "/x\\y"]:
        gateway.configure(f"{ENV_FILE}\nSAPT_MODELS_PATH='{path}'\n")
        code, said = gateway.install()
        assert code == 64 and "absolute path" in said, (path, said)
    gateway.configure(f"{ENV_FILE}\nSAPT_MODELS_PATH=/srv/models\n")
    gateway.installs()
    unit = gateway.at("/etc/systemd/system/sapt.service").read_text()
    assert "ReadWritePaths=/srv/models\n" in unit and "@" not in unit.replace("=~@", "").replace(
        " @", ""
    )
    assert gateway.at("/srv/models/data/digit.bmp").exists() and not gateway.at("/models").exists()


def test_no_secret_is_said_or_readable_by_others(gateway):
    said = gateway.installs() + gateway.installs()
    secret = "a-secret+of/the=operator"
    assert secret not in said
    for path in gateway.root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime > 0:
            if path.stat().st_size < 65536 and secret.encode() in path.read_bytes():
                assert path.stat().st_mode & 0o077 == 0, path
