"""A clock that stands still until it is told to move."""

from __future__ import annotations

import asyncio


class ManualClock:
    """`coordination.runtime.clock.Clock` in the hands of a test."""

    def __init__(self, now_ms: int = 1_000_000) -> None:
        self._now_ms = now_ms
        self._elapsed_ms = 0
        self._moved = asyncio.Event()

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_s(self) -> float:
        return self._elapsed_ms / 1000

    def advance(self, by_ms: int) -> None:
        """Let `by_ms` pass (a negative number is a clock set back) and wake whoever waits."""
        self._now_ms += by_ms
        self._elapsed_ms += max(by_ms, 0)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def wait(self, event: asyncio.Event, timeout_ms: int | None) -> bool:
        deadline_ms = None if timeout_ms is None else self._now_ms + timeout_ms
        while not event.is_set():
            if deadline_ms is not None and self._now_ms >= deadline_ms:
                return False
            waits = [asyncio.ensure_future(each.wait()) for each in (event, self._moved)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        return True
