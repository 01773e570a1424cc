"""Every verb of the task service through its client: what is asked, and what is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coordination.runtime.errors import RejectedError, UsageError
from coordination.tasks import wire
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import MAX_BATCH
from tests.support.taskroom import BACKOFF_MS, WAIT_S, Worker, a_room
from tests.support.waiting import settle


async def test_many_tasks_are_submitted_at_once_and_each_is_taken_or_refused_by_itself() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        await client.submit("python", task_id="taken")
        count = MAX_BATCH + 44
        replies = await client.submit_many(
            [
                {"capability": "python", "payload": {"n": 1}, "idempotency_key": "a"},
                wire.SubmitRequest(capability="rust", task_id="taken"),
                {"capability": "python", "deadline_ms": 5},
                *({"capability": "python", "payload": {"n": n}} for n in range(count)),
            ]
        )
        first, taken, late = replies[:3]
        assert isinstance(first, wire.SubmitReply)
        assert (first.state, first.duplicate) == ("queued", False)
        assert isinstance(taken, wire.RefusedReply)
        assert (taken.task_id, taken.code) == ("taken", "task_id_taken")
        assert isinstance(late, wire.RefusedReply)
        assert late.code == "deadline_passed"
        assert len({each.task_id for each in replies[3:]}) == count
        again = await client.submit_many(
            [{"capability": "python", "payload": {"n": 1}, "idempotency_key": "a"}]
        )
        assert again == (wire.SubmitReply(task_id=first.task_id, state="queued", duplicate=True),)


async def test_a_batch_is_split_by_bytes_too_and_bad_tasks_are_named_before_anything_is_sent() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        large = {"capability": "python", "payload": {"x": "y" * 90_000}}
        assert len(await client.submit_many([large] * 5)) == 5
        with pytest.raises(UsageError, match=r"tasks\.1: priority: must be less than or equal to 9"):
            await client.submit_many([large, {"capability": "python", "priority": 10}])
        with pytest.raises(UsageError, match=r"tasks is a list of tasks"):
            await client.submit_many("python")  # type: ignore[arg-type]
        assert len(await client.list()) == 5
        assert await client.submit_many([]) == ()


async def test_an_approved_task_is_submitted_alone() -> None:
    approval: dict[str, Any] = {
        "proposal_id": "p",
        "kind": "task_assignment",
        "artifact_sha256": "0" * 64,
        "winner": None,
        "conditions": [],
        "not_before_ms": 0,
        "expires_at_ms": 1,
        "trail_hash": "0" * 64,
    }
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        with pytest.raises(UsageError, match=r"tasks\.0\.approval: an approved task is submitted alone"):
            await client.submit_many([{"capability": "python", "approval": approval}])


async def test_a_worker_reports_several_things_at_once_and_each_counts_by_itself() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python", max_tasks=4)
        client = TasksClient(room.caller("ada"))
        for name in ("a", "b", "c"):
            await client.submit("python", {"n": 1}, task_id=name, max_attempts=1)
        offers = {offer.task_id: offer for offer in [await worker.next_offer() for _ in range(3)]}
        told = await worker.tasks.report(
            [
                {"do": "complete", "task_id": "a", "fencing_token": offers["a"].fencing_token, "result": 7},
                wire.FailItem(
                    do="fail", task_id="b", fencing_token=offers["b"].fencing_token, reason="disk full"
                ),
                {"do": "progress", "task_id": "c", "fencing_token": 99, "share": 0.5},
                {"do": "accept", "task_id": "d", "fencing_token": 1},
            ]
        )
        assert [getattr(each, "state", "") for each in told] == ["completed", "dead_lettered", "", ""]
        assert [getattr(each, "code", "") for each in told] == ["", "", "stale_token", "unknown_task"]
        assert isinstance(told[2], wire.RefusedReply)
        assert told[2].details["state"] == "offered"
        assert (await client.get("a")).result == 7
        with pytest.raises(UsageError, match=r"items: task a is named twice"):
            await worker.tasks.report([{"do": "accept", "task_id": "a", "fencing_token": 1}] * 2)
        with pytest.raises(UsageError, match=r"reports\.0: .*do"):
            await worker.tasks.report([{"do": "dance", "task_id": "a", "fencing_token": 1}])


async def test_a_dag_is_done_in_its_order_and_told_of_by_names() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python", max_tasks=4)
        client = TasksClient(room.caller("ada"))
        dag: list[dict[str, Any]] = [
            {"name": "join", "capability": "python", "after": ["left", {"name": "right"}]},
            {"name": "left", "capability": "python", "after": ["root"]},
            {"name": "right", "capability": "python", "after": ["root"]},
            {"name": "root", "capability": "python"},
        ]
        reply = await client.submit_dag(dag, dag_id="build")
        assert reply.dag_id == "build"
        assert [each.name for each in reply.tasks] == ["root", "left", "right", "join"]
        assert [each.state for each in reply.tasks] == ["queued", "blocked", "blocked", "blocked"]
        again = await client.submit_dag(dag, dag_id="build")
        assert [each.duplicate for each in again.tasks] == [True] * 4
        assert [each.task_id for each in again.tasks] == [each.task_id for each in reply.tasks]
        ended = asyncio.ensure_future(client.dag_ended("build", timeout_s=WAIT_S))
        names = []
        for _ in range(4):
            offer = await worker.next_offer()
            names.append(offer.name)
            assert offer.dag == "build"
            await worker.tasks.complete(offer.task_id, offer.fencing_token, {})
        assert (names[0], names[-1]) == ("root", "join")
        done = await ended
        assert done.state == "completed"
        assert [(each.name, each.state) for each in done.tasks] == [
            (name, "completed") for name in ("root", "left", "right", "join")
        ]
        assert {each.task_id for each in await client.list(dag="build")} == {
            each.task_id for each in reply.tasks
        }


@pytest.mark.parametrize(
    ("tasks", "message", "cycle"),
    [
        (
            [("a", ["b"]), ("b", ["c"]), ("c", ["a"])],
            r"a -> b -> c -> a",
            ["a", "b", "c", "a"],
        ),
        ([("a", ["a"])], r"a -> a", ["a", "a"]),
        ([("a", ["z"])], r"no task of this DAG has that name", None),
        ([("a", []), ("a", [])], r"tasks\.1\.name: there are two tasks a", None),
    ],
)
async def test_what_is_no_dag_is_refused_with_its_cycle(
    tasks: list[tuple[str, list[str]]], message: str, cycle: list[str] | None
) -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        with pytest.raises(RejectedError, match=message) as caught:
            await client.submit_dag(
                [{"name": name, "capability": "python", "after": after} for name, after in tasks]
            )
        assert caught.value.code == "invalid_dag"
        assert caught.value.details.get("cycle") == cycle
        assert await client.list() == ()


async def test_a_cycle_through_ids_of_its_own_tasks_is_a_cycle_of_the_dag() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        with pytest.raises(RejectedError, match=r"a -> b -> a"):
            await client.submit_dag(
                [
                    {"name": "a", "capability": "python", "after": ["b"], "task_id": "one"},
                    {"name": "b", "capability": "python", "after": [{"task_id": "one"}]},
                ]
            )


async def test_a_dag_is_canceled_and_says_so() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        reply = await client.submit_dag(
            [{"name": "a", "capability": "python"}, {"name": "b", "capability": "python", "after": ["a"]}]
        )
        await client.cancel_dag(reply.dag_id, reason="changed my mind")
        dag = await client.dag_ended(reply.dag_id, timeout_s=WAIT_S)
        assert {each.state for each in dag.tasks} == {"canceled"}
        with pytest.raises(RejectedError, match="unknown_dag"):
            await client.dag("nothing")


async def test_dead_letters_are_listed_brought_back_and_deleted() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python", max_tasks=8)
        client = TasksClient(room.caller("ada"))
        for number in range(5):
            await client.submit("python", task_id=f"t{number}", queue="q" if number % 2 else "default")
            offer = await worker.next_offer()
            reason = f"broken {number}"
            await worker.tasks.fail(offer.task_id, offer.fencing_token, reason=reason, retryable=False)
        page = await client.deadletters(limit=3)
        assert [each.task_id for each in page.tasks] == ["t0", "t1", "t2"]
        assert (page.count, page.tasks[1].reason) == (5, "broken 1")
        rest = await client.deadletters(after=page.next)
        assert ([each.task_id for each in rest.tasks], rest.next) == (["t3", "t4"], "")
        assert [each.task_id for each in (await client.deadletters(queue="q")).tasks] == ["t1", "t3"]
        assert [each.task_id for each in (await client.deadletters(reason="en 4")).tasks] == ["t4"]
        assert (await TasksClient(room.caller("eve")).redrive(everything=True)).task_ids == ()
        swept = await client.redrive(queue="q", limit=1)
        assert (swept.task_ids, swept.more) == (("t1",), True)
        assert (await client.purge(task_ids=["t0"])).task_ids == ("t0",)
        with pytest.raises(RejectedError, match="unknown_task"):
            await client.get("t0")
        assert (await client.retry("t2")).state in {"queued", "offered"}
        assert [each.task_id for each in (await client.deadletters()).tasks] == ["t3", "t4"]


async def test_a_retry_ends_the_backoff() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python")
        client = TasksClient(room.caller("ada"))
        await client.submit("python", task_id="t", backoff={"first_ms": 50_000, "jitter": 0.0})
        offer = await worker.next_offer()
        standing = await worker.tasks.fail("t", offer.fencing_token, reason="no")
        assert standing.state == "failed"
        record = await client.get("t")
        assert record.retry_at_ms == room.clock.now_ms() + 50_000
        assert (await client.retry("t")).state in {"queued", "offered"}
        assert (await worker.next_offer()).attempt == 2
        with pytest.raises(RejectedError, match="wrong_state"):
            await client.retry("t")


async def test_only_the_operator_sets_queues_up() -> None:
    async with a_room() as room:
        client, operator = TasksClient(room.caller("ada")), TasksClient(room.caller("operator"))
        worker = await Worker(room.caller("bob")).start("python", max_tasks=3)
        for call in (
            client.set_queue("nightly", {"aging_ms": 5}),
            client.pause_queue("nightly"),
            client.resume_queue("nightly"),
        ):
            with pytest.raises(RejectedError, match="not_operator"):
                await call
        settings = {"strategy": "round_robin", "weights": {"a": 3}, "rate_limits": {"*": {"count": 5}}}
        reply = await operator.set_queue("nightly", settings)
        assert (reply.settings.strategy, reply.settings.weights) == ("round_robin", {"a": 3})
        assert reply.settings.rate_limits["*"].count == 5
        paused = await operator.pause_queue("nightly", reason="moving house")
        assert (paused.settings.is_paused, paused.settings.pause_reason) == (True, "moving house")
        await client.submit("python", queue="nightly", task_id="waits")
        await settle()
        (shown,) = await client.queues()
        assert (shown.queue, shown.waiting, shown.held, shown.settings.is_paused) == ("nightly", 1, 0, True)
        resumed = await operator.resume_queue("nightly")
        assert not resumed.settings.is_paused
        assert resumed.settings.weights == {"a": 3}
        assert (await worker.next_offer()).task_id == "waits"
        (shown,) = await client.queues()
        assert (shown.waiting, shown.held) == (0, 1)
        gone = await operator.set_queue("nightly", None)
        assert gone.settings.strategy == "least_loaded"


async def test_schedules_are_set_shown_paused_and_removed() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        schedule = await client.set_schedule(
            "report", "python", {"n": 1}, every_ms=60_000, task={"priority": 4, "queue": "nightly"}
        )
        assert (schedule.owner, schedule.requirement, schedule.priority) == ("ada", "python", 4)
        assert schedule.next_ms is not None
        await client.set_schedule("watch", "python", cron="*/5 * * * *", time_zone="Europe/Berlin")
        assert [each.schedule_id for each in await client.schedules()] == ["report", "watch"]
        assert await client.schedules(owner="eve") == ()
        assert (await client.pause_schedule("report")).is_paused
        assert not (await client.resume_schedule("report")).is_paused
        with pytest.raises(RejectedError):
            await TasksClient(room.caller("eve")).remove_schedule("report")
        assert (await client.remove_schedule("report")).schedule_id == "report"
        assert [each.schedule_id for each in await client.schedules()] == ["watch"]
        with pytest.raises(UsageError, match="either every_ms or cron"):
            await client.set_schedule("bad", "python")
        with pytest.raises(RejectedError):
            await client.set_schedule("bad", "python", cron="61 * * * *")


async def test_children_are_listed_over_all_levels() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python", max_tasks=9)
        client = TasksClient(room.caller("ada"))
        await client.submit("python", {"level": 0}, task_id="t0")
        for level in (1, 2, 3):
            offer = await worker.next_offer()
            await worker.tasks.accept(offer.task_id, offer.fencing_token)
            await worker.tasks.submit(
                "python",
                {"level": level},
                task_id=f"t{level}",
                parent={"task_id": offer.task_id, "fencing_token": offer.fencing_token},
                may_return=True,
            )
        assert [each.task_id for each in await client.children("t0")] == ["t1", "t2", "t3"]
        assert (await client.get("t3")).chain == ("t0", "t1", "t2")
        assert [each.task_id for each in await client.list(parent="t1")] == ["t2"]
        with pytest.raises(RejectedError, match="unknown_task"):
            await client.children("nothing")


async def test_pages_name_where_the_next_one_begins_and_small_ones_lose_nothing() -> None:
    async with a_room() as room:
        client = TasksClient(room.caller("ada"))
        await client.submit_many([{"capability": "python", "task_id": f"t{n}"} for n in range(7)])
        seen: list[str] = []
        after = 0
        while page := await client.list(after=after, limit=3, state="queued"):
            seen += [each.task_id for each in page]
            after = page[-1].sequence
        assert seen == [f"t{n}" for n in range(7)]
        states = await client.states(["t3", "nothing"])
        assert [(each.task_id, each.state) for each in states.tasks] == [("t3", "queued")]
        assert states.unknown == ("nothing",)


async def test_bids_are_called_for_and_the_best_is_awarded() -> None:
    async with a_room() as room:
        bidders = [await Worker(room.caller(name)).start("python") for name in ("ann", "bob", "cid")]
        await settle()
        room.clock.advance(BACKOFF_MS)
        await settle()
        client = TasksClient(room.caller("ada"))
        await client.submit("python", {"n": 1}, task_id="t", strategy="contract_net")
        await settle()
        record = await client.get("t")
        assert record.state == "announced"
        assert record.call is not None
        assert set(record.call.agents) == {"ann", "bob", "cid"}
        call = record.call.call
        await bidders[0].tasks.propose("t", call, cost=9, eta_ms=5)
        await bidders[1].tasks.propose("t", call, cost=3.5)
        with pytest.raises(RejectedError, match="already_bid"):
            await bidders[1].tasks.propose("t", call, cost=1)
        with pytest.raises(RejectedError, match="not_called"):
            await client.propose("t", call, cost=1)
        await bidders[2].tasks.decline("t", call, reason="no time")
        offer = await bidders[1].next_offer()
        assert offer.award == wire.Award(call=call, cost=3.5, eta_ms=0)
        assert [each.agent for each in (await client.get("t")).call.bids] == ["ann", "bob", "cid"]  # type: ignore[union-attr]
