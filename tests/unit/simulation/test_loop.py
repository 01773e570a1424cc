"""The virtual-time loop: nothing sleeps, order is fixed, and a run that cannot end says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from coordination.simulation import loop as loops
from coordination.simulation.loop import (
    PROCESS,
    DeadlockError,
    LivelockError,
    VirtualLoop,
    run_virtual,
)
from tests.support.virtual import pass_time


def test_a_day_passes_at_once() -> None:
    async def main(loop: VirtualLoop) -> float:
        await pass_time(86_400)
        return loop.time()

    started_s = time.monotonic()
    assert run_virtual(main) == 86_400
    assert time.monotonic() - started_s < 60


def test_timers_of_one_moment_run_in_the_order_they_were_set() -> None:
    async def main(loop: VirtualLoop) -> list[int]:
        ran: list[int] = []
        for number in range(50):
            loop.call_at(1.0, ran.append, number)
        await pass_time(2)
        return ran

    assert run_virtual(main) == list(range(50))


def test_a_cancelled_timer_does_not_run() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        ran: list[str] = []
        loop.call_later(1.0, ran.append, "cancelled").cancel()
        loop.call_later(1.0, ran.append, "kept")
        await pass_time(2)
        return ran

    assert run_virtual(main) == ["kept"]


def test_a_timeout_ends_what_takes_too_long() -> None:
    async def main(loop: VirtualLoop) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await asyncio.Event().wait()
        return loop.time()

    assert run_virtual(main) == 3


def test_waiting_for_what_never_comes_is_named() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    async def main(_: VirtualLoop) -> None:
        await asyncio.gather(never(), never())

    with pytest.raises(DeadlockError, match="waits for what never comes"):
        run_virtual(main)


def test_a_loop_that_never_lets_time_pass_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MAX_STEPS_PER_MOMENT", 1000)

    async def main(_: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110 - it must not wait for anything
            await asyncio.sleep(0)

    with pytest.raises(LivelockError, match="1000 steps"):
        run_virtual(main)


def test_a_set_of_tasks_is_walked_in_the_same_order_each_time() -> None:
    async def main(_: VirtualLoop) -> list[str]:
        async def work() -> None:
            await pass_time(1)

        litter = [object() for _ in range(7)]  # moves what is allocated next
        tasks = {asyncio.create_task(work(), name=str(number)) for number in range(20)}
        del litter
        done, _pending = await asyncio.wait(tasks)
        return [task.get_name() for task in done]

    assert run_virtual(main) == run_virtual(main)


def test_what_is_left_behind_is_ended_and_may_clean_up() -> None:
    ended: list[str] = []

    async def main(_: VirtualLoop) -> None:
        async def forgotten() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await pass_time(1)
                ended.append("task")

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                ended.append("generator")

        kept = numbers()
        tasks.append((asyncio.create_task(forgotten()), kept))
        assert await anext(kept) == 1

    tasks: list[object] = []
    run_virtual(main)
    assert ended == ["task", "generator"]


def test_a_dropped_generator_is_finalised_in_its_turn() -> None:
    async def main(_: VirtualLoop) -> list[str]:
        said: list[str] = []

        async def numbers() -> AsyncIterator[int]:
            try:
                yield 1
                yield 2
            finally:
                said.append("finalised")

        async for _number in numbers():
            break
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        said.append("after")
        return said

    assert run_virtual(main) == ["finalised", "after"]


def test_a_failure_that_nobody_hears_of_is_kept() -> None:
    async def main(loop: VirtualLoop) -> list[str]:
        def fail() -> None:
            raise ValueError("in a callback")

        async def fail_too() -> None:
            raise ValueError("in a task")

        loop.call_soon(fail)
        task = asyncio.create_task(fail_too())
        await asyncio.wait([task])
        del task
        await pass_time(1)
        return loop.problems

    first, second = run_virtual(main)
    assert "in a callback" in first
    assert "in a task" in second


def test_the_result_of_a_failing_main_is_its_error() -> None:
    async def main(_: VirtualLoop) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        run_virtual(main)


def test_a_suspended_process_does_nothing_and_then_all_at_once() -> None:
    async def main(loop: VirtualLoop) -> list[tuple[str, float]]:
        ran: list[tuple[str, float]] = []

        async def tick(process: str) -> None:
            PROCESS.set(process)
            for _ in range(3):
                await pass_time(1)
                ran.append((process, loop.time()))

        async with asyncio.TaskGroup() as group:
            group.create_task(tick("a"))
            group.create_task(tick("b"))
            await pass_time(1.5)
            loop.pause("a")
            await pass_time(5)
            loop.resume("a")
            loop.resume("a")
        return ran

    assert run_virtual(main) == [
        ("a", 1),
        ("b", 1),
        ("b", 2),
        ("b", 3),
        ("a", 6.5),
        ("a", 7.5),
    ]


def test_what_is_suspended_at_the_end_is_ended_too() -> None:
    ended: list[str] = []

    async def main(loop: VirtualLoop) -> None:
        async def work() -> None:
            PROCESS.set("a")
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("a")

        tasks.append(asyncio.create_task(work()))
        await asyncio.sleep(0)
        loop.pause("a")

    tasks: list[object] = []
    run_virtual(main)
    assert ended == ["a"]
