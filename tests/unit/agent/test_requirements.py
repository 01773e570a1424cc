"""Tasks that ask for more than the name of a capability reach the handler that is meant."""

from __future__ import annotations

import pytest

from conclave import Agent, TaskContext
from conclave.testing import MemoryMesh


@pytest.mark.parametrize(
    ("requirement", "handler"),
    [
        ("gpu", "gpu"),
        ("gpu>=1.2, <2", "gpu"),
        ("gpu.memory_gb>=24", "gpu"),
        ("gpu.memory_gb>=24, region in [eu, us]", "gpu"),
        ("region=eu, rust", "rust"),
        ("capability:rust, label:region=eu, prefer gpu", "rust"),
        ("region=eu", "anything"),
        ("prefer region=us", "anything"),
    ],
)
async def test_a_requirement_leads_to_the_handler_of_a_capability_that_it_names(
    memory_mesh: MemoryMesh, requirement: str, handler: str
) -> None:
    agent = Agent("worker", labels={"region": "eu"})

    @agent.task("gpu", version="1.4.0", attributes={"memory_gb": 48})
    def gpu() -> str:
        return "gpu"

    @agent.task("rust")
    def rust() -> str:
        return "rust"

    @agent.task
    def anything(context: TaskContext) -> str:
        assert context.offer.requirement == requirement
        return "anything"

    async with memory_mesh.join(agent):
        assert await memory_mesh.run_task(requirement) == {"result": handler}
