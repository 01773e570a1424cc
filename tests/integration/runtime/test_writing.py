"""When what is asked is written: alone at once, else together at the end of the event loop's turn."""

from __future__ import annotations

from typing import Any

import pytest
from nats.aio.transport import TcpTransport

from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.waiting import wait_until


@pytest.fixture
async def bus(connect: Connect, subjects: Subjects) -> NatsBus:
    """Connected, and served by another connection that answers everything."""
    served, asking = await connect("served"), await connect("asking")

    async def answer(delivery: Delivery) -> None:
        await served.publish(delivery.reply_to, delivery.payload)

    await served.subscribe(f"{subjects.prefix}.asked", answer)
    await served.flush()
    await asking.flush()
    return asking


def writes_of(bus: NatsBus, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is written from now on, each write by itself."""
    connection = bus.client._transport
    assert isinstance(connection, TcpTransport)
    assert connection._io_writer is not None
    transport: Any = connection._io_writer.transport
    written: list[bytes] = []
    write = transport.write

    def noted(data: bytes) -> None:
        written.append(bytes(data))
        write(data)

    monkeypatch.setattr(transport, "write", noted)
    return written


async def test_what_is_asked_alone_is_written_at_once_and_what_follows_together(
    bus: NatsBus, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, answers = writes_of(bus, monkeypatch), list[bytes]()
    subject = f"{subjects.prefix}.asked"

    def hear(answer: Any) -> None:
        answers.append(answer.payload)

    def ask(payload: bytes) -> None:
        bus.ask(subject, payload, timeout_s=5.0, headers=None, on_answer=hear)

    ask(b"first")
    assert len(written) == 1
    for payload in (b"second", b"third", b"fourth"):
        ask(payload)
    assert len(written) == 1
    await wait_until(lambda: len(answers) == 4)
    assert len(written) == 2
    assert answers == [b"first", b"second", b"third", b"fourth"]
    ask(b"fifth")
    assert len(written) == 3, "all was answered: it is alone again"
    await wait_until(lambda: len(answers) == 5)


async def test_what_is_asked_behind_something_that_waits_to_be_written_keeps_its_place(
    bus: NatsBus, subjects: Subjects, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = writes_of(bus, monkeypatch)
    await bus.publish(f"{subjects.prefix}.told", b"before")
    answer = await bus.request(f"{subjects.prefix}.asked", b"behind", timeout_s=5.0)
    assert answer.payload == b"behind"
    assert len(written) == 1
    assert written[0].index(b"before") < written[0].index(b"behind")
