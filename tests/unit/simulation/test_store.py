"""The simulated store: what may happen to an operation, and what is durable whatever happens."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from coordination.runtime.errors import ClosedError, UnavailableError
from coordination.runtime.store import WrongSequenceError
from coordination.simulation.loop import VirtualLoop, run_virtual
from coordination.simulation.network import STORE, Topology
from coordination.simulation.store import (
    REQUEST_TIMEOUT_S,
    ArchivedStream,
    FaultyStore,
    SimulatedStorage,
    StoreFaults,
)
from coordination.simulation.trace import Trace
from tests.support.virtual import pass_time


class Shop:
    """A storage with one journal and two nodes' ways to it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.topology = Topology()
        self.storage = SimulatedStorage(random.Random(1), topology=self.topology, trace=Trace(loop.time))
        self.stream: ArchivedStream = self.storage.stream("toy.0", shards=1)
        self.mine = FaultyStore(self.storage, node="n1", stream=self.stream)
        self.other = FaultyStore(self.storage, node="n2", stream=self.stream)


def in_shop(work: Callable[[Shop], Awaitable[None]], **faults: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        shop = Shop(loop)
        shop.storage.faults = StoreFaults(**faults)  # type: ignore[arg-type]
        await work(shop)

    run_virtual(main)


async def append(store: FaultyStore, expected: int = 0) -> int:
    return await store.append(b"{}", expected=expected, record_id=f"r{expected + 1}")


def test_what_is_appended_is_read_by_everybody() -> None:
    async def work(shop: Shop) -> None:
        assert await append(shop.mine) == 1
        assert [entry.sequence for entry in await shop.other.read(0, limit=9)] == [1]
        with pytest.raises(WrongSequenceError):
            await append(shop.other)

    in_shop(work)


def test_a_lost_request_stores_nothing() -> None:
    async def work(shop: Shop) -> None:
        with pytest.raises(UnavailableError):
            await append(shop.mine)
        assert asyncio.get_running_loop().time() == REQUEST_TIMEOUT_S
        assert not shop.stream.records

    in_shop(work, lost=1.0)


def test_a_lost_acknowledgement_leaves_the_record_stored() -> None:
    async def work(shop: Shop) -> None:
        with pytest.raises(UnavailableError):
            await append(shop.mine)
        assert len(shop.stream.records) == 1

    in_shop(work, unacknowledged=1.0)


def test_a_slow_request_takes_effect_after_its_sender_gave_up() -> None:
    async def work(shop: Shop) -> None:
        with pytest.raises(UnavailableError):
            await append(shop.mine)
        assert not shop.stream.records
        await pass_time(1000)
        assert len(shop.stream.records) == 1

    in_shop(work, slow=1.0, slow_s=500.0)


def test_a_request_under_way_takes_effect_though_its_process_was_killed() -> None:
    async def work(shop: Shop) -> None:
        asking = asyncio.create_task(append(shop.mine))
        await asyncio.sleep(0)
        shop.mine.abort()
        with pytest.raises(ClosedError):
            await asking
        assert len(shop.stream.records) == 1
        with pytest.raises(ClosedError):
            await append(shop.mine, 1)

    in_shop(work)


def test_a_cut_node_waits_and_the_others_do_not() -> None:
    async def work(shop: Shop) -> None:
        shop.topology.cut("n1", STORE)
        with pytest.raises(UnavailableError):
            await append(shop.mine)
        assert await append(shop.other) == 1
        shop.topology.mend_all()
        shop.topology.cut(STORE, "n1")
        with pytest.raises(UnavailableError):
            await append(shop.mine, 1)
        assert len(shop.stream.records) == 2
        await shop.mine.wait(0, timeout_s=3)

    in_shop(work)


def test_a_crash_loses_what_is_under_way_and_keeps_what_is_durable() -> None:
    async def work(shop: Shop) -> None:
        await append(shop.mine)
        asking = asyncio.create_task(append(shop.mine, 1))
        await asyncio.sleep(0)
        shop.storage.crash()
        with pytest.raises(UnavailableError, match="was lost"):
            await asking
        shop.storage.restart()
        await pass_time(1)
        assert len(shop.stream.records) == 1
        assert await append(shop.mine, 1) == 2

    in_shop(work)


def test_a_read_may_miss_the_newest_records_and_no_others() -> None:
    async def work(shop: Shop) -> None:
        for number in range(5):
            shop.stream.append(b"{}", record_id=str(number))
        seen = [[entry.sequence for entry in await shop.mine.read(0, limit=9)] for _ in range(20)]
        assert all(each == list(range(1, len(each) + 1)) for each in seen)
        assert len({len(each) for each in seen}) > 1

    in_shop(work, lagging=0.7)


def test_a_torn_snapshot_is_not_acknowledged() -> None:
    async def work(shop: Shop) -> None:
        with pytest.raises(UnavailableError):
            await shop.mine.put_snapshot("s", b"whole")
        assert shop.stream.snapshots["s"] != b"whole"

    in_shop(work, torn=1.0)


def test_the_archive_keeps_what_compaction_removes() -> None:
    async def work(shop: Shop) -> None:
        for number in range(3):
            await append(shop.mine, number)
        await shop.mine.compact(3)
        assert [entry.sequence for entry in shop.stream.records] == [3]
        assert [entry.sequence for entry in shop.stream.archive] == [1, 2, 3]

    in_shop(work)


def test_waiting_ends_when_somebody_appends() -> None:
    async def work(shop: Shop) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(append(shop.other))
            await shop.mine.wait(0, timeout_s=60)
        assert asyncio.get_running_loop().time() < 1

    in_shop(work)
