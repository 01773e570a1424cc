"""What the service gives out of the change stream: notices without a gap, pages that fit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import pytest

from coordination.runtime.errors import UnavailableError
from coordination.runtime.limits import MAX_REPLY_BYTES
from knowledge import wire
from knowledge.changes import PublishedChange
from knowledge.feed import Feed, RecentChanges, notices
from knowledge.limits import (
    CHANGE_OVERHEAD_BYTES,
    MAX_CHANGE_BYTES,
    MAX_CHANGES_PAGE_BYTES,
    MAX_NOTICE_BYTES,
)


def change(sequence: int, topic: str = "sky", size_bytes: int = 10) -> PublishedChange:
    return PublishedChange(sequence=sequence, topic=topic, signer="ada", content=bytes(size_bytes))


class ListStream:
    """`knowledge.feed.ReadableStream` over a list; `batches` is how `follow` brings it."""

    def __init__(self, changes: Sequence[PublishedChange], batches: Sequence[Sequence[int]] = ()) -> None:
        self.changes = list(changes)
        self.batches = batches
        self.reads: list[int] = []
        self.is_away = False

    async def publish(self, topic: str, agent: str, content: bytes) -> None:
        self.changes.append(
            PublishedChange(sequence=len(self.changes) + 1, topic=topic, signer=agent, content=content)
        )

    async def last_sequence(self) -> int:
        if self.is_away:
            raise UnavailableError("away")
        return self.changes[-1].sequence if self.changes else 0

    async def read(self, after: int, limit: int) -> list[PublishedChange]:
        self.reads.append(after)
        return [each for each in self.changes if each.sequence > after][:limit]

    async def follow(self) -> AsyncGenerator[Sequence[PublishedChange], None]:
        by_sequence = {each.sequence: each for each in self.changes}
        for batch in self.batches:
            self.changes = [each for each in by_sequence.values() if each.sequence <= batch[-1]]
            yield [by_sequence[sequence] for sequence in batch]


class Told:
    """What was announced."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, wire.ChangedNotice]] = []
        self.is_lost = False

    async def hear(self, topic: str, notice: wire.ChangedNotice) -> None:
        if self.is_lost:
            raise UnavailableError("the buffer is full")
        self.notices.append((topic, notice))

    def spans(self) -> list[tuple[str, int, int, int]]:
        return [(topic, each.after, each.last_sequence, len(each.changes)) for topic, each in self.notices]


async def followed(feed: Feed) -> list[int]:
    return [each.sequence async for batch in feed.follow() for each in batch]


def test_changes_of_one_topic_in_a_row_share_a_notice() -> None:
    batch = [change(4), change(6), change(7, "sea"), change(8)]
    told = [(topic, each.after, each.last_sequence) for topic, each in notices("main", 3, batch)]
    assert told == [("sky", 3, 6), ("sea", 6, 7), ("sky", 7, 8)]


def test_a_change_too_large_to_tell_everybody_is_only_named() -> None:
    small, large = MAX_NOTICE_BYTES // 2, MAX_NOTICE_BYTES
    batch = [change(1, size_bytes=small), change(2, size_bytes=small), change(3, size_bytes=large), change(4)]
    told = list(notices("main", 0, batch))
    assert [(each.after, each.last_sequence, len(each.changes)) for _, each in told] == [
        (0, 1, 1),
        (1, 2, 1),
        (2, 3, 0),
        (3, 4, 1),
    ]
    assert all(len(each.model_dump_json()) < 2 * MAX_NOTICE_BYTES for _, each in told)


def test_a_topic_that_is_none_is_told_of_where_all_such_are() -> None:
    [(topic, notice)] = notices("main", 0, [change(1, "No-Topic" + "x" * 100)])
    assert (topic, len(notice.changes[0].topic)) == ("_", 64)


async def test_what_was_there_at_the_start_is_not_announced_but_its_end_is() -> None:
    told = Told()
    stream = ListStream([change(number) for number in range(1, 7)], [(1, 2), (3, 4), (5, 6)])
    assert await followed(Feed(stream, told.hear)) == [1, 2, 3, 4, 5, 6]
    assert told.spans() == [("sky", 4, 6, 2)]


async def test_a_notice_that_cannot_be_sent_stops_nothing() -> None:
    told = Told()
    told.is_lost = True
    stream = ListStream([], [])
    stream.changes = [change(1), change(2)]
    stream.batches = [(1,), (2,)]
    assert await followed(Feed(stream, told.hear)) == [1, 2]


async def test_a_stream_that_is_away_at_the_start_has_everything_announced() -> None:
    told = Told()
    stream = ListStream([change(1), change(2)], [(1,), (2,)])
    stream.is_away = True
    await followed(Feed(stream, told.hear))
    assert told.spans() == [("sky", 0, 1, 1), ("sky", 1, 2, 1)]


async def test_pages_come_from_memory_and_older_ones_from_the_stream() -> None:
    stream = ListStream([change(number) for number in range(1, 7)], [(1, 2, 3)])
    feed = Feed(stream, Told().hear)
    everything = stream.changes
    await followed(feed)
    stream.changes = everything
    page = await feed.page(1, 2)
    assert ([each.sequence for each in page.changes], page.last_sequence) == ([2, 3], 6)
    assert stream.reads == []
    page = await feed.page(3, 2)
    assert ([each.sequence for each in page.changes], stream.reads) == ([4, 5], [3])
    assert await feed.page(6, 9) == wire.ChangesReply(changes=(), last_sequence=6)
    assert await feed.page(99, 9) == wire.ChangesReply(changes=(), last_sequence=6)
    assert await feed.page(0, 0) == wire.ChangesReply(changes=(), last_sequence=6)
    assert stream.reads == [3]


@pytest.mark.parametrize(
    ("size_bytes", "count"),
    [
        (10, 1000),
        (MAX_CHANGES_PAGE_BYTES // 2 - CHANGE_OVERHEAD_BYTES, 2),
        (MAX_CHANGES_PAGE_BYTES, 1),
        (MAX_CHANGE_BYTES, 1),
    ],
)
async def test_a_page_holds_what_fits_into_an_answer_and_always_something(
    size_bytes: int, count: int
) -> None:
    longest = "t" * 2000
    stream = ListStream([change(number, longest, size_bytes) for number in range(1, 1501)])
    page = await Feed(stream, Told().hear).page(0, wire.MAX_PAGE)
    assert len(page.changes) == count
    assert len(page.model_dump_json()) < MAX_REPLY_BYTES


async def test_a_change_that_no_replica_takes_is_passed_on_without_its_content() -> None:
    stream = ListStream([change(1, size_bytes=MAX_CHANGE_BYTES + 1), change(2)])
    page = await Feed(stream, Told().hear).page(0, 10)
    assert [(each.sequence, len(each.content)) for each in page.changes] == [(1, 0), (2, 10)]


def test_recent_changes_forget_the_oldest_and_never_answer_over_a_gap() -> None:
    recent = RecentChanges(max_bytes=3 * (CHANGE_OVERHEAD_BYTES + 10))
    recent.add(0, [change(1), change(2), change(3), change(5)])
    assert [each.sequence for each in recent.after(1, 9)] == [2, 3, 5]
    assert [each.sequence for each in recent.after(3, 9)] == [5]
    assert [each.sequence for each in recent.after(1, 2)] == [2, 3]
    assert recent.after(0, 9) == []
    assert recent.after(5, 9) == []
    recent.add(5, [change(6)])
    assert [each.sequence for each in recent.after(2, 9)] == [3, 5, 6]
    recent.add(9, [change(10)])
    assert recent.after(8, 9) == [], "what lies between is not known"
    assert [each.sequence for each in recent.after(9, 9)] == [10]
    recent.add(10, [change(11, size_bytes=10_000)])
    assert recent.after(10, 9) == []
    recent.add(11, [change(12)])
    assert [each.sequence for each in recent.after(11, 9)] == [12]


async def test_publishing_passes_through() -> None:
    stream = ListStream([])
    feed = Feed(stream, Told().hear)
    await asyncio.gather(feed.publish("sky", "ada", b"1"), feed.publish("sky", "ada", b"2"))
    assert await feed.last_sequence() == 2
