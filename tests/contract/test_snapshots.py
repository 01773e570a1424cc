"""Snapshots and compaction of every journal, in memory and on JetStream alike."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from coordination.runtime.errors import CompactedError, CorruptJournalError, NotLeaderError
from coordination.runtime.journal import Journal, Snapshot
from coordination.runtime.store import JournalStore
from tests.contract.conftest import OpenJournal, OpenStore


def state_at(sequence: int, *, epoch: int = 1) -> Snapshot:
    return Snapshot(sequence=sequence, epoch=epoch, payload=f"the state after {sequence}".encode())


async def write(journal: Journal, until: int) -> None:
    """Append records until there are so many."""
    for index in range(await journal.last_sequence(), until):
        await journal.append(b"%d" % (index + 1), expected=index, record_id=f"r{index + 1}")


async def sequences(journal: Journal, after: int) -> list[int]:
    return [entry.sequence async for entry in journal.replay(after)]


async def corrupt(store: JournalStore, snapshot_name: str) -> None:
    """Put other bytes in the place of a snapshot."""
    await store.delete_snapshot(snapshot_name)
    await store.put_snapshot(snapshot_name, b"something else")


async def test_a_journal_without_snapshots_has_none_to_load(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    assert await journal.load() is None
    await write(journal, 3)
    assert await journal.load() is None


async def test_the_newest_snapshot_is_loaded_by_whoever_comes(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await write(journal, 5)
    for sequence in (2, 5):
        assert await journal.save(state_at(sequence)) == len(state_at(sequence).payload)
        assert await (await open_journal()).load() == state_at(sequence)
        assert await journal.load() == state_at(sequence)


async def test_a_snapshot_of_many_bytes_comes_back_equal(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await write(journal, 1)
    snapshot = Snapshot(sequence=1, epoch=1, payload=bytes(range(256)) * 8_000)
    assert await journal.save(snapshot) == 2_048_000
    assert await (await open_journal()).load() == snapshot


async def test_the_pointer_never_goes_back(open_journal: OpenJournal, open_store: OpenStore) -> None:
    journal, store = await open_journal(), await open_store()
    await write(journal, 9)
    await journal.save(state_at(6, epoch=1))
    for sequence in (5, 6):
        await journal.save(state_at(sequence, epoch=2))
        assert await journal.load() == state_at(6, epoch=1)
    assert len(await store.snapshot_names()) == 1, "what does not count is not kept"


async def test_of_many_who_save_at_once_the_newest_counts(
    open_journal: OpenJournal, open_store: OpenStore
) -> None:
    savers, store = [await open_journal() for _ in range(4)], await open_store()
    await write(savers[0], 20)
    await asyncio.gather(*(saver.save(state_at(14 + index)) for index, saver in enumerate(savers)))
    counting = (await store.pointer()).snapshots
    assert counting[0].sequence == 17
    assert await savers[0].load() == state_at(17)
    assert {each.name for each in counting} <= set(await store.snapshot_names())
    bounds = await store.bounds()
    assert bounds.first == (1 if len(counting) == 1 else counting[1].sequence)


async def test_records_go_only_when_two_snapshots_cover_them(
    open_journal: OpenJournal, open_store: OpenStore
) -> None:
    journal, store = await open_journal(), await open_store()
    await write(journal, 10)
    for sequence, first in [(3, 1), (6, 3), (7, 6), (10, 7)]:
        await journal.save(state_at(sequence))
        assert (await store.bounds()).first == first
        assert await sequences(journal, first - 1) == list(range(first, 11))
    assert len(await store.snapshot_names()) == 2
    await write(journal, 12)


async def test_a_reader_left_behind_goes_on_from_the_snapshot(open_journal: OpenJournal) -> None:
    journal, reader = await open_journal(), await open_journal()
    await write(journal, 3)
    assert len(await reader.follow(0, timeout_s=20)) == 3
    await write(journal, 20)
    for sequence in (10, 15):
        await journal.save(state_at(sequence))
    with pytest.raises(CompactedError, match="record 4 was compacted away"):
        await reader.follow(3, timeout_s=20)
    with pytest.raises(CompactedError):
        await sequences(reader, 3)
    snapshot = await reader.load()
    assert snapshot == state_at(15)
    assert await sequences(reader, 15) == [16, 17, 18, 19, 20]


async def test_behind_a_broken_newest_snapshot_the_one_before_is_used(
    open_journal: OpenJournal, open_store: OpenStore
) -> None:
    journal, store = await open_journal(), await open_store()
    await write(journal, 9)
    for sequence in (3, 6, 8):
        await journal.save(state_at(sequence))
    await corrupt(store, (await store.pointer()).snapshots[0].name)
    reader = await open_journal()
    assert await reader.load() == state_at(6)
    assert await sequences(reader, 6) == [7, 8, 9]
    # The broken one is never relied on: the next snapshot has a whole one behind it.
    await reader.save(state_at(9))
    assert [each.sequence for each in (await store.pointer()).snapshots] == [9, 6]
    assert (await store.bounds()).first == 6


async def test_a_snapshot_that_is_gone_is_as_broken(open_journal: OpenJournal, open_store: OpenStore) -> None:
    journal, store = await open_journal(), await open_store()
    await write(journal, 3)
    await journal.save(state_at(2))
    await store.delete_snapshot((await store.pointer()).snapshots[0].name)
    assert await journal.load() is None, "all records are there"
    assert await sequences(journal, 0) == [1, 2, 3]


async def test_without_any_readable_snapshot_a_compacted_journal_is_refused_by_name(
    open_journal: OpenJournal, open_store: OpenStore
) -> None:
    journal, store = await open_journal(), await open_store()
    await write(journal, 9)
    for sequence in (5, 8):
        await journal.save(state_at(sequence))
    for each in (await store.pointer()).snapshots:
        await corrupt(store, each.name)
    with pytest.raises(CorruptJournalError, match="record 1: missing, the first one there is 5 and no snap"):
        await journal.load()


async def test_a_snapshot_whose_saver_died_before_it_counted_is_removed_later(
    open_journal: OpenJournal, open_store: OpenStore
) -> None:
    journal, store = await open_journal(), await open_store()
    await write(journal, 9)
    await store.put_snapshot("1.4.00", b"left over")
    for sequence in (3, 5, 7):
        await journal.save(state_at(sequence))
    assert "1.4.00" not in await store.snapshot_names()
    assert len(await store.snapshot_names()) == 2


async def test_saving_goes_on_beside_appends(open_journal: OpenJournal) -> None:
    journal = await open_journal()
    await write(journal, 4)
    async with asyncio.TaskGroup() as group:
        saving = group.create_task(journal.save(Snapshot(sequence=4, epoch=1, payload=b"s" * 600_000)))
        await write(journal, 40)
    assert saving.result() == 600_000
    assert await sequences(journal, 0) == list(range(1, 41))


async def test_loading_finds_a_snapshot_while_others_replace_it(open_journal: OpenJournal) -> None:
    saver, reader = await open_journal(), await open_journal()
    await write(saver, 31)
    await saver.save(state_at(1))
    found: list[int] = []

    async def load() -> None:
        while not found or found[-1] < 31:
            snapshot = await reader.load()
            assert snapshot is not None
            assert snapshot.payload == state_at(snapshot.sequence).payload
            found.append(snapshot.sequence)

    async with asyncio.TaskGroup() as group, asyncio.timeout(60):
        group.create_task(load())
        for sequence in range(2, 32):
            await saver.save(state_at(sequence))
    assert found == sorted(found)


async def test_compaction_leaves_the_compare_and_set_whole(open_journal: OpenJournal) -> None:
    journal, rival = await open_journal(), await open_journal()
    await write(journal, 3)
    for sequence in (1, 3):
        await journal.save(state_at(sequence))
    await journal.append(b"4", expected=3, record_id="r4")
    for expected in (0, 3):
        with contextlib.suppress(CompactedError):
            await rival.follow(expected, timeout_s=0)
        with pytest.raises(NotLeaderError):
            await rival.append(b"x", expected=expected, record_id=f"rival-{expected}")
    assert await journal.last_sequence() == 4
