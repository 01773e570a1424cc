"""A command that needs something from elsewhere first is decided only when it has it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest
from pydantic import TypeAdapter

from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Call, Command, ServiceDefinition
from coordination.runtime.wire import Body
from tests.support.toy import Add, Ledger
from tests.support.waiting import settle, wait_until

_TOTAL = TypeAdapter(int)


class AddRequest(Body):
    label: str


class Total(Body):
    total: int


class Stage:
    """A ledger whose command ``add`` waits for a permit, unless its label is ``free``."""

    def __init__(self, stream: MemoryStream | None = None) -> None:
        self.exchange = MemoryExchange()
        self.permit = asyncio.Event()
        self.error: Exception | None = None
        self.prepared: list[str] = []
        shell = Shell.of(MemoryBus(self.exchange, agent="ledger"), service="ledger", subjects=Subjects())
        definition = ServiceDefinition(
            name="ledger",
            version="0.1.0",
            description="A ledger.",
            model=Ledger,
            endpoints=(
                Command(
                    verb="add",
                    description="Add.",
                    request=AddRequest,
                    reply=Total,
                    prepare=self._prepare,
                    build=lambda _, request: Add(label=request.label),
                    max_in_flight=3,
                ),
            ),
        )
        self.runner = Runner(
            definition, shell=shell, journals=[Journal(MemoryStore(stream or MemoryStream()))]
        )
        self.caller = Caller(MemoryBus(self.exchange, agent="ada"), agent="ada", patience_s=0)

    def _prepare(
        self, host: Host[Ledger], call: Call, request: AddRequest
    ) -> Coroutine[Any, Any, None] | None:
        return None if request.label == "free" else self._wait(host, f"{call.caller}/{request.label}")

    async def _wait(self, host: Host[Ledger], what: str) -> None:
        total = await host.query(lambda model, _: model.state.total, reply_type=_TOTAL)
        self.prepared.append(f"{what} at {total}")
        await self.permit.wait()
        if self.error is not None:
            raise self.error

    def ask(self, label: str, *, command_id: str | None = None) -> asyncio.Task[Total]:
        request = AddRequest(label=label)
        return asyncio.ensure_future(
            self.caller.command("ledger", "add", request, Total, command_id=command_id)
        )


@contextlib.asynccontextmanager
async def a_stage(stream: MemoryStream | None = None) -> AsyncIterator[Stage]:
    stage = Stage(stream)
    async with asyncio.TaskGroup() as group:
        group.create_task(stage.runner.run())
        async with asyncio.timeout(5):
            await stage.runner.ready.wait()
        try:
            yield stage
        finally:
            stage.permit.set()
            stage.runner.stop()


async def test_a_command_is_decided_after_its_preparation_and_holds_up_no_other() -> None:
    async with a_stage() as stage:
        waiting = stage.ask("a")
        await wait_until(lambda: stage.prepared)
        assert (await stage.ask("free")).total == 1
        assert not waiting.done()
        stage.permit.set()
        assert (await waiting).total == 2
    assert stage.prepared == ["ada/a at 0"]


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (RejectedError("not_approved", "no"), ("not_approved", False)),
        (UnavailableError("the other one is away"), ("unavailable", True)),
        (ZeroDivisionError("secret"), ("internal", False)),
    ],
)
async def test_what_the_preparation_raises_is_the_answer_and_nothing_is_decided(
    error: Exception, answer: tuple[str, bool]
) -> None:
    async with a_stage() as stage:
        stage.error = error
        stage.permit.set()
        with pytest.raises(RejectedError) as refused:
            await stage.ask("a")
        assert (refused.value.code, refused.value.retryable) == answer
        assert "secret" not in refused.value.message
        assert (await stage.ask("free")).total == 1


async def test_a_retry_is_prepared_anew_and_gets_the_first_answer() -> None:
    async with a_stage() as stage:
        stage.permit.set()
        first = await stage.ask("a", command_id="once")
        assert await stage.ask("a", command_id="once") == first
        assert (await stage.ask("free")).total == 2
    assert stage.prepared == ["ada/a at 0", "ada/a at 1"]


async def test_commands_that_are_being_prepared_count_as_in_flight() -> None:
    async with a_stage() as stage:
        waiting = [stage.ask(each) for each in "abc"]
        await wait_until(lambda: len(stage.prepared) == 3)
        with pytest.raises(RejectedError, match="too many requests at once"):
            await stage.ask("free")
        stage.permit.set()
        assert sorted([(await each).total for each in waiting]) == [1, 2, 3]


async def test_a_service_that_stops_finishes_what_is_being_prepared() -> None:
    async with a_stage() as stage:
        waiting = stage.ask("a")
        await wait_until(lambda: stage.prepared)
        stage.runner.stop()
        await settle()
        stage.permit.set()
        assert (await waiting).total == 1
