"""A cancellation that a library swallowed is not lost."""

from __future__ import annotations

import asyncio

import pytest

from coordination.runtime.concurrency import one_error, raise_if_cancelled


async def test_nothing_is_raised_in_a_task_that_may_go_on() -> None:
    raise_if_cancelled()


async def test_a_cancellation_that_came_with_a_result_is_raised_after_all() -> None:
    arrival: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    swallowed: list[int] = []

    async def loop() -> None:
        while True:
            try:
                swallowed.append(await arrival)
            except asyncio.CancelledError:
                swallowed.append(0)  # what asyncio.wait_for does when both come at once
            raise_if_cancelled()
            await asyncio.sleep(0)

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert swallowed == [0]


async def test_a_timeout_that_was_handled_is_no_cancellation() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    raise_if_cancelled()


async def test_an_error_that_came_alone_is_raised_as_itself() -> None:
    async def block() -> None:
        with one_error():
            async with asyncio.TaskGroup() as group:
                group.create_task(asyncio.sleep(0))
                raise KeyError

    with pytest.raises(KeyError):
        await block()


async def test_nested_groups_of_one_are_opened() -> None:
    with pytest.raises(KeyError), one_error():
        raise BaseExceptionGroup("outer", [BaseExceptionGroup("inner", [KeyError()])])


async def test_several_errors_stay_together() -> None:
    with pytest.raises(BaseExceptionGroup) as raised, one_error():
        raise BaseExceptionGroup("both", [KeyError(), ValueError()])
    assert len(raised.value.exceptions) == 2
