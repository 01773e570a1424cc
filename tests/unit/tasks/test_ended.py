"""Waiting for the end of a task."""

from __future__ import annotations

import asyncio

import pytest

from conclave import Agent, RejectedError, UnavailableError
from conclave.testing import MemoryMesh
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
