"""The project's two programs, as processes."""

import os
import signal
import subprocess
import threading

# Long enough for a busy machine: reached only when something is wrong.
LIMIT_SECONDS = 60


def program(variable):
    path = os.environ.get(variable)
    assert path, f"{variable} is not set; peers/run sets it"
    return path


class Sapt:
    """`sapt` beside a socket of Edge Core, one of an agent, and a models directory, all in
    `directory`."""

    def __init__(self, directory, **settings):
        self.models = directory / "models"
        (self.models / "data").mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("SAPT")}
        environment = {
            **kept,
            "SAPT_EDGE_SOCKET": str(directory / "edge.sock"),
            "SAPT_AGENT_ADDRESS": f"unix:{directory / 'agent.sock'}",
            "SAPT_CONTROL_SOCKET": str(directory / "control.sock"),
            "SAPT_MODELS_PATH": str(self.models),
            **settings,
        }
        self.process = subprocess.Popen([program("SAPT"), "run"], env=environment)

    def stop(self):
        """Ends it in order; returns its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class SaptAgent:
    """A running `sapt-agent`; `address` is for clients."""

    def __init__(self, directory, address, message_limit):
        self.directory = directory
        self.process = subprocess.Popen(
            [program("SAPT_AGENT"), "-a", address, "-m", str(message_limit)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stderr:
            if "listening on " in line:
                self.address = line.split("listening on ")[1].strip().removeprefix("tcp://")
                break
        else:
            raise AssertionError("the agent did not start")
        self.lines = []
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stderr))
        self.reader.start()

    def stop(self, by=signal.SIGTERM):
        """Ends it by a signal; returns its exit code."""
        self.process.send_signal(by)
        try:
            code = self.process.wait(LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self.reader.join()
            self.process.stderr.close()
        return code
