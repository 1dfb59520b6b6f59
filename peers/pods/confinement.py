"""What a container's process may do, as the kernel sees it."""

from pathlib import Path

from pods import manifests


def process(gateway, name):
    return Path(f"/proc/{gateway.state(name)['Pid']}")


def mounts(gateway, name):
    """The options of each of its mounts."""
    lines = (process(gateway, name) / "mounts").read_text().splitlines()
    mounted = [line.split() for line in lines]
    return {place: options.split(",") for _, place, _, options, *_ in mounted}


def confined(gateway, name):
    """Checks that it is root without any of root's powers, and limited as its manifest says."""
    lines = (process(gateway, name) / "status").read_text().splitlines()
    status = {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}
    assert status["Uid"].split() == ["0"] * 4
    for kind in ["Inh", "Prm", "Eff", "Bnd", "Amb"]:
        assert int(status[f"Cap{kind}"], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    # A filter of system calls is on.
    assert status["Seccomp"] == "2"
    assert "ro" in mounts(gateway, name)["/"]

    limit = manifests.container_of(gateway.pod, name)["resources"]["limits"]["memory"]
    assert limit.endswith("Mi")
    assert memory_limit(gateway, name) == int(limit.removesuffix("Mi")) << 20


def memory_limit(gateway, name):
    """Its control group's, of either version."""
    groups = (process(gateway, name) / "cgroup").read_text().splitlines()
    places = {line.split(":")[1]: line.split(":")[2] for line in groups}
    if "memory" in places:
        file = Path(f"/sys/fs/cgroup/memory{places['memory']}/memory.limit_in_bytes")
    else:
        file = Path(f"/sys/fs/cgroup{places['']}/memory.max")
    return int(file.read_text())
