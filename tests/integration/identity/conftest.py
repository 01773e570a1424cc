"""A server that asks for credentials, with two agents."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conclave.embedded import EmbeddedServer, embedded_server
from coordination.runtime.names import Subjects
from tests.support.processes import free_port


@pytest.fixture
async def secured(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """A running server over a store of its own; it knows the agents ``ada`` and ``mallory``."""
    async with embedded_server(tmp_path / "store", port=free_port(), secured=Subjects()) as server:
        await server.identities.add("ada", "mallory")
        yield server
