"""A running service knows from their requests who takes several pushes in one message."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.model import Outcome, Push, Rejected
from coordination.runtime.names import Subjects, inbox_prefix
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Command, ServiceDefinition
from coordination.runtime.wire import HEADER_TAKES, Body
from tests.support.clock import ManualClock
from tests.support.stores import usurp, vacate
from tests.support.toy import Add, Ledger
from tests.support.waiting import wait_until

WAIT_S = 5.0
SUBJECTS = Subjects()


class TellRequest(Body):
    agent: str
    count: int = 2


class Total(Body):
    total: int


class Telling(Ledger):
    """Tells the agent that is the label as many things as the amount says."""

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        outcome = super().decide(command, now_ms)
        assert isinstance(outcome, Outcome)
        told = tuple(
            Push(agent=command.label, kind="note", body={"n": number}) for number in range(command.amount)
        )
        return Outcome(events=outcome.events, reply=outcome.reply, messages=told)


DEFINITION = ServiceDefinition(
    name="ledger",
    version="0.1.0",
    description="A ledger that tells agents things.",
    model=Telling,
    compact_kinds=frozenset({"note"}),
    endpoints=(
        Command(
            verb="tell",
            description="Tell an agent some things.",
            request=TellRequest,
            reply=Total,
            build=lambda _, request: Add(label=request.agent, amount=request.count),
            shard_by=lambda _, request: request.agent,
        ),
    ),
)


class Stage:
    """The service in memory, and what agents are told."""

    def __init__(self, *, shards: int = 1) -> None:
        self.exchange = MemoryExchange()
        self.clock = ManualClock()
        self.streams = [MemoryStream(shards=shards) for _ in range(shards)]

    def runner(self) -> Runner:
        """One process."""
        bus = MemoryBus(self.exchange, agent="ledger")
        shell = Shell.of(bus, service="ledger", subjects=SUBJECTS, clock=self.clock)
        journals = [Journal(MemoryStore(each, shards=len(self.streams))) for each in self.streams]
        return Runner(DEFINITION, shell=shell, journals=journals)

    async def listen(self, agent: str) -> asyncio.Queue[Any]:
        """What `agent` is told from now on, message by message."""
        told: asyncio.Queue[Any] = asyncio.Queue()

        async def hear(delivery: Delivery) -> None:
            told.put_nowait(json.loads(delivery.payload))

        await MemoryBus(self.exchange, agent=agent).subscribe(SUBJECTS.inbox(agent, "note"), hear)
        return told

    async def tell(self, agent: str, *, by: str, takes: bool = False, patience_s: float = WAIT_S) -> None:
        """A request of `by` that has `agent` told two things."""
        bus = MemoryBus(self.exchange, agent=by)
        caller = Caller(bus, agent=by, takes_every_form=takes, patience_s=patience_s)
        await caller.inbox.listen("note", lambda _: None)
        await caller.command("ledger", "tell", TellRequest(agent=agent), Total)


@contextlib.asynccontextmanager
async def serving(stage: Stage) -> AsyncIterator[Runner]:
    """One process of the service, from when it answers."""
    runner = stage.runner()
    task = asyncio.ensure_future(runner.run())
    try:
        async with asyncio.timeout(WAIT_S):
            await runner.ready.wait()
        yield runner
    finally:
        runner.stop()
        await task


async def told(messages: asyncio.Queue[Any], count: int) -> list[Any]:
    async with asyncio.timeout(WAIT_S):
        return [await messages.get() for _ in range(count)]


TOGETHER = [[{"n": 0}, {"n": 1}]]
ONE_BY_ONE = [{"n": 0}, {"n": 1}]


async def test_what_the_last_request_of_an_agent_says_counts() -> None:
    stage = Stage()
    ada = await stage.listen("ada")
    async with serving(stage):
        await stage.tell("ada", by="ada")
        assert await told(ada, 2) == ONE_BY_ONE
        await stage.tell("ada", by="ada", takes=True)
        assert await told(ada, 1) == TOGETHER
        await stage.tell("ada", by="bob")
        assert await told(ada, 1) == TOGETHER, "what others say is about themselves"
        await stage.tell("ada", by="ada")
        assert await told(ada, 2) == ONE_BY_ONE
    assert ada.empty()


async def test_nobody_says_so_for_another_agent() -> None:
    stage = Stage()
    ada = await stage.listen("ada")
    mallory = MemoryBus(stage.exchange, agent="mallory")
    async with serving(stage):
        await stage.tell("bob", by="mallory", takes=True)
        # The server lets nobody publish in another's name; answers that another would get are refused.
        await mallory.publish(
            SUBJECTS.call("ledger", "tell", "mallory"),
            b'{"agent": "bob"}',
            reply_to=f"{inbox_prefix('ada')}.1",
            headers={HEADER_TAKES: "1"},
        )
        await stage.tell("ada", by="bob")
        assert await told(ada, 2) == ONE_BY_ONE


async def test_a_refused_envelope_says_nothing_about_its_sender() -> None:
    stage = Stage()
    ada = await stage.listen("ada")
    async with serving(stage):
        await stage.tell("ada", by="ada", takes=True)
        assert await told(ada, 1) == TOGETHER
        bus = MemoryBus(stage.exchange, agent="mallory")
        await bus.publish(
            SUBJECTS.call("ledger", "tell", "ada"), b"{}", reply_to=f"{inbox_prefix('mallory')}.1"
        )
        await stage.tell("ada", by="bob")
        assert await told(ada, 1) == TOGETHER


async def test_whoever_leads_anew_knows_nobody_and_pushes_one_by_one() -> None:
    stage = Stage()
    ada = await stage.listen("ada")
    async with serving(stage) as runner:
        await stage.tell("ada", by="ada", takes=True)
        assert await told(ada, 1) == TOGETHER
        usurp(stage.streams[0])
        with pytest.raises(RejectedError, match="another process leads"):
            await stage.tell("eve", by="bob", patience_s=0)
        await wait_until(lambda: not runner.is_leading)
        vacate(stage.streams[0])

        def leads_again() -> bool:
            stage.clock.advance(100)
            return runner.is_leading

        await wait_until(leads_again)
        await stage.tell("ada", by="bob")
        assert await told(ada, 2) == ONE_BY_ONE
        await stage.tell("ada", by="ada", takes=True)
        assert await told(ada, 1) == TOGETHER


async def test_a_sharded_service_pushes_one_by_one() -> None:
    stage = Stage(shards=2)
    ada = await stage.listen("ada")
    async with serving(stage):
        await stage.tell("ada", by="ada", takes=True)
        assert await told(ada, 2) == ONE_BY_ONE
