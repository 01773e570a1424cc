"""Offers in, reports out: what an agent does with several at once, and with answers that come late."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from conclave import Agent, TaskContext
from conclave.agent.duty import Duty
from conclave.agent.tasks import Tasks
from conclave.agent.threads import Threads
from conclave.session import Session
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import PeerProtocolError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.tasks.wire import RefusedReply
from tests.support.waiting import settle, wait_until

Item = dict[str, Any]
MAX_TASKS = 4


def offer(task_id: str, fencing_token: int = 1, **fields: Any) -> Item:
    return {
        "task_id": task_id,
        "fencing_token": fencing_token,
        "capability": "echo",
        "payload": {"said": task_id},
        "submitter": "boss",
        "priority": 0,
        "attempt": 1,
        "max_attempts": 3,
        "lease_ms": 30_000,
        "offer_expires_ms": 2**50,
        **fields,
    }


class Service:
    """An agent at work, and the task service as it sees it: answers reports when the test lets it."""

    def __init__(self, *, is_eager: bool = True) -> None:
        self._exchange = MemoryExchange()
        self.session = Session(MemoryBus(self._exchange, agent="worker"), agent="worker")
        self.session.tasks.report_written = self._take_down  # type: ignore[method-assign]
        self.calls: list[list[Item]] = []
        self.may_answer = asyncio.Event()
        self.answers: dict[str, RefusedReply | Exception] = {}
        """To what is said, by ``do``; everything else is taken down."""
        self.begun: list[asyncio.Task[Any] | None] = []
        self.duty = Duty(
            self.session,
            max_tasks=MAX_TASKS,
            run_task=Threads(MAX_TASKS, name="task").run,
            run_sync=Threads(1, name="sync").run,
        )
        agent = Agent("worker")

        @agent.task("echo", eager=is_eager)
        async def echo(said: str, context: TaskContext) -> str:
            self.begun.append(asyncio.current_task())
            context.cancelled.raise_if_set()
            return said

        self._tasks = next(part for part in agent._parts.values() if isinstance(part, Tasks))

    async def start(self) -> None:
        await self._tasks.begin(self.duty)

    async def _take_down(self, items: Sequence[bytes]) -> tuple[RefusedReply | None, ...]:
        said = [json.loads(item) for item in items]
        self.calls.append(said)
        await self.may_answer.wait()
        answers = [self.answers.get(item["do"]) for item in said]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return tuple(each if isinstance(each, RefusedReply) else None for each in answers)

    def push(self, body: Any, kind: str = "task") -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        subject = self.session.subjects.inbox("worker", kind)
        self._exchange.route("tasks", Delivery(subject=subject, payload=payload))

    def said(self) -> list[str]:
        return [f"{item['do']} {item['task_id']}" for call in self.calls for item in call]


def refused(code: str) -> RefusedReply:
    return RefusedReply(task_id="a", code=code, message="no")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    await service.start()
    yield service
    service.may_answer.set()
    await service.duty.finish(1)


async def test_offers_that_come_in_one_message_are_all_worked_on_and_reported_together(
    service: Service,
) -> None:
    service.push([offer(name) for name in "abc"])
    await wait_until(lambda: service.calls)
    (call,) = service.calls
    assert [(item["do"], item["task_id"], item["result"]) for item in call] == [
        ("complete", name, {"result": name}) for name in "abc"
    ]


async def test_offers_that_come_one_by_one_in_one_turn_are_reported_together(service: Service) -> None:
    for name in "abc":
        service.push(offer(name))
    await wait_until(lambda: service.calls)
    assert [len(call) for call in service.calls] == [3]


async def test_what_is_cancelled_before_it_begins_keeps_no_agent_from_leaving(service: Service) -> None:
    never = service.may_answer.wait()
    service.duty.spawn(never).cancel()  # type: ignore[arg-type]
    await service.duty.finish(60)
    never.close()


async def test_offers_in_one_message_are_accepted_together_where_that_is_asked_first() -> None:
    service = Service(is_eager=False)
    await service.start()
    service.push([offer(name) for name in "ab"])
    await wait_until(lambda: service.calls)
    assert service.begun == []
    service.may_answer.set()
    await wait_until(lambda: len(service.said()) == 4)
    assert service.said() == ["accept a", "accept b", "complete a", "complete b"]
    await service.duty.finish(1)


@pytest.mark.parametrize("bad", [{}, None, 7, "text", [], [{}], {**offer("x"), "task_id": "Not an id"}])
async def test_what_is_no_offer_costs_the_others_in_its_message_nothing(service: Service, bad: Any) -> None:
    service.push([offer("a"), bad, offer("b")])
    await wait_until(lambda: service.calls)
    assert service.said() == ["complete a", "complete b"]


@pytest.mark.parametrize(
    "payload", [b"[", b"[]", b"", b"[1,", b"nonsense", b"7", b'{"task_id":"a"}', b"[\xff]"]
)
async def test_a_message_that_is_nothing_is_passed_over(service: Service, payload: bytes) -> None:
    service.push(payload)
    service.push([offer("a")])
    await wait_until(lambda: service.calls)
    assert service.said() == ["complete a"]


async def test_an_offer_that_is_twice_in_a_message_is_worked_on_once(service: Service) -> None:
    service.push([offer("a"), offer("b"), offer("a")])
    await wait_until(lambda: service.calls)
    assert service.said() == ["complete a", "complete b"]
    assert len(service.begun) == 2


async def test_more_offers_in_a_message_than_there_are_places_are_passed_on(service: Service) -> None:
    names = "abcdef"
    service.push([offer(name) for name in names])
    service.may_answer.set()
    await wait_until(lambda: len(service.said()) == len(names))
    assert sorted(service.said()) == sorted(
        [f"complete {name}" for name in names[:MAX_TASKS]] + [f"refuse {name}" for name in names[MAX_TASKS:]]
    )


async def test_a_handlers_task_ends_and_its_place_is_free_before_its_report_is_answered(
    service: Service,
) -> None:
    service.push(offer("a"))
    await wait_until(lambda: service.calls)
    await settle()
    (task,) = service.begun
    assert task is not None
    assert task.done()
    assert service.duty.tasks_held == 0
    service.push(offer("a"))  # the service has not heard of its end, and says it again
    service.push({"task_id": "a", "fencing_token": 1, "state": "canceled"}, kind="cancel")
    await settle()
    assert service.said() == ["complete a"]
    service.may_answer.set()
    await settle()
    service.push(offer("a"))
    await settle()
    assert service.said() == ["complete a"]


async def test_an_agent_that_leaves_waits_for_the_answers_to_its_last_reports(service: Service) -> None:
    service.push([offer("a"), offer("b")])
    await wait_until(lambda: service.calls)
    leaving = asyncio.create_task(service.duty.finish(60))
    await settle()
    assert not leaving.done()
    service.answers["complete"] = refused("too_large")
    service.may_answer.set()
    await leaving
    assert service.said() == ["complete a", "complete b", "fail a", "fail b"]
    assert service.duty.handed_back == []


@pytest.mark.parametrize(
    ("answer", "then", "about"),
    [
        (refused("too_deep"), ["fail a"], '"reason": "the result was refused: no", "retryable": false'),
        (refused("being_canceled"), ["confirm a"], '"confirm"'),
        (refused("stale_token"), [], ""),
        (PeerProtocolError("garbled"), ["fail a"], "PeerProtocolError (see the agent's log, "),
    ],
)
async def test_a_refusal_that_comes_after_the_handlers_task_has_ended_is_seen_to(
    service: Service, answer: RefusedReply | Exception, then: list[str], about: str
) -> None:
    service.answers["complete"] = answer
    service.push(offer("a"))
    await wait_until(lambda: service.calls)
    await settle()
    assert service.begun[0] is not None
    assert service.begun[0].done()
    service.may_answer.set()
    await wait_until(lambda: service.said() == ["complete a", *then])
    await settle()
    assert service.said() == ["complete a", *then]
    assert about in json.dumps(service.calls[-1])
    service.push(offer("a"))
    await settle()
    assert len(service.begun) == 1, "it is over, whatever came of it"


async def test_an_offer_whose_acceptance_is_refused_is_dropped_and_its_place_is_free() -> None:
    service = Service(is_eager=False)
    await service.start()
    service.may_answer.set()
    service.answers["accept"] = refused("stale_token")
    service.push([offer(name) for name in "abcd"])
    await wait_until(lambda: len(service.said()) == 4)
    await settle()
    assert (service.begun, service.duty.tasks_held) == ([], 0)
    await service.duty.finish(1)


async def test_what_is_taken_away_in_the_turn_in_which_its_payload_arrives_never_begins(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived: asyncio.Future[Item] = asyncio.get_running_loop().create_future()
    monkeypatch.setattr("conclave.agent.job.fetched", lambda *_: arrived)
    service.may_answer.set()
    service.push(offer("a", payload={}, payload_reference={"sha256": "0" * 64, "size_bytes": 200_000}))
    await wait_until(lambda: service.duty.tasks_held == 1)
    await settle()
    service.push({"task_id": "a", "fencing_token": 1, "state": "canceling"}, kind="cancel")
    arrived.set_result({"said": "a"})
    await wait_until(lambda: service.duty.tasks_held == 0)
    await settle()
    assert service.begun == []
    assert service.said() == ["confirm a"]
