"""A node's own idea of time: set wrong, set anew, and running too fast or too slow."""

from __future__ import annotations

import asyncio
from typing import Final

EPOCH_MS: Final = 1_700_000_000_000
"""Wall-clock time at virtual time 0, where a clock is right."""


class SimulatedClock:
    """`coordination.runtime.clock.Clock` over the virtual time of the running loop.

    Args:
        offset_ms: How far the wall clock is ahead at first.
        rate: Seconds this node counts for one second; within 1 % of 1, as crystals are at their worst.
    """

    def __init__(self, *, offset_ms: int = 0, rate: float = 1.0) -> None:
        self._offset_ms = offset_ms
        self._rate = rate

    def now_ms(self) -> int:
        """See `Clock.now_ms`."""
        return EPOCH_MS + self._offset_ms + int(self.monotonic_s() * 1000)

    def monotonic_s(self) -> float:
        """See `Clock.monotonic_s`."""
        return asyncio.get_running_loop().time() * self._rate

    async def wait(self, event: asyncio.Event, timeout_ms: int | None) -> bool:
        """See `Clock.wait`."""
        timeout_s = None if timeout_ms is None else max(timeout_ms, 0) / 1000 / self._rate
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return False
        return True

    def step(self, by_ms: int) -> None:
        """Set the wall clock forwards, or backwards."""
        self._offset_ms += by_ms

    def set_rate(self, rate: float) -> None:
        """Set how fast it runs; only before anybody has asked for the time."""
        self._rate = rate
