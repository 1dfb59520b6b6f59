"""`sapt` against a server made with json-rpc-ws."""

import json

import pytest

from edge_core.peer import DEVICE, EdgeCorePeer
from programs import Sapt

LIST_MODELS = '{"jsonrpc":"2.0","id":"1","method":"listModels"}'
SECRET = "a-secret-that-never-leaves"


@pytest.fixture
def sapt(edge_core, tmp_path):
    """`sapt` without an agent."""
    running = Sapt(
        tmp_path, SAPT_AWS_ACCESS_KEY_ID="AKIDEXAMPLE", SAPT_AWS_SECRET_ACCESS_KEY=SECRET
    )
    yield running
    running.stop()


def result_of(reply):
    """The result value that a POST returned."""
    assert reply.get("error") is None, reply
    assert reply["result"] == "ok", reply
    return json.loads(reply["value"])


def test_registers_itself_and_its_device(sapt, edge_core):
    assert edge_core.wait_for("translator")["name"] == "sagemaker-edge-agent"
    device = edge_core.wait_for("device")
    assert device["deviceId"] == DEVICE
    resources = device["resources"]
    operations = {path: resource["operations"] for path, resource in resources.items()}
    assert operations == {
        "/33311/0/5701": 5,
        "/33311/0/5702": 3,
        "/33311/0/5703": 1,
        "/33311/0/5704": 1,
        "/33311/0/5705": 1,
    }
    assert {resource["type"] for resource in resources.values()} == {"string"}
    assert json.loads(resources["/33311/0/5701"]["value"]) == {}
    assert json.loads(resources["/33311/0/5703"]["value"]) == {}
    config = json.loads(resources["/33311/0/5702"]["value"])["config"]
    assert config["auth"] == {}
    assert set(config) >= {"version", "awsS3Bucket", "awsRegion", "commands"}
    assert set(config["commands"]) >= {"listModels", "loadModel", "unloadModel", "predict"}


def test_request_ids_are_strings(sapt, edge_core):
    edge_core.wait_for("device")
    requests = [message for message in edge_core.received() if "method" in message]
    assert requests
    for request in requests:
        assert isinstance(request["id"], str), request
        assert request["jsonrpc"] == "2.0", request
        assert "params" in request, request


def test_the_result_is_written_before_the_acknowledgement(sapt, edge_core):
    edge_core.wait_for("device")
    reply = edge_core.execute(DEVICE, LIST_MODELS)
    value = result_of(reply)
    # Nobody listens on the agent's address: an error that says so, for this very request.
    assert value["reply"] == "error"
    assert "agent" in value["error"].lower()
    assert value["id"] == "1"
    assert value["method"] == "listModels"

    # It had been written to 5701, and the acknowledgement echoed a string.
    written = [
        json.loads(event["resources"]["/33311/0/5701"]["value"])
        for event in edge_core.events
        if event["event"] == "write" and "/33311/0/5701" in event["resources"]
    ]
    assert value in written
    acknowledgements = [message for message in edge_core.received() if "method" not in message]
    assert [type(message["id"]) for message in acknowledgements] == [str]


def test_every_command_is_acknowledged_with_its_own_id(sapt, edge_core):
    edge_core.wait_for("device")
    requests = [{"jsonrpc": "2.0", "id": f"c{n}", "method": "listModels"} for n in range(5)]
    commands = [json.dumps(request) for request in requests]
    for command in commands:
        edge_core.command(DEVICE, 5701, 4, command)
    for command in commands:
        reply = edge_core.wait_for("reply", lambda event: event["payload"] == command)
        assert result_of(reply)["reply"] == "error"
    acknowledgements = [message for message in edge_core.received() if "method" not in message]
    assert len(acknowledgements) == len(commands)
    assert len({message["id"] for message in acknowledgements}) == len(commands)


def test_what_is_no_command_is_acknowledged_with_an_error_value(sapt, edge_core):
    edge_core.wait_for("device")
    for payload in ["not JSON", "", "[]", '{"jsonrpc":"2.0","id":"1","method":"unknown"}']:
        value = result_of(edge_core.execute(DEVICE, payload))
        assert value["reply"] == "error", payload
        assert value["error"] not in ("", "none"), payload


def test_an_unknown_resource_is_refused(sapt, edge_core):
    edge_core.wait_for("device")
    edge_core.command(DEVICE, 5799, 4, "x")
    reply = edge_core.wait_for("reply")
    assert reply["error"] is not None
    assert reply.get("result") is None


def test_no_secret_is_ever_sent(sapt, edge_core):
    edge_core.wait_for("device")
    edge_core.execute(DEVICE, LIST_MODELS)
    assert SECRET not in json.dumps(edge_core.events)


def test_it_registers_again_when_edge_core_restarts(sapt, edge_core):
    edge_core.wait_for("device")
    edge_core.stop()
    restarted = EdgeCorePeer(edge_core.socket)
    try:
        assert restarted.wait_for("device")["deviceId"] == DEVICE
        assert result_of(restarted.execute(DEVICE, LIST_MODELS))["reply"] == "error"
        assert sapt.process.poll() is None
    finally:
        restarted.stop()


def test_sigterm_closes_the_websocket_and_exits_0(sapt, edge_core):
    edge_core.wait_for("device")
    assert sapt.stop() == 0
    # 1006 would be an end without a close frame.
    assert edge_core.wait_for("closed")["code"] != 1006
