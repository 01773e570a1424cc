"""What a caller sees of answers, refusals and silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import (
    ClosedError,
    PeerProtocolError,
    RejectedError,
    UnavailableError,
    UsageError,
)
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.wire import Body


class Ask(Body):
    text: str = "default"


class Told(Body):
    number: int


ERROR = {"Nats-Service-Error-Code": "x"}
BUSY = b'{"code":"overloaded","message":"try again","retryable":true}'


class Peer:
    """Answers calls from a script, and remembers what it was asked."""

    def __init__(self, *answers: tuple[bytes, Mapping[str, str]] | None) -> None:
        self.asked: list[Delivery] = []
        self._answers = list(answers)
        exchange = MemoryExchange()
        self.bus = MemoryBus(exchange, agent="echo")
        self.caller = Caller(
            MemoryBus(exchange, agent="ada"), agent="ada", subjects=Subjects(prefix="blue"), patience_s=2.0
        )

    async def start(self) -> Caller:
        await self.bus.subscribe("blue.call.echo.*.*", self._answer)
        return self.caller

    async def _answer(self, delivery: Delivery) -> None:
        self.asked.append(delivery)
        answer = self._answers.pop(0)
        if answer is not None:
            await self.bus.publish(delivery.reply_to, answer[0], headers=answer[1])


async def test_a_query_is_addressed_by_service_verb_and_caller() -> None:
    peer = Peer((b'{"number":3}', {}))
    caller = await peer.start()
    assert await caller.query("echo", "say", Ask(), Told) == Told(number=3)
    assert peer.asked[0].subject == "blue.call.echo.say.ada"
    assert peer.asked[0].payload == b"{}"
    assert peer.asked[0].reply_to.startswith("_INBOX_ada.")
    assert "Nats-Msg-Id" not in peer.asked[0].headers


async def test_a_refusal_arrives_with_everything_it_says() -> None:
    body = {
        "code": "unknown_agent",
        "message": "bob is not here",
        "retryable": False,
        "details": {"agent": "bob"},
        "correlation_id": "c1",
    }
    peer = Peer((json.dumps(body).encode(), ERROR))
    caller = await peer.start()
    with pytest.raises(RejectedError) as refused:
        await caller.query("echo", "say", Ask(), Told)
    error = refused.value
    assert (error.code, error.message, error.retryable) == ("unknown_agent", "bob is not here", False)
    assert (error.details, error.correlation_id) == ({"agent": "bob"}, "c1")
    assert len(peer.asked) == 1, "a final refusal is not retried"


async def test_a_retryable_refusal_is_retried_under_the_same_command_id() -> None:
    peer = Peer((BUSY, ERROR), (BUSY, ERROR), (b'{"number":4}', {}))
    caller = await peer.start()
    assert (await caller.command("echo", "say", Ask(), Told)).number == 4
    ids = {delivery.headers["Nats-Msg-Id"] for delivery in peer.asked}
    assert len(peer.asked) == 3
    assert len(ids) == 1


async def test_every_command_has_an_id_of_its_own_unless_one_is_given() -> None:
    peer = Peer(*[(b'{"number":1}', {})] * 3)
    caller = await peer.start()
    await caller.command("echo", "say", Ask(), Told)
    await caller.command("echo", "say", Ask(), Told)
    await caller.command("echo", "say", Ask(), Told, command_id="mine")
    first, second, third = (delivery.headers["Nats-Msg-Id"] for delivery in peer.asked)
    assert first != second
    assert third == "mine"


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        (b"", {}),
        (b"not json", {}),
        (b'{"number":"many"}', {}),
        (b"[]", {}),
        (b"", ERROR),
        (b'{"message":"no code"}', ERROR),
    ],
)
async def test_an_answer_that_is_not_the_contracts_is_the_peers_fault(
    payload: bytes, headers: dict[str, str]
) -> None:
    caller = await Peer((payload, headers)).start()
    with pytest.raises(PeerProtocolError, match="the answer is not a Told"):
        await caller.query("echo", "say", Ask(), Told)


async def test_a_caller_gives_up_when_its_patience_ends() -> None:
    caller = Caller(MemoryBus(MemoryExchange(), agent="ada"), agent="ada", patience_s=0.1)
    started_s = asyncio.get_running_loop().time()
    with pytest.raises(UnavailableError, match="nobody serves"):
        await caller.query("echo", "say", Ask(), Told)
    assert asyncio.get_running_loop().time() - started_s < 1


async def test_a_caller_on_a_closed_bus_hears_so_at_once() -> None:
    bus = MemoryBus(MemoryExchange(), agent="ada")
    await bus.close()
    with pytest.raises(ClosedError):
        await Caller(bus, agent="ada").command("echo", "say", Ask(), Told)


@pytest.mark.parametrize("agent", ["", "Ada", "a.b", "a*", "a\n"])
def test_a_caller_needs_a_valid_id(agent: Any) -> None:
    with pytest.raises(UsageError):
        Caller(MemoryBus(MemoryExchange(), agent="x"), agent=agent)


async def test_whose_listeners_take_every_form_says_so_as_long_as_somebody_listens() -> None:
    peer = Peer(*[(b'{"number":1}', {})] * 16)
    await peer.start()
    listener = Caller(peer.caller.bus, agent="ada", subjects=Subjects(prefix="blue"), takes_every_form=True)

    async def said() -> list[str | None]:
        peer.asked.clear()
        await caller.command("echo", "say", Ask(), Told)
        await caller.query("echo", "say", Ask(), Told)
        return [delivery.headers.get("Conclave-Takes") for delivery in peer.asked]

    for caller, takes in ((listener, "1"), (peer.caller, None)):
        assert await said() == [None, None], "nobody listens"
        hearings = [await caller.inbox.listen(kind, lambda _: None) for kind in ("task", "result")]
        assert await said() == [takes, takes]
        await hearings[0].unsubscribe()
        assert await said() == [takes, takes]
        await hearings[1].unsubscribe()
        assert await said() == [None, None], "nobody listens any more"
