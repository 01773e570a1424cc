"""Handlers that hand parts of their work on, in memory and virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from conclave import (
    Agent,
    RejectedError,
    TaskContext,
    TaskFailedError,
    TasksRefusedError,
    UsageError,
)
from conclave.testing import MemoryMesh
from coordination.tasks.wire import Reference
from tests.support.virtual import pass_time
from tests.unit.agent.test_task_trouble import ended


def helper(name: str = "helper") -> Agent:
    agent = Agent(name, max_tasks=8)

    @agent.task("double")
    async def double(n: int, seconds: float = 0) -> int:
        await pass_time(seconds)
        return 2 * n

    return agent


async def test_a_handler_gathers_what_others_have_done(memory_mesh: MemoryMesh) -> None:
    boss = Agent("boss")
    seen: list[tuple[str, ...]] = []

    @boss.task("sum")
    async def add(numbers: list[int], context: TaskContext) -> int:
        children = [await context.delegate("double", {"n": number}) for number in numbers]
        records = [await child.record() for child in children]
        seen.extend(record.chain for record in records)
        assert {record.parent for record in records} == {context.task_id}
        return sum(each["result"] for each in await context.gather(*children))

    async with memory_mesh.join(helper()), memory_mesh.join(boss), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("sum", {"numbers": [1, 2, 3]})
        assert await handle.result(timeout_s=60) == {"result": 12}
    assert seen == [(handle.task_id,)] * 3


async def test_a_chain_is_as_long_as_the_delegation_is_deep(memory_mesh: MemoryMesh) -> None:
    first, second, third = (Agent(name) for name in ("first", "second", "third"))
    chains: list[tuple[str, ...]] = []

    @first.task("a")
    async def a(context: TaskContext) -> Any:
        return await (await context.delegate("b")).result()

    @second.task("b")
    async def b(context: TaskContext) -> Any:
        return await (await context.delegate("c")).result()

    @third.task("c")
    async def c(context: TaskContext) -> str:
        chains.append(context.chain)
        with pytest.raises(RejectedError, match="delegation_cycle"):
            await context.delegate("a")
        return "deep"

    async with (
        memory_mesh.join(first),
        memory_mesh.join(second),
        memory_mesh.join(third),
        memory_mesh.connect("guest") as guest,
    ):
        handle = await guest.submit("a")
        assert await handle.result(timeout_s=60) == {"result": "deep"}
    ((root, middle),) = chains
    assert root == handle.task_id != middle


async def test_the_failure_of_a_part_fails_the_whole_and_says_why(memory_mesh: MemoryMesh) -> None:
    boss = Agent("boss")

    @boss.task("whole")
    async def whole(context: TaskContext) -> None:
        await context.gather(
            await context.delegate("double", {"n": 1, "seconds": 500}),
            await context.delegate("double", {"n": "many"}),
        )

    async with memory_mesh.join(helper()), memory_mesh.join(boss), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("whole", max_attempts=1)
        with pytest.raises(TaskFailedError, match=r"task [0-9a-f]+ is dead_lettered: invalid payload: n: "):
            await handle.result(timeout_s=100)
        slow, bad = await guest.tasks.children(handle.task_id)

        async def is_stopped() -> bool:
            return (await guest.tasks.get(slow.task_id)).state == "canceled"

        await memory_mesh.until(is_stopped)
        assert (await guest.tasks.get(slow.task_id)).is_confirmed
        assert bad.state == "dead_lettered"


async def test_cancelling_the_whole_stops_its_parts_each_confirmed(memory_mesh: MemoryMesh) -> None:
    boss = Agent("boss")

    @boss.task("whole")
    async def whole(context: TaskContext) -> None:
        parts = [await context.delegate("double", {"n": n, "seconds": 500}) for n in range(3)]
        await context.gather(*parts)

    async with memory_mesh.join(helper()), memory_mesh.join(boss), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("whole")

        async def are_running() -> bool:
            children = await guest.tasks.children(handle.task_id)
            return [child.state for child in children] == ["running"] * 3

        await memory_mesh.until(are_running)
        record = await handle.cancel("enough", confirmed=True, timeout_s=20)
        assert (record.state, record.is_confirmed) == ("canceled", True)

        async def are_stopped() -> bool:
            children = await guest.tasks.children(handle.task_id)
            return [(child.state, child.is_confirmed) for child in children] == [("canceled", True)] * 3

        await memory_mesh.until(are_stopped)


async def test_what_is_spent_counts_and_more_than_there_is_ends_the_work(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    totals: list[int] = []

    @agent.task("spend")
    async def spend(units: int, times: int, context: TaskContext) -> None:
        for _ in range(times):
            totals.append(context.spend(units))
            await pass_time(1)

    async with memory_mesh.join(agent), memory_mesh.connect("guest") as guest:
        frugal = await guest.submit("spend", {"units": 3, "times": 2}, budget={"cost": 10})
        await frugal.result(timeout_s=60)
        assert totals == [3, 6]
        assert [each.spent for each in (await frugal.record()).attempts] == [6]
        lavish = await guest.submit("spend", {"units": 6, "times": 100}, budget={"cost": 10})
        with pytest.raises(TaskFailedError, match="budget_exceeded"):
            await lavish.result(timeout_s=60)
        assert len((await lavish.record()).attempts) == 1
        await pass_time(5)
        assert len(totals) < 10, "the handler was stopped"


async def test_a_budget_bounds_how_much_is_handed_on(memory_mesh: MemoryMesh) -> None:
    boss = Agent("boss")

    @boss.task("whole")
    async def whole(context: TaskContext) -> list[Any]:
        first = await context.delegate("double", {"n": 1})
        with pytest.raises(RejectedError, match="budget_exceeded"):
            await context.delegate("double", {"n": 2})
        return await context.gather(first)

    async with memory_mesh.join(helper()), memory_mesh.join(boss), memory_mesh.connect("guest") as guest:
        handle = await guest.submit("whole", budget={"tasks": 1})
        assert await handle.result(timeout_s=60) == {"result": [{"result": 2}]}


async def test_units_are_whole_numbers(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    wrong: list[Any] = [-1, 1.5, True, "3"]

    @agent.task("spend")
    async def spend(context: TaskContext) -> None:
        for units in wrong:
            with pytest.raises(UsageError, match="it is a whole number from 0 to"):
                context.spend(units)

    async with memory_mesh.join(agent):
        await memory_mesh.run_task("spend")


async def test_a_refusal_that_the_handler_lets_through_is_told_and_not_tried_again(
    memory_mesh: MemoryMesh,
) -> None:
    boss = Agent("boss")
    attempts: list[int] = []

    @boss.task("circle")
    async def circle(context: TaskContext) -> None:
        attempts.append(context.attempt)
        await context.delegate("circle")

    @boss.task("many")
    async def many() -> None:
        attempts.append(2)
        raise TasksRefusedError([None], {0: RejectedError("too_large", "smaller, please")})

    async with memory_mesh.join(boss), memory_mesh.connect("guest") as guest:
        cyclic = await ended(memory_mesh, (await guest.submit("circle")).task_id)
        several = await ended(memory_mesh, (await guest.submit("many")).task_id)
    assert cyclic.reason is not None
    assert cyclic.reason.startswith("delegation_cycle: ")
    assert several.reason == "1 of 1 tasks were refused: task 0: too_large: smaller, please"
    assert attempts == [1, 2]


async def test_a_refusal_that_may_pass_is_tried_again(memory_mesh: MemoryMesh) -> None:
    boss = Agent("boss")
    attempts: list[int] = []

    @boss.task("patient")
    async def patient(context: TaskContext) -> None:
        attempts.append(context.attempt)
        raise RejectedError("overloaded", "come again", retryable=True)

    async with memory_mesh.join(boss), memory_mesh.connect("guest") as guest:
        record = await ended(memory_mesh, (await guest.submit("patient", max_attempts=2)).task_id)
    assert record.reason == "overloaded: come again"
    assert attempts == [1, 2]


async def test_a_payload_that_is_not_stored_fails_for_good_and_is_named(memory_mesh: MemoryMesh) -> None:
    nowhere = Reference(sha256="0" * 64, size_bytes=200_000)
    async with memory_mesh.join(helper()), memory_mesh.connect("guest") as guest:
        submitted = await guest.tasks.submit("double", payload_reference=nowhere)
        record = await ended(memory_mesh, submitted.task_id)
    assert record.reason == f"unknown_artifact: artifact {'0' * 64} is not stored"
    assert len(record.attempts) == 1
