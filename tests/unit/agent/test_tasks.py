"""An agent at work on tasks, in memory and virtual time."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from conclave import Agent, Context, TaskContext, TaskFailed, UsageError
from conclave.agent.tasks import STOPPING_REASON
from conclave.testing import MemoryMesh, TaskFailedError
from coordination.runtime.trace import CURRENT_TRACE, TraceContext
from coordination.tasks.wire import TaskRecord
from tests.support.virtual import pass_time

LEASE_S = 30


async def ended(mesh: MemoryMesh, task_id: str, *, timeout_s: float = 3600) -> TaskRecord:
    """The record of a task that has ended."""
    async with mesh.connect("reader") as reader:

        async def record() -> TaskRecord | None:
            found = await reader.tasks.get(task_id)
            return found if found.finished_at_ms is not None else None

        found = await mesh.until(record, timeout_s=timeout_s)
        assert found is not None
        return found


async def submit(mesh: MemoryMesh, capability: str, payload: dict[str, Any] | None = None, **how: Any) -> str:
    async with mesh.connect("boss") as boss:
        return (await boss.tasks.submit(capability, payload, **how)).task_id


async def test_sync_and_async_handlers_do_what_their_capability_says(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=2)

    @agent.task("double")
    def double(n: int) -> int:
        """Twice as much.

        And nothing else.
        """
        return 2 * n

    @agent.task("halve", version="2.1.0", attributes={"exact": True}, description="Half as much.")
    async def halve(n: int) -> dict[str, float]:
        return {"half": n / 2}

    @agent.task
    def anything(payload: dict[str, Any], context: TaskContext) -> dict[str, Any]:
        return {"asked": context.capability, **payload}

    async with memory_mesh.join(agent) as session:
        assert await memory_mesh.run_task("double", {"n": 4}) == {"result": 8}
        assert await memory_mesh.run_task("halve", {"n": 4}) == {"half": 2.0}
        known = {each.name: each for each in (await session.registry.get("worker")).capabilities}
    assert known["double"].description == "Twice as much."
    assert (known["double"].version, known["halve"].version) == ("1.0.0", "2.1.0")
    assert (known["halve"].attributes, known["halve"].description) == ({"exact": True}, "Half as much.")


async def test_a_capability_without_a_handler_goes_to_the_one_for_everything(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", capabilities=["other"])

    @agent.task("greeting")
    def greet(name: str) -> str:
        return name

    @agent.task
    def rest(context: TaskContext, **payload: int) -> dict[str, Any]:
        return {"asked": context.capability, **payload}

    async with memory_mesh.join(agent):
        assert await memory_mesh.run_task("other", {"a": 1}) == {"asked": "other", "a": 1}


async def test_an_offer_that_no_handler_is_for_is_refused_with_a_reason(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", capabilities=["other"])

    @agent.task("greeting")
    def greet(name: str) -> str:
        return name

    async with memory_mesh.join(agent) as session:
        task_id = await submit(memory_mesh, "other")

        async def reasons() -> list[str]:
            return [refusal.reason for refusal in (await session.tasks.get(task_id)).refusals]

        found = await memory_mesh.until(reasons)
    assert found == ["no handler for tasks that ask for other"]


@pytest.mark.conclave(raise_failures=False)
async def test_errors_fail_the_attempt_and_only_those_meant_for_others_are_told(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")

    @agent.task("secret")
    def leak() -> None:
        raise ValueError("the password is hunter2")

    @agent.task("told")
    async def tell() -> None:
        raise TaskFailed("there is no such page", retryable=False, details={"page": 7})

    @agent.task("given-up")
    async def let_through() -> None:
        raise asyncio.CancelledError

    async with memory_mesh.join(agent):
        secret = await ended(memory_mesh, await submit(memory_mesh, "secret", max_attempts=2))
        told = await ended(memory_mesh, await submit(memory_mesh, "told"))
        given_up = await ended(memory_mesh, await submit(memory_mesh, "given-up", max_attempts=1))
    assert len(secret.attempts) == 2, "it may be retried"
    for attempt in secret.attempts:
        assert re.fullmatch(r"ValueError \(see the agent's log, [0-9a-f]{16}\)", attempt.error)
    assert "hunter2" not in secret.model_dump_json()
    assert (len(told.attempts), told.reason, told.state) == (1, "there is no such page", "dead_lettered")
    assert given_up.reason.startswith("RuntimeError (")


async def test_a_payload_that_does_not_fit_fails_for_good_and_names_the_field(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")

    @agent.task("greeting")
    def greet(name: str) -> str:
        return name

    async with memory_mesh.join(agent):
        record = await ended(memory_mesh, await submit(memory_mesh, "greeting", {"nmae": "Ada"}))
    assert (record.state, len(record.attempts)) == ("dead_lettered", 1)
    assert record.reason == "invalid payload: nmae: no such field; there are: name"


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (object(), "Unable to serialize unknown type: <class 'object'>"),
        (float("nan"), "NaN or infinity"),
        ("x" * 17_000_000, "at most 16777216; put the parts into artifacts"),
        ([[[]]] * 3, ""),
    ],
)
async def test_a_result_that_is_none_fails_for_good_and_says_why(
    memory_mesh: MemoryMesh, returned: Any, reason: str
) -> None:
    agent = Agent("worker")

    @agent.task("odd")
    def odd() -> Any:
        return returned

    async with memory_mesh.join(agent):
        record = await ended(memory_mesh, await submit(memory_mesh, "odd"))
    assert len(record.attempts) == 1
    assert reason in record.reason
    assert record.state == ("dead_lettered" if reason else "completed")


async def test_a_result_too_deep_for_the_service_fails_for_good(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("deep")
    def deep() -> Any:
        nested: list[Any] = []
        for _ in range(100):
            nested = [nested]
        return nested

    async with memory_mesh.join(agent):
        record = await ended(memory_mesh, await submit(memory_mesh, "deep"))
    assert (record.state, len(record.attempts)) == ("dead_lettered", 1)
    assert "the result was refused" in record.reason


@pytest.mark.conclave(limit_s=2000)
async def test_a_long_task_keeps_its_lease_and_its_progress(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    runs = []

    @agent.task("long")
    async def work(context: TaskContext) -> int:
        runs.append(context.attempt)
        await context.progress(0.25, "begun " + "x" * 300)
        await pass_time(600)
        context.progress_soon(0.75)
        await pass_time(1)
        with pytest.raises(UsageError, match=r"share is 1\.5; it is between 0 and 1"):
            await context.progress(1.5)
        return 7

    async with memory_mesh.join(agent) as session:
        task_id = await submit(memory_mesh, "long")
        await pass_time(400)
        halfway = await session.tasks.get(task_id)
        record = await ended(memory_mesh, task_id)
    assert (halfway.share, halfway.note[:6], len(halfway.note)) == (0.25, "begun ", 256)
    assert (record.share, record.note, record.result) == (0.75, "", {"result": 7})
    assert runs == [1]


async def test_a_cancelled_task_cancels_its_handler(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    seen: list[str] = []

    @agent.task("long")
    async def work(context: TaskContext) -> None:
        try:
            await pass_time(10_000)
        finally:
            seen.append(context.cancelled.reason)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("long")).task_id

        async def is_running() -> bool:
            return (await boss.tasks.get(task_id)).state == "running"

        await memory_mesh.until(is_running)
        await boss.tasks.cancel(task_id)
        await memory_mesh.until(lambda: seen, timeout_s=5)
    assert seen == ["canceled"]


async def test_a_deadline_is_in_the_context_and_ends_the_handler(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    seen: list[Any] = []

    @agent.task("long")
    async def work(context: TaskContext) -> None:
        seen.extend([context.remaining_s, context.deadline])
        try:
            await pass_time(10_000)
        finally:
            seen.append(context.cancelled.reason)

    async with memory_mesh.join(agent):
        deadline_ms = memory_mesh.clock.now_ms() + 60_000
        task_id = await submit(memory_mesh, "long", deadline_ms=deadline_ms)
        assert (await ended(memory_mesh, task_id)).state == "expired"
        await memory_mesh.until(lambda: len(seen) == 3)
    remaining_s, deadline, reason = seen
    assert 50 < remaining_s <= 60
    assert int(deadline.timestamp() * 1000) == deadline_ms
    assert reason == "expired"


async def test_without_a_deadline_there_is_none(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("look")
    def look(context: TaskContext) -> bool:
        return context.deadline is None and context.remaining_s is None

    async with memory_mesh.join(agent):
        assert await memory_mesh.run_task("look") == {"result": True}


async def test_a_handler_whose_lease_was_lost_is_cancelled_and_another_agent_does_the_task(
    memory_mesh: MemoryMesh,
) -> None:
    cut_off, other = Agent("a-cut-off"), Agent("other")
    seen: list[str] = []

    @cut_off.task("long")
    async def work(context: TaskContext) -> None:
        memory_mesh.disconnect(cut_off)
        try:
            await pass_time(10_000)
        finally:
            seen.append(context.cancelled.reason)

    @other.task("long")
    def quick() -> str:
        return "done"

    async with memory_mesh.join(cut_off):
        task_id = await submit(memory_mesh, "long")
        await memory_mesh.until(lambda: seen, timeout_s=2 * LEASE_S)
        async with memory_mesh.join(other):
            record = await ended(memory_mesh, task_id)
        memory_mesh.reconnect(cut_off)
    assert seen == ["lease lost"]
    assert (record.result, [attempt.agent for attempt in record.attempts]) == (
        {"result": "done"},
        ["a-cut-off", "other"],
    )


async def test_a_short_outage_costs_neither_lease_nor_result(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("long")
    async def work(context: TaskContext) -> int:
        memory_mesh.disconnect(agent)
        asyncio.get_running_loop().call_later(LEASE_S - 8, memory_mesh.reconnect, agent)
        await pass_time(LEASE_S - 9)
        return context.attempt  # while the service is still away

    async with memory_mesh.join(agent):
        record = await ended(memory_mesh, await submit(memory_mesh, "long"))
    assert (record.result, len(record.attempts)) == ({"result": 1}, 1)


async def test_no_more_tasks_run_at_a_time_than_the_agent_has_places(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=2)
    running, most = 0, 0

    @agent.task("count")
    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await pass_time(1)
        running -= 1

    async with memory_mesh.join(agent):
        tasks = [await submit(memory_mesh, "count") for _ in range(7)]
        records = [await ended(memory_mesh, task_id) for task_id in tasks]
    assert most == 2
    assert {record.state for record in records} == {"completed"}


async def test_an_agent_that_leaves_finishes_what_it_has_begun(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", drain_s=20)

    @agent.task("short")
    async def work() -> str:
        await pass_time(15)
        return "done"

    async with memory_mesh.join(agent) as session:
        task_id = await submit(memory_mesh, "short")

        async def is_running() -> bool:
            return (await session.tasks.get(task_id)).state == "running"

        await memory_mesh.until(is_running)
    record = await ended(memory_mesh, task_id, timeout_s=1)
    assert (record.result, len(record.attempts)) == ({"result": "done"}, 1)


async def test_what_is_not_done_when_an_agent_leaves_goes_to_others_at_once(memory_mesh: MemoryMesh) -> None:
    leaving, other = Agent("a-leaving", drain_s=1), Agent("other", max_tasks=1)
    seen: list[str] = []

    @leaving.task("long")
    async def work(context: TaskContext) -> None:
        try:
            await pass_time(10_000)
        finally:
            seen.append(context.cancelled.reason)

    @other.task("long")
    def quick() -> str:
        return "done"

    async with memory_mesh.join(leaving) as session:
        task_id = await submit(memory_mesh, "long")

        async def is_running() -> bool:
            return (await session.tasks.get(task_id)).state == "running"

        await memory_mesh.until(is_running)
    left_s = asyncio.get_running_loop().time()
    async with memory_mesh.join(other):
        record = await ended(memory_mesh, task_id, timeout_s=5)
    assert asyncio.get_running_loop().time() - left_s < LEASE_S, "nobody waited for the lease"
    assert (seen, record.result) == (["the agent stops"], {"result": "done"})
    assert [attempt.error for attempt in record.attempts] == [STOPPING_REASON, ""]


async def test_an_offer_that_comes_twice_is_worked_on_once(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=5)
    runs = []

    @agent.task("once")
    async def work(context: TaskContext) -> None:
        runs.append(context.task_id)
        body = context.offer.model_dump_json().encode()
        await context.session.bus.publish(context.session.subjects.inbox("worker", "task"), body)
        await pass_time(1)

    async with memory_mesh.join(agent):
        await memory_mesh.run_task("once")
        await pass_time(10)
    assert len(runs) == 1


async def test_what_is_no_offer_is_passed_over(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("greeting")
    def greet(name: str) -> str:
        return name

    async with memory_mesh.join(agent) as session:
        for kind in ("task", "cancel"):
            await session.bus.publish(session.subjects.inbox("worker", kind), b"{}")
        assert await memory_mesh.run_task("greeting", {"name": "Ada"}) == {"result": "Ada"}


async def test_handlers_work_in_the_trace_of_whoever_submitted(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker", max_tasks=2)
    root = TraceContext.parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    assert root is not None

    @agent.task("outer")
    async def outer(context: TaskContext) -> dict[str, str]:
        inner = await context.session.tasks.submit("inner")
        return {"span": context.trace.span_id, "inner": inner.task_id}

    @agent.task("inner")
    def inner(context: Context) -> str:
        current = CURRENT_TRACE.get()
        assert current == context.trace
        return str(current)

    async with memory_mesh.join(agent):
        token = CURRENT_TRACE.set(root)
        task_id = await submit(memory_mesh, "outer")
        CURRENT_TRACE.reset(token)
        record = await ended(memory_mesh, task_id)
        child = await ended(memory_mesh, record.result["inner"])
    assert record.traceparent == root.header
    handed_on, innermost = TraceContext.parse(child.traceparent), TraceContext.parse(child.result["result"])
    assert handed_on is not None
    assert innermost is not None
    assert handed_on.trace_id == innermost.trace_id == root.trace_id
    assert len({root.span_id, handed_on.span_id, innermost.span_id}) == 3
    assert handed_on.span_id == record.result["span"]


async def test_two_handlers_for_one_thing_are_a_mistake() -> None:
    agent = Agent("worker")
    agent.task("greeting")(lambda: None)
    agent.task(lambda: None)
    with pytest.raises(UsageError, match="works on tasks for 'greeting' already"):
        agent.task("greeting")(lambda: None)
    with pytest.raises(UsageError, match="takes all tasks already"):
        agent.task(lambda: None)
    with pytest.raises(UsageError, match="of which capability"):
        agent.task(version="1.0.0")(lambda: None)
    with pytest.raises(UsageError, match="capability 'Not Valid'"):
        agent.task("Not Valid")(lambda: None)
    with pytest.raises(UsageError, match="capability 'python': version"):
        agent.task("python", version="3")(lambda: None)
    with pytest.raises(UsageError, match="a handler is a function, not int"):
        agent.task("python")(7)  # type: ignore[type-var]
    with pytest.raises(UsageError, match="it yields"):
        agent.task("python")(lambda: (yield))
    with pytest.raises(UsageError, match="max_tasks"):
        Agent("worker", max_tasks=-1)


async def test_a_declared_capability_keeps_what_was_declared(memory_mesh: MemoryMesh) -> None:
    from conclave import Capability

    agent = Agent("worker", capabilities=[Capability(name="greeting", version="3.0.0")])
    agent.task("greeting")(lambda: None)
    async with memory_mesh.join(agent) as session:
        known = (await session.registry.get("worker")).capabilities
    assert [(each.name, each.version) for each in known] == [("greeting", "3.0.0")]


async def test_a_failed_task_is_what_the_mesh_says_it_is(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("told")
    def tell() -> None:
        raise TaskFailed("no", retryable=False)

    async with memory_mesh.join(agent):
        with pytest.raises(TaskFailedError, match="no"):
            await memory_mesh.run_task("told")
