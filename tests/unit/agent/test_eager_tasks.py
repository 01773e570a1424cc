"""Handlers that begin on the offer, and work that is made to stop: in memory and virtual time."""

from __future__ import annotations

import asyncio

import pytest

from conclave import Agent, RejectedError, TaskContext, TaskFailed, TaskFailedError, WorkCancelledError
from conclave.agent.job import STOPPING_REASON
from conclave.testing import MemoryMesh
from coordination.tasks.wire import TaskOffer
from tests.support.virtual import pass_time

REPORTS = "conclave.call.tasks.report.worker"


def said(mesh: MemoryMesh) -> list[str]:
    """What the worker has reported."""
    return [item["do"] for body in mesh.record.bodies(REPORTS) for item in body["items"]]


async def test_an_eager_handler_that_is_quick_says_one_thing_only(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("quick", eager=True)
    async def quick(n: int) -> int:
        return n

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("quick", {"n": 3})
        assert await handle.result() == {"result": 3}
        record = await handle.record()
    assert said(memory_mesh) == ["complete"]
    assert [(each.agent, each.error) for each in record.attempts] == [("worker", "")]


async def test_an_eager_handler_that_takes_long_has_its_offer_accepted_in_time(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")
    runs = []

    @agent.task("long", eager=True)
    async def work(context: TaskContext) -> str:
        runs.append(context.attempt)
        await pass_time(100)
        return "done"

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("long")
        await pass_time(3)
        assert (await handle.record()).state == "running"
        assert await handle.result() == {"result": "done"}
    assert runs == [1]
    assert set(said(memory_mesh)[:-1]) == {"progress"}


async def test_the_offer_of_a_finished_eager_task_begins_nothing_when_it_comes_again(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")
    offers: list[TaskOffer] = []

    @agent.task("quick", eager=True)
    async def quick(context: TaskContext) -> None:
        offers.append(context.offer)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        await (await boss.submit("quick")).result()
        body = offers[0].model_dump_json().encode()
        await boss.bus.publish(boss.subjects.inbox("worker", "task"), body)
        await pass_time(10)
    assert len(offers) == 1


async def test_an_eager_handler_whose_task_is_cancelled_is_cancelled(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    seen: list[str] = []

    @agent.task("long", eager=True)
    async def work(context: TaskContext) -> None:
        seen.append("begun")
        try:
            await pass_time(1000)
        finally:
            seen.append(context.cancelled.reason)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        for after_s in (0, 10):  # offered, and accepted
            handle = await boss.submit("long")
            await memory_mesh.until(lambda: seen[-1:] == ["begun"])
            await pass_time(after_s)
            await handle.cancel("enough", confirmed=True, timeout_s=5)
            await memory_mesh.until(lambda: seen[-1:] == ["canceled"], timeout_s=5)


async def test_a_cancellation_is_confirmed_when_the_handler_has_ended(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    seen: list[str] = []

    @agent.task("long")
    async def work() -> None:
        try:
            await pass_time(1000)
        finally:
            await pass_time(7)  # cleans up
            seen.append("cleaned up")

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("long")

        async def is_running() -> bool:
            return (await handle.record()).state == "running"

        await memory_mesh.until(is_running)
        assert (await handle.cancel("enough")).state == "canceling"
        assert seen == []
        record = await handle.wait(timeout_s=20)
        assert seen == ["cleaned up"]
        assert (record.state, record.is_confirmed, record.reason) == ("canceled", True, "enough")
        with pytest.raises(RejectedError, match="wrong_state"):
            await handle.cancel()
        with pytest.raises(TaskFailedError, match="is canceled: enough"):
            await handle.result()


async def test_a_renewal_that_hears_of_a_cancellation_stops_the_handler_and_confirms(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")
    ends: list[str] = []

    @agent.task("long")
    async def work(context: TaskContext) -> None:
        try:
            await pass_time(1000)
        finally:
            ends.append(context.cancelled.reason)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("long")

        async def is_running() -> bool:
            return (await handle.record()).state == "running"

        await memory_mesh.until(is_running)
        memory_mesh.disconnect(agent)  # the push gets lost
        await handle.cancel()
        await pass_time(2)
        memory_mesh.reconnect(agent)
        record = await handle.wait(timeout_s=25)
    assert (record.is_confirmed, ends) == (True, ["canceled"])


async def test_a_result_that_comes_too_late_for_a_cancellation_confirms_it(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("deaf")
    async def work() -> str:
        memory_mesh.disconnect(agent)
        await pass_time(5)
        memory_mesh.reconnect(agent)
        return "done"

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("deaf")
        await pass_time(3)
        await handle.cancel()
        record = await handle.wait(timeout_s=20)
    assert (record.state, record.is_confirmed, record.result) == ("canceled", True, None)


async def test_an_attempt_that_takes_too_long_is_ended_and_knows_how_long_it_has(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")
    seen: list[object] = []

    @agent.task("slow")
    async def work(context: TaskContext) -> None:
        seen.append(context.remaining_s)
        try:
            await pass_time(1000)
        finally:
            seen.append(context.cancelled.reason)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("slow", attempt_timeout_s=5, deadline_s=600, max_attempts=1)
        record = await handle.wait(timeout_s=30)
        await memory_mesh.until(lambda: len(seen) == 2)
    remaining_s, reason = seen
    assert isinstance(remaining_s, float)
    assert 4 < remaining_s <= 5
    assert (reason, record.state) == ("the attempt took longer than it may", "dead_lettered")


async def test_a_short_lease_is_renewed_while_a_long_handler_runs(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=20)

    @agent.task("long")
    async def work(context: TaskContext) -> int:
        await pass_time(60)
        return context.attempt

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        tasks = [{"requirement": "long", "lease_s": 2.0} for _ in range(20)]
        handles = await boss.submit_many(tasks)
        assert [await each.result(timeout_s=100) for each in handles] == [{"result": 1}] * 20
    renewals = [body["items"] for body in memory_mesh.record.bodies(REPORTS)]
    assert len(renewals) < 60 * 20, "they go together"


async def test_a_worker_says_when_to_come_again(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    begun_s: list[float] = []

    @agent.task("later")
    async def work() -> None:
        begun_s.append(asyncio.get_running_loop().time())
        if len(begun_s) == 1:
            raise TaskFailed("come again", retry_after_s=40)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        await (await boss.submit("later")).result(timeout_s=100)
    assert 40 <= begun_s[1] - begun_s[0] < 45


async def test_a_handler_that_ignores_that_the_agent_stops_loses_its_task_all_the_same(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker", drain_s=1)

    @agent.task("stubborn")
    async def work(context: TaskContext) -> None:
        for _ in range(6):
            try:
                await pass_time(1)
                context.cancelled.raise_if_set()
            except (asyncio.CancelledError, WorkCancelledError):
                continue

    async with memory_mesh.connect("boss") as boss:
        async with memory_mesh.join(agent):
            handle = await boss.submit("stubborn", max_attempts=1)
            await pass_time(0.5)
        record = await handle.wait(timeout_s=10)
    assert record.reason == STOPPING_REASON
