"""The server in Edge Core's place, as a process."""

import itertools
import json
import queue
import subprocess
import threading
import time
from pathlib import Path

from programs import LIMIT_SECONDS

SERVER = Path(__file__).with_name("server.js")

# The device that `sapt` registers.
DEVICE = "sagemaker-edge-agent-0"


class EdgeCorePeer:
    """`server.js`, its events so far, and the commands of the cloud."""

    def __init__(self, socket):
        self.socket = socket
        self.events = []
        self._numbers = itertools.count(1)
        self._arriving = queue.Queue()
        self._process = subprocess.Popen(
            ["node", str(SERVER), str(socket)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.wait_for("listening")

    def _read(self):
        for line in self._process.stdout:
            self._arriving.put(json.loads(line))
        self._arriving.put(None)

    def wait_for(self, name, fits=lambda event: True):
        """The first event of this name that fits, of those so far and those to come."""
        deadline = time.monotonic() + LIMIT_SECONDS
        looked_at = 0
        while True:
            for event in self.events[looked_at:]:
                if event["event"] == name and fits(event):
                    return event
            looked_at = len(self.events)
            try:
                event = self._arriving.get(timeout=max(0, deadline - time.monotonic()))
            except queue.Empty:
                event = None
            if event is None:
                raise AssertionError(f"no event {name!r} came, only {self.events}")
            self.events.append(event)

    def command(self, device_id, resource_id, operation, payload):
        """Delivers a WRITE (2) or EXECUTE (4), without waiting for the reply."""
        command = {
            "deviceId": device_id,
            "resourceId": resource_id,
            "operation": operation,
            "payload": payload,
        }
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()

    def execute(self, device_id, payload):
        """POSTs to 5701 and waits for the reply."""
        self.command(device_id, 5701, 4, payload)
        return self.wait_for("reply", lambda event: event["payload"] == payload)

    def call(self, method, params):
        """Sends `sapt` a command; returns its result."""
        return self.send({"jsonrpc": "2.0", "method": method, "params": params})

    def send(self, message):
        """Sends `sapt` a message with an id of its own; returns its result, which the POST
        returned or, where it took longer, which was written later."""
        number = f"n{next(self._numbers)}"
        reply = self.execute(DEVICE, json.dumps({**message, "id": number}))
        assert reply.get("error") is None, reply
        result = json.loads(reply["value"])
        if result["response"] == "request dispatched":
            result = self._written_later(number)
        assert result["id"] == number, result
        return result

    def _written_later(self, number):
        def fits(event):
            value = event["resources"].get("/33311/0/5704", {}).get("value")
            return value is not None and json.loads(value).get("id") == number

        written = self.wait_for("write", fits)
        return json.loads(written["resources"]["/33311/0/5704"]["value"])

    def received(self):
        """Every message of the translator so far, as it was sent."""
        return [json.loads(event["text"]) for event in self.events if event["event"] == "received"]

    def stop(self):
        """Ends it as Edge Core ends: EOF, no close frame."""
        self._process.stdin.close()
        self._process.wait(LIMIT_SECONDS)
