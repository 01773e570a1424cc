"""Fixtures around the real nats-server; `tests/conftest.py` makes them known to every tier."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from coordination.runtime.bus import NatsBus
from coordination.runtime.names import Subjects
from tests.support.nats_server import RealServer

Connect = Callable[[str], Awaitable[NatsBus]]
"""(agent id) -> its connection, closed at the end of the test."""


@pytest.fixture(scope="session")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """The server that the tests of one worker share; `subjects` keeps them apart."""
    server = RealServer(tmp_path_factory.mktemp("nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """A server of the test's own, which it may kill."""
    server = RealServer(tmp_path_factory.mktemp("own-nats"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def subjects() -> Subjects:
    """Subjects that no other test uses."""
    return Subjects(prefix=f"t{uuid.uuid4().hex[:16]}")


@pytest.fixture
async def connect(nats_server: RealServer) -> AsyncIterator[Connect]:
    """Connects agents to the shared server."""
    open_buses: list[NatsBus] = []

    async def connect_agent(agent: str) -> NatsBus:
        bus = await NatsBus.connect(nats_server.url, agent=agent)
        open_buses.append(bus)
        return bus

    yield connect_agent
    for bus in open_buses:
        await bus.close()
