"""Log lines for people."""

import pytest

from installer.gateway import SHELLS

LINES = r"""
{"time":"2026-11-26T07:57:57.531Z","level":"INFO","part":"sapt::run","message":"the agent answers"}
{"time":"2026-11-26T07:57:58.000Z","level":"ERROR","part":"sapt","message":"a \"name\" \\ and\nmore \u001b[31m"}
{"time":"2026-11-26T07:57:58.000Z"}
INFO listening on unix:/tmp/sagemaker_edge_agent_example.sock
 $(touch /tmp/ran) `touch /tmp/ran` %s\n
""".removeprefix("\n")

READABLE = r"""
2026-11-26T07:57:57.531Z INFO  the agent answers
2026-11-26T07:57:58.000Z ERROR a "name" \ and\nmore \u001b[31m
{"time":"2026-11-26T07:57:58.000Z"}
INFO listening on unix:/tmp/sagemaker_edge_agent_example.sock
 $(touch /tmp/ran) `touch /tmp/ran` %s\n
""".removeprefix("\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_json_becomes_readable_and_all_else_stays(gateway, shell):
    code, said = gateway.run("sh", "/bundle/logs", "-", path=SHELLS[shell], input=LINES)
    assert (code, said) == (0, READABLE)
    # Without a last line end, too.
    code, said = gateway.run("sh", "/bundle/logs", "-", path=SHELLS[shell], input=LINES.strip())
    assert said.strip() == READABLE.strip()
    assert not gateway.at("/tmp/ran").exists()
