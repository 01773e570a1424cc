"""A store of journals that loses requests and acknowledgements, by script."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from coordination.runtime.errors import ClosedError, UnavailableError
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.store import Bounds, Entry, Pointer, WrongSequenceError

Fault = Literal["none", "lost before", "lost after", "late", "closed"]
"""What happens to one request: the request is lost; its answer is lost; both the answer and, for now, the
request, which takes effect later; the connection is closed for good."""


class FaultyStore(MemoryStore):
    """A way to `stream` on which each append suffers the next fault of `faults`, and then none.

    Of the other requests, `answered` more are answered and then `outages` are not. `calls` are the
    appends, in the order in which they were sent.
    """

    def __init__(self, stream: MemoryStream, *faults: Fault) -> None:
        super().__init__(stream)
        self.faults = deque(faults)
        self.answered = 0
        self.outages = 0
        self.calls: list[dict[str, Any]] = []
        self._late: list[Callable[[], Awaitable[int]]] = []

    async def append(
        self, payload: bytes, *, expected: int, record_id: str, previous_id: str | None = None
    ) -> int:
        call = {"expected": expected, "record_id": record_id, "previous_id": previous_id}
        self.calls.append(call)
        fault = self.faults.popleft() if self.faults else "none"

        async def take_effect() -> int:
            return await MemoryStore.append(
                self, payload, expected=expected, record_id=record_id, previous_id=previous_id
            )

        if fault == "closed":
            raise ClosedError("the connection is closed")
        if fault == "late":
            self._late.append(take_effect)
        if fault in ("lost before", "late"):
            await asyncio.sleep(0)
            raise UnavailableError("no answer")
        sequence = await take_effect()
        if fault == "lost after":
            raise UnavailableError("no answer")
        return sequence

    async def deliver_late(self) -> None:
        """Let the requests that were late take effect now, if they still can."""
        late, self._late = self._late, []
        for take_effect in late:
            with contextlib.suppress(WrongSequenceError):
                await take_effect()

    async def open(self) -> None:
        self._answer()
        await super().open()

    async def bounds(self) -> Bounds:
        self._answer()
        return await super().bounds()

    async def read(self, after: int, *, limit: int) -> list[Entry]:
        self._answer()
        return await super().read(after, limit=limit)

    async def record_id_at(self, sequence: int) -> str | None:
        self._answer()
        return await super().record_id_at(sequence)

    async def pointer(self) -> Pointer:
        self._answer()
        return await super().pointer()

    async def move_pointer(self, pointer: Pointer) -> None:
        """The outage is of the answer: the pointer is moved."""
        await super().move_pointer(pointer)
        self._answer()

    async def put_snapshot(self, name: str, payload: bytes) -> None:
        """In an outage only the first half gets there."""
        await super().put_snapshot(name, payload[: len(payload) // 2])
        self._answer()
        await super().put_snapshot(name, payload)

    async def get_snapshot(self, name: str) -> bytes | None:
        self._answer()
        return await super().get_snapshot(name)

    async def snapshot_names(self) -> list[str]:
        self._answer()
        return await super().snapshot_names()

    async def delete_snapshot(self, name: str) -> None:
        self._answer()
        await super().delete_snapshot(name)

    async def compact(self, before: int) -> None:
        self._answer()
        await super().compact(before)

    def _answer(self) -> None:
        if self.answered > 0:
            self.answered -= 1
        elif self.outages > 0:
            self.outages -= 1
            raise UnavailableError("no answer")
