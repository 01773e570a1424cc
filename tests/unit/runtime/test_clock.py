"""Waiting on the machine's clock."""

from __future__ import annotations

import asyncio
import time

import pytest

from coordination.runtime.clock import SystemClock
from tests.support.clock import ManualClock
from tests.support.waiting import settle


def test_now_is_milliseconds_since_the_epoch() -> None:
    before = time.time() * 1000
    assert before - 1 <= SystemClock().now_ms() <= time.time() * 1000 + 1


async def test_a_set_event_ends_the_wait_at_once() -> None:
    event = asyncio.Event()
    event.set()
    assert await SystemClock().wait(event, None) is True
    assert await SystemClock().wait(event, 60_000) is True


@pytest.mark.parametrize("timeout_ms", [1, 0, -5])
async def test_a_wait_ends_when_its_time_has_passed(timeout_ms: int) -> None:
    assert await SystemClock().wait(asyncio.Event(), timeout_ms) is False


async def test_an_event_set_meanwhile_ends_the_wait() -> None:
    event = asyncio.Event()
    asyncio.get_running_loop().call_soon(event.set)
    assert await SystemClock().wait(event, 60_000) is True


async def test_a_cancelled_wait_is_cancelled_and_no_timeout() -> None:
    waiting = asyncio.ensure_future(SystemClock().wait(asyncio.Event(), 60_000))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_the_manual_clock_moves_only_by_hand() -> None:
    clock = ManualClock(now_ms=100)
    waiting = asyncio.ensure_future(clock.wait(asyncio.Event(), 50))
    await settle()
    clock.advance(49)
    await settle()
    assert not waiting.done()
    clock.advance(1)
    assert await waiting is False
    assert clock.now_ms() == 150
