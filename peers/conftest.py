"""What every suite needs."""

import pytest

from edge_core.peer import EdgeCorePeer


@pytest.fixture
def edge_core(tmp_path):
    """A server in Edge Core's place."""
    server = EdgeCorePeer(tmp_path / "edge.sock")
    yield server
    server.stop()
