"""An agent at work on tasks when something goes wrong that nobody expects, in memory and virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from conclave import Agent, TaskContext, TaskFailed, UsageError
from conclave.agent.threads import Threads
from conclave.testing import MemoryMesh
from coordination.runtime.errors import PeerProtocolError
from coordination.tasks.wire import TaskRecord
from tests.support.virtual import pass_time

LEASE_S = 30


async def ended(mesh: MemoryMesh, task_id: str) -> TaskRecord:
    """The record of a task that has ended, before any lease could."""
    async with mesh.connect("reader") as reader:

        async def record() -> TaskRecord | None:
            found = await reader.tasks.get(task_id)
            return found if found.finished_at_ms is not None else None

        found = await mesh.until(record, timeout_s=LEASE_S - 1)
        assert found is not None
        return found


async def test_an_offer_that_comes_twice_at_once_is_worked_on_once_and_can_be_cancelled(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker", max_tasks=2)
    seen: list[str] = []

    @agent.task("wait")
    async def wait(context: TaskContext) -> None:
        seen.append("begun")
        try:
            await pass_time(1000)
        finally:
            seen.append(context.cancelled.reason)

    async with memory_mesh.join(agent) as session, memory_mesh.connect("boss") as boss:
        offers = session.subjects.inbox("worker", "task")
        memory_mesh.pause(agent)  # so that both wait for it, and are handled in one turn of its loop
        task_id = (await boss.tasks.submit("wait")).task_id
        await memory_mesh.until(lambda: memory_mesh.record.on(offers))
        await boss.bus.publish(offers, memory_mesh.record.on(offers)[0].payload)
        await pass_time(1)
        memory_mesh.resume(agent)
        await memory_mesh.until(lambda: seen)
        await pass_time(1)
        await boss.tasks.cancel(task_id)
        await pass_time(1)
    assert seen == ["begun", "canceled"]


@pytest.mark.conclave(raise_failures=False)
async def test_a_reason_that_utf8_cannot_carry_is_told_as_well_as_it_can_be(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("read")
    def read() -> None:
        raise TaskFailed("no file odd\udc80name", retryable=False)

    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        record = await ended(memory_mesh, (await boss.tasks.submit("read")).task_id)
    assert record.reason == "no file odd?name"


async def test_a_note_that_cannot_be_sent_is_the_handlers_mistake_and_costs_no_lease(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")

    @agent.task("work")
    async def work(context: TaskContext) -> str:
        with pytest.raises(UsageError, match="half a surrogate pair"):
            context.progress_soon(note="odd\udc80name")
        with pytest.raises(UsageError, match="half a surrogate pair"):
            await context.progress(note="odd\udc80name")
        await pass_time(2 * LEASE_S)
        return "done"

    async with memory_mesh.join(agent):
        assert await memory_mesh.run_task("work", timeout_s=100) == {"result": "done"}


@pytest.mark.conclave(raise_failures=False)
async def test_a_renewal_that_fails_for_no_good_reason_fails_the_attempt_and_says_so(
    memory_mesh: MemoryMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("worker")

    @agent.task("work")
    async def work() -> None:
        await pass_time(2 * LEASE_S)

    async with memory_mesh.join(agent) as session, memory_mesh.connect("boss") as boss:
        report = session.tasks.report_written

        async def garbled(items: Sequence[bytes]) -> Any:
            if any(b'"do":"progress"' in item for item in items):
                raise PeerProtocolError("the answer is not a ReportReply")
            return await report(items)

        monkeypatch.setattr(session.tasks, "report_written", garbled)
        record = await ended(memory_mesh, (await boss.tasks.submit("work", max_attempts=1)).task_id)
    assert record.reason.startswith("PeerProtocolError (see the agent's log")
    assert any(isinstance(each.error, PeerProtocolError) for each in memory_mesh.take_failures())


async def test_an_impatient_session_lets_the_loop_turn_while_a_result_cannot_be_reported(
    memory_mesh: MemoryMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("worker")
    reports = 0

    @agent.task("work")
    async def work() -> str:
        memory_mesh.disconnect(agent)
        return "done"

    async with memory_mesh.connect("worker", patience_s=0.0) as session, memory_mesh.connect("boss") as boss:
        report = session.tasks.report_written

        async def counted(items: Sequence[bytes]) -> Any:
            nonlocal reports
            reports += any(b'"do":"complete"' in item for item in items)
            assert reports < 100, "it reports without end, and the loop never turns"
            return await report(items)

        monkeypatch.setattr(session.tasks, "report_written", counted)
        async with agent.joined(session):
            task_id = (await boss.tasks.submit("work")).task_id
            await memory_mesh.until(lambda: reports > 3)
            memory_mesh.reconnect(agent)
            assert (await ended(memory_mesh, task_id)).result == {"result": "done"}


async def test_an_agent_that_is_told_twice_to_end_takes_its_handlers_with_it(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")
    seen: list[str] = []

    @agent.task("wait")
    async def wait() -> None:
        seen.append("begun")
        try:
            await pass_time(1000)
        finally:
            seen.append("ended")

    async with memory_mesh.connect("worker") as session, memory_mesh.connect("boss") as boss:

        async def take_part() -> None:
            async with agent.joined(session):
                await asyncio.Event().wait()

        taking_part = asyncio.create_task(take_part())
        await boss.tasks.submit("wait")
        await memory_mesh.until(lambda: seen)
        for _ in range(2):
            taking_part.cancel()
            await pass_time(0.1)
        assert taking_part.done()
        assert seen == ["begun", "ended"]
        refused = memory_mesh.record.on("conclave.call.tasks.report.worker")
        await boss.tasks.submit("wait")
        await pass_time(60)
        assert memory_mesh.record.on("conclave.call.tasks.report.worker") == refused, "it still hears offers"


async def test_a_handler_that_gets_no_thread_keeps_no_place(
    memory_mesh: MemoryMesh, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = Agent("worker", max_tasks=1)

    @agent.task("plain")
    def plain() -> None:
        """Never called."""

    async def no_thread(_: Threads, __: Any) -> Any:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Threads, "run", no_thread)
    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        for _ in range(2):
            submitted = await boss.tasks.submit("plain", max_attempts=1)
            assert (await ended(memory_mesh, submitted.task_id)).state == "dead_lettered"
    assert len(memory_mesh.take_failures()) == 2
