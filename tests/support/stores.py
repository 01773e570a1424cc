"""Stores that misbehave as real ones do: slow, lost, or written to by somebody else."""

from __future__ import annotations

import asyncio
import json
from typing import Literal

from coordination.runtime.errors import ClosedError
from coordination.runtime.framing import EventCodec, frame
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.shard import EpochBegan, LeaderResigned

Fault = Literal["none", "lost before", "lost after"]
_CODEC = EventCodec((EpochBegan, LeaderResigned))


class HeldStore(MemoryStore):
    """A host's way to a stream, with faults of its own.

    `hold` keeps appends waiting until `release`; `fault` loses the connection for good at the next
    append, before or after the record is stored.
    """

    def __init__(self, stream: MemoryStream) -> None:
        super().__init__(stream)
        self._go = asyncio.Event()
        self._go.set()
        self.fault: Fault = "none"
        self.waiting = 0

    def hold(self) -> None:
        self._go.clear()

    def release(self) -> None:
        self._go.set()

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        self.waiting += 1
        try:
            await self._go.wait()
        finally:
            self.waiting -= 1
        if self.fault == "lost before":
            raise ClosedError("connection lost")
        sequence = await super().append(
            payload, expected=expected, record_id=record_id, previous_id=previous_id
        )
        if self.fault == "lost after":
            raise ClosedError("connection lost")
        return sequence


def usurp(stream: MemoryStream) -> None:
    """Somebody else takes the leadership, and keeps silent from then on."""
    began = _CODEC.encode(EpochBegan(leader="usurper"))
    stream.append(frame(1_000, 0, [began]), record_id="usurper")


def vacate(stream: MemoryStream) -> None:
    """As if the leader had resigned: the next host need not wait until a lease has run out."""
    last = json.loads(stream.payloads[-1])
    resigned = _CODEC.encode(LeaderResigned(leader="test"))
    record = frame(last["epoch"], last["at_ms"], [resigned])
    stream.append(record, record_id=f"vacated-{stream.bounds.last}")
