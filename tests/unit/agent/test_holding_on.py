"""How long a handler goes on when nobody answers any more: in memory and virtual time."""

from __future__ import annotations

import asyncio

import pytest

from conclave import Agent, TaskContext
from conclave.agent.renewal import HOLD_ON_S
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
        await memory_mesh.until(lambda: lasted_s)
        memory_mesh.reconnect(agent)
    assert lasted_s == [pytest.approx(LEASE_S + HOLD_ON_S, abs=0.1)]


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
