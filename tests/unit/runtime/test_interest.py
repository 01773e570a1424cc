"""One subscription: what waits for its handler is bounded, and nothing but its owner ends it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from coordination.runtime import interest as interest_module
from coordination.runtime.delivery import Delivery, Handler
from coordination.runtime.interest import Interest
from tests.support.listening import Ear
from tests.support.waiting import settle


class StillGround:
    """A connection on which nothing moves."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def withdraw(self, interest: Interest) -> None:
        self.calls.append(f"withdraw {interest.subject}")

    async def settle(self) -> None:
        self.calls.append("settle")

    def forget(self, interest: Interest) -> None:
        self.calls.append(f"forget {interest.subject}")


def hear(handler: Handler) -> Interest:
    return Interest(StillGround(), "news", "", handler)


def message(payload: bytes) -> Delivery:
    return Delivery(subject="news", payload=payload)


async def test_too_many_waiting_messages_are_dropped_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(interest_module, "MAX_WAITING_DELIVERIES", 10)
    ear = Ear()
    interest = hear(ear.hear)
    with capture_logs() as logs:
        for number in range(110):
            interest.receive(message(b"%d" % number))
    assert [entry["dropped"] for entry in logs] == [1, 2, 4, 8, 16, 32, 64]
    assert interest.dropped == 100
    await settle()
    assert ear.heard == [b"%d" % number for number in range(10)]
    interest.receive(message(b"room again"))
    await settle()
    assert ear.heard[-1] == b"room again"
    interest.end()


async def test_too_large_a_heap_of_messages_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interest_module, "MAX_WAITING_DELIVERY_BYTES", 1000)
    ear = Ear()
    interest = hear(ear.hear)
    with capture_logs():
        for _ in range(20):
            interest.receive(message(b"x" * 100))
    await settle()
    assert len(ear.heard) == 10
    interest.receive(message(b"x" * 1000))
    await settle()
    assert len(ear.heard) == 11
    interest.end()


async def test_a_handler_that_was_cancelled_from_within_ends_nothing() -> None:
    heard: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        heard.append(delivery.payload)
        raise asyncio.CancelledError

    interest = hear(handle)
    with capture_logs():
        for payload in (b"1", b"2"):
            interest.receive(message(payload))
            await settle()
    assert heard == [b"1", b"2"]
    interest.end()
    await asyncio.wait([interest.reader])


@pytest.mark.parametrize("end", ["unsubscribe", "drain"])
async def test_a_handler_may_end_its_own_subscription(end: str) -> None:
    heard: list[bytes] = []

    async def handle(delivery: Delivery) -> None:
        await getattr(interest, end)()
        heard.append(delivery.payload)

    interest = hear(handle)
    interest.receive(message(b"1"))
    interest.receive(message(b"2"))
    async with asyncio.timeout(5):
        await asyncio.wait([interest.reader])
    assert heard == ([b"1"] if end == "unsubscribe" else [b"1", b"2"])


async def test_a_handler_that_never_ends_is_cut_off_when_draining(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interest_module, "DRAIN_TIMEOUT_S", 0.01)
    began = asyncio.Event()

    async def handle(_: Delivery) -> None:
        began.set()
        await asyncio.Event().wait()

    interest = hear(handle)
    interest.receive(message(b""))
    await began.wait()
    with capture_logs() as logs:
        await interest.drain()
    assert [entry["event"] for entry in logs] == ["subscription not drained, ending it"]
    await asyncio.wait([interest.reader])
    assert interest.reader.cancelled()


async def test_an_ended_subscription_is_forgotten_by_the_connection() -> None:
    ground = StillGround()
    await Interest(ground, "news", "", Ear().hear).unsubscribe()
    assert ground.calls == ["withdraw news", "forget news"]
    ground.calls.clear()
    await Interest(ground, "news", "", Ear().hear).drain()
    assert ground.calls == ["withdraw news", "settle", "forget news"]
