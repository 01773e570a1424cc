"""Time as an interface, so that a simulation can own it."""

from __future__ import annotations

import asyncio
import math
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


class Alarm(asyncio.Event):
    """An event for one waiter, who waits again and again and mostly with a time limit.

    Its timer stays from one wait to the next: when it rings too early, it is set for when it should. So a
    limit that moves later costs nothing, and no wait makes a timer only to cancel it. `SystemClock` knows it;
    to any other clock it is an event.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiter: asyncio.Future[None] | None = None
        self._limit_s = math.inf
        """When the wait ends at the latest, by the loop's clock."""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_s = math.inf
        """When the timer rings: not after the limit."""

    def set(self) -> None:
        """See `asyncio.Event.set`."""
        super().set()
        self._end_wait()

    async def wait_until(self, limit_s: float) -> bool:
        """Wait until it is set (True) or the loop's clock says `limit_s` (False); one caller at a time."""
        if self.is_set():
            return True
        assert self._waiter is None, "somebody waits already"
        self._limit_s = limit_s
        if limit_s < self._timer_s:
            self._ring_at(limit_s)
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        return self.is_set()

    def close(self) -> None:
        """Let go of the timer; nobody may wait any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._timer_s = None, math.inf

    def _end_wait(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _ring_at(self, limit_s: float) -> None:
        self.close()
        self._timer = asyncio.get_running_loop().call_at(limit_s, self._ring)
        self._timer_s = limit_s

    def _ring(self) -> None:
        rung_s, self._timer, self._timer_s = self._timer_s, None, math.inf
        if self._waiter is None:
            return  # the next wait sets a timer of its own
        if self._limit_s <= max(rung_s, asyncio.get_running_loop().time()):
            self._end_wait()
        elif self._limit_s < math.inf:
            self._ring_at(self._limit_s)


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
        if isinstance(event, Alarm) and (timeout_ms is None or timeout_ms > 0):
            now_s = asyncio.get_running_loop().time()
            return await event.wait_until(math.inf if timeout_ms is None else now_s + timeout_ms / 1000)
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
