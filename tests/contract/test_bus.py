"""What every bus does, in memory and on NATS alike."""

from __future__ import annotations

import asyncio
import operator
from functools import partial

import pytest

from coordination.runtime.bus import Bus, Delivery, NatsBus
from coordination.runtime.errors import ClosedError, ConclaveError, UnavailableError
from coordination.runtime.memory import MemoryBus
from coordination.runtime.names import Subjects, inbox_prefix
from tests.contract.conftest import OpenBus
from tests.support.waiting import wait_until


class Ear:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[Delivery] = []

    async def hear(self, delivery: Delivery) -> None:
        self.heard.append(delivery)

    def anything(self) -> bool:
        return bool(self.heard)

    def has_heard(self, count: int) -> bool:
        return len(self.heard) == count

    @property
    def payloads(self) -> list[bytes]:
        return [delivery.payload for delivery in self.heard]


async def answering(bus: Bus, subject: str, *, queue: str = "") -> None:
    async def answer(delivery: Delivery) -> None:
        await bus.publish(delivery.reply_to, b"re: " + delivery.payload, headers={"Trace": "t"})

    await bus.subscribe(subject, answer, queue=queue)
    await bus.flush()


async def test_a_message_arrives_as_it_was_sent(open_bus: OpenBus, subjects: Subjects) -> None:
    sender, receiver = await open_bus("ada"), await open_bus("bob")
    ear = Ear()
    await receiver.subscribe(subjects.inbox("bob", "task"), ear.hear)
    await receiver.flush()
    subject = subjects.inbox("bob", "task")
    await sender.publish(subject, b"\x00\xff", reply_to="x.y", headers={"Trace-Id": "00-ab", "B": "ä b"})
    await sender.publish(subject, b"")
    await wait_until(lambda: len(ear.heard) == 2)
    first, second = ear.heard
    assert (first.subject, first.payload, first.reply_to) == (subject, b"\x00\xff", "x.y")
    assert dict(first.headers) == {"Trace-Id": "00-ab", "B": "ä b"}
    assert (second.payload, second.reply_to, dict(second.headers)) == (b"", "", {})


async def test_messages_of_one_sender_arrive_in_order(open_bus: OpenBus, subjects: Subjects) -> None:
    sender, receiver = await open_bus("ada"), await open_bus("bob")
    ear = Ear()
    await receiver.subscribe(subjects.presence("*"), ear.hear)
    await receiver.flush()
    sent = [str(index).encode() for index in range(200)]
    for payload in sent:
        await sender.publish(subjects.presence("ada"), payload)
    await wait_until(lambda: len(ear.heard) == len(sent))
    assert ear.payloads == sent


async def test_a_handler_runs_for_one_message_at_a_time(open_bus: OpenBus, subjects: Subjects) -> None:
    bus = await open_bus("ada")
    running, most, done = 0, 0, 0

    async def handle(_: Delivery) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        done += 1

    await bus.subscribe(subjects.presence("*"), handle)
    for _ in range(10):
        await bus.publish(subjects.presence("ada"), b"")
    await wait_until(lambda: done == 10)
    assert most == 1


@pytest.mark.parametrize(
    ("pattern", "matching"),
    [
        ("{p}.event.*.*.t1", ["{p}.event.tasks.done.t1", "{p}.event.dialog.open.t1"]),
        ("{p}.event.tasks.>", ["{p}.event.tasks.done.t1", "{p}.event.tasks.done.t2"]),
        ("{p}.*", ["{p}.event"]),
        ("{p}.event.tasks.done.t2", ["{p}.event.tasks.done.t2"]),
    ],
)
async def test_wildcards_choose_what_arrives(
    open_bus: OpenBus, subjects: Subjects, pattern: str, matching: list[str]
) -> None:
    sender, receiver = await open_bus("ada"), await open_bus("bob")
    ear, everything = Ear(), Ear()
    await receiver.subscribe(pattern.format(p=subjects.prefix), ear.hear)
    await receiver.subscribe(f"{subjects.prefix}.>", everything.hear)
    await receiver.flush()
    sent = [
        "{p}.event",
        "{p}.event.tasks.done.t1",
        "{p}.event.tasks.done.t2",
        "{p}.event.dialog.open.t1",
        "{p}.end",
    ]
    if "{p}.event" in matching:
        sent.remove("{p}.end")
    for template in sent:
        await sender.publish(template.format(p=subjects.prefix), b"")
    await wait_until(lambda: len(everything.heard) == len(sent))
    await receiver.flush()
    await wait_until(lambda: len(ear.heard) >= len(matching))
    assert [delivery.subject for delivery in ear.heard] == [m.format(p=subjects.prefix) for m in matching]


async def test_one_member_of_a_queue_group_gets_each_message(open_bus: OpenBus, subjects: Subjects) -> None:
    sender, first, second, plain = Ear(), Ear(), Ear(), Ear()
    bus, other = await open_bus("ada"), await open_bus("bob")
    subject = subjects.call("registry", "find", "ada")
    await bus.subscribe(subject, first.hear, queue="workers")
    await other.subscribe(subject, second.hear, queue="workers")
    await other.subscribe(subject, sender.hear, queue="auditors")
    await other.subscribe(subject, plain.hear)
    await bus.flush()
    await other.flush()
    for index in range(60):
        await bus.publish(subject, str(index).encode())
    await wait_until(lambda: len(plain.heard) == len(sender.heard) == 60)
    await wait_until(lambda: len(first.heard) + len(second.heard) >= 60)
    assert sorted(first.payloads + second.payloads) == sorted(plain.payloads)
    assert first.heard, "the load is shared"
    assert second.heard, "the load is shared"


async def test_a_request_gets_the_answer_and_its_headers(open_bus: OpenBus, subjects: Subjects) -> None:
    client, service = await open_bus("ada"), await open_bus("echo")
    await answering(service, subjects.call("echo", "*", "*"))
    answer = await client.request(subjects.call("echo", "say", "ada"), b"hi", timeout_s=5, headers={"A": "b"})
    assert answer.payload == b"re: hi"
    assert dict(answer.headers) == {"Trace": "t"}
    assert answer.subject.startswith(f"{inbox_prefix('ada')}.")


async def test_concurrent_requests_each_get_their_own_answer(open_bus: OpenBus, subjects: Subjects) -> None:
    client, service = await open_bus("ada"), await open_bus("echo")
    await answering(service, subjects.call("echo", "*", "*"))
    subject = subjects.call("echo", "say", "ada")
    answers = await asyncio.gather(
        *(client.request(subject, str(index).encode(), timeout_s=10) for index in range(50))
    )
    assert [answer.payload for answer in answers] == [f"re: {index}".encode() for index in range(50)]


async def test_a_request_nobody_serves_fails_at_once(open_bus: OpenBus, subjects: Subjects) -> None:
    bus = await open_bus("ada")
    started_s = asyncio.get_running_loop().time()
    with pytest.raises(UnavailableError, match="nobody serves"):
        await bus.request(subjects.call("nobody", "say", "ada"), b"", timeout_s=30)
    assert asyncio.get_running_loop().time() - started_s < 5


async def test_a_request_without_an_answer_ends_with_its_timeout(
    open_bus: OpenBus, subjects: Subjects
) -> None:
    client, service = await open_bus("ada"), await open_bus("mute")
    ear = Ear()
    await service.subscribe(subjects.call("mute", "say", "*"), ear.hear)
    await service.flush()
    with pytest.raises(UnavailableError, match=r"no answer on .* within 0\.1 s"):
        await client.request(subjects.call("mute", "say", "ada"), b"", timeout_s=0.1)
    assert len(ear.heard) == 1


async def test_a_cancelled_request_leaves_the_bus_usable(open_bus: OpenBus, subjects: Subjects) -> None:
    client, service = await open_bus("ada"), await open_bus("mute")
    ear = Ear()
    await service.subscribe(subjects.call("mute", "say", "*"), ear.hear)
    await answering(service, subjects.call("echo", "*", "*"))
    waiting = asyncio.ensure_future(client.request(subjects.call("mute", "say", "ada"), b"", timeout_s=30))
    await wait_until(lambda: ear.heard)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    answer = await client.request(subjects.call("echo", "say", "ada"), b"x", timeout_s=5)
    assert answer.payload == b"re: x"


async def test_a_failing_handler_ends_nothing(open_bus: OpenBus, subjects: Subjects) -> None:
    bus = await open_bus("ada")
    heard: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        heard.append(delivery.payload)
        if delivery.payload == b"bad":
            raise ValueError("this one is bad")

    await bus.subscribe(subjects.presence("*"), handle)
    for payload in (b"bad", b"good"):
        await bus.publish(subjects.presence("ada"), payload)
    await wait_until(lambda: heard == [b"bad", b"good"])


async def test_nothing_arrives_after_unsubscribing(open_bus: OpenBus, subjects: Subjects) -> None:
    bus = await open_bus("ada")
    gone, there = Ear(), Ear()
    subscription = await bus.subscribe(subjects.presence("*"), gone.hear)
    await bus.subscribe(subjects.presence("*"), there.hear)
    await bus.publish(subjects.presence("ada"), b"1")
    await wait_until(lambda: gone.heard and there.heard)
    await subscription.unsubscribe()
    await subscription.unsubscribe()
    await bus.publish(subjects.presence("ada"), b"2")
    await wait_until(lambda: len(there.heard) == 2)
    assert gone.payloads == [b"1"]


async def test_draining_finishes_what_has_arrived_and_takes_no_more(
    open_bus: OpenBus, subjects: Subjects
) -> None:
    bus = await open_bus("ada")
    go, heard = asyncio.Event(), []

    async def handle(delivery: Delivery) -> None:
        await go.wait()
        heard.append(delivery.payload)

    subscription = await bus.subscribe(subjects.presence("*"), handle)
    for index in range(5):
        await bus.publish(subjects.presence("ada"), str(index).encode())
    await bus.flush()
    draining = asyncio.ensure_future(subscription.drain())
    await bus.flush()
    assert not draining.done()
    go.set()
    await draining
    assert heard == [b"0", b"1", b"2", b"3", b"4"]
    with pytest.raises(UnavailableError, match="nobody serves"):
        await bus.request(subjects.presence("ada"), b"late", timeout_s=5)
    assert len(heard) == 5


@pytest.mark.parametrize("end", ["unsubscribe", "drain", "close"])
async def test_ending_an_ended_subscription_is_harmless(
    open_bus: OpenBus, subjects: Subjects, end: str
) -> None:
    bus = await open_bus("ada")
    subscription = await bus.subscribe(subjects.presence("*"), Ear().hear)
    await (bus.close() if end == "close" else getattr(subscription, end)())
    await subscription.drain()
    await subscription.unsubscribe()


async def test_a_closed_bus_says_so(open_bus: OpenBus, subjects: Subjects) -> None:
    bus = await open_bus("ada")
    await bus.subscribe(subjects.presence("*"), Ear().hear)
    await bus.close()
    await bus.close()
    with pytest.raises(ClosedError):
        await bus.publish(subjects.presence("ada"), b"")
    with pytest.raises(ClosedError):
        await bus.request(subjects.presence("ada"), b"", timeout_s=1)
    with pytest.raises(ClosedError):
        await bus.subscribe(subjects.presence("*"), Ear().hear)
    with pytest.raises(ClosedError):
        await bus.flush()


async def test_a_flushed_subscription_hears_whoever_speaks_next(
    open_bus: OpenBus, subjects: Subjects
) -> None:
    """nats-py lets its PING overtake a SUBSCRIBE; a service would report ready and miss its first call."""
    sender, receiver = await open_bus("ada"), await open_bus("bob")
    await sender.flush()
    for index in range(40):
        ear = Ear()
        await receiver.subscribe(subjects.inbox("bob", f"k{index}"), ear.hear)
        await receiver.flush()
        await sender.publish(subjects.inbox("bob", f"k{index}"), b"first")
        await wait_until(ear.anything, timeout_s=5)


async def test_a_drained_subscription_lost_nothing_that_was_routed_to_it(
    open_bus: OpenBus, subjects: Subjects
) -> None:
    """What one member of a group no longer takes, another one gets."""
    sender, leaving, staying = await open_bus("ada"), await open_bus("bob"), await open_bus("eve")
    first, second = Ear(), Ear()
    await staying.subscribe(subjects.presence("*"), second.hear, queue="workers")
    await staying.flush()
    sent = 0
    for _ in range(20):
        subscription = await leaving.subscribe(subjects.presence("*"), first.hear, queue="workers")
        await leaving.flush()
        for _ in range(10):
            await sender.publish(subjects.presence("ada"), b"")
            sent += 1
        await subscription.drain()
    await wait_until(lambda: len(first.heard) + len(second.heard) == sent, timeout_s=5)


def lose_connection(bus: Bus) -> None:
    """Break the connection under `bus`; it comes back by itself."""
    if isinstance(bus, NatsBus):
        bus.client.lose(ConclaveError("the test broke it"))
    else:
        assert isinstance(bus, MemoryBus)
        bus.lose_connection()
        bus.restore_connection()


async def test_whoever_asked_is_told_when_a_lost_connection_is_back(
    open_bus: OpenBus, subjects: Subjects
) -> None:
    bus = await open_bus("ada")
    ear, told = Ear(), []
    await bus.subscribe(subjects.presence("*"), ear.hear)

    def fail() -> None:
        told.append("fail")
        raise ValueError("this one is bad")

    bus.on_reconnect(fail)
    bus.on_reconnect(lambda: told.append("good"))
    forget = bus.on_reconnect(lambda: told.append("gone"))
    forget()
    forget()
    assert told == [], "the first connection is no reconnection"
    for times in (1, 2):
        lose_connection(bus)
        await wait_until(partial(operator.eq, told, ["fail", "good"] * times))
        await bus.publish(subjects.presence("ada"), b"")
        await wait_until(partial(ear.has_heard, times))


async def test_a_callback_may_take_another_one_away_when_the_connection_is_back(open_bus: OpenBus) -> None:
    bus = await open_bus("ada")
    told: list[str] = []

    def first() -> None:
        told.append("first")
        forget()

    bus.on_reconnect(first)
    forget = bus.on_reconnect(lambda: told.append("second"))
    bus.on_reconnect(lambda: told.append("third"))
    lose_connection(bus)
    await wait_until(lambda: told == ["first", "third"])
