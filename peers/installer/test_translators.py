"""The translator as a Pod, and the vendor's agent."""

import json
import shutil

import pytest

from installer import bundles
from installer.debian import differences
from installer.gateway import SHELLS

every_shell = pytest.mark.parametrize("shell", SHELLS)

IMAGE = "sapt:0.1.0-x86_64"

# What each runtime's command line is asked here, with a file for each image.
DOCKER = """
case "$1 $2" in
version*) ;;
'image inspect') [ -f "/store/$3" ] ;;
load*) cat >"/store/sapt:0.1.0-x86_64" ;;
rmi*) rm "/store/$2" ;;
*) exit 1 ;;
esac
"""
CTR = """
[ "$1 $2" = '--namespace k8s.io' ] && shift 2
case "$1 $2" in
version*) ;;
'images list') ls /store | sed 's|^|docker.io/library/|' ;;
'images import') [ "$3" = - ] && cat >"/store/sapt:0.1.0-x86_64" ;;
'images remove') rm "/store/${3#docker.io/library/}" ;;
*) exit 1 ;;
esac
"""
RUNTIMES = {
    "docker": ("/usr/bin/docker", DOCKER),
    "snap-docker": ("/snap/bin/docker", DOCKER),
    "containerd": ("/usr/bin/ctr", CTR),
    "podman": ("/usr/bin/podman", DOCKER),
}

CAPTURES = "SAGEMAKER_EDGE_CORE_CAPTURE_DATA_DISK_PATH"


@pytest.fixture
def with_image(gateway):
    """A gateway whose bundle has an image."""
    archive = gateway.at(f"/bundle/images/sapt-0.1.0-{bundles.MACHINE}.oci.tar")
    archive.write_text("an image")
    bundles.seal(gateway.at("/bundle"))
    gateway.at("/store").mkdir()
    gateway.pristine = gateway.snapshot()
    return gateway


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_pods_image_is_imported_once_and_removed(with_image, runtime):
    gateway = with_image
    path, text = RUNTIMES[runtime]
    gateway.write(path, f"#!/bin/sh\n{text}", 0o755)
    gateway.pristine = gateway.snapshot()
    options = ["--translator", "pod", "--node", "016f324f1753162e4903427d03c00000"]
    said = gateway.installs(*options)
    assert f"import image {IMAGE} into {runtime}" in said
    assert gateway.at(f"/store/{IMAGE}").read_text() == "an image"
    manifest = gateway.at("/etc/sapt/edge-agent.yaml").read_text()
    assert "016f324f1753162e4903427d03c00000" in manifest and IMAGE in manifest
    assert "my-sagemaker-bucket" in manifest and "GOES_HERE\"" not in manifest.split("# -")[0]
    secret = gateway.at("/etc/sapt/sapt-credentials.yaml")
    assert secret.stat().st_mode & 0o777 == 0o600
    assert not gateway.at("/etc/systemd/system/sapt.service").exists()
    assert gateway.at("/etc/systemd/system/sagemaker_edge_agent.service").exists()
    before = gateway.snapshot(times=True)
    assert "nothing to change" in gateway.installs(*options)
    assert differences(before, gateway.snapshot(times=True)) == []
    # Another image of the same name.
    archive = gateway.at(f"/bundle/images/sapt-0.1.0-{bundles.MACHINE}.oci.tar")
    archive.write_text("another image")
    bundles.seal(gateway.at("/bundle"))
    gateway.installs(*options)
    assert gateway.at(f"/store/{IMAGE}").read_text() == "another image"
    gateway.removes("--purge")
    assert differences(gateway.pristine, gateway.snapshot()) == []


@every_shell
def test_from_a_service_to_a_pod_and_back(with_image, shell):
    gateway = with_image
    gateway.write(f"{'/busybox' if shell == 'busybox' else '/usr/bin'}/docker", f"#!/bin/sh\n{DOCKER}", 0o755)
    gateway.installs(shell=shell)
    service = gateway.snapshot()
    said = gateway.installs("--translator", "pod", "--node", "n", shell=shell)
    assert "remove /etc/systemd/system/sapt.service" in said
    assert not gateway.at("/etc/sapt/sapt.env").exists()
    said = gateway.installs("--node", "n", shell=shell)
    assert "nothing to change" in said, said
    gateway.installs("--translator", "service", shell=shell)
    assert differences(service, gateway.snapshot()) == []


def test_without_a_runtime_nothing_is_changed(with_image):
    code, said = with_image.install("--translator", "pod", "--node", "n")
    assert code == 1 and "none of docker" in said, said
    assert differences(with_image.pristine, with_image.snapshot()) == []


def test_an_image_that_is_not_taken_undoes_the_run(with_image):
    refusing = DOCKER.replace("load*) cat", "load*) exit 1; cat")
    with_image.write("/usr/bin/docker", f"#!/bin/sh\n{refusing}", 0o755)
    before = with_image.snapshot()
    code, said = with_image.install("--translator", "pod", "--node", "n")
    assert code == 1 and "docker does not take the image" in said, said
    assert differences(before, with_image.snapshot()) == []


LIBRARIES = "/usr/lib/aarch64-linux-gnu"
VENDOR = "/opt/sagemaker_edge_agent"


def vendors_agent(gateway):
    """A directory as the vendor's archive is, of an agent that was linked with TensorRT 7."""
    gateway.write(
        "/agent/bin/x86_64/sagemaker_edge_agent_binary",
        "#!/bin/sh\n# \x01libnvinfer.so.7\x02libnvinfer_plugin.so.7\x02libc.so.6\n",
        0o755,
    )
    gateway.write("/agent/lib/x86_64/libprovider_aws.so", "the vendor's")
    gateway.write("/agent/certs/root.pem", "a certificate", 0o644)


@every_shell
def test_the_vendors_agent(gateway, shell):
    vendors_agent(gateway)
    options = ["--agent-dir", "/agent", "--certificates", "/agent/certs"]
    gateway.pristine = gateway.snapshot()
    gateway.installs(*options, shell=shell)
    assert gateway.at(f"{VENDOR}/bin/sagemaker_edge_agent_binary").stat().st_mode & 0o111
    assert gateway.at(f"{VENDOR}/lib/libprovider_aws.so").exists()
    assert gateway.at("/models/aws/certs/root.pem").stat().st_mode & 0o777 == 0o444
    assert not gateway.at("/usr/local/bin/sapt-agent").exists()
    unit = gateway.at("/etc/systemd/system/sagemaker_edge_agent.service").read_text()
    assert "KillSignal=SIGHUP" in unit and "@MODELS@" not in unit
    assert "nothing to change" in gateway.installs(*options, shell=shell)
    gateway.removes("--purge", shell=shell)
    assert differences(gateway.pristine, gateway.snapshot()) == []


@every_shell
def test_what_no_option_says_stays(gateway, bundle, shell):
    gateway.installs(shell=shell)
    at_first = gateway.snapshot()
    vendors_agent(gateway)
    gateway.write("/agent/certs/old.pem", "a certificate", 0o644)
    gateway.installs("--agent-dir", "/agent", "--certificates", "/agent/certs", shell=shell)
    shutil.rmtree(gateway.at("/agent"))
    before = gateway.snapshot()
    assert "nothing to change" in gateway.installs(shell=shell)
    assert differences(before, gateway.snapshot()) == []
    # Nor does another bundle take it away.
    bundles.age(gateway.at("/bundle"))
    gateway.installs(shell=shell)
    gateway.use(bundle)
    gateway.installs(shell=shell)
    assert differences(before, gateway.snapshot()) == []
    # Until it is said.
    gateway.write("/certs/root.pem", "another certificate")
    gateway.installs("--certificates", "/certs", shell=shell)
    certificates = gateway.at("/models/aws/certs")
    assert [path.name for path in certificates.iterdir()] == ["root.pem"]
    assert (certificates / "root.pem").read_text() == "another certificate"
    gateway.at(f"{VENDOR}/bin/sagemaker_edge_agent_binary").unlink()
    code, said = gateway.install(shell=shell)
    assert code == 1 and "gone" in said and "--agent-dir none" in said, said
    gateway.installs("--agent-dir", "none", shell=shell)
    shutil.rmtree(gateway.at("/certs"))
    (certificates / "root.pem").unlink()
    gateway.installs(shell=shell)
    assert differences(at_first, gateway.snapshot()) == []


@every_shell
def test_links_to_tensorrt_where_l4t_lacks_what_the_agent_wants(gateway, shell):
    vendors_agent(gateway)
    gateway.write("/etc/nv_tegra_release", "# R35 (release), REVISION: 1.0\n")
    for name in ["libnvinfer.so.8", "libnvinfer.so.8.4.1", "libnvinfer_plugin.so.7"]:
        gateway.write(f"{LIBRARIES}/{name}", "")
    gateway.pristine = gateway.snapshot()
    gateway.installs("--agent-dir", "/agent", shell=shell)
    links = [path for path in gateway.at(f"{VENDOR}/lib").iterdir() if path.is_symlink()]
    assert [path.name for path in links] == ["libnvinfer.so.7"]
    assert links[0].readlink().name.startswith("libnvinfer.so.8")
    # Once it is there, no link is wanted.
    gateway.write(f"{LIBRARIES}/libnvinfer.so.7", "")
    gateway.installs("--agent-dir", "/agent", shell=shell)
    assert not links[0].is_symlink()
    gateway.at(f"{LIBRARIES}/libnvinfer.so.7").unlink()
    for each in gateway.at(LIBRARIES).glob("libnvinfer.so.8*"):
        each.unlink()
    assert "install TensorRT" in gateway.installs("--agent-dir", "/agent", shell=shell)


def test_captures_may_be_elsewhere(gateway):
    text = gateway.at("/tmp/my.env").read_text()
    gateway.configure(f"{text}\n{CAPTURES}=/var/captures\n")
    gateway.installs()
    configuration = json.loads(gateway.at("/etc/neo_config.json").read_text())
    assert configuration[CAPTURES.lower()] == "/var/captures"
    assert gateway.at("/var/captures").stat().st_mode & 0o777 == 0o700
    unit = gateway.at("/etc/systemd/system/sagemaker_edge_agent.service").read_text()
    assert "ReadWritePaths=-/var/captures\n" in unit
    gateway.removes()
    assert gateway.at("/var/captures").exists()
