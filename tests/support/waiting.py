"""Waiting for a condition, never for a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

DEADLINE_S = 20.0
_POLL_S = 0.005


async def wait_until(condition: Callable[[], object], *, timeout_s: float = DEADLINE_S) -> None:
    """Return as soon as `condition()` is true; fail the test after `timeout_s`."""
    loop = asyncio.get_running_loop()
    give_up_s = loop.time() + timeout_s
    while not condition():
        assert loop.time() < give_up_s, "the condition did not come true in time"
        await asyncio.sleep(_POLL_S)


async def settle(turns: int = 25) -> None:
    """Let everything run that can run without time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)
