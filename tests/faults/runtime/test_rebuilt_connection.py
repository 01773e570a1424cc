"""However a connection ends, the bus comes back with everything it had, and with nothing twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import AsyncMock

import nats.errors
import pytest
from structlog.testing import capture_logs

from coordination.runtime import connection as connection_module
from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.errors import BufferFullError, ClosedError, UnavailableError
from coordination.runtime.limits import MAX_OUTBOUND_BYTES
from coordination.runtime.nats_client import MendedClient
from tests.support.listening import Ear
from tests.support.nats_server import RealServer
from tests.support.waiting import settle, wait_until

Open = Callable[[str], Awaitable[NatsBus]]


@pytest.fixture
async def open_bus(own_server: RealServer) -> AsyncIterator[Open]:
    async with contextlib.AsyncExitStack() as stack:

        async def connect(agent: str) -> NatsBus:
            bus = await NatsBus.connect(own_server.url, agent=agent)
            stack.push_async_callback(bus.close)
            return bus

        yield connect


async def answering(bus: NatsBus, subject: str) -> None:
    async def answer(delivery: Delivery) -> None:
        await bus.publish(delivery.reply_to, b"re: " + delivery.payload)

    await bus.subscribe(subject, answer, queue="workers")
    await bus.flush()


async def break_closed(bus: NatsBus, server: RealServer) -> None:
    """As nats-py does when a credential has expired."""
    await bus.client.close()


async def break_reading(bus: NatsBus, server: RealServer) -> None:
    """An exception in the middle of nats-py's read loop."""

    async def fail() -> None:
        raise KeyError("provoked")

    bus.client._process_pong = fail  # type: ignore[method-assign]
    with contextlib.suppress(nats.errors.Error):
        await bus.client.flush(1)


async def break_reading_silently(bus: NatsBus, server: RealServer) -> None:
    """nats-py's own trap: nobody reads, and the client calls itself connected."""
    assert bus.client._reading_task is not None
    bus.client._reading_task.cancel()
    await settle()
    assert bus.client.is_connected


async def break_deaf(bus: NatsBus, server: RealServer) -> None:
    """The server forgets our subscriptions."""
    for sid in range(1, bus.client._sid + 1):
        bus.client.stop_listening(sid)


async def break_socket(bus: NatsBus, server: RealServer) -> None:
    bus.client._abort()


async def break_protocol(bus: NatsBus, server: RealServer) -> None:
    """The server closes a connection that sends it nonsense."""
    bus.client.send(b"NONSENSE\r\n")


async def break_pings(bus: NatsBus, server: RealServer) -> None:
    await bus.client._process_op_err(nats.errors.StaleConnectionError())


async def break_server(bus: NatsBus, server: RealServer) -> None:
    server.kill()
    server.start()


BREAKS = [
    break_closed,
    break_reading,
    break_reading_silently,
    break_deaf,
    break_socket,
    break_protocol,
    break_pings,
    break_server,
]


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "ALIVE_INTERVAL_S", 0.2)


@pytest.mark.parametrize("break_it", BREAKS)
async def test_however_the_connection_ends_everything_is_heard_again_and_once(
    own_server: RealServer,
    open_bus: Open,
    impatient: None,
    break_it: Callable[[NatsBus, RealServer], Awaitable[None]],
) -> None:
    bus, speaker = await open_bus("service"), await open_bus("speaker")
    ear, grouped = Ear(), Ear()
    await bus.subscribe("news.*", ear.hear)
    await bus.subscribe("news.*", grouped.hear, queue="readers")
    await answering(bus, "question")
    for round_number in range(1, 3):
        lost = bus.client
        await break_it(bus, own_server)
        await wait_until(lambda lost=lost: bus.client is not lost and bus.client.is_connected)  # type: ignore[misc]
        await bus.flush()
        await speaker.flush()
        await speaker.publish("news.a", str(round_number).encode())
        assert (await speaker.request("question", b"?", timeout_s=10)).payload == b"re: ?"
        assert (await bus.request("question", b"?", timeout_s=10)).payload == b"re: ?"
        expected = [str(number).encode() for number in range(1, round_number + 1)]
        await wait_until(lambda expected=expected: ear.heard == grouped.heard == expected)  # type: ignore[misc]


async def test_a_server_that_freezes_is_noticed(
    own_server: RealServer, open_bus: Open, impatient: None
) -> None:
    bus = await open_bus("ada")
    own_server.freeze()
    with pytest.raises(UnavailableError, match="connection was lost"):
        await bus.request("question", b"?", timeout_s=600)
    await bus.publish("news", b"kept")
    own_server.thaw()
    await bus.flush()
    with pytest.raises(UnavailableError, match="nobody serves"):
        await bus.request("question", b"?", timeout_s=10)


async def publish_for_ever(bus: NatsBus) -> None:
    while True:
        await bus.publish("news", b"x" * 100_000)


async def test_publishers_wait_for_a_server_that_takes_nothing(
    own_server: RealServer, open_bus: Open, impatient: None
) -> None:
    """Neither without bound in memory nor for ever: once the loss is noticed, the bounded buffer counts."""
    bus = await open_bus("ada")
    own_server.freeze()
    with pytest.raises(BufferFullError):
        await publish_for_ever(bus)
    own_server.thaw()
    await bus.flush()


def open_descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


def subscriptions_on(server: RealServer, agent: str) -> list[list[str]]:
    """Of each of the agent's connections; the names of inboxes are drawn at random."""
    return [
        sorted(
            "_INBOX" if subject.startswith("_INBOX") else subject for subject in each["subscriptions_list"]
        )
        for each in server.connections()
        if each["name"] == agent
    ]


async def test_twenty_reconnects_leave_nothing_behind(own_server: RealServer, open_bus: Open) -> None:
    bus = await open_bus("service")
    ears = [Ear() for _ in range(5)]
    for number, ear in enumerate(ears):
        await bus.subscribe(f"news.{number}", ear.hear)
    ended = await bus.subscribe("news.ended", ears[0].hear)
    await ended.unsubscribe()
    await bus.flush()
    before, tasks, descriptors = None, 0, 0
    for _ in range(20):
        own_server.kill()
        await wait_until(lambda: not bus.client.is_connected)
        meanwhile = await bus.subscribe("news.meanwhile", ears[0].hear)
        await meanwhile.unsubscribe()
        own_server.start()
        await bus.flush()
        (found,) = subscriptions_on(own_server, "service")
        state = (found, len(asyncio.all_tasks()), open_descriptors())
        before, tasks, descriptors = (before, tasks, descriptors) if before is not None else state
        assert state == (before, tasks, descriptors)
    assert before == ["_INBOX", *(f"news.{number}" for number in range(5))]
    assert len(own_server.connections()) == 1
    for number in range(5):
        await bus.publish(f"news.{number}", b"at last")
    await wait_until(lambda: all(ear.heard == [b"at last"] for ear in ears))


async def test_what_is_published_in_an_outage_is_sent_afterwards_in_order(
    own_server: RealServer, open_bus: Open
) -> None:
    bus, ear = await open_bus("ada"), Ear()
    await bus.subscribe("before", ear.hear)
    own_server.kill()
    await wait_until(lambda: not bus.client.is_connected)
    await bus.subscribe("during", ear.hear)
    sent = [str(number).encode() for number in range(100)]
    for number, payload in enumerate(sent):
        await bus.publish("before" if number < 50 else "during", payload)
    own_server.start()
    await bus.flush()
    await wait_until(lambda: len(ear.heard) == 100)
    assert sorted(ear.heard, key=int) == sent
    assert [each for each in ear.heard if int(each) < 50] == sent[:50]


async def test_what_is_kept_in_an_outage_is_bounded_and_the_bound_is_a_typed_error(
    own_server: RealServer, open_bus: Open
) -> None:
    bus, ear = await open_bus("ada"), Ear()
    await bus.subscribe("news", ear.hear)
    own_server.kill()
    await wait_until(lambda: not bus.client.is_connected)
    payload = b"x" * 500_000
    fitting = MAX_OUTBOUND_BYTES // len(payload)
    kept = fitting * len(payload)
    for _ in range(fitting):
        await bus.publish("news", payload)
    with pytest.raises(BufferFullError, match="try again later"):
        await bus.publish("news", payload)
    with pytest.raises(UnavailableError, match="away"):
        await bus.request("news", b"", timeout_s=600)
    own_server.start()
    await bus.flush()
    await wait_until(lambda: len(ear.heard) * len(payload) == kept)
    await bus.publish("news", b"room again")
    await wait_until(lambda: ear.heard[-1] == b"room again")


async def test_a_handler_is_not_cut_off_by_a_lost_connection(own_server: RealServer, open_bus: Open) -> None:
    bus, finished, go = await open_bus("ada"), [], asyncio.Event()

    async def work(delivery: Delivery) -> None:
        await go.wait()
        finished.append(delivery.payload)

    await bus.subscribe("work", work)
    for number in range(3):
        await bus.publish("work", str(number).encode())
    await bus.flush()
    await break_server(bus, own_server)
    await bus.flush()
    go.set()
    await wait_until(lambda: len(finished) == 3)
    assert finished == [b"0", b"1", b"2"]


async def test_jetstream_calls_in_flight_end_with_the_connection(
    own_server: RealServer, open_bus: Open
) -> None:
    bus = await open_bus("ada")
    js = bus.jetstream()
    await js.add_stream(name="s", subjects=["s"])
    pulled = await js.pull_subscribe("s", stream="s")
    fetching = asyncio.create_task(pulled.fetch(1, timeout=600))
    await bus.flush()
    own_server.freeze()
    appending = asyncio.create_task(js.publish("s", b"", timeout=600))
    await settle()
    own_server.kill()
    for waiting in (fetching, appending):
        with pytest.raises((nats.errors.TimeoutError, nats.errors.ConnectionClosedError)):
            await waiting
    own_server.start()
    await bus.flush()
    assert (await bus.jetstream().publish("s", b"")).seq in (1, 2), "what was in flight may have arrived"


async def test_a_bus_closed_in_an_outage_leaves_no_task_and_no_socket(own_server: RealServer) -> None:
    tasks, descriptors = len(asyncio.all_tasks()), open_descriptors()
    bus = await NatsBus.connect(own_server.url, agent="ada")
    await bus.subscribe("news", Ear().hear)
    own_server.kill()
    await wait_until(lambda: not bus.client.is_connected)
    flushing = asyncio.create_task(bus.flush())
    await settle()
    await bus.close()
    with pytest.raises((ClosedError, UnavailableError)):
        await flushing
    await settle()
    assert (len(asyncio.all_tasks()), open_descriptors()) == (tasks, descriptors)
    with pytest.raises(ClosedError):
        await bus.publish("news", b"")


async def test_reconnecting_agents_do_not_come_as_a_herd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays are drawn at random, grow, and stay bounded."""
    delays: list[list[float]] = []

    async def note(delay_s: float) -> None:
        delays[-1].append(delay_s)

    for seed in range(20):
        delays.append([])
        connection = connection_module.Connection(
            ["nats://127.0.0.1:1"], agent="ada", credentials=None, entropy=Random(seed)
        )
        refusals = [UnavailableError("away")] * 11
        monkeypatch.setattr(connection, "_connect", AsyncMock(side_effect=[*refusals, connection.client]))
        with monkeypatch.context() as patch, capture_logs():
            patch.setattr(asyncio, "sleep", note)
            await connection._reconnect()
    assert len({tuple(each) for each in delays}) == 20
    assert max(max(each) for each in delays) <= 2.0
    assert max(each[0] for each in delays) <= 0.1
    assert min(min(each[6:]) for each in delays) >= 0.5


@pytest.mark.parametrize("is_let_in", [True, False])
async def test_closing_ends_though_connecting_anew_swallows_that_it_was_cancelled(
    own_server: RealServer, monkeypatch: pytest.MonkeyPatch, *, is_let_in: bool
) -> None:
    """As nats-py does, if it is cancelled in the very turn in which the server answers."""
    connection = connection_module.Connection(
        [own_server.url], agent="ada", credentials=None, entropy=Random(1)
    )
    await connection.open()
    connect, connecting, made = connection._connect, asyncio.Event(), list[MendedClient]()

    async def stubborn() -> MendedClient:
        connecting.set()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if not is_let_in:
            raise UnavailableError("away")
        made.append(await connect())
        return made[-1]

    monkeypatch.setattr(connection, "_connect", stubborn)
    connection.client.lose(OSError("lost"))
    await connecting.wait()
    async with asyncio.timeout(10):
        await connection.close()
    assert all(client.is_closed for client in made)
    assert len(made) == is_let_in


async def test_a_lost_server_is_replaced_by_another_one_of_the_list(
    own_server: RealServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = RealServer(tmp_path_factory.mktemp("other-nats"))
    other.start()
    bus = await NatsBus.connect(f"{own_server.url},{other.url}", agent="ada")
    servers: dict[str, Any] = {own_server.url: own_server, other.url: other}
    connected = bus.client.connected_url
    assert connected is not None
    servers[connected.geturl()].kill()
    await wait_until(lambda: not bus.client.is_connected)
    await bus.flush()
    await bus.close()
    other.stop()
