"""Host names, looked up by the static binary itself: in the hosts file, and at a name server."""

import os
import shlex

import pytest
from dnslib import QTYPE, RCODE, RR, A
from dnslib.server import BaseResolver, DNSServer

from results import failed, succeeded
from s3.servers import Rclone
from s3.system import System

# On loopback, and nobody else's.
NAME_SERVER = "127.0.0.54"


class Zone(BaseResolver):
    """Knows one name, of which it has an IPv4 address only."""

    def __init__(self, name):
        self.name = name
        self.asked = set()

    def resolve(self, request, handler):
        reply = request.reply()
        self.asked.add((str(request.q.qname), QTYPE[request.q.qtype]))
        if str(request.q.qname) != self.name:
            reply.header.rcode = RCODE.NXDOMAIN
        elif request.q.qtype == QTYPE.A:
            reply.add_answer(RR(self.name, QTYPE.A, rdata=A("127.0.0.1"), ttl=1))
        return reply


@pytest.fixture
def zone():
    known = Zone("s3.gateway.test.")
    server = DNSServer(known, address=NAME_SERVER, port=53)
    server.start_thread()
    yield known
    server.stop()
    server.server.server_close()


@pytest.fixture
def server(tmp_path_factory):
    running = Rclone(tmp_path_factory.mktemp("server"))
    yield running
    running.close()


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Has `sapt` see these files in place of this machine's."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a process another /etc/resolv.conf")
    places = {"/etc/hosts": "", "/etc/resolv.conf": f"nameserver {NAME_SERVER}\n"}

    def write(**contents):
        for name, content in contents.items():
            places[f"/etc/{name.replace('_', '.')}"] = content
        lines = ["#!/bin/sh", "set -e"]
        for place, content in places.items():
            mine = tmp_path / os.path.basename(place)
            mine.write_text(content)
            lines.append(f"mount --bind {shlex.quote(str(mine))} {place}")
        lines.append(f'exec {shlex.quote(os.environ["SAPT"])} "$@"')
        inside = tmp_path / "inside"
        inside.write_text("\n".join(lines) + "\n")
        outside = tmp_path / "outside"
        outside.write_text(f'#!/bin/sh\nexec unshare --mount {shlex.quote(str(inside))} "$@"\n')
        for script in [inside, outside]:
            script.chmod(0o755)
        monkeypatch.setenv("SAPT", str(outside))

    return write


def gateway(tmp_path, server, name):
    directory = tmp_path / "gateway"
    directory.mkdir()
    endpoint = server.endpoint.replace("127.0.0.1", name)
    assert endpoint != server.endpoint
    return System(directory, server, SAPT_AWS_ENDPOINT_URL=endpoint)


def test_a_name_server_knows_it(tmp_path, server, zone, files):
    files()
    with gateway(tmp_path, server, "s3.gateway.test") as system:
        system.put_model()
        assert succeeded(system.load()) == "succeeded"
    assert ("s3.gateway.test.", "A") in zone.asked


def test_its_domain_is_searched(tmp_path, server, zone, files):
    files(resolv_conf=f"search gateway.test\nnameserver {NAME_SERVER}\n")
    with gateway(tmp_path, server, "s3") as system:
        system.put_model()
        assert succeeded(system.load()) == "succeeded"


def test_the_hosts_file_knows_it(tmp_path, server, zone, files):
    files(hosts="127.0.0.1 s3-of-the-site\n")
    with gateway(tmp_path, server, "s3-of-the-site") as system:
        system.put_model()
        assert succeeded(system.load()) == "succeeded"
    assert not zone.asked


def test_nobody_knows_it(tmp_path, server, zone, files):
    files()
    with gateway(tmp_path, server, "s4.gateway.test") as system:
        failed(system.load(), "S3_ERROR", "s4.gateway.test")
