"""Where sync handlers run, and how they learn that they are not wanted."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from functools import partial

import pytest

from conclave import WorkCancelledError
from conclave.agent.cancellation import Cancellation
from conclave.agent.threads import Threads
from tests.support.waiting import settle, wait_until

WAIT_S = 10.0


async def test_the_loop_goes_on_while_a_call_runs_and_context_variables_are_its_own() -> None:
    variable = contextvars.ContextVar("variable", default="before")
    variable.set("inherited")
    may_end = threading.Event()

    def call() -> tuple[str, bool]:
        assert may_end.wait(WAIT_S)
        seen = variable.get()
        variable.set("changed")
        return seen, threading.current_thread().daemon

    running = asyncio.create_task(Threads(1, name="t").run(call))
    await settle(1)
    may_end.set()
    async with asyncio.timeout(WAIT_S):
        assert await running == ("inherited", True)
    assert variable.get() == "inherited"


async def test_no_more_calls_run_at_a_time_than_may() -> None:
    threads = Threads(2, name="t")
    may_end = threading.Event()
    running, most = set[int](), list[int]()

    def call(number: int) -> int:
        running.add(number)
        most.append(len(running))
        assert may_end.wait(WAIT_S)
        running.discard(number)
        return number

    calls = [asyncio.create_task(threads.run(partial(call, number))) for number in range(6)]
    await wait_until(lambda: len(running) == 2)
    may_end.set()
    async with asyncio.timeout(WAIT_S):
        assert await asyncio.gather(*calls) == list(range(6))
    assert max(most) == 2


async def test_a_cancelled_call_keeps_its_place_until_it_ends() -> None:
    threads = Threads(1, name="t")
    may_end = threading.Event()
    first = asyncio.create_task(threads.run(lambda: may_end.wait(WAIT_S)))
    await settle(1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(threads.run(may_end.is_set))
    await settle(1)
    may_end.set()
    async with asyncio.timeout(WAIT_S):
        assert await second is True, "it began before the first one had ended"


async def test_errors_come_back_also_those_that_no_future_can_hold() -> None:
    def fail() -> None:
        raise KeyError("k")

    with pytest.raises(KeyError):
        await Threads(1, name="t").run(fail)
    with pytest.raises(RuntimeError, match="StopIteration"):
        await Threads(1, name="t").run(lambda: next(iter(())))


def test_a_cancellation_keeps_its_first_reason() -> None:
    cancelled = Cancellation()
    cancelled.raise_if_set()
    assert (cancelled.is_set(), cancelled.wait(0), cancelled.reason) == (False, False, "")
    cancelled.set("expired")
    cancelled.set("the agent stops")
    assert (cancelled.is_set(), cancelled.wait(0), cancelled.reason) == (True, True, "expired")
    with pytest.raises(WorkCancelledError, match="expired"):
        cancelled.raise_if_set()
