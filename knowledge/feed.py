"""The change stream as the service gives it out: pages on request, and a notice for whatever is new."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from coordination.runtime.errors import ClosedError, UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.names import is_id
from knowledge import wire
from knowledge.changes import ChangeStream, PublishedChange
from knowledge.limits import (
    CHANGE_OVERHEAD_BYTES,
    MAX_CHANGE_BYTES,
    MAX_CHANGES_PAGE_BYTES,
    MAX_NOTICE_BYTES,
    MAX_RECENT_BYTES,
)

Announce = Callable[[str, wire.ChangedNotice], Awaitable[None]]
"""(topic, notice) -> sends it to whoever listens."""
_SHOWN_CHARS: Final = 64
"""One more than any id has: what is cut here was no id, and is none afterwards."""
_NO_TOPIC: Final = "_"
_READERS: Final = 8
"""Pages read from the stream at a time."""
_log = get_logger(__name__)


class ReadableStream(ChangeStream, Protocol):
    """A change stream that can be read from the middle."""

    async def read(self, after: int, limit: int) -> list[PublishedChange]:
        """At most `limit` changes after sequence `after`, in order; none if there are none yet.

        Raises:
            UnavailableError: The stream does not answer.
        """
        ...


class Feed:
    """A change stream that announces what passes through it, and answers for what has passed.

    It stands between the stream and the service's own replica, so that the stream is followed once and
    others hear of a change before this process has worked on it.

    Args:
        changes: The stream.
        announce: Sends notices; one that gets lost is made up for by the replicas themselves.
        space: The space, as notices name it.
    """

    def __init__(
        self, changes: ReadableStream, announce: Announce, *, space: str = wire.DEFAULT_SPACE
    ) -> None:
        self._changes = changes
        self._announce = announce
        self._space = space
        self._recent = RecentChanges()
        self._readers = asyncio.Semaphore(_READERS)

    async def publish(self, topic: str, agent: str, content: bytes) -> None:
        """See `ChangeStream.publish`."""
        await self._changes.publish(topic, agent, content)

    async def last_sequence(self) -> int:
        """See `ChangeStream.last_sequence`."""
        return await self._changes.last_sequence()

    async def follow(self) -> AsyncGenerator[Sequence[PublishedChange], None]:
        """See `ChangeStream.follow`. What was there before is not announced, but for the end of it."""
        known_before = await self._last_known()
        after = 0
        async with contextlib.aclosing(self._changes.follow()) as batches:
            async for batch in batches:
                self._recent.add(after, batch)
                if batch[-1].sequence >= known_before:
                    for topic, notice in notices(self._space, after, batch):
                        await self._tell(topic, notice)
                after = batch[-1].sequence
                yield batch

    async def page(self, after: int, limit: int) -> wire.ChangesReply:
        """The changes after `after`, as many as fit into one answer.

        Raises:
            UnavailableError: The stream does not answer.
        """
        last_sequence = await self._changes.last_sequence()
        found: list[PublishedChange] = []
        if last_sequence > after and limit:
            found = self._recent.after(after, limit)
            if not found:
                async with self._readers:
                    found = await self._changes.read(after, limit)
        changes = tuple(_body(change) for change in _fitting(found))
        newest = changes[-1].sequence if changes else 0
        return wire.ChangesReply(changes=changes, last_sequence=max(last_sequence, newest))

    async def _last_known(self) -> int:
        try:
            return await self._changes.last_sequence()
        except UnavailableError:
            return 0  # then old changes are announced, too, and everybody ignores that

    async def _tell(self, topic: str, notice: wire.ChangedNotice) -> None:
        try:
            await self._announce(topic, notice)
        except (UnavailableError, ClosedError) as error:
            _log.info("change not announced", topic=topic, error=type(error).__name__)


class RecentChanges:
    """The latest changes without a gap, bounded in bytes.

    Invariants: holds every change of the stream after `_after`, up to the last one added.
    """

    def __init__(self, max_bytes: int = MAX_RECENT_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._after = 0
        self._changes: deque[PublishedChange] = deque()

    def add(self, after: int, batch: Iterable[PublishedChange]) -> None:
        """Add the changes that follow `after` without a gap."""
        if after != (self._changes[-1].sequence if self._changes else self._after):
            self._changes.clear()
            self._size_bytes = 0
            self._after = after
        for change in batch:
            self._changes.append(change)
            self._size_bytes += _size_bytes(change)
        while self._size_bytes > self._max_bytes:
            forgotten = self._changes.popleft()
            self._after = forgotten.sequence
            self._size_bytes -= _size_bytes(forgotten)

    def after(self, sequence: int, limit: int) -> list[PublishedChange]:
        """At most `limit` changes after `sequence`; none if some of them are not here any more."""
        if sequence < self._after:
            return []
        found: list[PublishedChange] = []
        for change in reversed(self._changes):
            if change.sequence <= sequence:
                break
            found.append(change)
        found.reverse()
        return found[:limit]


def notices(
    space: str, after: int, batch: Iterable[PublishedChange]
) -> Iterator[tuple[str, wire.ChangedNotice]]:
    """Notices of all changes of `batch`, each with its topic: changes in a row share one while they fit."""
    run: list[PublishedChange] = []
    size_bytes = 0
    for change in batch:
        if run and (change.topic != run[0].topic or size_bytes + _size_bytes(change) > MAX_NOTICE_BYTES):
            yield _notice(space, after, run, size_bytes)
            after, run, size_bytes = run[-1].sequence, [], 0
        run.append(change)
        size_bytes += _size_bytes(change)
    if run:
        yield _notice(space, after, run, size_bytes)


def _notice(
    space: str, after: int, run: Sequence[PublishedChange], size_bytes: int
) -> tuple[str, wire.ChangedNotice]:
    told = run if size_bytes <= MAX_NOTICE_BYTES else ()
    notice = wire.ChangedNotice(
        space=space,
        after=after,
        last_sequence=run[-1].sequence,
        changes=tuple(_body(change) for change in told),
    )
    return (run[0].topic if is_id(run[0].topic) else _NO_TOPIC), notice


def _fitting(changes: Iterable[PublishedChange]) -> Iterator[PublishedChange]:
    """The first of `changes`, and those that fit into the same answer."""
    size_bytes = 0
    for change in changes:
        taken_bytes = size_bytes
        size_bytes += _size_bytes(change)
        if taken_bytes and size_bytes > MAX_CHANGES_PAGE_BYTES:
            return
        yield change


def _size_bytes(change: PublishedChange) -> int:
    content_bytes = len(change.content)
    return CHANGE_OVERHEAD_BYTES + (content_bytes if content_bytes <= MAX_CHANGE_BYTES else 0)


def _body(change: PublishedChange) -> wire.ChangeBody:
    return wire.ChangeBody(
        sequence=change.sequence,
        topic=change.topic[:_SHOWN_CHARS],
        signer=change.signer[:_SHOWN_CHARS],
        content=change.content if len(change.content) <= MAX_CHANGE_BYTES else b"",
    )
