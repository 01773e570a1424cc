"""Waiting for the end of a task."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from typing import Any

import pytest

from conclave import Agent, RejectedError, Session, TaskContext, TaskFailed, UnavailableError
from conclave.testing import MemoryMesh
from coordination.tasks.expecting import Expectations
from tests.support.virtual import pass_time


async def test_whoever_waits_gets_the_record_as_soon_as_the_task_has_ended(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("slow")
    async def work(seconds: float) -> str:
        await pass_time(seconds)
        return "done"

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("slow", {"seconds": 100})).task_id
        with pytest.raises(UnavailableError, match=f"task {task_id} has not ended within 5 s"):
            await boss.tasks.ended(task_id, timeout_s=5)
        assert (await boss.tasks.ended(task_id, timeout_s=200)).result == {"result": "done"}
        assert (await boss.tasks.ended(task_id, timeout_s=0.1)).state == "completed"


async def test_every_way_to_end_counts_and_a_lost_notice_costs_a_second(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("boss") as boss:
        canceled = (await boss.tasks.submit("nothing")).task_id
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(boss.tasks.ended(canceled, timeout_s=30))
            await pass_time(1)
            await boss.tasks.cancel(canceled)
        assert waiting.result().state == "canceled"
        deadline_ms = memory_mesh.clock.now_ms() + 2_000
        expired = (await boss.tasks.submit("nothing", deadline_ms=deadline_ms)).task_id
        memory_mesh.drop(0.3)
        assert (await boss.tasks.ended(expired, timeout_s=60)).state == "expired"
        memory_mesh.mend()
        with pytest.raises(RejectedError, match="unknown_task"):
            await boss.tasks.ended("never-submitted", timeout_s=1)


async def test_a_thousand_who_wait_listen_once_and_ask_seldom(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=50)

    @agent.task("double")
    async def double(n: int) -> int:
        return 2 * n

    async with memory_mesh.connect("boss") as boss:
        bus = boss.bus
        replies = await boss.tasks.submit_many(
            [{"capability": "double", "payload": {"n": n}} for n in range(1000)]
        )
        asked = counted(boss, "get"), counted(boss, "states")
        before = subscriptions(bus)
        waiting = [asyncio.ensure_future(boss.tasks.result(each.task_id, timeout_s=600)) for each in replies]
        await pass_time(5)
        assert subscriptions(bus) - before <= 2, "results alone, and those that records carry"
        async with memory_mesh.join(agent):
            results = await asyncio.gather(*waiting)
        assert [each.result for each in results] == [{"result": 2 * n} for n in range(1000)]
        assert asked[0] == [], "the pushes carry the results"
        assert 0 < len(asked[1]) <= 20


async def test_a_result_that_came_before_anybody_waited_is_kept(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("quick")
    async def work() -> str:
        return "done"

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        await boss.tasks.result((await boss.tasks.submit("quick")).task_id, timeout_s=20)
        task_id = (await boss.tasks.submit("quick")).task_id
        await pass_time(2)
        asked = counted(boss, "get"), counted(boss, "states")
        assert (await boss.tasks.result(task_id, timeout_s=20)).result == {"result": "done"}
        assert asked == ([], [])
        assert (await boss.tasks.result(task_id, timeout_s=20)).state == "completed", "it can be asked again"
        assert len(asked[0]) == 1


async def test_the_ends_of_tasks_of_others_are_heard_too(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("boss") as boss, memory_mesh.connect("guest") as guest:
        task_id = (await boss.tasks.submit("nothing")).task_id
        before = subscriptions(guest.bus)
        waiting = asyncio.ensure_future(guest.tasks.ended(task_id, timeout_s=600))
        await pass_time(40)
        asked = counted(guest, "states")
        await boss.tasks.cancel(task_id, reason="enough")
        record = await waiting
        assert (record.state, record.reason) == ("canceled", "enough")
        assert len(asked) == 1, "the notice led to the only question"
        assert subscriptions(guest.bus) - before == 2, "those of its own results stay"


async def test_a_dead_letter_that_is_brought_back_is_waited_for_anew(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    failures = [True]

    @agent.task("moody")
    async def work() -> str:
        if failures.pop(0) if failures else False:
            raise TaskFailed("not today", retryable=False)
        return "done"

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("moody")).task_id
        assert (await boss.tasks.result(task_id, timeout_s=20)).state == "dead_lettered"
        await boss.tasks.retry(task_id)
        assert (await boss.tasks.result(task_id, timeout_s=20)).state == "completed"


async def test_a_watched_task_is_told_of_step_by_step_until_its_end(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("long")
    async def work(task: TaskContext) -> str:
        for step in (0.25, 0.5):
            await pass_time(10)
            await task.progress(step, f"at {step}")
        await pass_time(10)
        return "done"

    async with memory_mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("long")).task_id
        async with memory_mesh.join(agent), contextlib.aclosing(boss.tasks.watch(task_id)) as notices:
            seen = [(notice.state, notice.share, notice.note) async for notice in notices]
        assert seen[0] == ("queued", None, "")
        assert ("running", 0.25, "at 0.25") in seen
        assert ("running", 0.5, "at 0.5") in seen
        assert seen[-1][0] == "completed"
        again = [each.state async for each in boss.tasks.watch(task_id)]
        assert again == ["completed"]
        with pytest.raises(RejectedError, match="unknown_task"):
            await anext(boss.tasks.watch("never-submitted"))


async def test_whoever_watches_everything_hears_what_happens_to_any_task(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("boss") as boss:
        async with contextlib.aclosing(boss.tasks.watch_all()) as notices:
            first = asyncio.ensure_future(anext(notices))
            await pass_time(1)
            task_id = (await boss.tasks.submit("nothing")).task_id
            await boss.tasks.cancel(task_id)
            event, notice = await first
        assert (event, notice.task_id, notice.state) == ("canceled", task_id, "canceled")


def counted(session: Session, verb: str) -> list[str]:
    """The calls of `verb` that a session makes from now on."""
    caller = session.caller
    calls: list[str] = []
    plain = caller.query

    async def query(service: str, asked: str, *rest: Any, **more: Any) -> Any:
        if asked == verb:
            calls.append(asked)
        return await plain(service, asked, *rest, **more)

    caller.query = query  # type: ignore[method-assign, assignment]
    return calls


def subscriptions(bus: Any) -> int:
    """How many a connection in memory has."""
    return len(bus._routes)


async def test_each_who_waits_gives_up_in_its_own_time_and_the_others_go_on(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("boss") as boss:
        limits = (0.0, 0.01, 0.04, 0.3, 7.0, None)
        loop = asyncio.get_running_loop()

        async def given_up_after(task_id: str, limit: float | None) -> float:
            began_s = loop.time()
            with pytest.raises(UnavailableError, match=f"task {task_id} has not ended within {limit:g} s"):
                await boss.tasks.result(task_id, timeout_s=limit)
            return loop.time() - began_s

        task_id = (await boss.tasks.submit("nothing")).task_id
        async with asyncio.TaskGroup() as group:
            patient = group.create_task(boss.tasks.result(task_id, timeout_s=None))
            late = [
                group.create_task(given_up_after(task_id, limit)) for limit in limits if limit is not None
            ]
            await asyncio.wait(late)
            assert not patient.done()
            await boss.tasks.cancel(task_id)
        assert [round(each.result(), 2) for each in late] == [limit for limit in limits if limit is not None]
        assert patient.result().state == "canceled"
        assert not boss.tasks._waiting._limits, "no timer is left"
        assert not boss.tasks._waiting._unwatched


async def test_one_who_waits_while_others_are_asked_for_is_asked_for_in_its_turn(
    memory_mesh: MemoryMesh,
) -> None:
    async with memory_mesh.connect("boss") as boss, memory_mesh.connect("guest") as guest:
        first, second = [(await boss.tasks.submit("nothing")).task_id for _ in range(2)]
        waiting = [asyncio.ensure_future(guest.tasks.result(first, timeout_s=600))]
        await pass_time(30)
        await boss.tasks.cancel(second)
        began_s = asyncio.get_running_loop().time()
        assert (await guest.tasks.result(second, timeout_s=600)).state == "canceled"
        assert asyncio.get_running_loop().time() - began_s < 1
        await boss.tasks.cancel(first)
        assert (await waiting[0]).state == "canceled"


async def test_what_is_expected_is_kept_for_as_long_as_somebody_holds_it() -> None:
    table = Expectations()
    held = table.expect("a")
    assert table.expect("a") is held
    assert table.get("a") is held
    assert table.get("b") is None
    assert len(table) == 1
    del held
    gc.collect()
    assert len(table) == 0
    assert table.get("a") is None
