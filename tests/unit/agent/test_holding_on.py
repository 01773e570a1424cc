"""How long a handler goes on when nobody answers any more: in memory and virtual time."""

from __future__ import annotations

import asyncio

import pytest

from conclave import Agent, TaskContext
from conclave.agent.renewal import HOLD_ON_S, UNHEARD
from conclave.testing import MemoryMesh
from tests.support.virtual import pass_time

LEASE_S = 2.0


async def test_a_handler_goes_on_for_a_while_after_its_lease_while_nobody_answers(
    memory_mesh: MemoryMesh,
) -> None:
    """It may be the task service that is away, and gives time to all whom it could not hear."""
    agent = Agent("worker")
    lasted_s: list[float] = []

    @agent.task("long")
    async def work(context: TaskContext) -> None:
        loop = asyncio.get_running_loop()
        memory_mesh.disconnect(agent)
        begun_s = loop.time()
        try:
            await pass_time(10_000)
        finally:
            lasted_s.append(loop.time() - begun_s)
            assert context.cancelled.reason == "lease lost"

    async with memory_mesh.connect("boss") as boss, memory_mesh.join(agent):
        await boss.submit("long", lease_ms=int(LEASE_S * 1000))
        await memory_mesh.until(lambda: lasted_s, timeout_s=LEASE_S + HOLD_ON_S + 1)
        memory_mesh.reconnect(agent)
    assert lasted_s == [pytest.approx(LEASE_S + HOLD_ON_S, abs=0.1)]


@pytest.mark.parametrize("away_s", [1, 8, HOLD_ON_S - 5])
async def test_a_task_whose_lease_is_shorter_than_an_outage_of_everybody_runs_once(
    memory_mesh: MemoryMesh, away_s: float
) -> None:
    agent = Agent("worker")
    starts: list[int] = []

    @agent.task("long")
    async def work(context: TaskContext) -> str:
        starts.append(context.attempt)
        await pass_time(60)
        return "done"

    async with memory_mesh.connect("boss") as boss, memory_mesh.join(agent):
        handle = await boss.submit("long", lease_ms=int(LEASE_S * 1000))
        await memory_mesh.until(lambda: starts)
        for _ in range(2):
            memory_mesh.disconnect(agent)
            await memory_mesh.restart_services(away_s=away_s)
            await pass_time(2)
            memory_mesh.reconnect(agent)
            await pass_time(2)
        assert await handle.result(timeout_s=100) == {"result": "done"}
        record = await handle.record()
    assert (starts, len(record.attempts)) == ([1], 1)


async def test_an_attempt_that_was_given_up_unheard_is_not_held_by_a_renewal_that_arrives_late(
    memory_mesh: MemoryMesh,
) -> None:
    """The renewal waits in the connection, or is repeated; nobody renews what it has prolonged."""
    agent = Agent("worker")
    ended_s: list[float] = []

    @agent.task("long")
    async def work(context: TaskContext) -> str:
        if context.attempt > 1:
            return "the second time"
        try:
            await pass_time(10_000)
        finally:
            ended_s.append(asyncio.get_running_loop().time())
        return "never"

    async with memory_mesh.connect("boss") as boss, memory_mesh.join(agent):
        handle = await boss.submit("long", lease_ms=int(LEASE_S * 1000), backoff={"first_ms": 1})
        await pass_time(LEASE_S / 2)
        memory_mesh.disconnect(agent)
        await memory_mesh.restart_services(away_s=LEASE_S + HOLD_ON_S)
        await memory_mesh.until(lambda: ended_s)
        memory_mesh.reconnect(agent)
        assert await handle.result() == {"result": "the second time"}
        record = await handle.record()
    assert [each.error for each in record.attempts] == [UNHEARD, ""]


async def test_a_handler_that_is_heard_again_too_late_is_cancelled_at_once(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    lasted_s: list[float] = []

    @agent.task("long")
    async def work(context: TaskContext) -> str:
        if context.attempt > 1:
            return "the second time"
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        memory_mesh.disconnect(agent)
        await pass_time(LEASE_S + 1)
        memory_mesh.reconnect(agent)
        try:
            await pass_time(10_000)
        finally:
            assert context.cancelled.reason == "lease lost"
            lasted_s.append(loop.time() - begun_s)
        return "never"

    async with memory_mesh.connect("boss") as boss, memory_mesh.join(agent):
        handle = await boss.submit("long", lease_ms=int(LEASE_S * 1000))
        assert await handle.result() == {"result": "the second time"}
    assert [LEASE_S + 1 <= each < LEASE_S + HOLD_ON_S for each in lasted_s] == [True]


async def test_a_worker_that_stood_still_asks_before_it_gives_up(memory_mesh: MemoryMesh) -> None:
    """All machines may have: then the service still waits for it."""
    agent = Agent("worker")
    starts: list[int] = []

    @agent.task("long")
    async def work(context: TaskContext) -> str:
        starts.append(context.attempt)
        await pass_time(5)
        return "done"

    async with memory_mesh.connect("boss") as boss, memory_mesh.join(agent):
        handle = await boss.submit("long", lease_ms=int(LEASE_S * 1000))
        await memory_mesh.until(lambda: starts)
        await pass_time(1)
        memory_mesh.pause(agent)
        await memory_mesh.restart_services(away_s=2 * HOLD_ON_S)
        memory_mesh.resume(agent)
        assert await handle.result() == {"result": "done"}
    assert starts == [1]
