"""Whoever hands out work, and waits for it: in memory and virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from conclave import (
    Agent,
    RejectedError,
    TaskContext,
    TaskFailed,
    TaskFailedError,
    TasksRefusedError,
    UnavailableError,
    UsageError,
    gather,
)
from conclave.testing import MemoryMesh
from conclave.work import TaskFields
from coordination.runtime.bundles import bodies_of
from coordination.tasks.wire import SubmitRequest
from tests.support.virtual import pass_time

RESULTS = "conclave.inbox.boss.result"


def worker(name: str = "worker", **how: Any) -> Agent:
    agent = Agent(name, **{"max_tasks": 8, **how})

    @agent.task("double")
    async def double(n: int, seconds: float = 0) -> dict[str, int]:
        await pass_time(seconds)
        return {"n": 2 * n}

    @agent.task("fail")
    def fail() -> None:
        raise TaskFailed("there is no such page", retryable=False)

    return agent


async def test_a_handle_has_the_result_as_the_handler_returned_it(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("double", {"n": 21})
        assert await handle.result() == {"n": 42}
        assert await handle.result(timeout_s=0) == {"n": 42}, "again, without waiting"
        assert await boss.result(handle.task_id) == {"n": 42}
        assert (await handle.wait()).state == "completed"
        assert handle.is_ended
        assert "completed" in repr(handle)


async def test_whoever_submitted_asks_nothing_while_pushes_arrive(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        handles = await boss.submit_many([{"requirement": "double", "payload": {"n": n}} for n in range(50)])
        pushes = memory_mesh.record
        await memory_mesh.until(
            lambda: sum(len(bodies_of(each.payload)) for each in pushes.on(RESULTS)) == len(handles)
        )
        assert await gather(*handles) == [{"n": 2 * n} for n in range(50)]
        assert len(pushes.on(RESULTS)) < len(handles), "several in one message"
    said = {each.subject.split(".")[3] for each in memory_mesh.record.on("conclave.call.tasks.*.boss")}
    assert said == {"submit_many"}


async def test_an_end_whose_push_got_lost_is_heard_all_the_same(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("double", {"n": 1, "seconds": 5})
        memory_mesh.disconnect("boss")
        await pass_time(10)
        memory_mesh.reconnect("boss")
        assert await handle.result(timeout_s=30) == {"n": 2}


async def test_a_task_that_ended_without_a_result_says_how_and_why(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("fail")
        with pytest.raises(TaskFailedError, match="is dead_lettered: there is no such page") as caught:
            await handle.result()
        error = caught.value
        assert (error.task_id, error.state, error.attempts) == (handle.task_id, "dead_lettered", 1)
        nobody = await boss.submit("nobody-can", deadline_s=5)
        with pytest.raises(TaskFailedError, match="is expired"):
            await nobody.result(timeout_s=60)
        with pytest.raises(RejectedError, match="unknown_task"):
            await boss.result("no-such-task", timeout_s=5)


async def test_waiting_ends_in_time_and_can_go_on(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("double", {"n": 1, "seconds": 10})
        with pytest.raises(UnavailableError, match=f"task {handle.task_id} has not ended within 2 s"):
            await handle.result(timeout_s=2)
        assert not handle.is_ended
        assert await handle.result() == {"n": 2}


async def test_submitting_twice_under_one_id_or_key_is_one_task(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        names: tuple[TaskFields, ...] = ({"task_id": "mine"}, {"idempotency_key": "order-7"})
        for how in names:
            first = await boss.submit("double", {"n": 3}, **how)
            assert await first.result() == {"n": 6}
            second = await boss.submit("double", {"n": 3}, **how)
            assert (first.task_id, first.is_duplicate) == (second.task_id, False)
            assert second.is_duplicate
            assert await second.result() == {"n": 6}


async def test_progress_goes_to_the_end_whatever_comes_between(memory_mesh: MemoryMesh) -> None:
    agent = Agent("worker")

    @agent.task("long")
    async def work(context: TaskContext) -> None:
        for step in (1, 2):
            await context.progress(step / 4, f"step {step}")
            await pass_time(5)

    async with memory_mesh.connect("boss") as boss:
        handle = await boss.submit("long")
        seen = []

        async def follow() -> None:
            seen.extend([step async for step in handle.progress()])

        following = asyncio.create_task(follow())
        await pass_time(1)
        async with memory_mesh.join(agent):
            await handle.result(timeout_s=60)
            await following
    assert (seen[0].state, seen[0].agent, seen[0].attempt) == ("queued", "", 0)
    assert [(step.share, step.note) for step in seen if step.share][:2] == [(0.25, "step 1"), (0.5, "step 2")]
    assert (seen[-1].state, seen[-1].agent, seen[-1].attempt) == ("completed", "worker", 1)


async def test_a_batch_with_refused_tasks_has_handles_for_the_others(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        await boss.submit("double", {"n": 1}, task_id="taken")
        with pytest.raises(
            TasksRefusedError, match=r"1 of 3 tasks were refused: task 1: task_id_taken"
        ) as caught:
            await boss.submit_many(
                [
                    {"requirement": "double", "payload": {"n": 1}},
                    {"requirement": "double", "payload": {"n": 2}, "task_id": "taken"},
                    SubmitRequest.model_validate({"capability": "double", "payload": {"n": 3}}),
                ]
            )
        first, refused, third = caught.value.handles
        assert (refused, list(caught.value.refusals)) == (None, [1])
        assert first is not None
        assert third is not None
        assert await gather(first, third) == [{"n": 2}, {"n": 6}]


async def test_gathering_raises_the_first_error_or_gives_all_of_them(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        good = await boss.submit("double", {"n": 1, "seconds": 100})
        bad = await boss.submit("fail")
        with pytest.raises(TaskFailedError):
            await gather(good, bad)
        assert not good.is_ended
        found = await gather(good, bad, return_exceptions=True)
    assert found[0] == {"n": 2}
    assert isinstance(found[1], TaskFailedError)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"deadline": 3}, "a task has no field 'deadline'; there are: after, approval"),
        ({"deadline_s": -1}, "deadline_s is -1; it is a number of seconds, not negative"),
        ({"deadline_s": "soon"}, "deadline_s is 'soon'; it is a number of seconds"),
        ({"deadline_s": 1, "deadline_ms": 5}, "give either deadline_s or deadline_ms"),
        ({"after": "other"}, "after is a list of task ids, handles or mappings, not a str"),
        ({"priority": 10}, "priority"),
        ({"compensation": {"requirement": "x"}}, "only tasks of a DAG are undone"),
    ],
)
async def test_what_cannot_be_right_is_refused_before_it_is_sent(
    memory_mesh: MemoryMesh, fields: dict[str, Any], problem: str
) -> None:
    async with memory_mesh.connect("boss") as boss:
        with pytest.raises(UsageError, match=problem):
            await boss.submit("double", {"n": 1}, **fields)
        with pytest.raises(UsageError, match=r"tasks\.1"):
            await boss.submit_many([{"requirement": "double"}, {"requirement": "double", "odd": 1}])
    assert not memory_mesh.record.on("conclave.call.tasks.submit*.boss")


async def test_times_may_be_given_in_seconds(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.connect("boss") as boss:
        now_ms = memory_mesh.clock.now_ms()
        handle = await boss.submit(
            "double", run_in_s=10, start_by_s=20.5, deadline_s=30, attempt_timeout_s=2, lease_s=1.5
        )
        record = await handle.record()
        assert record.run_at_ms is not None
        begun_ms = record.run_at_ms - 10_000
        assert 0 <= begun_ms - now_ms < 1000
        assert (record.start_by_ms, record.deadline_ms) == (begun_ms + 20_500, begun_ms + 30_000)
        assert (record.timeout_ms, record.lease_ms, record.state) == (2000, 1500, "scheduled")


async def test_a_task_waits_for_the_tasks_whose_handles_it_is_given(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        first = await boss.submit("double", {"n": 1, "seconds": 5})
        second = await boss.submit("double", {"n": 2}, after=[first])
        assert (await second.record()).state == "blocked"
        assert await second.result() == {"n": 4}
        assert first.is_ended


async def test_a_large_payload_and_a_large_result_travel_through_the_object_store(
    memory_mesh: MemoryMesh,
) -> None:
    agent = Agent("worker")

    @agent.task("echo")
    async def echo(text: str) -> dict[str, str]:
        return {"text": text}

    text = "x" * 300_000
    async with memory_mesh.join(agent), memory_mesh.connect("boss") as boss:
        handle = await boss.submit("echo", {"text": text})
        assert await handle.result() == {"text": text}
        record = await handle.record()
        assert (record.payload, record.result) == ({}, None)
        assert record.payload_reference is not None
        assert record.result_reference is not None
        assert record.payload_reference.size_bytes == record.result_reference.size_bytes == 300_011
        (again,) = await boss.submit_many([{"requirement": "echo", "payload": {"text": text}}])
        assert await again.result() == {"text": text}
        with pytest.raises(
            UsageError, match=r"the payload has 17000011 bytes.*at most 16777216. Split the task"
        ):
            await boss.submit("echo", {"text": "x" * 17_000_000})


async def test_a_dag_is_done_in_order_and_has_results_by_name(memory_mesh: MemoryMesh) -> None:
    async with memory_mesh.join(worker()), memory_mesh.connect("boss") as boss:
        dag = await boss.submit_dag(
            {
                "last": {"requirement": "double", "payload": {"n": 3}, "after": ["first", "second"]},
                "first": {"requirement": "double", "payload": {"n": 1, "seconds": 3}},
                "second": {"requirement": "double", "payload": {"n": 2}, "after": ["first"]},
            }
        )
        assert list(dag) == ["first", "second", "last"]
        assert await dag["last"].result() == {"n": 6}
        assert await dag.results(timeout_s=30) == {"first": {"n": 2}, "second": {"n": 4}, "last": {"n": 6}}
        assert (await boss.dag(dag.dag_id).wait()).state == "completed"
        with pytest.raises(RejectedError, match=r"invalid_dag.*a -> b -> a|b -> a -> b"):
            await boss.submit_dag(
                {
                    "a": {"requirement": "double", "after": ["b"]},
                    "b": {"requirement": "double", "after": ["a"]},
                }
            )
