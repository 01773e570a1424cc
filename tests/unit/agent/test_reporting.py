"""What an agent says of its tasks goes in few calls, in order, and every answer finds who waits for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, cast

import pytest

from conclave.agent.duty import Duty
from conclave.agent.reporting import MAX_CALL_BYTES, Report, Reports
from coordination.runtime.errors import RejectedError, UnavailableError, UsageError
from coordination.tasks.limits import MAX_BATCH
from coordination.tasks.wire import RefusedReply
from tests.support.waiting import settle, wait_until

Item = dict[str, Any]
Answer = RefusedReply | None


def standing(item: Item) -> Answer:
    del item
    return None


def refusal(code: str, *, retryable: bool = False) -> Callable[[Item], Answer]:
    return lambda item: RefusedReply(task_id=item["task_id"], code=code, message="no", retryable=retryable)


class Service:
    """Takes reports when the test lets it."""

    def __init__(self) -> None:
        self.calls: list[list[Item]] = []
        self.may_answer = asyncio.Event()
        self.answer: Callable[[Item], Answer] = standing
        self.errors: list[Exception] = []

    async def report_written(self, texts: Sequence[bytes]) -> tuple[Answer, ...]:
        items = [json.loads(text) for text in texts]
        self.calls.append(items)
        await self.may_answer.wait()
        if self.errors:
            raise self.errors.pop(0)
        return tuple(self.answer(item) for item in items)

    def said(self) -> list[list[str]]:
        return [[f"{item['do']} {item['task_id']}" for item in call] for call in self.calls]


class FakeDuty:
    """What `Reports` needs of an agent at work."""

    def __init__(self, service: Service) -> None:
        self.session = self
        self.tasks = service
        self.working: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self.working.add(asyncio.create_task(work))

    async def end(self) -> None:
        for task in self.working:
            task.cancel()
        await asyncio.gather(*self.working, return_exceptions=True)


@pytest.fixture
async def service() -> Service:
    return Service()


@pytest.fixture
async def duty(service: Service) -> AsyncIterator[FakeDuty]:
    duty = FakeDuty(service)
    yield duty
    await duty.end()


@pytest.fixture
async def reports(duty: FakeDuty) -> Reports:
    return Reports(cast("Duty", duty))


class Said:
    """A report that was put, and the answer to it."""

    def __init__(self, reports: Reports, do: str, task_id: str, until_s: float, said: Item) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.task_id = task_id
        item = {"do": do, "task_id": task_id, "fencing_token": 1, **said}
        self.report: Report = reports.put(task_id, item, self.hear, until_s=until_s)

    def hear(self, error: BaseException | None) -> None:
        if isinstance(error, asyncio.CancelledError):
            self.answer.cancel()
        elif error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(self.task_id)


def put(reports: Reports, do: str, task_id: str, *, until_s: float = 0.0, **said: Any) -> Said:
    return Said(reports, do, task_id, until_s, said)


async def answered(*given: Said) -> list[Any]:
    return await asyncio.gather(*(each.answer for each in given), return_exceptions=True)


async def test_what_is_said_while_a_call_is_under_way_goes_with_the_next_one(
    service: Service, reports: Reports
) -> None:
    first = put(reports, "accept", "a")
    await wait_until(lambda: service.calls)
    rest = [put(reports, "accept", name) for name in "bcd"]
    await settle()
    assert service.said() == [["accept a"]]
    service.may_answer.set()
    answers = await answered(first, *rest)
    assert answers == list("abcd")
    assert service.said() == [["accept a"], ["accept b", "accept c", "accept d"]]


async def test_things_said_of_one_task_keep_their_order_and_go_one_by_one(
    service: Service, reports: Reports
) -> None:
    service.may_answer.set()
    said = [put(reports, do, name) for do in ("accept", "progress", "complete") for name in ("a", "b")]
    await answered(*said)
    assert service.said() == [
        ["accept a", "accept b"],
        ["progress a", "progress b"],
        ["complete a", "complete b"],
    ]


async def test_a_call_has_at_most_so_many_items_and_bytes(service: Service, reports: Reports) -> None:
    service.may_answer.set()
    many = [put(reports, "accept", f"t{number}") for number in range(MAX_BATCH + 1)]
    await answered(*many)
    assert [len(call) for call in service.calls] == [MAX_BATCH, 1]
    service.calls.clear()
    large = [put(reports, "complete", name, result="x" * (MAX_CALL_BYTES // 2)) for name in "abc"]
    await answered(*large)
    assert service.said() == [["complete a"], ["complete b"], ["complete c"]]


async def test_a_refusal_goes_to_whoever_said_it_and_to_nobody_else(
    service: Service, reports: Reports
) -> None:
    service.may_answer.set()
    service.answer = lambda item: (refusal("stale_token") if item["task_id"] == "b" else standing)(item)
    first, second, third = await answered(*(put(reports, "accept", name) for name in "abc"))
    assert (first, second.code, third) == ("a", "stale_token", "c")
    assert isinstance(second, RejectedError)


@pytest.mark.parametrize("error", [UsageError("not JSON"), RejectedError("invalid_request", "no")])
async def test_what_cannot_be_said_at_all_does_not_keep_the_others_from_being_said(
    service: Service, reports: Reports, error: Exception
) -> None:
    service.may_answer.set()

    def answer(item: Item) -> Answer:
        if item["task_id"] == "c":
            raise error
        return standing(item)

    service.answer = answer
    answers = await answered(*(put(reports, "complete", name) for name in "abcd"))
    assert answers[2] is error
    assert [each for each in answers if each is not error] == ["a", "b", "d"]


async def test_while_the_service_is_away_it_is_said_again_until_its_time_is_over(
    service: Service, reports: Reports
) -> None:
    service.may_answer.set()
    service.errors = [UnavailableError("away"), UnavailableError("away")]
    now_s = asyncio.get_running_loop().time()
    once = put(reports, "refuse", "a")
    often = put(reports, "complete", "b", until_s=now_s + 60)
    given_up, answer = await answered(once, often)
    assert isinstance(given_up, UnavailableError)
    assert answer == "b"
    assert service.said() == [["refuse a", "complete b"], ["complete b"], ["complete b"]]


async def test_an_overloaded_service_is_asked_again_and_not_at_once(
    service: Service, reports: Reports
) -> None:
    service.may_answer.set()
    loop = asyncio.get_running_loop()
    service.answer = refusal("overloaded", retryable=True)
    report = put(reports, "complete", "a", until_s=loop.time() + 60)
    await wait_until(lambda: service.calls)
    await settle()
    assert len(service.calls) == 1
    service.answer = standing
    (answer,) = await answered(report)
    assert answer == "a"


async def test_a_report_that_nobody_waits_for_any_more_is_not_sent(
    service: Service, reports: Reports
) -> None:
    first = put(reports, "accept", "a")
    await wait_until(lambda: service.calls)
    taken_back, second = put(reports, "progress", "b"), put(reports, "complete", "b")
    taken_back.report.take_back()
    service.may_answer.set()
    await answered(first, second)
    assert service.said() == [["accept a"], ["complete b"]]


async def test_whoever_waits_is_let_go_when_the_agent_is_made_to_end(
    service: Service, reports: Reports, duty: FakeDuty
) -> None:
    sent = put(reports, "accept", "a")
    await wait_until(lambda: service.calls)
    waiting = put(reports, "accept", "b")
    await duty.end()
    assert sent.answer.cancelled()
    assert waiting.answer.cancelled()


async def test_an_error_that_nobody_expects_reaches_whoever_waits(service: Service, reports: Reports) -> None:
    service.may_answer.set()
    service.errors = [RuntimeError("odd")]
    answers = await answered(put(reports, "accept", "a"), put(reports, "accept", "b"))
    assert [str(each) for each in answers] == ["odd", "odd"]
    (again,) = await answered(put(reports, "accept", "c"))
    assert again == "c"
