"""The simulated network and the connections on it: what may happen to a message, and what may not."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest

from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import BufferFullError, ClosedError, UnavailableError
from coordination.runtime.memory import MAX_BUFFERED_MESSAGES, MemoryBus, MemoryExchange
from coordination.simulation.loop import VirtualLoop, run_virtual
from coordination.simulation.network import NetworkFaults, SimulatedNetwork, Topology
from coordination.simulation.trace import Trace
from tests.support.virtual import pass_time


class Net:
    """Two nodes, ada and bob, and what bob has heard."""

    def __init__(self, loop: VirtualLoop, faults: NetworkFaults) -> None:
        self.topology = Topology()
        network = SimulatedNetwork(random.Random(1), topology=self.topology, trace=Trace(loop.time))
        network.faults = faults
        exchange = MemoryExchange(network)
        self.ada, self.bob = MemoryBus(exchange, agent="ada"), MemoryBus(exchange, agent="bob")
        self.heard: list[int] = []

    async def listen(self) -> None:
        async def hear(delivery: Delivery) -> None:
            self.heard.append(int(delivery.payload))

        await self.bob.subscribe("x", hear)

    async def say(self, count: int) -> None:
        for number in range(count):
            await self.ada.publish("x", str(number).encode())


def on_net(work: Callable[[Net], Awaitable[None]], **faults: float) -> Net:
    """What became of `work` on a network with some faults."""
    nets: list[Net] = []

    async def main(loop: VirtualLoop) -> None:
        net = Net(loop, NetworkFaults(**faults))  # type: ignore[arg-type]
        nets.append(net)
        await net.listen()
        await work(net)
        await pass_time(60)

    run_virtual(main)
    return nets[0]


async def say_fifty(net: Net) -> None:
    await net.say(50)


def test_messages_keep_their_order_however_long_each_takes() -> None:
    assert on_net(say_fifty, slow=0.3).heard == list(range(50))


def test_messages_may_overtake_one_another() -> None:
    heard = on_net(say_fifty, overtaking=1.0).heard
    assert sorted(heard) == list(range(50)) != heard


def test_messages_may_be_lost() -> None:
    heard = on_net(say_fifty, lost=0.5).heard
    assert 0 < len(heard) < 50
    assert heard == sorted(set(heard))


def test_messages_may_come_twice() -> None:
    heard = on_net(say_fifty, repeated=0.5).heard
    assert set(heard) == set(range(50))
    assert 50 < len(heard) < 100


def test_a_cut_holds_in_its_direction_only() -> None:
    async def work(net: Net) -> None:
        net.topology.cut("bob", "ada")
        await net.say(1)
        await pass_time(1)
        assert net.heard == [0]
        net.topology.cut("ada", "bob")
        await net.say(1)
        await pass_time(1)
        assert net.heard == [0]
        net.topology.mend("ada", "bob")
        await net.say(1)

    assert on_net(work).heard == [0, 0]


def test_what_is_on_its_way_when_a_cut_begins_is_lost() -> None:
    async def work(net: Net) -> None:
        await net.say(5)
        net.topology.cut_both("ada", "bob")
        await pass_time(1)
        net.topology.mend_all()

    assert on_net(work).heard == []


def test_a_lost_connection_ends_requests_at_once() -> None:
    async def work(net: Net) -> None:
        loop = asyncio.get_running_loop()
        asking = asyncio.create_task(net.ada.request("x", b"1", timeout_s=30))
        await pass_time(1)
        net.ada.lose_connection()
        with pytest.raises(UnavailableError, match="before the connection was lost"):
            await asking
        assert loop.time() == 1
        with pytest.raises(UnavailableError, match="connection is down"):
            await net.ada.request("x", b"2", timeout_s=30)
        with pytest.raises(UnavailableError, match="connection is down"):
            await net.ada.flush()

    on_net(work)


def test_what_is_published_without_a_connection_is_sent_when_it_is_back() -> None:
    async def work(net: Net) -> None:
        net.ada.lose_connection()
        await net.say(MAX_BUFFERED_MESSAGES)
        with pytest.raises(BufferFullError):
            await net.say(1)
        await pass_time(1)
        assert net.heard == []
        net.ada.restore_connection()
        net.ada.restore_connection()

    assert on_net(work).heard == list(range(MAX_BUFFERED_MESSAGES))


def test_a_subscription_hears_again_when_the_connection_is_back() -> None:
    async def work(net: Net) -> None:
        net.bob.lose_connection()
        with pytest.raises(UnavailableError, match="nobody serves"):
            await net.ada.request("x", b"1", timeout_s=1)
        net.bob.restore_connection()
        await net.say(2)

    assert on_net(work).heard == [0, 1]


def test_a_crashed_node_neither_hears_nor_speaks() -> None:
    async def work(net: Net) -> None:
        await net.say(1)
        net.bob.abort()
        await pass_time(1)
        net.bob.restore_connection()
        await net.say(1)
        with pytest.raises(ClosedError):
            await net.bob.publish("x", b"1")

    assert on_net(work).heard == []


def test_draining_waits_for_what_is_on_its_way() -> None:
    async def work(net: Net) -> None:
        late: list[bytes] = []

        async def hear(delivery: Delivery) -> None:
            late.append(delivery.payload)

        subscription = await net.bob.subscribe("y", hear)
        await net.ada.publish("y", b"on its way")
        await subscription.drain()
        assert late == [b"on its way"]
        with pytest.raises(UnavailableError, match="nobody serves"):
            await net.ada.request("y", b"late", timeout_s=1)

    on_net(work)
