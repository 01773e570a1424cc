"""The two implementations of each contract, behind one way to make them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from coordination.runtime.bus import Bus
from coordination.runtime.journal import JetStreamJournal, Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange, MemoryJournal
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect

OpenJournal = Callable[[], Awaitable[Journal]]
"""A new, opened handle on the test's one journal, as a restarted process would make it."""

OpenBus = Callable[[str], Awaitable[Bus]]
"""(agent id) -> a connection of its own to the test's one exchange."""


@pytest.fixture(params=["memory", "nats"])
async def open_journal(request: pytest.FixtureRequest, connect: Connect, subjects: Subjects) -> OpenJournal:
    store = MemoryJournal()

    async def open_memory() -> Journal:
        await store.open()
        return store

    async def open_nats() -> Journal:
        bus = await connect("toy")
        journal = JetStreamJournal(
            bus.client.jetstream(),
            stream=subjects.journal_stream("toy", 0),
            subject=subjects.journal("toy", 0),
        )
        await journal.open()
        return journal

    return open_memory if request.param == "memory" else open_nats


@pytest.fixture(params=["memory", "nats"])
async def open_bus(request: pytest.FixtureRequest, connect: Connect) -> OpenBus:
    exchange = MemoryExchange()

    async def open_memory(agent: str) -> Bus:
        return MemoryBus(exchange, agent=agent)

    return open_memory if request.param == "memory" else connect
