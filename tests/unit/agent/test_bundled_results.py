"""A handler for results hears each one, also when they come together."""

from __future__ import annotations

from typing import Any

import pytest

from conclave import Agent
from conclave.testing import HandlersFailedError, MemoryMesh
from coordination.tasks.wire import TaskResult

BUNDLE = b"""[
    {"task_id": "a", "state": "completed", "result": [1, {"n": 1.5}]},
    {"task_id": "b", "state": "nonsense"},
    {"task_id": "c", "state": "canceled", "reason": "\xc3\xa9nough"}
]"""


async def said(mesh: MemoryMesh, agent: Agent, kind: str, payload: bytes) -> None:
    """Have `agent` hear one message."""
    async with mesh.join(agent) as session:
        await session.bus.publish(session.subjects.inbox(agent.id, kind), payload)
        await mesh.advance(1)


async def test_of_a_bundle_each_result_is_heard_in_order_and_a_broken_one_stops_no_other(
    memory_mesh: MemoryMesh,
) -> None:
    agent, heard = Agent("boss"), list[tuple[str, Any, str]]()

    @agent.on("result")
    async def hear(result: TaskResult) -> None:
        heard.append((result.task_id, result.result, result.reason))

    await said(memory_mesh, agent, "result", BUNDLE)
    assert heard == [("a", [1, {"n": 1.5}], ""), ("c", None, "énough")]


async def test_a_handler_that_fails_on_one_result_hears_the_next(memory_mesh: MemoryMesh) -> None:
    agent, heard = Agent("boss"), list[str]()

    @agent.on("result")
    async def hear(result: dict[str, Any]) -> None:
        heard.append(result["task_id"])
        if result["task_id"] == "a":
            raise ValueError("no")

    await said(memory_mesh, agent, "result", BUNDLE)
    assert heard == ["a", "b", "c"]
    with pytest.raises(HandlersFailedError, match="ValueError: no"):
        memory_mesh.raise_failures()


async def test_an_array_of_a_kind_that_is_never_bundled_is_one_body(memory_mesh: MemoryMesh) -> None:
    agent, heard = Agent("boss"), list[list[Any]]()

    @agent.on("hint")
    async def hear(hint: list[Any]) -> None:
        heard.append(hint)

    await said(memory_mesh, agent, "hint", b"[[1], 2]")
    assert heard == [[[1], 2]]
