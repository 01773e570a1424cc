"""Results that come several at a time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from conclave import Session
from coordination.runtime.errors import UnavailableError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.tasks import waiting as waiting_module
from coordination.tasks.client import TasksClient
from tests.support.waiting import wait_until


class Submitter:
    """A client of the task service, and the service's pushes to it."""

    def __init__(self) -> None:
        exchange = MemoryExchange()
        self._service = MemoryBus(exchange, agent="tasks")
        self.tasks: TasksClient = Session(MemoryBus(exchange, agent="boss"), agent="boss").tasks

    async def push(self, body: bytes) -> None:
        await self._service.publish("conclave.inbox.boss.result", body)


def result(task_id: str, **fields: Any) -> dict[str, Any]:
    return {"task_id": task_id, "state": "completed", "result": {"of": task_id}, **fields}


async def test_each_of_several_results_in_one_message_reaches_whoever_waits_for_it() -> None:
    submitter = Submitter()
    await submitter.tasks.listen()
    names = [f"t{n}" for n in range(5)]
    handles = [submitter.tasks.expected(name) for name in names]
    waiting = [asyncio.ensure_future(submitter.tasks.result(name, timeout_s=10)) for name in names]
    await asyncio.sleep(0)
    await submitter.push(json.dumps([result(name) for name in names]).encode())
    assert [(await each).result for each in waiting] == [{"of": name} for name in names]
    assert [each.result is not None for each in handles] == [True] * 5


@pytest.mark.parametrize("bad", ["{}", "7", '"t1"', "null", '{"task_id":"t1","state":"no state"}', "[]"])
async def test_what_is_no_result_does_not_lose_those_that_came_with_it(bad: str) -> None:
    submitter = Submitter()
    await submitter.tasks.listen()
    first, last = (json.dumps(result(name)) for name in ("first", "last"))
    await submitter.push(f"[{first},{bad},{last}]".encode())
    for name in ("first", "last"):
        assert (await submitter.tasks.result(name, timeout_s=10)).result == {"of": name}


@pytest.mark.parametrize("bad", [b"", b"[", b"{}", b"[]", b"[[]]", b"\xff", b"[{}", b"null", b"[" * 1000])
async def test_a_push_that_holds_no_result_ends_nothing(bad: bytes) -> None:
    submitter = Submitter()
    await submitter.tasks.listen()
    await submitter.push(bad)
    await submitter.push(json.dumps(result("good")).encode())
    assert (await submitter.tasks.result("good", timeout_s=10)).state == "completed"


async def test_what_came_before_anybody_waited_is_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_module, "MAX_KEPT_BYTES", 6_000)
    submitter = Submitter()
    await submitter.tasks.listen()
    large = result("large", result={"text": "x" * 4_000})
    small = [result(f"small{n}") for n in range(5)]
    await submitter.push(json.dumps([large, *small]).encode())
    kept = submitter.tasks._waiting._kept
    await wait_until(lambda: len(kept) == 6)
    await submitter.push(json.dumps([result("last", result={"text": "x" * 2_000})]).encode())
    await wait_until(lambda: "last" in kept)
    assert list(kept) == [*(f"small{n}" for n in range(5)), "last"], "the large one is the oldest, and goes"


async def test_a_result_that_somebody_holds_is_there_at_once() -> None:
    submitter = Submitter()
    await submitter.tasks.listen()
    held = submitter.tasks.expected("t1")
    await submitter.push(json.dumps(result("t1")).encode())
    await wait_until(lambda: held.result is not None)
    assert await submitter.tasks.result("t1", timeout_s=0) is held.result


async def test_a_task_whose_end_was_not_heard_in_time_is_not_trusted_to_be_announced() -> None:
    submitter = Submitter()
    await submitter.tasks.listen()
    held = submitter.tasks.expected("t1")
    held.is_announced = True
    with pytest.raises(UnavailableError):
        await submitter.tasks.result("t1", timeout_s=0.001)
    assert not held.is_announced
    held.is_announced = True
    assert not await submitter.tasks._waiting.crowd([held], timeout_s=0.001, is_patient=True)
    assert not held.is_announced


async def test_what_is_held_when_the_connection_was_lost_is_asked_for_soon() -> None:
    submitter = Submitter()
    await submitter.tasks.listen()
    held = submitter.tasks.expected("t1")
    held.is_announced = True
    submitter.tasks._waiting._ask_now()
    assert not held.is_announced
