"""A mesh in memory: all services, virtual time, and faults that a test can ask for."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from pydantic import BaseModel

from conclave import Agent, RejectedError, Session, UnavailableError, UsageError
from conclave.deployment import SERVICES
from conclave.testing import HandlersFailedError, MemoryMesh, NotFulfilledError, TaskFailedError
from consensus.wire import Decision
from coordination.registry.membership import SupersededError
from coordination.runtime.bus import Delivery
from tests.support.cast import greeter


class Discovered(BaseModel):
    """What a service says of itself."""

    name: str


async def status_of(session: Session, agent: str) -> str:
    return (await session.registry.get(agent)).status


async def test_a_task_is_done_by_an_agent_that_has_joined(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(greeter()):
        result = await memory_mesh.run_task("greeting", {"name": "Ada"})
    assert result == {"greeting": "Hello, Ada!", "by": "greeter"}


async def test_minutes_pass_in_a_moment(memory_mesh: MemoryMesh) -> None:
    started_s, started_ms = time.monotonic(), memory_mesh.clock.now_ms()
    await memory_mesh.advance(300)
    assert memory_mesh.clock.now_ms() - started_ms == 300_000
    assert time.monotonic() - started_s < 300


async def test_every_service_is_there(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("guide") as guide:
        answers: set[str] = set()

        async def note(delivery: Delivery) -> None:
            answers.add(Discovered.model_validate_json(delivery.payload).name)

        await guide.bus.subscribe("_INBOX_guide.found", note)
        await guide.bus.publish("$SRV.PING", b"", reply_to="_INBOX_guide.found")
        await memory_mesh.advance(1)
    assert answers == {f"conclave-{name}" for name in SERVICES}


async def test_messages_reach_the_handlers_of_agents(memory_mesh: MemoryMesh) -> None:
    heard: list[str] = []
    listener = Agent("listener")

    @listener.message
    async def hear(content: str) -> None:
        heard.append(content)

    async with memory_mesh.join(listener), memory_mesh.connect("guide") as guide:
        opened = await guide.dialog.open("greetings", ["guide", "listener"])
        await guide.dialog.say(opened.conversation_id, "hello")
        await memory_mesh.until(lambda: heard)
    assert heard == ["hello"]


async def test_plain_handlers_run_on_the_thread_of_the_test(memory_mesh: MemoryMesh) -> None:
    agent = Agent("plain")

    @agent.task("where")
    def where() -> int:
        return threading.get_ident()

    async with memory_mesh.join(agent):
        assert await memory_mesh.run_task("where") == {"result": threading.get_ident()}


async def test_an_agent_that_was_superseded_ends_the_test(memory_mesh: MemoryMesh) -> None:
    async def join_twice() -> None:
        async with memory_mesh.join(greeter()), memory_mesh.join(greeter()):
            with pytest.raises(SupersededError):
                await memory_mesh.until(lambda: False)

    with pytest.raises(SupersededError):  # also at the end of the block, which has lost its agent
        await join_twice()


async def test_votes_are_counted(memory_mesh: MemoryMesh) -> None:
    decisions: list[str] = []
    voter = Agent("voter")

    @voter.decision
    async def learn(decision: Decision) -> None:
        decisions.append(decision.status)

    async with memory_mesh.join(voter) as session:
        proposal = await session.consensus.propose(
            "lunch", artifact_sha256="0" * 64, electorate=["voter"], voting_period_ms=60_000
        )
        await session.consensus.vote(proposal.proposal_id, "for")
        await memory_mesh.until(lambda: decisions, timeout_s=100)
    assert decisions == ["succeeded"]


async def test_artifacts_and_knowledge_are_kept(memory_mesh: MemoryMesh) -> None:
    content = bytes(range(256)) * 2_000
    async with memory_mesh.connect("guide") as guide, memory_mesh.connect("reader") as reader:
        digest = await guide.artifacts.put(content)
        assert await reader.artifacts.get(digest) == content
        async with reader.replica() as replica:
            stated = await guide.knowledge.assert_fact("tea", subject="tea", predicate="is", object="hot")
            fact = await replica.wait_for("tea", stated.fact.fact_id, timeout_s=10)
    assert (fact.subject, fact.object) == ("tea", "hot")


async def test_what_was_stored_survives_a_restart_of_the_services(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("guide") as guide:
        digest = await guide.artifacts.put(b"kept")
        task_id = (await guide.tasks.submit("greeting", {"name": "Ada"})).task_id
        await memory_mesh.restart_services()
        assert await guide.artifacts.get(digest) == b"kept"
        assert (await guide.tasks.get(task_id)).payload == {"name": "Ada"}


async def test_a_crashed_agent_is_missed_and_says_no_goodbye(memory_mesh: MemoryMesh) -> None:
    agent = greeter()
    async with memory_mesh.connect("guide") as guide, memory_mesh.join(agent):
        assert await status_of(guide, "greeter") == "online"
        await memory_mesh.crash(agent)
        await memory_mesh.until(lambda: status_of_offline(guide), timeout_s=120)
    assert memory_mesh.record.on("conclave.call.registry.deregister.greeter") == []


async def status_of_offline(guide: Session) -> bool:
    return await status_of(guide, "greeter") == "offline"


async def test_a_crashed_agent_can_join_again(memory_mesh: MemoryMesh) -> None:
    agent = greeter()
    async with memory_mesh.join(agent):
        await memory_mesh.crash(agent)
        async with memory_mesh.join(agent):
            assert (await memory_mesh.run_task("greeting", {"name": "Ada"}))["greeting"] == "Hello, Ada!"


async def test_a_paused_agent_does_nothing_until_it_is_resumed(memory_mesh: MemoryMesh) -> None:
    agent = greeter()
    async with memory_mesh.join(agent):
        memory_mesh.pause(agent)
        with pytest.raises(TaskFailedError, match="not ended within 2 s"):
            await memory_mesh.run_task("greeting", {"name": "Ada"}, timeout_s=2)
        memory_mesh.resume(agent)
        assert await memory_mesh.run_task("greeting", {"name": "Bob"}, timeout_s=120)


async def test_a_paused_agent_can_still_leave_and_crash(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(agent := greeter()):
        memory_mesh.pause(agent)
    async with memory_mesh.join(agent):
        memory_mesh.pause(agent)
        await memory_mesh.crash(agent)


async def test_calls_are_repeated_until_messages_get_through(memory_mesh: MemoryMesh) -> None:
    memory_mesh.drop(0.3)
    async with memory_mesh.connect("guide", patience_s=300) as guide:
        sent = [(await guide.tasks.submit("greeting", {"number": number})).task_id for number in range(20)]
        memory_mesh.mend()
        tasks = await guide.tasks.list()
    assert [task.task_id for task in tasks] == sent
    calls = memory_mesh.record.on("conclave.call.tasks.submit.guide")
    assert len(calls) > 20, "nothing was lost, so nothing was shown"


async def test_messages_take_as_long_as_they_are_told(memory_mesh: MemoryMesh) -> None:
    memory_mesh.delay(0.25)
    async with memory_mesh.connect("guide") as guide:
        started_s = asyncio.get_running_loop().time()
        await guide.tasks.list()
        assert asyncio.get_running_loop().time() - started_s >= 0.5


async def test_what_a_disconnected_agent_publishes_waits(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("guide") as guide:
        memory_mesh.disconnect("guide")
        with pytest.raises(UnavailableError):
            await guide.bus.request("conclave.call.tasks.list.guide", b"{}", timeout_s=1)
        await guide.bus.publish("conclave.presence.guide", b"{}")
        assert memory_mesh.record.on("conclave.presence.guide") == []
        memory_mesh.reconnect("guide")
        assert len(memory_mesh.record.on("conclave.presence.guide")) == 1


async def test_a_failed_task_says_who_failed_and_why(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(greeter()):
        with pytest.raises(TaskFailedError, match="attempt of greeter") as raised:
            await memory_mesh.run_task("greeting", {"name": ""}, max_attempts=2)
    assert raised.value.record.state == "dead_lettered"
    assert [type(failure.error) for failure in raised.value.failures] == [LookupError, LookupError]
    assert isinstance(raised.value.__cause__, LookupError)
    memory_mesh.raise_failures()  # they were shown, and count as seen


async def test_a_task_that_nobody_can_do_says_so(memory_mesh: MemoryMesh) -> None:
    with pytest.raises(TaskFailedError, match="nobody has worked on it"):
        await memory_mesh.run_task("flying", timeout_s=5)


async def test_an_exception_in_a_handler_is_raised_after_the_test(memory_mesh: MemoryMesh) -> None:
    listener = Agent("listener")

    @listener.on("shout")
    async def hear(body: dict[str, str]) -> None:
        raise LookupError("nobody taught me that")

    async with memory_mesh.join(listener) as session:
        await session.bus.publish(session.subjects.inbox("listener", "shout"), b"{}")
        with pytest.raises(NotFulfilledError, match="nobody taught me that") as raised:
            await memory_mesh.until(lambda: False, timeout_s=1, what="pigs fly")
    assert "pigs fly" in str(raised.value)
    with pytest.raises(HandlersFailedError, match="LookupError: nobody taught me that") as failed:
        memory_mesh.raise_failures()
    assert isinstance(failed.value.__cause__, LookupError)
    memory_mesh.raise_failures()  # each only once


async def test_handlers_of_the_test_itself_count_too(memory_mesh: MemoryMesh) -> None:
    async def fail(_: Delivery) -> None:
        raise ZeroDivisionError

    async with memory_mesh.connect("guide") as guide:
        await guide.bus.subscribe("conclave.inbox.guide.hint", fail)
        await guide.bus.publish("conclave.inbox.guide.hint", b"{}")
        await memory_mesh.advance(1)
    assert [type(failure.error) for failure in memory_mesh.take_failures()] == [ZeroDivisionError]


async def test_what_fails_in_a_crash_is_no_failure(memory_mesh: MemoryMesh) -> None:
    started = asyncio.Event()
    agent = Agent("worker")

    @agent.task("work")
    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("cut off")

    async with memory_mesh.join(agent), memory_mesh.connect("guide") as guide:
        await guide.tasks.submit("work")
        await started.wait()
        await memory_mesh.crash(agent)
    assert memory_mesh.take_failures() == ()


async def test_refusals_are_what_they_are_in_production(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("guide") as guide:
        with pytest.raises(RejectedError, match="unknown_task"):
            await guide.tasks.get("none")
    with pytest.raises(UsageError, match="reserved"):
        async with memory_mesh.connect("registry"):
            pass


async def test_misuse_is_refused_with_a_hint(memory_mesh: MemoryMesh) -> None:
    with pytest.raises(UsageError, match="'nobody' is not connected to the mesh; connected: guide"):
        async with memory_mesh.connect("guide"):
            await memory_mesh.crash("nobody")
    with pytest.raises(UsageError, match="between 0 and 1"):
        memory_mesh.drop(2)
    with pytest.raises(UsageError, match="0 <= least <= most"):
        memory_mesh.delay(2, 1)
    with pytest.raises(UsageError, match=r"mesh\.join"):
        async with memory_mesh.connect("guide"):
            memory_mesh.pause("guide")
    with pytest.raises(UsageError, match="not running: use `async with MemoryMesh"):
        async with MemoryMesh().connect("guide"):
            pass


async def test_a_mesh_in_memory_runs_in_real_time_too() -> None:
    async with MemoryMesh() as mesh, mesh.join(agent := greeter()):
        assert (await mesh.run_task("greeting", {"name": "Ada"}))["greeting"] == "Hello, Ada!"
        with pytest.raises(UsageError, match="time is real here"):
            mesh.pause(agent)
        with pytest.raises(UsageError, match="time is real here"):
            await mesh.restart_services()
        with pytest.raises(UsageError, match="time is real here"):
            await mesh.advance(1)
