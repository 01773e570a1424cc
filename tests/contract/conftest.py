"""The two implementations of each contract, behind one way to make them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from coordination.runtime.bus import Bus
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.store import JournalStore
from tests.support.fixtures import Connect

MakeStore = Callable[[int], Awaitable[JournalStore]]
"""(number of shards) -> a new handle on the test's one store, not yet opened, on a connection of its own."""

OpenStore = Callable[[], Awaitable[JournalStore]]
"""A new, opened handle on the test's one store, as a restarted process would make it."""

OpenJournal = Callable[[], Awaitable[Journal]]
"""The same with the policy on top."""

OpenBus = Callable[[str], Awaitable[Bus]]
"""(agent id) -> a connection of its own to the test's one exchange."""


@pytest.fixture(params=["memory", "nats"])
async def make_store(
    request: pytest.FixtureRequest, connect: Connect, subjects: Subjects
) -> AsyncIterator[MakeStore]:
    stores: list[JournalStore] = []
    streams: list[MemoryStream] = []

    async def make_memory(shards: int) -> JournalStore:
        if not streams:
            streams.append(MemoryStream(shards=shards))
        stores.append(MemoryStore(streams[0], shards=shards))
        return stores[-1]

    async def make_nats(shards: int) -> JournalStore:
        bus = await connect("toy")
        stores.append(JetStreamStore(bus, subjects=subjects, service="toy", shards=shards))
        return stores[-1]

    yield make_memory if request.param == "memory" else make_nats
    for store in stores:
        await store.close()


@pytest.fixture
async def open_store(make_store: MakeStore) -> OpenStore:
    async def open_one() -> JournalStore:
        store = await make_store(1)
        await store.open()
        return store

    return open_one


@pytest.fixture
async def open_journal(make_store: MakeStore) -> OpenJournal:
    async def open_one() -> Journal:
        journal = Journal(await make_store(1))
        await journal.open()
        return journal

    return open_one


@pytest.fixture(params=["memory", "nats"])
async def open_bus(request: pytest.FixtureRequest, connect: Connect) -> OpenBus:
    exchange = MemoryExchange()

    async def open_memory(agent: str) -> Bus:
        return MemoryBus(exchange, agent=agent)

    return open_memory if request.param == "memory" else connect
