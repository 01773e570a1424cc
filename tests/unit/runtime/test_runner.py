"""A service starts, fails and stops as one, in order and in bounded time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import TypeAdapter

from coordination.runtime import runner as runner_module
from coordination.runtime import server as server_module
from coordination.runtime.client import Caller
from coordination.runtime.errors import ClosedError, RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Action, Call, Command, Query, ServiceDefinition
from coordination.runtime.store import JournalStore
from coordination.runtime.wire import (
    HEADER_AGE,
    HEADER_COMMAND_ID,
    HEADER_ERROR_CODE,
    HEADER_TIMEOUT,
    Body,
)
from tests.support.stores import HeldStore, usurp
from tests.support.toy import Add, Ledger, stored_events
from tests.support.waiting import settle, wait_until

_NUMBER: TypeAdapter[int] = TypeAdapter(int)


class AddRequest(Body):
    label: str
    amount: int = 1


class Total(Body):
    total: int


class Stage:
    """A ledger service in memory, with a slow action, and a client that does not retry."""

    def __init__(
        self,
        store: JournalStore | None = None,
        companion: Any = None,
        *,
        background: Any = None,
        slow_at_once: int = 2048,
    ) -> None:
        self.exchange = MemoryExchange()
        self.bus = MemoryBus(self.exchange, agent="ledger")
        self.go = asyncio.Event()
        self.started = 0
        shell = Shell.of(self.bus, service="ledger", subjects=Subjects())
        definition = self.define(companion, background, slow_at_once)
        self.runner = Runner(
            definition, shell=shell, journals=[Journal(store or MemoryStore(MemoryStream()))]
        )
        self.serving: asyncio.Task[None] = asyncio.ensure_future(self.runner.run())
        client_bus = MemoryBus(self.exchange, agent="ada")
        self.caller = Caller(client_bus, agent="ada", patience_s=0)

    def define(self, companion: Any, background: Any, slow_at_once: int) -> ServiceDefinition:
        async def slowly(_: Call, request: AddRequest) -> Total:
            self.started += 1
            await self.go.wait()
            return Total(total=request.amount)

        return ServiceDefinition(
            name="ledger",
            version="0.1.0",
            description="A ledger.",
            model=Ledger,
            companions=(companion,) if companion is not None else (),
            background=(background,) if background is not None else (),
            endpoints=(
                Command(
                    verb="add",
                    description="Add.",
                    request=AddRequest,
                    reply=Total,
                    build=lambda _, request: Add(label=request.label, amount=request.amount),
                ),
                Query(
                    verb="total",
                    description="The total.",
                    request=AddRequest,
                    reply=Total,
                    answer=lambda model, *_: model.state,
                ),
                Action(
                    verb="wait",
                    description="Slow.",
                    request=AddRequest,
                    reply=Total,
                    act=slowly,
                    max_in_flight=slow_at_once,
                    changes=True,
                ),
            ),
        )

    async def ready(self) -> Stage:
        await asyncio.wait_for(self.runner.ready.wait(), 5)
        return self

    def ask(self, verb: str, label: str = "a") -> asyncio.Task[Total]:
        request = AddRequest(label=label)
        return asyncio.ensure_future(self.caller.command("ledger", verb, request, Total))


async def test_a_service_answers_until_it_is_stopped() -> None:
    stage = await Stage().ready()
    assert (await stage.ask("add", "a")).total == 1
    assert (await stage.ask("add", "b")).total == 2
    assert (await stage.caller.query("ledger", "total", AddRequest(label="x"), Total)).total == 2
    stage.runner.stop()
    await stage.serving
    with pytest.raises(UnavailableError, match="nobody serves"):
        await stage.ask("add", "c")


async def test_slow_requests_do_not_hold_up_others() -> None:
    stage = await Stage().ready()
    slow = [stage.ask("wait") for _ in range(20)]
    await wait_until(lambda: stage.started == 20)
    assert (await stage.ask("add")).total == 1
    stage.go.set()
    assert [(await each).total for each in slow] == [1] * 20
    stage.runner.stop()
    await stage.serving


async def test_stopping_finishes_what_was_taken_and_takes_no_more() -> None:
    journal = HeldStore(MemoryStream())
    stage = await Stage(journal).ready()
    journal.hold()
    taken = [stage.ask("wait"), stage.ask("add", "a")]
    await wait_until(lambda: stage.started == 1 and journal.waiting == 1)
    stage.runner.stop()
    await settle()
    with pytest.raises(UnavailableError, match="nobody serves"):
        await stage.ask("add", "late")
    assert not stage.serving.done()
    stage.go.set()
    journal.release()
    assert [(await each).total for each in taken] == [1, 1]
    await stage.serving


async def test_what_is_not_finished_in_time_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "DRAIN_TIMEOUT_S", 0.05)
    stage = await Stage().ready()
    endless = stage.ask("wait")
    await wait_until(lambda: stage.started == 1)
    stage.runner.stop()
    await asyncio.wait_for(stage.serving, 5)
    endless.cancel()


async def test_a_service_stops_although_its_journal_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "DRAIN_TIMEOUT_S", 0.05)
    monkeypatch.setattr(runner_module, "DRAIN_TIMEOUT_S", 0.05)
    journal = HeldStore(MemoryStream())
    stage = await Stage(journal).ready()
    journal.hold()
    stuck = stage.ask("add")
    await wait_until(lambda: journal.waiting == 1)
    stage.runner.stop()
    await asyncio.wait_for(stage.serving, 5)
    stuck.cancel()


async def test_a_service_stops_although_it_never_got_ready() -> None:
    journal = HeldStore(MemoryStream())
    journal.hold()
    stage = Stage(journal)
    await wait_until(lambda: journal.waiting == 1)
    stage.runner.stop()
    await asyncio.wait_for(stage.serving, 5)
    assert not stage.runner.ready.is_set()


async def test_a_service_whose_host_steps_down_leaves_the_queue_group() -> None:
    stream = MemoryStream()
    stage = await Stage(MemoryStore(stream)).ready()
    usurp(stream)
    with pytest.raises(RejectedError) as refused:
        await stage.ask("add")
    assert (refused.value.code, refused.value.retryable) == ("unavailable", True)
    assert refused.value.message == "ledger.0: another process leads now"
    await settle()
    with pytest.raises(UnavailableError, match="nobody serves"):
        await stage.ask("total")
    assert not stage.serving.done(), "it stands by"
    stage.runner.stop()
    await stage.serving


async def test_a_failing_companion_ends_the_service_but_no_durable_command_is_lost() -> None:
    fail = asyncio.Event()

    async def companion(_: Host[Any]) -> None:
        await fail.wait()
        raise ClosedError("no more")

    store = MemoryStream()
    stage = await Stage(MemoryStore(store), companion).ready()
    assert (await stage.ask("add", "a")).total == 1
    fail.set()
    with pytest.raises(ExceptionGroup) as ended:
        await stage.serving
    assert ended.group_contains(ClosedError)
    assert [event["label"] for event in stored_events(store.payloads)] == ["a"]
    with pytest.raises(UnavailableError, match="nobody serves"):
        await stage.ask("add", "b")


async def test_companions_end_after_the_requests_and_before_the_host() -> None:
    order: list[str] = []

    async def companion(host: Host[Any]) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            order.append(f"companion ends, taken requests done: {slow.done()}")
            await host.query(lambda model, _: model.state.total, reply_type=_NUMBER)
            order.append("the host still answers it")

    stage = await Stage(companion=companion).ready()
    slow = stage.ask("wait")
    await wait_until(lambda: stage.started == 1)
    stage.runner.stop()
    await settle()
    assert order == []
    stage.go.set()
    await stage.serving
    assert order == ["companion ends, taken requests done: True", "the host still answers it"]


async def test_background_work_goes_on_whether_its_host_leads_or_not() -> None:
    seen: list[str] = []

    async def background(hosts: tuple[Host[Any], ...]) -> None:
        (host,) = hosts
        for change in (host.leading, host.following, host.leading):
            await change.wait()
            seen.append("leading" if change is host.leading else "following")
            await asyncio.sleep(0)
        await asyncio.Event().wait()

    stream = MemoryStream()
    stage = await Stage(MemoryStore(stream), background=background).ready()
    await wait_until(lambda: seen == ["leading"])
    usurp(stream)
    with pytest.raises(RejectedError):
        await stage.ask("add")
    await wait_until(lambda: seen == ["leading", "following", "leading"])
    stage.runner.stop()
    await stage.serving


async def test_background_work_begins_before_the_hosts_and_ends_after_the_companions() -> None:
    order: list[str] = []

    async def background(hosts: tuple[Host[Any], ...]) -> None:
        order.append(f"background begins, its host has settled: {hosts[0].settled.is_set()}")
        try:
            await asyncio.Event().wait()
        finally:
            order.append(f"background ends, its host leads: {hosts[0].leading.is_set()}")

    async def companion(_: Host[Any]) -> None:
        order.append("companion begins")
        try:
            await asyncio.Event().wait()
        finally:
            order.append("companion ends")

    stage = await Stage(companion=companion, background=background).ready()
    stage.runner.stop()
    await stage.serving
    assert order == [
        "background begins, its host has settled: False",
        "companion begins",
        "companion ends",
        "background ends, its host leads: True",
    ]


async def test_failing_background_work_ends_the_service() -> None:
    fail = asyncio.Event()

    async def background(_: tuple[Host[Any], ...]) -> None:
        await fail.wait()
        raise ClosedError("no more")

    stage = await Stage(background=background).ready()
    fail.set()
    with pytest.raises(ExceptionGroup) as ended:
        await stage.serving
    assert ended.group_contains(ClosedError)
    with pytest.raises(UnavailableError, match="nobody serves"):
        await stage.ask("add")


async def test_a_cancelled_service_finishes_what_was_taken() -> None:
    stage = await Stage().ready()
    slow = stage.ask("wait")
    await wait_until(lambda: stage.started == 1)
    stage.serving.cancel()
    await settle()
    stage.go.set()
    assert (await slow).total == 1
    with pytest.raises(asyncio.CancelledError):
        await stage.serving


async def test_too_many_requests_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_IN_FLIGHT_REQUESTS", 3)
    stage = await Stage().ready()
    slow = [stage.ask("wait") for _ in range(3)]
    await wait_until(lambda: stage.started == 3)
    with pytest.raises(RejectedError) as refused:
        await stage.ask("add")
    assert (refused.value.code, refused.value.retryable) == ("overloaded", True)
    stage.go.set()
    await asyncio.gather(*slow)
    stage.runner.stop()
    await stage.serving


async def test_an_answer_that_is_too_large_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_REPLY_BYTES", 5)
    stage = await Stage().ready()
    with pytest.raises(RejectedError, match=r"reply_too_large: .*ask for less"):
        await stage.ask("add")
    stage.runner.stop()
    await stage.serving


async def test_a_request_that_waited_too_long_is_not_done_any_more() -> None:
    stream = MemoryStream()
    journal = HeldStore(stream)
    stage = await Stage(journal).ready()
    journal.hold()
    first = stage.ask("add", "first")
    await wait_until(lambda: journal.waiting == 1)
    headers = {HEADER_TIMEOUT: "1", HEADER_COMMAND_ID: "late"}
    subject = Subjects().call("ledger", "add", "ada")
    late = asyncio.ensure_future(
        stage.caller.bus.request(subject, b'{"label":"late"}', timeout_s=5, headers=headers)
    )
    in_time = stage.ask("add", "in-time")
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + 0.002
    await wait_until(lambda: loop.time() > deadline_s)
    journal.release()
    assert (await late).headers[HEADER_ERROR_CODE] == "deadline_exceeded"
    assert ((await first).total, (await in_time).total) == (1, 2)
    stage.runner.stop()
    await stage.serving
    assert [event["label"] for event in stored_events(stream.payloads)] == ["first", "in-time"]


@pytest.mark.parametrize("header", [HEADER_TIMEOUT, HEADER_AGE])
@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "9" * 30, "\N{FULLWIDTH DIGIT ONE}"])
async def test_a_header_that_is_no_number_of_milliseconds_is_named(header: str, text: str) -> None:
    stage = await Stage().ready()
    subject = Subjects().call("ledger", "add", "ada")
    headers = {header: text, HEADER_COMMAND_ID: "c1"}
    answer = await stage.caller.bus.request(subject, b'{"label":"a"}', timeout_s=5, headers=headers)
    assert answer.headers[HEADER_ERROR_CODE] == "invalid_request"
    assert header in answer.payload.decode()
    stage.runner.stop()
    await stage.serving


async def test_each_endpoint_has_a_bound_of_its_own() -> None:
    stage = await Stage(slow_at_once=2).ready()
    slow = [stage.ask("wait") for _ in range(2)]
    await wait_until(lambda: stage.started == 2)
    with pytest.raises(RejectedError, match="overloaded"):
        await stage.ask("wait")
    assert (await stage.ask("add")).total == 1, "other endpoints are not concerned"
    stage.go.set()
    await asyncio.gather(*slow)
    assert (await stage.ask("wait")).total == 1
    stage.runner.stop()
    await stage.serving


async def test_a_retry_of_an_action_that_is_still_working_is_told_to_ask_again() -> None:
    stage = await Stage().ready()

    def attempt() -> asyncio.Task[Total]:
        request = AddRequest(label="a", amount=7)
        return asyncio.ensure_future(
            stage.caller.command("ledger", "wait", request, Total, command_id="once")
        )

    first = attempt()
    await wait_until(lambda: stage.started == 1)
    with pytest.raises(RejectedError) as refused:
        await attempt()
    assert (refused.value.code, refused.value.retryable) == ("in_progress", True)
    stage.go.set()
    assert (await first).total == 7
    assert (await attempt()).total == 7
    assert stage.started == 1, "it was done once"
    stage.runner.stop()
    await stage.serving
