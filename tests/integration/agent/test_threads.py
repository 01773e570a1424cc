"""Sync handlers on a real event loop: in threads, with everything that reaches them there."""

from __future__ import annotations

import asyncio
import threading

from conclave import Agent, Context, MessageContext, Session, TaskContext, WorkCancelledError
from conclave.agent.tasks import STOPPING_REASON
from conclave.testing import ServerMesh
from coordination.runtime.trace import CURRENT_TRACE
from coordination.tasks.wire import TaskRecord
from dialog.wire import Message

WAIT_S = 20.0


async def in_state(mesh: ServerMesh, reader: Session, task_id: str, *states: str) -> TaskRecord:
    """The record of a task once it is in one of `states`.

    `reader` has a credential already: a new one makes the server read its users again and forget whom it may
    answer, and an agent whose report is under way then repeats it only after 2 s.
    """

    async def is_there() -> bool:
        return (await reader.tasks.get(task_id)).state in states

    await mesh.until(is_there, timeout_s=WAIT_S)
    return await reader.tasks.get(task_id)


async def test_a_handler_that_blocks_its_thread_holds_up_nothing_else(server_mesh: ServerMesh) -> None:
    agent = Agent("worker", max_tasks=2)
    may_end = threading.Event()

    @agent.task("slow")
    def work(context: TaskContext) -> dict[str, object]:
        assert CURRENT_TRACE.get() == context.trace
        context.progress_soon(0.5, "half")
        assert may_end.wait(WAIT_S)
        status = context.run_async(context.session.registry.get("worker")).status
        return {"status": status, "daemon": threading.current_thread().daemon}

    @agent.message("request")
    def echo(text: str, context: MessageContext) -> None:
        context.run_async(context.reply(text.upper()))

    async with server_mesh.join(agent), server_mesh.connect("boss") as boss:
        heard: asyncio.Queue[Message] = asyncio.Queue()
        await boss.dialog.on_message(heard.put)
        task_id = (await boss.tasks.submit("slow")).task_id
        await in_state(server_mesh, boss, task_id, "running")
        talk = await boss.dialog.open("Still there?", ["worker"])
        await boss.dialog.broadcast(talk.conversation_id, "yes", performative="request")
        async with asyncio.timeout(WAIT_S):
            assert (await heard.get()).content == "YES"

        async def progress() -> tuple[float | None, str]:
            record = await boss.tasks.get(task_id)
            return record.share, record.note

        async def is_told() -> bool:
            return await progress() == (0.5, "half")

        await server_mesh.until(is_told)
        may_end.set()
        record = await in_state(server_mesh, boss, task_id, "completed")
    assert record.result == {"status": "online", "daemon": True}


async def test_cancellation_reaches_a_handler_in_its_thread(server_mesh: ServerMesh) -> None:
    agent = Agent("worker")
    has_begun = threading.Event()
    ends: list[str] = []

    @agent.task("long")
    def work(context: TaskContext) -> None:
        has_begun.set()
        while not context.cancelled.wait(WAIT_S):
            pass
        try:
            context.cancelled.raise_if_set()
        except WorkCancelledError:
            ends.append(context.cancelled.reason)
            raise

    @agent.task("short")
    def quick() -> str:
        return "done"

    async with server_mesh.join(agent), server_mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("long")).task_id
        # Running is what the service says; a handler that has not begun when it is canceled never does.
        await server_mesh.until(has_begun.is_set)
        await boss.tasks.cancel(task_id)
        await server_mesh.until(lambda: ends)
        # The place is free again.
        assert await server_mesh.run_task("short") == {"result": "done"}
    assert ends == ["canceled"]


async def test_a_thread_that_cannot_be_ended_keeps_its_place_and_nothing_else(
    server_mesh: ServerMesh,
) -> None:
    stubborn, other = Agent("a-stubborn", drain_s=0.1), Agent("other")
    has_begun, may_end = threading.Event(), threading.Event()

    @stubborn.task("long")
    def work() -> None:
        has_begun.set()
        may_end.wait(WAIT_S)

    @other.task("long")
    def quick() -> str:
        return "done"

    try:
        async with server_mesh.join(stubborn), server_mesh.connect("boss") as boss:
            first = (await boss.tasks.submit("long")).task_id
            await server_mesh.until(has_begun.is_set)  # being canceled before, it never would
            await boss.tasks.cancel(first)
            second = (await boss.tasks.submit("long")).task_id

            async def waiting_for() -> list[str]:
                return [each.code for each in (await boss.tasks.explain(second)).waiting_for]

            assert await server_mesh.until(waiting_for) == ["all_busy"]
            async with server_mesh.join(other):
                record = await in_state(server_mesh, boss, second, "completed")
            assert record.result == {"result": "done"}
            assert (await boss.tasks.get(first)).state == "canceling"
            may_end.set()
            await in_state(server_mesh, boss, first, "canceled")
    finally:
        may_end.set()


async def test_an_agent_leaves_although_a_thread_runs_on_and_hands_its_task_back(
    server_mesh: ServerMesh,
) -> None:
    agent = Agent("stubborn", drain_s=0.1)
    may_end = threading.Event()

    @agent.task("long")
    def work() -> None:
        may_end.wait(WAIT_S)

    try:
        async with server_mesh.connect("boss") as boss:
            async with server_mesh.join(agent):
                task_id = (await boss.tasks.submit("long", max_attempts=1)).task_id
                await in_state(server_mesh, boss, task_id, "running")
            record = await in_state(server_mesh, boss, task_id, "dead_lettered")
        assert STOPPING_REASON in record.attempts[0].error
    finally:
        may_end.set()


async def test_a_restart_of_the_server_costs_an_agent_at_work_nothing(server_mesh: ServerMesh) -> None:
    agent = Agent("worker")
    may_end = threading.Event()

    @agent.task("long")
    def work(context: TaskContext) -> int:
        assert may_end.wait(2 * WAIT_S)
        return context.attempt

    @agent.task("short")
    async def quick(context: Context) -> str:
        return context.agent

    async with server_mesh.join(agent), server_mesh.connect("boss") as boss:
        task_id = (await boss.tasks.submit("long")).task_id
        await in_state(server_mesh, boss, task_id, "running")
        before = await boss.registry.get("worker")
        await server_mesh.restart_server()
        may_end.set()
        record = await in_state(server_mesh, boss, task_id, "completed")
        assert (record.result, len(record.attempts)) == ({"result": 1}, 1)
        assert await server_mesh.run_task("short") == {"result": "worker"}
        after = await boss.registry.get("worker")
    assert (after.incarnation, after.status) == (before.incarnation, "online")
