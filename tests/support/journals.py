"""Journals that misbehave as real ones do: slow, lost, or taken over by somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Literal

from coordination.runtime.errors import ClosedError
from coordination.runtime.framing import frame
from coordination.runtime.journal import Entry
from coordination.runtime.memory import MemoryJournal

Fault = Literal["none", "lost before", "lost after"]


class FaultyJournal:
    """A host's way to the records in `store`, with faults of its own.

    `hold` keeps appends waiting until `release`; `fault` loses the connection at the next append,
    before or after the record is stored.
    """

    def __init__(self, store: MemoryJournal) -> None:
        self._store = store
        self._go = asyncio.Event()
        self._go.set()
        self.fault: Fault = "none"
        self.waiting = 0

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    async def open(self) -> None:
        await self._store.open()

    def replay(self) -> AsyncGenerator[Entry, None]:
        return self._store.replay()

    async def append(self, payload: bytes, *, expected: int, record_id: str) -> int:
        self.waiting += 1
        try:
            await self._go.wait()
        finally:
            self.waiting -= 1
        if self.fault == "lost before":
            raise ClosedError("connection lost")
        sequence = await self._store.append(payload, expected=expected, record_id=record_id)
        if self.fault == "lost after":
            raise ClosedError("connection lost")
        return sequence


def usurp(store: MemoryJournal) -> None:
    """Somebody else takes the leadership of the journal."""
    store.records.append(("usurper", frame(1_000, 0, [])))


def payloads(store: MemoryJournal) -> list[bytes]:
    """The bytes of every record."""
    return [payload for _, payload in store.records]
