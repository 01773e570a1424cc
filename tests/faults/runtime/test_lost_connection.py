"""A request whose server dies must not wait out its whole time limit."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.errors import UnavailableError
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until


async def test_requests_in_flight_end_when_the_connection_is_lost(own_server: RealServer) -> None:
    asker = await NatsBus.connect(own_server.url, agent="asker")
    mute = await NatsBus.connect(own_server.url, agent="mute")
    heard: list[Delivery] = []

    async def never_answer(delivery: Delivery) -> None:
        heard.append(delivery)

    await mute.subscribe("question", never_answer)
    await mute.flush()
    asking = [asyncio.create_task(asker.request("question", b"?", timeout_s=600)) for _ in range(3)]
    await wait_until(lambda: len(heard) == 3)
    own_server.kill()
    for each in asking:
        with pytest.raises(UnavailableError, match="connection was lost"):
            await each
    own_server.start()
    async with asyncio.timeout(20):
        while len(heard) == 3:  # until both are back, with what they had subscribed to
            await asyncio.sleep(0)  # while the server is away a request fails without waiting
            with pytest.raises(UnavailableError):
                await asker.request("question", b"?", timeout_s=0.2)
    with pytest.raises(UnavailableError, match=r"within 0\.2 s"):
        await asker.request("question", b"?", timeout_s=0.2)
    await asker.close()
    await mute.close()


async def test_an_abandoned_flush_leaves_no_deaf_client(own_server: RealServer) -> None:
    bus = await NatsBus.connect(own_server.url, agent="asker")
    for _ in range(20):
        flushing = asyncio.create_task(bus.flush())
        await asyncio.sleep(0)  # the PING is on its way, and nobody waits for the PONG any more
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
    heard = asyncio.Event()

    async def listen(_: Delivery) -> None:
        heard.set()

    await bus.subscribe("greeting", listen)
    await bus.publish("greeting", b"hello")
    async with asyncio.timeout(10):
        await heard.wait()
    await bus.close()


async def test_an_outage_is_one_line_for_each_change_and_few_between(own_server: RealServer) -> None:
    address = own_server.url.removeprefix("nats://")
    bus = await NatsBus.connect(f"nats://somebody:s3cret@{address}", agent="ada")
    with capture_logs() as logs:
        own_server.kill()
        # The first of them comes after five attempts in vain.
        await wait_until(lambda: any(entry["event"] == "still away, trying on" for entry in logs))
        own_server.start()
        await wait_until(lambda: any(entry["event"] == "connected again" for entry in logs))
    events = [entry["event"] for entry in logs]
    assert events[0] == "disconnected"
    assert events[-1] == "connected again"
    assert 1 <= events.count("still away, trying on") <= 2
    assert set(events) == {"disconnected", "still away, trying on", "connected again"}
    assert {entry["agent"] for entry in logs} == {"ada"}
    assert all(address in str(entry) for entry in logs)
    assert "s3cret" not in str(logs)
    await bus.close()
