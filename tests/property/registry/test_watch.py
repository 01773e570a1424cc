"""Notices lost, repeated and late, connections lost, registries replaced: a watch is not disturbed by any.

Everything runs on the in-memory bus in virtual time, so that a silence of five seconds costs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.registry import changes as histories
from coordination.registry import service
from coordination.registry.client import RegistryClient
from coordination.registry.record import record_body
from coordination.registry.watch import Present, Resynced, Synced, apply_change, watch
from coordination.registry.wire import AgentRecord, Change
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.journal import Journal
from coordination.runtime.memory import DirectTransmission, MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.simulation.clock import SimulatedClock
from coordination.simulation.loop import VirtualLoop, run_virtual
from tests.support.virtual import pass_time

AGENTS = ("ada", "bob", "cyd")
WATCHER = "eve"
OPERATIONS = 30


class BadNotices(DirectTransmission):
    """Loses, repeats and delays a share of all notices; everything else arrives at once."""

    def __init__(self, entropy: random.Random, share: float) -> None:
        super().__init__()
        self._entropy = entropy
        self.share = share

    def carry(self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]) -> None:
        del source, target
        if ".event." not in delivery.subject or self._entropy.random() >= self.share:
            arrive(delivery)
            return
        for _ in range(self._entropy.choice((0, 0, 1, 2))):
            asyncio.get_running_loop().call_later(self._entropy.expovariate(1.0), arrive, delivery)


class World:
    """A registry that may be replaced, agents that do this and that, and a watcher."""

    def __init__(self, entropy: random.Random, share: float) -> None:
        self.entropy = entropy
        self.clock = SimulatedClock()
        self.exchange = MemoryExchange(BadNotices(entropy, share))
        self.stream = MemoryStream()
        self.runner: Runner | None = None
        self.incarnations: dict[str, int] = {}
        self.buses = {agent: MemoryBus(self.exchange, agent=agent) for agent in (*AGENTS, WATCHER)}
        self.clients = {agent: RegistryClient(self.caller(agent)) for agent in self.buses}

    def caller(self, agent: str) -> Caller:
        return Caller(self.buses[agent], agent=agent, entropy=self.entropy)

    @contextlib.asynccontextmanager
    async def registry(self) -> AsyncIterator[Runner]:
        """One process of the registry on the store that all share."""
        bus = MemoryBus(self.exchange, agent=service.NAME)
        shell = Shell.of(
            bus, service=service.NAME, subjects=Subjects(), clock=self.clock, entropy=self.entropy
        )
        journals = [Journal(MemoryStore(self.stream))]
        runner = Runner(service.define(shell), shell=shell, journals=journals)
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run())
            await runner.ready.wait()
            self.runner = runner
            yield runner
            runner.stop()
        await bus.close()

    async def live(self) -> None:
        """Some agent does something."""
        agent = self.entropy.choice(AGENTS)
        client, incarnation = self.clients[agent], self.incarnations.get(agent, 1)
        with contextlib.suppress(RejectedError):
            match self.entropy.randrange(4):
                case 0 | 1:
                    registered = await client.register(["python"], metadata={"n": self.entropy.random()})
                    self.incarnations[agent] = registered.incarnation
                case 2:
                    await client.update(incarnation=incarnation, max_tasks=self.entropy.randrange(1000))
                case _:
                    await client.deregister(incarnation=incarnation)

    def present(self) -> dict[str, AgentRecord]:
        """What the registry knows, apart from presence."""
        assert self.runner is not None
        return {
            agent: AgentRecord.model_validate(record_body(record), from_attributes=True)
            for agent, record in self.runner.hosts[0].model.state.agents.items()
        }


class Watcher:
    """Takes every event in, and refuses those that come out of order."""

    def __init__(self) -> None:
        self.records: dict[str, AgentRecord] = {}
        self.revision = -1
        self.changes = 0
        self.resyncs = 0

    async def watch(self, caller: Caller) -> None:
        async with contextlib.aclosing(watch(caller)) as events:
            async for event in events:
                match event:
                    case Present():
                        assert self.revision == -1
                        assert list(self.records) == sorted(self.records)
                        self.records[event.record.agent] = without_presence(event.record)
                    case Synced():
                        assert self.revision == -1
                        self.revision = event.revision
                    case Change():
                        assert event.revision == self.revision + 1
                        self.revision = event.revision
                        self.changes += 1
                        apply_change(self.records, event)
                    case Resynced():
                        assert event.revision > self.revision >= 0
                        self.revision = event.revision
                        self.resyncs += 1
                        self.records = {each.agent: without_presence(each) for each in event.records}


def without_presence(record: AgentRecord) -> AgentRecord:
    return record.model_copy(update={"load": 0.0, "last_heard_ms": 0})


@contextlib.asynccontextmanager
async def watching(world: World) -> AsyncIterator[Watcher]:
    """A watcher that must not fail; at the end of the block it knows what the registry knows."""
    watcher = Watcher()
    task = asyncio.create_task(watcher.watch(world.caller(WATCHER)))
    try:
        yield watcher
        # The agents do not beat, so that meanwhile they become suspect, and offline.
        await until(lambda: watcher.records == world.present() or task.done())
        assert watcher.records == world.present()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@settings(max_examples=40)
@given(seed=st.integers(0, 2**32), share=st.sampled_from((0.0, 0.3, 1.0)))
def test_a_watch_gives_every_change_once_whatever_becomes_of_the_notices(seed: int, share: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        world = World(random.Random(seed), share)
        async with world.registry():
            for _ in range(world.entropy.randrange(5)):
                await world.live()
            async with watching(world) as watcher:
                for _ in range(OPERATIONS):
                    await world.live()
                    await pass_time(world.entropy.choice((0, 0, 0.1, 2)))
        assert watcher.resyncs == 0

    run_virtual(main)


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32))
def test_a_watch_outlives_registries_and_connections(seed: int) -> None:
    async def main(loop: VirtualLoop) -> None:
        world = World(random.Random(seed), 0.3)
        bus = world.buses[WATCHER]
        async with contextlib.AsyncExitStack() as lives:
            await lives.enter_async_context(world.registry())
            await world.live()
            async with watching(world) as watcher:
                await until(lambda: watcher.revision >= 0)
                for _ in range(3):
                    bus.lose_connection()
                    await world.live()
                    await lives.aclose()
                    await pass_time(world.entropy.choice((0, 1, 40)))
                    await lives.enter_async_context(world.registry())
                    await world.live()
                    bus.restore_connection()
                    await world.live()
        assert watcher.resyncs == 0

    run_virtual(main)


def test_whoever_missed_more_than_is_remembered_gets_the_whole_state_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(histories, "MAX_CHANGES", 3)

    async def main(loop: VirtualLoop) -> None:
        world = World(random.Random(7), 0.0)
        async with world.registry():
            await world.clients["bob"].register()
            async with watching(world) as watcher:
                await until(lambda: watcher.revision >= 0)
                world.buses[WATCHER].lose_connection()
                for _ in range(5):
                    await world.clients["ada"].register()
                world.buses[WATCHER].restore_connection()
                await until(lambda: watcher.resyncs == 1)
                assert sorted(watcher.records) == ["ada", "bob"]
                await world.clients["ada"].register()
        assert (watcher.resyncs, watcher.changes, watcher.revision) == (1, 1, 7)

    run_virtual(main)


def test_a_registry_that_begins_with_an_empty_store_is_noticed() -> None:
    async def main(loop: VirtualLoop) -> None:
        world = World(random.Random(7), 0.0)
        async with contextlib.aclosing(watch(world.caller(WATCHER))) as events:
            async with world.registry():
                for _ in range(3):
                    await world.clients["ada"].register()
                assert isinstance(await anext(events), Present)
                assert await anext(events) == Synced(3)
            following = asyncio.create_task(anext(events))
            world.stream = MemoryStream()
            async with world.registry():
                await world.clients["bob"].register()
                resynced = await following
            assert isinstance(resynced, Resynced)
            assert [each.agent for each in resynced.records] == ["bob"]
            assert resynced.revision == 1

    run_virtual(main)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await pass_time(0.01)
