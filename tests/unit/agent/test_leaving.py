"""What an agent says when it leaves in good order."""

from __future__ import annotations

from structlog.testing import capture_logs

from conclave import Agent
from conclave.testing import MemoryMesh
from tests.support.virtual import pass_time


async def test_an_agent_that_leaves_says_so_and_what_it_has_handed_back(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=2, drain_s=5)
    begun: list[float] = []

    @agent.task("work")
    async def work(seconds: float) -> None:
        begun.append(seconds)
        await pass_time(seconds)

    async with memory_mesh.connect("boss") as boss:
        with capture_logs() as logs:
            async with memory_mesh.join(agent):
                long = (await boss.tasks.submit("work", {"seconds": 1000})).task_id
                short = (await boss.tasks.submit("work", {"seconds": 2})).task_id
                await memory_mesh.until(lambda: len(begun) == 2)
        assert (await boss.tasks.get(short)).state == "completed"
    (left,) = [each for each in logs if each["event"] == "left"]
    assert (left["agent"], left["handed_back"]) == ("worker", [long])
    (handed_back,) = [each for each in logs if each["event"] == "task handed back"]
    assert handed_back["task"] == long
