"""A leader writes snapshots between records; a start reads the newest one and what came after it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from coordination.runtime.errors import CorruptJournalError
from coordination.runtime.host import Host
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.snapshots import SnapshotPolicy
from tests.support.clock import ManualClock
from tests.support.stores import vacate
from tests.support.toy import (
    Add,
    Ledger,
    LedgerState,
    SetAlarm,
    labels_seen,
    ledger_host,
    send,
    stored_events,
)
from tests.support.waiting import wait_until

EVERY_FIVE = SnapshotPolicy(records=5)


@contextlib.asynccontextmanager
async def leading(host: Host[Ledger]) -> AsyncIterator[Host[Ledger]]:
    serving = asyncio.create_task(host.run())
    await wait_until(lambda: host.leading.is_set() or serving.done())
    try:
        yield host
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def fill(stream: MemoryStream, count: int, *, clock: ManualClock | None = None) -> None:
    """Let a host store `count` commands, one record each, and wait for its snapshots."""
    async with leading(ledger_host(stream, snapshots=EVERY_FIVE, clock=clock)) as host:
        for index in range(count):
            await send(host, Add(label=f"a{index}"), command_id=f"c{index}")
        await wait_until(lambda: len(stream.pointer.snapshots) == 2)
        await send(host, Add(label="last"), command_id="last")
    vacate(stream)


async def test_a_start_from_a_snapshot_knows_everything_and_every_answer() -> None:
    stream = MemoryStream("ledger.0")
    await fill(stream, 30)
    assert stream.records[0].sequence > 1, "what the older snapshot covers is compacted away"
    async with leading(ledger_host(stream)) as host:
        assert await labels_seen(host) == [*(f"a{index}" for index in range(30)), "last"]
        assert await send(host, Add(label="a3"), command_id="c3") == {"total": 4}
        assert await send(host, Add(label="new")) == {"total": 32}


async def test_records_are_kept_from_the_older_snapshot_on() -> None:
    stream = MemoryStream("ledger.0")
    await fill(stream, 30)
    newest, older = stream.pointer.snapshots
    assert newest.sequence > older.sequence
    assert stream.records[0].sequence <= older.sequence + 1
    stream.snapshots[newest.name] = b"broken"
    async with leading(ledger_host(stream)) as host:
        assert len(await labels_seen(host)) == 31


async def test_a_journal_without_a_readable_snapshot_is_named_and_refused() -> None:
    stream = MemoryStream("ledger.0")
    await fill(stream, 30)
    for name in stream.snapshots:
        stream.snapshots[name] = b"broken"
    with pytest.raises(CorruptJournalError, match="no snapshot can be read"):
        await ledger_host(stream).run()


async def test_a_snapshot_of_another_shard_is_refused() -> None:
    stream = MemoryStream("ledger.0")
    await fill(stream, 30)
    host = ledger_host(stream)
    host._state.name = "ledger.1"
    with pytest.raises(CorruptJournalError, match=r"is not ours"):
        host._state.restore(stream.snapshots[stream.pointer.snapshots[0].name])


async def test_alarms_set_before_a_snapshot_ring_after_it() -> None:
    stream, clock = MemoryStream("ledger.0"), ManualClock()
    async with leading(ledger_host(stream, snapshots=EVERY_FIVE, clock=clock)) as host:
        await send(host, SetAlarm(label="late", at_ms=clock.now_ms() + 5_000))
    vacate(stream)
    await fill(stream, 20, clock=clock)
    clock.advance(5_000)
    async with leading(ledger_host(stream, clock=clock)) as host:
        await wait_until(lambda: host.model.state.alarms == {})


async def test_a_state_that_cannot_be_written_stops_nobody() -> None:
    class Unwritable(Ledger):
        def snapshot(self) -> LedgerState:
            if self.state.labels:
                raise ValueError("secret")
            return super().snapshot()

    stream = MemoryStream("ledger.0")
    async with leading(ledger_host(stream, make_model=Unwritable, snapshots=EVERY_FIVE)) as host:
        for index in range(20):
            await send(host, Add(label=f"a{index}"))
        assert len(await labels_seen(host)) == 20
    assert stream.snapshots == {}


LARGE = SnapshotPolicy(records=1_000_000, size_bytes=12_000_000)


async def fill_large(host: Host[Ledger]) -> None:
    """Bring `host` to where its next snapshot, of 12 MB, is due and being written.

    What is sent together fits into one record, below HEAVY_RECORD_BYTES: the writing, which begins between
    two records, begins after the last of them and not in their midst.
    """
    for index in range(750):
        adding = (send(host, Add(label=f"{index}.{each}" + "x" * 4_000)) for each in range(5))
        await asyncio.gather(*adding)
        if host._snapshots._saving is not None:
            break
    await wait_until(lambda: host._snapshots._saving is not None)


async def test_a_leader_answers_and_renews_its_lease_while_a_large_snapshot_is_written() -> None:
    stream, clock = MemoryStream("ledger.0"), ManualClock()
    async with leading(ledger_host(stream, snapshots=LARGE, clock=clock)) as host:
        await fill_large(host)
        answered, records = 0, len(stream.records)
        while not stream.snapshots:
            clock.advance(500)
            await send(host, Add(label=f"late {answered}"))
            answered += 1
        assert answered >= 5, "each of these went through while the snapshot was being written"
        assert len(stream.records) >= records + 5
        await wait_until(lambda: len(stream.pointer.snapshots) == 1)
        ref = stream.pointer.snapshots[0]
    restored = ledger_host(stream)._state
    restored.restore(stream.snapshots[ref.name])
    labels = restored.model.state.labels
    covered = [each.payload for each in stream.records if each.sequence <= ref.sequence]
    assert labels == [each["label"] for each in stored_events(covered)]
    assert not any(label.startswith("late") for label in labels), "nothing that came while it was written"
    assert restored.sequence == ref.sequence


async def test_others_have_their_turns_while_a_large_snapshot_is_read() -> None:
    stream = MemoryStream("ledger.0")
    async with leading(ledger_host(stream, snapshots=LARGE)) as host:
        await fill_large(host)
        await wait_until(lambda: len(stream.pointer.snapshots) == 1)
        await send(host, Add(label="behind it"))
        expected = list(host.model.state.labels)
    vacate(stream)
    turns = 0
    following = ledger_host(stream)
    serving = asyncio.create_task(following.run())
    while not following.leading.is_set():
        await asyncio.sleep(0)
        turns += 1
    assert following.model.state.labels == expected
    assert turns >= 50, "the loop went round while it was read"
    serving.cancel()
    await asyncio.wait([serving])


async def test_others_have_their_turns_while_many_records_are_taken_over() -> None:
    stream = MemoryStream("ledger.0")
    async with leading(ledger_host(stream)) as host:
        for index in range(40):
            await send(host, Add(label=f"a{index}", padding="x" * 200_000))
    vacate(stream)
    heard: list[int] = []
    standby = ledger_host(stream)
    serving = asyncio.create_task(standby.run())
    while not standby.leading.is_set():
        await asyncio.sleep(0)
        heard.append(standby.sequence)
    assert len(set(heard)) >= 40, "between the records of one page"
    serving.cancel()
    await asyncio.wait([serving])


async def test_a_fault_while_a_snapshot_is_being_written_stops_nobody() -> None:
    stream = MemoryStream("ledger.0")
    async with leading(ledger_host(stream, snapshots=EVERY_FIVE)) as host:
        for index in range(4):
            await send(host, Add(label=f"a{index}"))
        host.model.state.labels.append(7)  # type: ignore[arg-type]
        await send(host, Add(label="b"))
        await send(host, Add(label="c"))
        assert stream.snapshots == {}
        host.model.state.labels.remove(7)  # type: ignore[arg-type]
        for index in range(10):
            await send(host, Add(label=f"d{index}"))
        await wait_until(lambda: stream.snapshots)
        assert host.leading.is_set()
