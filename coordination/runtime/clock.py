"""Time as an interface, so that a simulation can own it."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

_MONOTONIC: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""A suspended machine must know, when it wakes, that its leases have run out."""


class Clock(Protocol):
    """Where the shell gets its time from; the pure core gets it as an argument."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch; may jump, forwards and backwards."""

    def monotonic_s(self) -> float:
        """Seconds since some moment; never runs backwards. What leases are measured with."""

    async def wait(self, event: asyncio.Event, timeout_ms: int | None) -> bool:
        """Wait until `event` is set (True) or `timeout_ms` has passed (False); None waits for ever."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch, by the machine's wall clock."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds that passed on this machine, also while it was suspended where that can be known."""
        return time.clock_gettime(_MONOTONIC)

    async def wait(self, event: asyncio.Event, timeout_ms: int | None) -> bool:
        """Wait until `event` is set (True) or `timeout_ms` has passed (False)."""
        if event.is_set():
            return True
        if timeout_ms is None:
            return await event.wait()
        if timeout_ms <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        try:
            async with asyncio.timeout(timeout_ms / 1000):
                return await event.wait()
        except TimeoutError:
            return False
