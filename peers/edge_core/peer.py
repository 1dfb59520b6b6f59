"""The server in Edge Core's place, and `sapt`, as processes."""

import json
import os
import queue
import subprocess
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
# Long enough for a busy machine: reached only when something is wrong.
LIMIT_SECONDS = 30


class EdgeCorePeer:
    """`server.js`, its events so far, and the commands of the cloud."""

    def __init__(self, socket):
        self.socket = socket
        self.events = []
        self._arriving = queue.Queue()
        self._process = subprocess.Popen(
            ["node", str(HERE / "server.js"), str(socket)],
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

    def received(self):
        """Every message of the translator so far, as it was sent."""
        return [json.loads(event["text"]) for event in self.events if event["event"] == "received"]

    def stop(self):
        """Ends it as Edge Core ends: EOF, no close frame."""
        self._process.stdin.close()
        self._process.wait(LIMIT_SECONDS)


def install():
    """Installs json-rpc-ws where it is not installed yet."""
    if not (HERE / "node_modules" / "json-rpc-ws").is_dir():
        subprocess.run(["npm", "install", "--no-audit", "--no-fund"], cwd=HERE, check=True)


def start_sapt(socket, directory, **changed):
    """Starts the binary that SAPT names, with an agent address that nobody listens on."""
    binary = os.environ.get("SAPT")
    assert binary, "set SAPT to the path of the sapt binary"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SAPT")}
    models = directory / "models"
    models.mkdir(exist_ok=True)
    environment = {
        "SAPT_EDGE_SOCKET": str(socket),
        "SAPT_AGENT_ADDRESS": f"unix:{directory / 'agent.sock'}",
        "SAPT_MODELS_PATH": str(models),
        **changed,
    }
    return subprocess.Popen([binary, "run"], env={**kept, **environment})
