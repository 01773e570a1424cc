"""Which push a record carries, and what becomes of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest

from coordination.runtime.carrying import HEADER_PUSH, as_if_alone, carriable, written_push
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.inbox import Inbox
from coordination.runtime.journal import Journal
from coordination.runtime.limits import CARRIED_TAKER_S, MAX_CARRIED_BYTES, MIN_PIPELINED_BYTES
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.model import Notice, Outcome, Push, Rejected
from coordination.runtime.names import Subjects
from coordination.runtime.outbox import Outbox
from coordination.runtime.requests import FutureRequest
from coordination.runtime.store import Carried, Sent
from tests.support.clock import ManualClock
from tests.support.journals import FaultyStore
from tests.support.stores import HeldStore, usurp
from tests.support.toy import ANYTHING, Add, Added, Ledger, send
from tests.support.waiting import settle

KINDS, TAKERS = frozenset({"task"}), frozenset({"ann", "bob"})
NOTICE = Notice(event="said", aggregate="all", body={})


def push(agent: str, kind: str = "task", **body: Any) -> Push:
    return Push(agent=agent, kind=kind, body=body)


@pytest.mark.parametrize(
    ("messages", "carried"),
    [
        ([], None),
        ([NOTICE], None),
        ([NOTICE, push("ann")], 1),
        ([push("ann", "cancel")], None),
        ([push("eve"), push("ann")], 1),
        ([push("ann"), push("bob")], 0),
        ([push("ann"), push("ann")], None),
        ([push("ann", "cancel"), push("ann"), push("bob")], 2),
        ([push("ann"), push("ann", "cancel")], None),
    ],
)
def test_a_record_carries_the_one_push_to_an_agent_that_hears_it(
    messages: list[Push | Notice], carried: int | None
) -> None:
    found = carriable(messages, kinds=KINDS, takers=TAKERS)
    assert found is (None if carried is None else messages[carried])


@pytest.mark.parametrize("text", ["", " ", "plain", 'a "quoted"\r\nline \u2028 \x7f', "ü\U0001f600"])
def test_what_is_written_is_read(text: str) -> None:
    body = json.dumps({"text": text}, ensure_ascii=False).encode()
    delivery = Delivery(
        subject=Subjects().carried("ann"), payload=b"", headers={HEADER_PUSH: written_push("task", body)}
    )
    push = as_if_alone(delivery)
    assert (push.subject, push.payload) == ("conclave.inbox.ann.task", body)
    nothing = as_if_alone(Delivery(subject=Subjects().carried("ann"), payload=b"no header"))
    assert (nothing.subject, nothing.payload) == ("conclave.inbox.ann.", b"")


async def test_an_outbox_carries_what_is_small_to_whoever_takes_it() -> None:
    bus = MemoryBus(MemoryExchange(), agent="tasks")
    outbox = Outbox("tasks", bus=bus, subjects=Subjects(), compact_kinds=KINDS)
    assert outbox.carried([push("ann")]) is None
    now_s = asyncio.get_running_loop().time()
    outbox.takers.note("ann", takes=True, now_s=now_s - CARRIED_TAKER_S - 1)
    assert outbox.carried([push("ann")]) is None, "another program may go by that name now"
    outbox.takers.note("ann", takes=True, now_s=now_s)
    said = push("ann", n=1)
    assert outbox.carried([said]) == (said, Carried("ann", "task", b'{"n":1}'))
    assert outbox.carried([push("ann", text="x" * MAX_CARRIED_BYTES)]) is None
    assert outbox.carried([push("ann", text=object())]) is None
    await bus.close()


# --- hosts


class Telling(Ledger):
    """Each label names agents: each of them is told, and a notice follows."""

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:  # noqa: ARG002
        pushes = [push(agent) for agent in command.label.split()]
        event = Added(label=command.label, amount=1)
        return Outcome(events=(event,), reply={}, messages=(*pushes, NOTICE))


class CarryingStore(HeldStore):
    """Notes what records carry; what they carry is not handed to anybody."""

    carries_pushes = True

    def __init__(self, stream: MemoryStream) -> None:
        super().__init__(stream)
        self.carried: list[str] = []

    def send(
        self,
        payload: bytes,
        *,
        expected: int,
        record_id: str,
        on_end: Callable[[BaseException | None], None],
        previous_id: str | None = None,
        carried: Carried | None = None,
    ) -> Sent:
        self.carried += [carried.agent] if carried is not None else []
        return super().send(
            payload, expected=expected, record_id=record_id, on_end=on_end, previous_id=previous_id
        )


class FaultyCarryingStore(CarryingStore, FaultyStore):
    """As that, with faults by script."""

    append = FaultyStore.append

    def __init__(self, stream: MemoryStream) -> None:
        FaultyStore.__init__(self, stream)
        self.carried = []


class Heavy(FutureRequest):
    """Of so much work that it need not wait for the record before."""

    def __init__(self, run: Any) -> None:
        super().__init__(run, reply_type=ANYTHING)

    @property
    def size_bytes(self) -> int:
        return MIN_PIPELINED_BYTES


@contextlib.asynccontextmanager
async def leading(store: CarryingStore) -> AsyncIterator[tuple[Host[Ledger], list[str]]]:
    """A host, and what it delivers itself."""
    sent: list[str] = []

    async def deliver(messages: Sequence[Push | Notice]) -> None:
        sent.extend(each.agent if isinstance(each, Push) else "notice" for each in messages)

    def carry(messages: Sequence[Push | Notice]) -> tuple[Push, Carried] | None:
        found = carriable(messages, kinds=KINDS, takers=TAKERS)
        return None if found is None else (found, Carried(found.agent, found.kind, b"{}"))

    host: Host[Ledger] = Host(
        name="ledger.0",
        make_model=Telling,
        journal=Journal(store),
        clock=ManualClock(),
        deliver=deliver,
        carry=carry,
    )
    serving = asyncio.create_task(host.run())
    await settle(100)
    try:
        yield host, sent
    finally:
        serving.cancel()
        await asyncio.wait([serving])


async def test_what_a_record_carries_is_not_delivered_as_well() -> None:
    store = CarryingStore(MemoryStream())
    async with leading(store) as (host, sent):
        assert await send(host, Add(label="eve ann bob")) == {}
    assert store.carried == ["ann"]
    assert sent == ["eve", "bob", "notice"]


async def test_nothing_is_carried_past_what_is_unreleased() -> None:
    store = CarryingStore(MemoryStream())
    async with leading(store) as (host, sent):
        store.hold()
        first = asyncio.ensure_future(send(host, Add(label="eve")))
        await settle()
        host.submit(second := Heavy(lambda model, now_ms: model.decide(Add(label="ann"), now_ms)))
        await settle()
        assert store.waiting == 2, "the second record is sent before the first one is stored"
        store.release()
        await asyncio.gather(first, second.result)
    assert store.carried == []
    assert sent == ["eve", "notice", "ann", "notice"]


async def test_what_may_be_lost_with_the_first_attempt_is_delivered() -> None:
    store = FaultyCarryingStore(MemoryStream())
    async with leading(store) as (host, sent):
        store.faults.append("lost before")
        assert await send(host, Add(label="ann")) == {}
    assert store.carried == ["ann"]
    assert sent == ["ann", "notice"]


async def test_of_a_record_that_is_refused_nothing_is_delivered() -> None:
    stream = MemoryStream()
    store = CarryingStore(stream)
    async with leading(store) as (host, sent):
        usurp(stream)
        speaking = asyncio.ensure_future(send(host, Add(label="ann bob")))
        await asyncio.wait([speaking])
        assert isinstance(speaking.exception(), UnavailableError)
        await settle()
    assert sent == []


# --- agents


async def test_whoever_listens_hears_what_was_carried_as_if_it_had_come_alone() -> None:
    exchange = MemoryExchange()
    ann, service = MemoryBus(exchange, agent="ann"), MemoryBus(exchange, agent="tasks")
    inbox = Inbox(ann, subjects=Subjects(), agent="ann")
    heard: list[tuple[str, str, bytes]] = []

    async def handle(delivery: Delivery) -> None:
        heard.append(("handler", delivery.subject, delivery.payload))

    def listen(delivery: Delivery) -> None:
        heard.append(("listener", delivery.subject, delivery.payload))

    async def carry(kind: str, body: bytes) -> None:
        headers = {HEADER_PUSH: written_push(kind, body)}
        await service.publish(Subjects().carried("ann"), b"", headers=headers)
        await settle()

    handling, listening = await inbox.subscribe("task", handle), await inbox.listen("result", listen)
    await carry("task", b"1")
    await carry("result", b"2")
    await carry("cancel", b"3")
    await service.publish(Subjects().carried("ann"), b"no header")
    await settle()
    assert heard == [
        ("handler", "conclave.inbox.ann.task", b"1"),
        ("listener", "conclave.inbox.ann.result", b"2"),
    ]
    await handling.unsubscribe()
    await carry("task", b"4")
    await carry("result", b"5")
    assert [each[2] for each in heard] == [b"1", b"2", b"5"]
    await service.publish(Subjects().carried("ann"), b"", headers={HEADER_PUSH: written_push("result", b"6")})
    await listening.drain()
    assert heard[-1][2] == b"6", "what is on its way is heard"
    assert listening.dropped == 0
    assert not ann._routes, "nothing is listened to for nobody"
    await ann.close()
    await service.close()
