"""The server in Edge Core's place, checked with another WebSocket library."""

import base64
import json

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import unix_connect


def connect(edge_core, path="/1/pt"):
    return unix_connect(str(edge_core.socket), uri=f"ws://localhost{path}")


def call(client, method, params):
    client.send(json.dumps({"jsonrpc": "2.0", "id": "1", "method": method, "params": params}))
    reply = json.loads(client.recv())
    assert reply["id"] == "1"
    return reply.get("result", reply.get("error", {}).get("code"))


def device(value):
    encoded = base64.b64encode(value.encode()).decode()
    resource = {"resourceId": 5701, "operations": 5, "type": "string", "value": encoded}
    instance = {"objectInstanceId": 0, "resources": [resource]}
    return {"deviceId": "cam1", "objects": [{"objectId": 33311, "objectInstances": [instance]}]}


def test_a_command_is_delivered_and_its_reply_carries_the_value(edge_core):
    with connect(edge_core) as client:
        assert call(client, "protocol_translator_register", {"name": "pt"}) == "ok"
        assert edge_core.wait_for("translator")["name"] == "pt"
        assert call(client, "device_register", device("{}")) == "ok"
        registered = edge_core.wait_for("device")["resources"]
        assert registered == {"/33311/0/5701": {"operations": 5, "type": "string", "value": "{}"}}

        edge_core.command("cam1", 5701, 4, "go")
        request = json.loads(client.recv())
        assert request["method"] == "write"
        assert request["params"] == {
            "operation": 4,
            "uri": {
                "deviceId": "cam1",
                "objectId": 33311,
                "objectInstanceId": 0,
                "resourceId": 5701,
            },
            "value": "Z28=",
        }
        assert call(client, "write", device("done")) == "ok"
        client.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": "ok"}))
        reply = edge_core.wait_for("reply")
        assert (reply["result"], reply["value"]) == ("ok", "done")
        assert "error" not in reply
        # The reply came with the id that was given out, after the write.
        assert [message["id"] for message in edge_core.received()][-2:] == ["1", request["id"]]
    assert edge_core.wait_for("closed")["code"] == 1000


def test_a_reply_with_another_id_is_not_taken(edge_core):
    with connect(edge_core) as client:
        call(client, "protocol_translator_register", {"name": "pt"})
        call(client, "device_register", device("{}"))
        edge_core.command("cam1", 5701, 4, "go")
        client.recv()
        client.send(json.dumps({"jsonrpc": "2.0", "id": "other", "result": "ok"}))
        assert json.loads(client.recv())["error"]["code"] == -32600
        assert call(client, "write", device("done")) == "ok"
        edge_core.wait_for("write")
        assert all(event["event"] != "reply" for event in edge_core.events)


def test_a_device_needs_a_translator_and_another_name(edge_core):
    with connect(edge_core) as client:
        assert call(client, "device_register", device("{}")) == -30001
        assert call(client, "write", device("{}")) == -30001
        assert call(client, "protocol_translator_register", {"name": ""}) == -32602
        assert call(client, "protocol_translator_register", {"name": "pt"}) == "ok"
        assert call(client, "device_register", device("{}")) == "ok"
        assert call(client, "device_register", device("{}")) == -30005
        assert call(client, "device_unregister", {"deviceId": "cam1"}) == "ok"
        assert call(client, "device_register", device("{}")) == "ok"
    edge_core.wait_for("closed")
    # Closing removed it.
    with connect(edge_core) as client:
        assert call(client, "protocol_translator_register", {"name": "pt"}) == "ok"
        assert call(client, "device_register", device("{}")) == "ok"


def test_only_the_translators_path_is_served(edge_core):
    with pytest.raises(InvalidStatus):
        connect(edge_core, "/1/other")


def test_stopping_ends_clients_without_a_close_frame(edge_core):
    with connect(edge_core) as client:
        call(client, "protocol_translator_register", {"name": "pt"})
        edge_core.stop()
        with pytest.raises(ConnectionClosed) as closed:
            client.recv()
        assert closed.value.rcvd is None
