"""Whatever anybody sends, the client that gets it goes on hearing."""

from __future__ import annotations

import asyncio
from typing import Any

import nats
import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from coordination.runtime.bus import Bus, Delivery, NatsBus
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until

BLOCKS = [
    b"NATS/1.0",
    b"X",
    b"NATS/1.0\r\n",
    b"NATS/1.0\r\n\r\n",
    b"NATS/1.0 \r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 100 Idle Heartbeat\r\n\r\n",
    b"NATS/1.0 100 FlowControl Request\r\n\r\n",
    b"NATS/1.0 \xff\xff\xff \xff\r\n\r\n",
    b"NATS/1.0\r\n\xff: \xff\r\n:\r\n: x\r\nA\r\n\r\n",
    b"NATS/1.0\r\nNats-Consumer-Stalled: \xff\r\n\r\n",
    b"\x00" * 9,
]
"""Blocks where headers are expected; a server passes any bytes on."""
PAYLOADS = [b"", b"x", b"\xff\r\nMSG a 1 0\r\n\r\n", b"+ACK", b"{}", b"x" * 900_000]
REPLIES = [b"", b"a", b"$JS.ACK.a.b.c.d.e.f.g", b"$JS.ACK.x.y.1.2.3.4.5", b"\xff", b"$JS.FC.x"]


async def send_garbage(url: str, subjects: list[bytes]) -> None:
    """From a plain connection, byte for byte; returns when the server has routed everything."""
    host, _, port = url.removeprefix("nats://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n')
    for subject in subjects:
        for reply in REPLIES:
            for payload in PAYLOADS[: 5 if reply else 6]:
                writer.write(b"PUB %b %b %d\r\n%b\r\n" % (subject, reply, len(payload), payload))
            for block in BLOCKS:
                for payload in (b"", b"x"):
                    sizes = (subject, reply, len(block), len(block) + len(payload), block, payload)
                    writer.write(b"HPUB %b %b %d %d\r\n%b%b\r\n" % sizes)
        await writer.drain()
    writer.write(b"PING\r\n")
    while b"PONG" not in await reader.readline():
        pass
    writer.close()
    await writer.wait_closed()


async def answering(bus: Bus, subject: str, heard: list[Delivery]) -> None:
    async def answer(delivery: Delivery) -> None:
        heard.append(delivery)
        if delivery.payload == b"last":
            await bus.publish(delivery.reply_to, b"still here")

    await bus.subscribe(subject, answer)
    await bus.flush()


async def test_garbage_on_subscriptions_and_inboxes_ends_nothing(
    connect: Connect, subjects: Subjects, nats_server: RealServer
) -> None:
    service, asker = await connect("echo"), await connect("ada")
    heard: list[Delivery] = []
    await answering(service, f"{subjects.prefix}.>", heard)
    await asker.request(f"{subjects.prefix}.first", b"last", timeout_s=10)
    clients = [service.client, asker.client]
    inboxes = [
        f"{bus._connection._inbox}{token}".encode() for bus in (service, asker) for token in ("1", "alive")
    ]
    prefix = subjects.prefix.encode()
    await send_garbage(
        nats_server.url,
        [*inboxes, prefix + b".a", prefix + b".\xff\x0b\x00", prefix + b".a..b", prefix + b".*.>"],
    )
    answer = await asker.request(f"{subjects.prefix}.again", b"last", timeout_s=10)
    assert answer.payload == b"still here"
    assert len(heard) > 100
    assert [service.client, asker.client] == clients, "no connection was lost on the way"


async def nats_py_subscriptions(bus: NatsBus, subjects: Subjects) -> list[bytes]:
    """Every kind of subscription that JetStream makes; returns the inboxes behind them."""
    js = bus.jetstream()
    stream = f"{subjects.prefix}-stray"
    await js.add_stream(StreamConfig(name=stream, subjects=[f"{stream}.a"]))
    await js.publish(f"{stream}.a", b"1")
    await js.publish_async(f"{stream}.a", b"2")
    pulled = await js.pull_subscribe(f"{stream}.a", stream=stream)
    await pulled.fetch(1, timeout=5)

    async def ignore(message: Any) -> None:
        assert message is not None

    await js.subscribe(f"{stream}.a", stream=stream, cb=ignore)
    await js.subscribe(f"{stream}.a", stream=stream, cb=ignore, ordered_consumer=True)
    await bus.flush()
    return [each.subject.replace("*", "x").encode() for each in bus.client._subs.values()]


async def test_garbage_on_the_inboxes_of_jetstream_ends_nothing(
    connect: Connect, subjects: Subjects, nats_server: RealServer
) -> None:
    bus = await connect("ada")
    inboxes = await nats_py_subscriptions(bus, subjects)
    assert len(inboxes) >= 5
    client = bus.client
    await send_garbage(nats_server.url, inboxes)
    stream = f"{subjects.prefix}-stray"
    assert (await bus.jetstream().publish(f"{stream}.a", b"3")).seq == 3
    heard: list[Delivery] = []
    await answering(bus, subjects.presence("ada"), heard)
    assert (await bus.request(subjects.presence("ada"), b"last", timeout_s=10)).payload == b"still here"
    assert bus.client is client
    await bus.jetstream().delete_stream(stream)


async def test_nats_py_itself_goes_deaf(subjects: Subjects, nats_server: RealServer) -> None:
    """Why all this is needed; when this fails, nats-py has learned to read."""
    client: Client = await nats.connect(nats_server.url, error_cb=ignore_error)
    await client.subscribe(f"{subjects.prefix}.>", cb=ignore_message)
    await client.flush()
    await send_garbage(nats_server.url, [f"{subjects.prefix}.a".encode()])
    await wait_until(lambda: client._reading_task is not None and client._reading_task.done())
    assert client.is_connected
    await client.close()


async def ignore_error(_: Exception) -> None:
    return


async def ignore_message(_: Any) -> None:
    return


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 1024 * 1024])
async def test_messages_of_any_size_arrive_whole(connect: Connect, subjects: Subjects, size: int) -> None:
    bus = await connect("ada")
    heard: list[Delivery] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery)

    await bus.subscribe(subjects.presence("*"), hear)
    payload = bytes(range(256)) * (size // 256) or b"x" * size
    for _ in range(3):
        await bus.publish(subjects.presence("ada"), payload)
    await wait_until(lambda: len(heard) == 3)
    assert {delivery.payload for delivery in heard} == {payload}
