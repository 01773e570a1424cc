"""An event that may also come by time: when a wait ends, and how few timers it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from coordination.runtime.clock import Alarm, SystemClock
from coordination.simulation.loop import run_virtual
from tests.support.virtual import pass_time

CLOCK = SystemClock()


def now_ms() -> int:
    return round(asyncio.get_running_loop().time() * 1000)


def virtually(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` where time passes exactly, and only when nothing else can happen."""

    run_virtual(lambda _: work())


@pytest.mark.parametrize("limits_ms", [(100,), (100, 100), (100, 300, 50, 400), (400, 50, 300, 1)])
def test_each_wait_ends_when_its_own_time_has_passed(limits_ms: tuple[int, ...]) -> None:
    async def wait() -> None:
        alarm = Alarm()
        for limit_ms in limits_ms:
            began_ms = now_ms()
            assert await CLOCK.wait(alarm, limit_ms) is False
            assert now_ms() - began_ms == limit_ms

    virtually(wait)


@pytest.mark.parametrize(("first_ms", "second_ms"), [(100, 500), (500, 100), (100, 100)])
def test_a_limit_may_move_later_and_earlier(first_ms: int, second_ms: int) -> None:
    async def wait() -> None:
        alarm, loop = Alarm(), asyncio.get_running_loop()
        loop.call_later(0.02, alarm.set)
        assert await CLOCK.wait(alarm, first_ms) is True
        assert now_ms() == 20
        alarm.clear()
        assert await CLOCK.wait(alarm, second_ms) is False
        assert now_ms() == 20 + second_ms

    virtually(wait)


def test_a_wait_without_a_limit_is_not_ended_by_the_limit_of_the_one_before() -> None:
    async def wait() -> None:
        alarm, loop = Alarm(), asyncio.get_running_loop()
        loop.call_later(0.01, alarm.set)
        assert await CLOCK.wait(alarm, 100) is True
        alarm.clear()
        loop.call_later(1, alarm.set)
        assert await CLOCK.wait(alarm, None) is True
        assert now_ms() == 1010

    virtually(wait)


def test_a_limit_that_only_moves_later_costs_no_timer_for_each_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    async def wait() -> None:
        alarm, loop = Alarm(), asyncio.get_running_loop()
        made: list[float] = []
        call_at = loop.call_at

        def count(when: float, callback: Callable[..., object], *args: Any, **rest: Any) -> Any:
            if callback == alarm._ring:
                made.append(when)
            return call_at(when, callback, *args, **rest)

        monkeypatch.setattr(loop, "call_at", count)
        for _ in range(1000):
            loop.call_later(0.001, alarm.set)
            assert await CLOCK.wait(alarm, 500) is True
            alarm.clear()
        assert now_ms() == 1000
        assert len(made) <= 4, "one each half a second"

    virtually(wait)


def test_a_closed_alarm_leaves_no_timer_behind() -> None:
    async def wait() -> None:
        alarm, loop = Alarm(), asyncio.get_running_loop()
        loop.call_later(0.01, alarm.set)
        await CLOCK.wait(alarm, 60_000)
        alarm.close()
        assert alarm._timer is None

    virtually(wait)


def test_a_cancelled_wait_is_cancelled_and_the_next_one_is_not() -> None:
    async def wait() -> None:
        alarm = Alarm()
        waiting = asyncio.ensure_future(CLOCK.wait(alarm, 50))
        await pass_time(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await CLOCK.wait(alarm, 100) is False
        assert now_ms() == 110

    virtually(wait)


@pytest.mark.parametrize("limit_ms", [0, -5])
def test_a_limit_in_the_past_lets_others_go_first(limit_ms: int) -> None:
    async def wait() -> None:
        alarm = Alarm()
        asyncio.get_running_loop().call_soon(alarm.set)
        assert await CLOCK.wait(alarm, limit_ms) is True
        assert await CLOCK.wait(Alarm(), limit_ms) is False

    virtually(wait)
