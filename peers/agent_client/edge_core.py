"""The part of Edge Core that hands the cloud's commands to a translator, on a unix socket."""

import base64
import json
import queue
import threading

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import unix_serve

# Long enough for a slow machine; nothing waits this long when all is well.
PATIENCE = 60

EXECUTE = 4


class EdgeCore:
    """Accepts one translator with one device, and sends it commands."""

    def __init__(self, socket):
        self.values = {}
        self.device = queue.Queue()
        self.replies = queue.Queue()
        self.changed = threading.Condition()
        self.server = unix_serve(self.session, str(socket), compression=None)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()

    def session(self, connection):
        assert connection.request.path == "/1/pt"
        try:
            for text in connection:
                self.message(connection, json.loads(text))
        except ConnectionClosed:
            pass

    def message(self, connection, message):
        if "method" not in message:
            self.replies.put(message)
            return
        params = message["params"]
        if message["method"] in ("device_register", "write"):
            self.store(params)
        answer = {"id": message["id"], "jsonrpc": "2.0", "result": "ok"}
        connection.send(json.dumps(answer))
        if message["method"] == "device_register":
            self.device.put((connection, params["deviceId"]))

    def store(self, params):
        with self.changed:
            for entry in params["objects"]:
                for instance in entry["objectInstances"]:
                    for resource in instance["resources"]:
                        value = base64.b64decode(resource["value"])
                        self.values[resource["resourceId"]] = json.loads(value)
            self.changed.notify_all()

    def wait_for_device(self):
        self.connection, self.device_id = self.device.get(timeout=PATIENCE)

    def post(self, command):
        """Sends a command as the cloud's POST on 5701, and returns its result."""
        request = {
            "id": "0",
            "jsonrpc": "2.0",
            "method": "write",
            "params": {
                "operation": EXECUTE,
                "uri": {
                    "deviceId": self.device_id,
                    "objectId": 33311,
                    "objectInstanceId": 0,
                    "resourceId": 5701,
                },
                "value": base64.b64encode(json.dumps(command).encode()).decode(),
            },
        }
        self.connection.send(json.dumps(request))
        reply = self.replies.get(timeout=PATIENCE)
        assert reply["id"] == "0" and reply["result"] == "ok", reply
        # A command that outlives the sync window writes its result later.
        with self.changed:
            done = lambda: self.values[5701].get("response") != "request dispatched"
            assert self.changed.wait_for(done, timeout=PATIENCE), self.values[5701]
            result = self.values[5701]
        assert result["id"] == command["id"], result
        return result
