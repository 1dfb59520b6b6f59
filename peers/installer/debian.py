"""A Debian system in a directory: what an installation finds on a gateway."""

import fcntl
import hashlib
import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path

PROGRAMS = ["debootstrap", "chroot", "unshare"]

SUITE = "bookworm"
PACKAGES = ["busybox", "procps", "systemd", "systemd-sysv"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sapt-peers"

PATHS = f"{os.environ['PATH']}:/usr/sbin:/sbin"

# Runs a command in another root, without a network.
ALONE = [shutil.which("unshare", path=PATHS), "--net", shutil.which("chroot", path=PATHS)]

# Longer than anything takes on a slow machine.
LIMIT_SECONDS = 300


def missing():
    """Why there can be no such system here, or None."""
    if os.geteuid() != 0:
        return "only root can make one"
    lacking = [name for name in PROGRAMS if not shutil.which(name, path=PATHS)]
    return f"not installed: {', '.join(lacking)}" if lacking else None


def prove():
    """Has a command run in one, or fails."""
    words = [*ALONE, cached(), "true"]
    subprocess.run(words, check=True, stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS)


def cached():
    """The system as its packages leave it. It takes minutes once, and is kept."""
    wanted = hashlib.sha256(" ".join([SUITE, *PACKAGES]).encode()).hexdigest()[:16]
    made = CACHE / f"debian-{wanted}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "debian.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            new = CACHE / f"debian-{wanted}.new"
            shutil.rmtree(new, ignore_errors=True)
            options = ["--variant=minbase", f"--include={','.join(PACKAGES)}"]
            subprocess.run(
                ["debootstrap", *options, SUITE, new],
                env={**os.environ, "PATH": PATHS},
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=1800,
            )
            # The programs of busybox by their names, for a PATH with nothing else.
            (new / "busybox").mkdir()
            subprocess.run(["chroot", new, "/bin/busybox", "--install", "-s", "/busybox"], check=True)
            new.rename(made)
    return made


def as_at_a_terminal():
    """Whoever runs the tests in the background, or with nohup, ignores signals, and so would a shell
    below: it cannot take back what was ignored when it started."""
    for each in [signal.SIGHUP, signal.SIGINT]:
        signal.signal(each, signal.SIG_DFL)


class System:
    """One of these below `directory`, at `root`. What is changed in it is kept apart."""

    def __init__(self, directory):
        self.root = directory / "root"
        self._original = cached()
        self._changed = directory / "changed"
        for each in [self.root, self._changed, directory / "work"]:
            each.mkdir(parents=True)
        layers = f"lowerdir={self._original},upperdir={self._changed},workdir={directory / 'work'}"
        mount = ["mount", "-t", "overlay", "-o", layers, "overlay", self.root]
        subprocess.run(mount, check=True)

    def run(self, *words, path="/usr/sbin:/usr/bin:/sbin:/bin", input=None, **variables):
        """Runs a command in it, without a network; its exit code and what it says."""
        ended = subprocess.run(
            [*ALONE, self.root, *words],
            env={"PATH": path, "HOME": "/root", **variables},
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
            preexec_fn=as_at_a_terminal,
        )
        return ended.returncode, ended.stdout

    def at(self, path):
        """Where a path of it is here."""
        return self.root / path.lstrip("/")

    def write(self, path, text, mode=0o644):
        """Makes a file."""
        file = self.at(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def snapshot(self, times=False):
        """What is not as the packages left it: of each path its kind, mode, owner and content, and
        with `times` when it was last changed. What programs may leave in /tmp does not count, and
        the bundle neither."""
        found = {}
        for directory, names, files in os.walk(self._changed):
            at = Path(directory).relative_to(self._changed)
            if at == Path():
                names[:] = [name for name in names if name not in ("tmp", "bundle", "shims")]
            for name in [*names, *files]:
                path = at / name
                here = described(self.root / path, times)
                if here != described(self._original / path, times):
                    found[str(path)] = here
        return found

    def remove(self):
        """Deletes it."""
        subprocess.run(["umount", self.root], check=True)
        shutil.rmtree(self.root.parent)


def described(path, times):
    """What is at a path, or None."""
    if not os.path.lexists(path):
        return None
    status = path.lstat()
    content = None
    if stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    elif stat.S_ISREG(status.st_mode):
        content = digest(path)
    when = status.st_mtime_ns if times and not stat.S_ISDIR(status.st_mode) else None
    return status.st_mode, status.st_uid, status.st_gid, content, when


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def differences(one, other):
    """The paths in which two snapshots differ."""
    return sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
