"""Time in a simulation, where it costs nothing."""

from __future__ import annotations

import asyncio


async def pass_time(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)
