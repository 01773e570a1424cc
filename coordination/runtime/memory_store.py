"""The in-memory twin of `coordination.runtime.jetstream.JetStreamStore`: deterministic, without faults.

A `MemoryStream` is what the server would keep; each `MemoryStore` on it is one process's way to it. The
simulation wraps stores to lose, delay and repeat what goes through them.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from coordination.runtime.errors import ClosedError, UsageError
from coordination.runtime.limits import MAX_IN_FLIGHT_RECORDS
from coordination.runtime.store import (
    Bounds,
    Carried,
    Entry,
    Pointer,
    Sent,
    WrongSequenceError,
    require_same_shards,
)

MAX_PAYLOAD_BYTES: Final = 1024 * 1024
"""As nats-server's default ``max_payload``."""


class MemoryStream:
    """One journal as its server keeps it; outlives the stores on it."""

    def __init__(self, name: str = "memory.0", *, shards: int = 1) -> None:
        self.name = name
        self.shards = shards
        self.records: list[Entry] = []
        """What is stored now, oldest first."""
        self.snapshots: dict[str, bytes] = {}
        self.pointer = Pointer()
        self._last = 0
        self._changed = asyncio.Event()

    @property
    def bounds(self) -> Bounds:
        """Which records are stored now."""
        return Bounds(first=self.records[0].sequence if self.records else self._last + 1, last=self._last)

    @property
    def payloads(self) -> list[bytes]:
        """The bytes of every stored record."""
        return [record.payload for record in self.records]

    def append(self, payload: bytes, *, record_id: str) -> int:
        """Store a record behind the last one, whatever that is, and wake up who waits."""
        self._last += 1
        self.records.append(Entry(self._last, payload, record_id))
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        return self._last

    def at(self, sequence: int) -> Entry | None:
        """The record at `sequence`; None if nothing is stored there."""
        after = self.after(sequence - 1, limit=1)
        return after[0] if after and after[0].sequence == sequence else None

    def after(self, sequence: int, *, limit: int) -> list[Entry]:
        """Up to `limit` records that follow `sequence`."""
        first = self.bounds.first
        if not self.records or self.records[-1].sequence - first + 1 == len(self.records):
            begin = max(sequence + 1 - first, 0)
            return self.records[begin : begin + limit]
        # Only a test that took a record out of the middle comes here.
        return [record for record in self.records if record.sequence > sequence][:limit]

    async def wait(self, after: int, *, timeout_s: float) -> None:
        """Return when there is a record after `after`, at the latest after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self._last <= after:
                    await self._changed.wait()
        except TimeoutError:
            return


class AppendingByTask(ABC):
    """`JournalStore.send` of a store whose `append` takes several steps: each is a task.

    Whoever sends owns the task, and cancels it through `Sent`.
    """

    @property
    def carries_pushes(self) -> bool:
        """See `JournalStore.carries_pushes`."""
        return False

    @abstractmethod
    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        """See `JournalStore.append`."""

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[BaseException | None], None],
        previous_id: str | None = None,
        carried: Carried | None = None,
    ) -> Sent:
        """See `JournalStore.send`."""
        assert carried is None, "it carries none"

        def tell(task: asyncio.Task[int]) -> None:
            on_end(asyncio.CancelledError() if task.cancelled() else task.exception())

        appending = self.append(payload, expected=expected, record_id=record_id, previous_id=previous_id)
        task = asyncio.get_running_loop().create_task(appending)
        task.add_done_callback(tell)
        return task


class MemoryStore(AppendingByTask):
    """One process's access to a `MemoryStream`. Every operation lets others run before it takes effect."""

    def __init__(self, stream: MemoryStream, *, shards: int = 1) -> None:
        self._stream = stream
        self._shards = shards
        self._closed = False

    @property
    def name(self) -> str:
        """See `JournalStore.name`."""
        return self._stream.name

    @property
    def max_in_flight(self) -> int:
        """See `JournalStore.max_in_flight`."""
        return MAX_IN_FLIGHT_RECORDS

    async def open(self) -> None:
        """See `JournalStore.open`."""
        await self._turn()
        require_same_shards(self.name, made_for=self._stream.shards, asked_for=self._shards)

    async def bounds(self) -> Bounds:
        """See `JournalStore.bounds`."""
        await self._turn()
        return self._stream.bounds

    async def read(self, after: int, *, limit: int) -> list[Entry]:
        """See `JournalStore.read`."""
        await self._turn()
        return self._stream.after(after, limit=limit)

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        """See `JournalStore.append`. It forgets ids at once, as the server does after a while."""
        await self._turn()
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise UsageError(f"{self.name}: the record is larger than {MAX_PAYLOAD_BYTES} bytes")
        stream = self._stream
        if stream.bounds.last != expected:
            raise WrongSequenceError(f"{self.name}: the last record is {stream.bounds.last}, not {expected}")
        if previous_id is not None:
            previous = stream.at(expected)
            if previous is None or previous.record_id != previous_id:
                raise WrongSequenceError(f"{self.name}: record {expected} is not {previous_id}")
        return stream.append(payload, record_id=record_id)

    async def record_id_at(self, sequence: int) -> str | None:
        """See `JournalStore.record_id_at`."""
        await self._turn()
        record = self._stream.at(sequence)
        return None if record is None else record.record_id

    async def wait(self, after: int, *, timeout_s: float) -> None:
        """See `JournalStore.wait`."""
        await self._turn()
        await self._stream.wait(after, timeout_s=timeout_s)

    async def pointer(self) -> Pointer:
        """See `JournalStore.pointer`."""
        await self._turn()
        return self._stream.pointer

    async def move_pointer(self, pointer: Pointer) -> None:
        """See `JournalStore.move_pointer`."""
        await self._turn()
        current = self._stream.pointer.revision
        if current != pointer.revision:
            raise WrongSequenceError(f"{self.name}: the pointer has revision {current}")
        self._stream.pointer = replace(pointer, revision=current + 1)

    async def put_snapshot(self, name: str, payload: bytes) -> None:
        """See `JournalStore.put_snapshot`."""
        await self._turn()
        self._stream.snapshots[name] = payload

    async def get_snapshot(self, name: str) -> bytes | None:
        """See `JournalStore.get_snapshot`."""
        await self._turn()
        return self._stream.snapshots.get(name)

    async def snapshot_names(self) -> list[str]:
        """See `JournalStore.snapshot_names`."""
        await self._turn()
        return sorted(self._stream.snapshots)

    async def delete_snapshot(self, name: str) -> None:
        """See `JournalStore.delete_snapshot`."""
        await self._turn()
        self._stream.snapshots.pop(name, None)

    async def compact(self, before: int) -> None:
        """See `JournalStore.compact`."""
        await self._turn()
        stream = self._stream
        before = min(before, stream.bounds.last)
        stream.records = [record for record in stream.records if record.sequence >= before]

    async def close(self) -> None:
        """See `JournalStore.close`."""
        self._closed = True

    async def _turn(self) -> None:
        """No operation is instantaneous, and none is possible once closed."""
        await asyncio.sleep(0)
        if self._closed:
            raise ClosedError(f"{self.name}: the store is closed")
