"""What every store of journals does, in memory and on JetStream alike: single attempts, no policy."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from coordination.runtime.errors import UsageError
from coordination.runtime.store import Bounds, Entry, JournalStore, Pointer, SnapshotRef, WrongSequenceError
from tests.contract.conftest import MakeStore, OpenStore


async def write(store: JournalStore, count: int) -> list[Entry]:
    """Append records behind the last one; returns them as a read should."""
    last = (await store.bounds()).last
    entries = [Entry(last + n, f"record {last + n}".encode(), f"r{last + n}") for n in range(1, count + 1)]
    for entry in entries:
        expected = entry.sequence - 1
        stored = await store.append(entry.payload, expected=expected, record_id=entry.record_id)
        assert stored == entry.sequence
    return entries


def ref(sequence: int) -> SnapshotRef:
    return SnapshotRef(name=f"1.{sequence}.aa", sequence=sequence, epoch=1, digest="0" * 64, size_bytes=1)


async def test_a_new_store_is_empty(open_store: OpenStore) -> None:
    store = await open_store()
    assert await store.bounds() == Bounds(1, 0)
    assert await store.read(0, limit=5) == []
    assert await store.record_id_at(1) is None
    assert await store.pointer() == Pointer()
    assert await store.snapshot_names() == []


async def test_a_store_opens_only_with_the_number_of_shards_it_was_made_for(make_store: MakeStore) -> None:
    await (await make_store(4)).open()
    await (await make_store(4)).open()
    with pytest.raises(UsageError, match="made for 4 shards, asked for 2: the number is fixed when a store"):
        await (await make_store(2)).open()


@pytest.mark.parametrize(("after", "limit", "expected"), [(0, 3, [1, 2, 3]), (3, 99, [4, 5]), (5, 9, [])])
async def test_a_read_gives_the_next_records_whole(
    open_store: OpenStore, after: int, limit: int, expected: list[int]
) -> None:
    store = await open_store()
    written = await write(store, 5)
    assert await store.read(after, limit=limit) == [written[sequence - 1] for sequence in expected]


@pytest.mark.parametrize("expected", [0, 1, 3, 99])
async def test_an_append_with_another_last_record_than_expected_stores_nothing(
    open_store: OpenStore, expected: int
) -> None:
    store = await open_store()
    written = await write(store, 2)
    with pytest.raises(WrongSequenceError):
        await store.append(b"x", expected=expected, record_id="other")
    assert await store.read(0, limit=9) == written


async def test_an_append_can_name_the_record_it_must_follow(open_store: OpenStore) -> None:
    store = await open_store()
    await write(store, 2)
    with pytest.raises(WrongSequenceError):
        await store.append(b"x", expected=2, record_id="other", previous_id="a rival's")
    assert await store.append(b"x", expected=2, record_id="other", previous_id="r2") == 3


async def test_a_repeated_append_is_never_stored_twice(open_store: OpenStore) -> None:
    store = await open_store()
    written = await write(store, 1)
    with contextlib.suppress(WrongSequenceError):
        assert await store.append(written[0].payload, expected=0, record_id="r1") == 1
    assert await store.read(0, limit=9) == written


async def test_the_id_of_a_stored_record_can_be_asked_for(open_store: OpenStore) -> None:
    store = await open_store()
    await write(store, 2)
    assert [await store.record_id_at(sequence) for sequence in (1, 2, 3)] == ["r1", "r2", None]


async def test_a_record_that_is_too_large_is_refused_for_good(open_store: OpenStore) -> None:
    store = await open_store()
    with pytest.raises(UsageError, match="larger than"):
        await store.append(b"x" * (1024 * 1024 + 1), expected=0, record_id="r1")
    assert (await store.bounds()).last == 0


async def test_compaction_removes_what_is_before_and_never_the_last_record(open_store: OpenStore) -> None:
    store = await open_store()
    written = await write(store, 5)
    for before, first in [(0, 1), (1, 1), (3, 3), (3, 3), (2, 3), (99, 5)]:
        await store.compact(before)
        assert await store.bounds() == Bounds(first, 5)
        assert await store.read(0, limit=9) == written[first - 1 :]
    assert await store.append(b"x", expected=5, record_id="r6") == 6


async def test_waiting_ends_with_a_record_of_somebody_else(open_store: OpenStore) -> None:
    store, writer = await open_store(), await open_store()
    await store.wait(0, timeout_s=0.001)  # the first call only begins to listen
    await store.bounds()  # whose answer comes when the server listens for us
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        waiting = group.create_task(store.wait(0, timeout_s=60))
        await write(writer, 1)
        await waiting


async def test_waiting_ends_when_nothing_comes(open_store: OpenStore) -> None:
    store = await open_store()
    for _ in range(3):
        await store.wait(0, timeout_s=0.001)


async def test_of_two_who_move_the_pointer_one_wins(open_store: OpenStore) -> None:
    first, second = await open_store(), await open_store()
    await first.move_pointer(Pointer((ref(1),), 0))
    with pytest.raises(WrongSequenceError):
        await second.move_pointer(Pointer((ref(2),), 0))
    current = await second.pointer()
    assert current.snapshots == (ref(1),)
    await second.move_pointer(Pointer((ref(3), ref(1)), current.revision))
    with pytest.raises(WrongSequenceError):
        await first.move_pointer(Pointer((ref(4),), current.revision))
    assert (await first.pointer()).snapshots == (ref(3), ref(1))


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 128 * 1024 + 1, 1_500_000])
async def test_a_snapshot_comes_back_whole(open_store: OpenStore, size: int) -> None:
    writer, reader = await open_store(), await open_store()
    payload = bytes(index % 251 for index in range(size))
    await writer.put_snapshot("1.7.aa", payload)
    assert await reader.get_snapshot("1.7.aa") == payload
    assert await reader.snapshot_names() == ["1.7.aa"]


async def test_snapshots_are_kept_apart_until_they_are_deleted(open_store: OpenStore) -> None:
    store = await open_store()
    await store.put_snapshot("1.7.aa", b"seven")
    await store.put_snapshot("1.8.bb", b"eight")
    for _ in range(2):
        await store.delete_snapshot("1.7.aa")
    assert await store.get_snapshot("1.7.aa") is None
    assert await store.get_snapshot("1.8.bb") == b"eight"
    assert await store.snapshot_names() == ["1.8.bb"]


async def test_closing_twice_is_closing(open_store: OpenStore) -> None:
    store = await open_store()
    await store.wait(0, timeout_s=0.001)
    await store.close()
    await store.close()
