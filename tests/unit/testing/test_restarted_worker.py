"""A worker that restarts, or leaves, is given work at once: its lease of before holds no slot."""

from __future__ import annotations

import asyncio

from conclave import Agent
from conclave.testing import MemoryMesh
from coordination.tasks.limits import Policy
from coordination.tasks.record import WORKER_LEFT, WORKER_RESTARTED

_FAR_BEFORE_THE_LEASE_ENDS_S = Policy().lease_ms / 1000 / 10


def stuck(begun: asyncio.Event) -> Agent:
    """Works on one task at a time, and never ends."""
    agent = Agent("worker", max_tasks=1)

    @agent.task("job")
    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    return agent


def willing() -> Agent:
    agent = Agent("worker", max_tasks=1)

    @agent.task("job")
    async def work() -> str:
        return "done"

    return agent


async def test_a_task_that_waits_is_taken_by_the_next_incarnation_at_once(memory_mesh: MemoryMesh) -> None:
    begun = asyncio.Event()
    async with memory_mesh.connect("guide") as guide:
        async with memory_mesh.join(dead := stuck(begun)):
            held = (await guide.tasks.submit("job")).task_id
            await memory_mesh.until(begun.is_set)
            waiting = (await guide.tasks.submit("job")).task_id
            await memory_mesh.crash(dead)
        async with memory_mesh.join(willing()):
            ended = await guide.tasks.ended(waiting, timeout_s=_FAR_BEFORE_THE_LEASE_ENDS_S)
            assert ended.state == "completed"
            again = await guide.tasks.ended(held, timeout_s=_FAR_BEFORE_THE_LEASE_ENDS_S)
    assert [each.error for each in again.attempts] == [WORKER_RESTARTED, ""]
    first, second = again.attempts
    assert 0 < first.incarnation < second.incarnation


async def test_what_it_held_comes_again_although_nothing_else_waits_for_it(memory_mesh: MemoryMesh) -> None:
    begun = asyncio.Event()
    async with memory_mesh.connect("guide") as guide:
        async with memory_mesh.join(dead := stuck(begun)):
            held = (await guide.tasks.submit("job")).task_id
            await memory_mesh.until(begun.is_set)
            await memory_mesh.crash(dead)
        async with memory_mesh.join(willing()):
            again = await guide.tasks.ended(held, timeout_s=_FAR_BEFORE_THE_LEASE_ENDS_S)
    assert [each.error for each in again.attempts] == [WORKER_RESTARTED, ""]


async def test_a_worker_that_left_without_a_word_about_its_task_loses_it_at_once(
    memory_mesh: MemoryMesh,
) -> None:
    begun = asyncio.Event()
    async with memory_mesh.connect("guide") as guide:
        async with memory_mesh.join(dead := stuck(begun)):
            held = (await guide.tasks.submit("job")).task_id
            await memory_mesh.until(begun.is_set)
            await memory_mesh.crash(dead)
        async with memory_mesh.connect("worker") as successor:
            await successor.registry.deregister()

        async def is_free() -> bool:
            return (await guide.tasks.get(held)).holder is None

        await memory_mesh.until(is_free, timeout_s=_FAR_BEFORE_THE_LEASE_ENDS_S)
        assert [each.error for each in (await guide.tasks.get(held)).attempts] == [WORKER_LEFT]


async def test_a_worker_that_is_only_silent_keeps_its_lease(memory_mesh: MemoryMesh) -> None:
    begun = asyncio.Event()
    async with memory_mesh.connect("guide") as guide:
        async with memory_mesh.join(dead := stuck(begun)):
            held = (await guide.tasks.submit("job")).task_id
            await memory_mesh.until(begun.is_set)
            await memory_mesh.crash(dead)
        await memory_mesh.advance(Policy().lease_ms / 2000)
        assert (await guide.registry.get("worker")).status == "offline"
        assert (await guide.tasks.get(held)).state == "running"
