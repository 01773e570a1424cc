"""Tasks as agents meet them: registry and tasks over the in-memory bus and journal, through clients."""

from __future__ import annotations

import asyncio
import random

import pytest

from coordination.registry.wire import Capability
from coordination.requirements import Requirement, RequirementSyntaxError, parse
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.trace import CURRENT_TRACE, TraceContext
from coordination.tasks import sighting, wire
from coordination.tasks.client import TasksClient
from tests.support.taskroom import BACKOFF_MS, POLICY, WAIT_S, Room, Worker, a_room
from tests.support.waiting import settle

STEP_MS = 500


async def test_many_tasks_are_each_done_once_and_a_restart_forgets_nothing() -> None:
    journal = MemoryStream()
    async with a_room(journal) as room:
        workers = [await Worker(room.caller(f"w{i}")).start("double", max_tasks=4) for i in range(3)]
        caller = room.caller("ada")
        results = await room.results(caller)
        client = TasksClient(caller)
        done: list[str] = []
        async with asyncio.TaskGroup() as group:
            working = [group.create_task(worker.work(10**6, done)) for worker in workers]
            sent = [await client.submit("double", {"n": n}) for n in range(40)]
            async with asyncio.timeout(WAIT_S):
                got = [await results.get() for _ in sent]
            for each in working:
                each.cancel()
        assert sorted(done) == sorted(reply.task_id for reply in sent)
        assert sorted(each.task_id for each in got) == sorted(done)
        assert sorted(each.result["doubled"] for each in got) == [2 * n for n in range(40)]
        assert {each.result["by"] for each in got} == {"w0", "w1", "w2"}
    async with a_room(journal) as room:
        client = TasksClient(room.caller("ada"))
        page = await client.list(limit=30)
        rest = await client.list(after=page[-1].sequence, state="completed", submitter="ada")
        assert [each.sequence for each in (*page, *rest)] == list(range(1, 41))
        record = await client.get(page[0].task_id)
        assert (record.payload, record.result["doubled"], record.share) == ({"n": 0}, 0, 0.5)


async def test_a_paused_worker_that_wakes_after_its_lease_cannot_complete() -> None:
    async with a_room() as room:
        slow = await Worker(room.caller("a-slow")).start("python")
        caller = room.caller("ada")
        results = await room.results(caller)
        task_id = (await TasksClient(caller).submit("python", {"n": 1}, task_id="job")).task_id
        first = await slow.next_offer()
        await slow.tasks.accept(task_id, first.fencing_token)
        quick = await Worker(room.caller("quick")).start("python")
        for _ in range(0, POLICY.lease_ms + BACKOFF_MS + STEP_MS, STEP_MS):
            # In steps: a jump would be a service that stood still, which takes nobody for silent.
            room.clock.advance(STEP_MS)
            await settle()
        await _is_refused(slow, first)
        again = await slow.next_offer()
        await slow.tasks.refuse(task_id, again.fencing_token, reason="too slow")
        offer = await quick.next_offer()
        assert offer.attempt == 2
        assert first.fencing_token < again.fencing_token < offer.fencing_token
        await quick.tasks.accept(task_id, offer.fencing_token)
        await _is_refused(slow, first)
        await quick.tasks.complete(task_id, offer.fencing_token, {"by": "quick"})
        await _is_refused(slow, first)
        async with asyncio.timeout(WAIT_S):
            assert (await results.get()).result == {"by": "quick"}
        assert results.empty()


async def _is_refused(worker: Worker, offer: wire.TaskOffer) -> None:
    """`worker` completes a task under an old token, which must change nothing."""
    with pytest.raises(RejectedError) as caught:
        await worker.tasks.complete(offer.task_id, offer.fencing_token, {"by": worker.agent})
    assert caught.value.code == "stale_token"


async def test_an_agent_that_comes_later_is_asked_as_soon_as_it_is_registered() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        task_id = (await client.submit("rare")).task_id
        await settle()
        assert (await client.get(task_id)).state == "queued"
        worker = await Worker(room.caller("late")).start("rare")
        offer = await worker.next_offer()
        holder = (await client.get(task_id)).holder
        assert holder is not None
        assert (holder.agent, holder.incarnation, holder.expires_ms) == ("late", 1, offer.offer_expires_ms)
        assert holder.why


async def test_tasks_wait_while_the_registry_is_away() -> None:
    async with asyncio.TaskGroup() as group:
        room = Room(group)
        await room.serve_tasks()
        client = TasksClient(room.caller("ada"))
        task_id = (await client.submit("python")).task_id
        await settle()
        assert (await client.get(task_id)).state == "queued"
        await room.serve_registry()
        worker = await Worker(room.caller("bob")).start("python")
        looking = asyncio.ensure_future(worker.next_offer())
        while not looking.done():  # the companion's own pauses are on this clock
            room.clock.advance(sighting.WAKE_PAUSE_MS)
            await asyncio.wait([looking], timeout=0.02)
        assert (await looking).task_id == task_id
        await room.stop()


async def test_the_worker_hears_that_its_task_was_canceled() -> None:
    async with a_room() as room:
        caller = room.caller("bob")
        worker = await Worker(caller).start("python")
        canceled: asyncio.Queue[wire.TaskTakenAway] = asyncio.Queue()

        async def take(delivery: Delivery) -> None:
            canceled.put_nowait(wire.TaskTakenAway.model_validate_json(delivery.payload))

        await caller.bus.subscribe(caller.subjects.inbox("bob", "cancel"), take)
        client = TasksClient(room.caller("ada"))
        task_id = (await client.submit("python")).task_id
        offer = await worker.next_offer()
        await worker.tasks.accept(task_id, offer.fencing_token)
        assert (await client.cancel(task_id, reason="no more need")).state == "canceling"
        async with asyncio.timeout(WAIT_S):
            assert (await canceled.get()).reason == "no more need"
        with pytest.raises(RejectedError, match="being_canceled"):
            await worker.tasks.progress(task_id, offer.fencing_token)
        with pytest.raises(RejectedError, match="being_canceled"):
            await worker.tasks.complete(task_id, offer.fencing_token, {})
        assert (await worker.tasks.confirm(task_id, offer.fencing_token)).state == "canceled"
        record = await client.get(task_id)
        assert (record.is_confirmed, record.canceled_by, record.reason) == (True, "ada", "no more need")
        with pytest.raises(RejectedError, match="stale_token"):
            await worker.tasks.progress(task_id, offer.fencing_token)


async def test_nobody_but_its_submitter_cancels_a_task() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        task_id = (await client.submit("python")).task_id
        with pytest.raises(RejectedError, match="not_submitter"):
            await TasksClient(room.caller("eve")).cancel(task_id)
        assert (await client.cancel(task_id)).state == "canceled"


async def test_a_failed_task_is_retried_and_then_given_up() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python")
        caller = room.caller("ada")
        results = await room.results(caller)
        task_id = (await TasksClient(caller).submit("python", max_attempts=2)).task_id
        for state in ("failed", "dead_lettered"):
            offer = await worker.next_offer()
            await worker.tasks.accept(task_id, offer.fencing_token)
            reply = await worker.tasks.fail(task_id, offer.fencing_token, reason="disk full")
            assert reply.state == state
            room.clock.advance(BACKOFF_MS)
            await settle()
            room.clock.advance(sighting.WAKE_PAUSE_MS)
        async with asyncio.timeout(WAIT_S):
            result = await results.get()
        assert (result.state, result.reason, result.attempts) == ("dead_lettered", "disk full", 2)


async def test_bad_requests_are_refused_with_a_code_and_leave_the_service_unharmed() -> None:
    async with a_room() as room:
        caller = room.caller("ada")
        client = TasksClient(caller)
        with pytest.raises(RejectedError, match="too_large"):
            await client.submit("python", {"x": "y" * 140_000})
        with pytest.raises(RejectedError, match="unknown_task"):
            await client.get("nothing")
        subject = caller.subjects.call("tasks", "submit", "ada")
        for body in (
            b'{"capability":"python","payload":{"x":NaN}}',
            b'{"capability":"python","payload":{"x":1e999}}',
            b'{"capability":"python","payload":{"x":%s}}' % (b"[" * 100 + b"]" * 100),
            b'{"capability":"python","payload":[]}',
            b'{"capability":"python","priority":10}',
            b'{"capability":"no spaces"}',
            b'{"requirement":"python=>3"}',
            b'{"requirement":{"hard":[]}}',
            b'{"requirement":"python","capability":"python"}',
            b'{"requirement":null}',
            b"{}",
            b'{"capability":"python","task_id":"a.b"}',
            b"[" * 100_000,
        ):
            answer = await caller.bus.request(subject, body, timeout_s=WAIT_S)
            assert answer.headers["Nats-Service-Error-Code"] in {"invalid_request", "too_deep"}, body[:60]
        assert await client.list() == ()


async def test_a_submission_sent_twice_adds_one_task() -> None:
    async with a_room() as room:
        caller = room.caller("ada")
        request = wire.SubmitRequest(capability="python")
        replies = [
            await caller.command("tasks", "submit", request, wire.SubmitReply, command_id="same")
            for _ in range(2)
        ]
        assert replies[0] == replies[1]
        client = TasksClient(caller)
        first, second = [await client.submit("python", task_id="mine") for _ in range(2)]
        assert (first.duplicate, second.duplicate) == (False, True)
        assert len(await client.list(capability="python")) == 2


async def test_a_task_goes_to_who_meets_its_requirement_and_best_meets_its_preferences() -> None:
    async with a_room() as room:
        old = Capability(name="python", version="3.9.1")
        new = Capability(name="python", version="3.12.0")
        await Worker(room.caller("a-old")).start(old, labels={"region": "eu"})
        await Worker(room.caller("b-far")).start(new, labels={"region": "us"})
        near = await Worker(room.caller("c-near")).start(new, labels={"region": "eu"})
        await settle()  # the notices of the last one may still be on their way
        client = TasksClient(room.caller("ada"))
        wanted = parse("python>=3.11, region in [eu, us], prefer region=eu")
        task_id = (await client.submit(wanted)).task_id
        offer = await near.next_offer()
        assert (offer.task_id, offer.capability, parse(offer.requirement)) == (task_id, "", wanted)
        record = await client.get(task_id)
        assert (record.capability, record.requirement) == ("", str(wanted))


async def test_a_requirement_on_one_thing_is_listed_under_its_capability() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        for requirement in ("python", "python >= 3.11, <4", "capability:python, label:region=eu", "rust"):
            await client.submit(requirement)
        listed = await client.list(capability="python")
        assert [each.requirement for each in listed] == [
            "python",
            "python>=3.11, python<4",
            "capability:python, label:region=eu",
        ]
        assert (await client.get(listed[0].task_id)).capability == "python"


async def test_what_is_no_requirement_is_refused_before_it_is_sent() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        with pytest.raises(
            UsageError, match=r"'=>' is no operator; write >=.*\n  python=>3.11\n        \^"
        ) as refused:
            await client.submit("python=>3.11")
        assert isinstance(refused.value.__cause__, RequirementSyntaxError)
        assert await client.list() == ()


async def test_a_task_submitted_by_capability_is_the_one_submitted_by_requirement() -> None:
    async with a_room() as room:
        caller = room.caller("ada")
        request = wire.SubmitRequest(capability="python", task_id="mine")
        await caller.command("tasks", "submit", request, wire.SubmitReply)
        assert (
            await TasksClient(caller).submit(Requirement.of_capability("python"), task_id="mine")
        ).duplicate
        with pytest.raises(RejectedError, match="task_id_taken"):
            await TasksClient(caller).submit("python>=3", task_id="mine")


async def test_an_offer_carries_the_trace_its_task_was_submitted_in() -> None:
    trace = TraceContext.begin(random.Random(1))
    async with a_room() as room:
        worker = await Worker(room.caller("worker")).start("python")
        client = TasksClient(room.caller("ada"))
        token = CURRENT_TRACE.set(trace)
        task_id = (await client.submit("python", {"n": 1})).task_id
        CURRENT_TRACE.reset(token)
        assert (await worker.next_offer()).traceparent == trace.header
        assert (await client.get(task_id)).traceparent == trace.header
