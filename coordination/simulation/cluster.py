"""Several nodes that serve, a store, and clients: a whole deployment in one process.

Every node runs the real `Runner` of each service over the simulated network and store. A node that
crashes loses all it held in memory; nothing it began is sent any more, except what was under way.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any, Final

from coordination.runtime.bus import Bus
from coordination.runtime.client import Caller
from coordination.runtime.errors import ClosedError, UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.lease import Lease
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition
from coordination.runtime.snapshots import SnapshotPolicy
from coordination.runtime.store import JournalStore
from coordination.simulation.clock import SimulatedClock
from coordination.simulation.loop import PROCESS, VirtualLoop
from coordination.simulation.network import SimulatedNetwork, Topology
from coordination.simulation.store import ArchivedStream, FaultyStore, SimulatedStorage
from coordination.simulation.trace import Trace

RESTART_S: Final = 0.5
"""After which a process that ended by itself is started again."""
_BUNDLES_SHARE: Final = 0.5
"""Of the clients, those that take several pushes in one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """One service of a simulated deployment."""

    name: str
    define: Callable[[Shell], ServiceDefinition]
    shards: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the nodes are made of; the tests put a faulty part in to see that it is caught."""

    serve: Callable[[MemoryStore], JournalStore] = lambda store: store
    """What the server does with requests to a store."""
    journal: Callable[[JournalStore, random.Random], Journal] = lambda store, entropy: Journal(
        store, entropy=entropy
    )
    bus: Callable[[MemoryBus], Bus] = lambda bus: bus
    """What a service hears its requests through."""
    runner: Callable[[Runner], Runner] = lambda runner: runner


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPlan:
    """What a simulated deployment consists of."""

    services: tuple[ServicePlan, ...]
    nodes: int = 2
    snapshot_records: int = 1_000
    lease: Lease = field(default_factory=Lease)
    parts: Parts = Parts()


class Cluster:
    """The deployment.

    Args:
        plan: What it consists of.
        seed: Decides everything that is random in it.
        trace: Hears of everything that happens.
    """

    def __init__(self, plan: ClusterPlan, *, seed: str, trace: Trace) -> None:
        self.plan = plan
        self.trace = trace
        self.topology = Topology()
        self.network = SimulatedNetwork(random.Random(f"{seed}/network"), topology=self.topology, trace=trace)
        self.storage = SimulatedStorage(random.Random(f"{seed}/store"), topology=self.topology, trace=trace)
        self.exchange = MemoryExchange(self.network)
        self.subjects = Subjects()
        self.failures: list[str] = []
        """Processes that ended as no process may: they found what they wrote to be wrong."""
        self.nodes = tuple(Node(f"n{number}", self, seed=seed) for number in range(1, plan.nodes + 1))
        self.client_buses: dict[str, MemoryBus] = {}
        self._seed = seed

    async def run(self) -> None:
        """Keep all nodes running until cancelled."""
        async with asyncio.TaskGroup() as group:
            for node in self.nodes:
                group.create_task(node.run())

    def caller(self, name: str, *, patience_s: float) -> Caller:
        """A new client on a machine of its own; its name and the seed say whether it takes bundles."""
        bus = self.client_buses[name] = MemoryBus(self.exchange, agent=name)
        entropy = random.Random(f"{self._seed}/{name}")
        return Caller(
            bus,
            agent=name,
            subjects=self.subjects,
            patience_s=patience_s,
            entropy=entropy,
            takes_every_form=random.Random(f"{self._seed}/{name}/bundles").random() < _BUNDLES_SHARE,
        )

    def stream(self, service: ServicePlan, shard: int) -> ArchivedStream:
        """The journal of one shard."""
        return self.storage.stream(self.subjects.journal_stream(service.name, shard), shards=service.shards)

    def shards(self) -> list[tuple[ServicePlan, int]]:
        """Every shard of every service."""
        return [(service, shard) for service in self.plan.services for shard in range(service.shards)]

    def hosts(self, service: ServicePlan, shard: int) -> list[Host[Any]]:
        """The hosts of one shard on all nodes that are up."""
        runners = [node.life.runners[service.name] for node in self.nodes if node.life is not None]
        return [runner.hosts[shard] for runner in runners]

    def leaders(self, service: ServicePlan, shard: int) -> list[Host[Any]]:
        """The hosts that believe they lead one shard."""
        return [host for host in self.hosts(service, shard) if host.leading.is_set()]


class _Life:
    """One process on a node, from its start to its end."""

    def __init__(self, node: Node, number: int, *, seed: str) -> None:
        self.name = f"{node.name}.{number}"
        self.is_crashed = False
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.runners: dict[str, Runner] = {}
        self._cluster = node.cluster
        self._buses: list[MemoryBus] = []
        self._stores: list[FaultyStore] = []
        for service in node.cluster.plan.services:
            entropy = random.Random(f"{seed}/{self.name}/{service.name}")
            self.runners[service.name] = self._runner(node, service, entropy)

    def _runner(self, node: Node, service: ServicePlan, entropy: random.Random) -> Runner:
        cluster = self._cluster
        plan, parts = cluster.plan, cluster.plan.parts
        bus = MemoryBus(cluster.exchange, agent=service.name, node=node.name)
        self._buses.append(bus)
        shell = Shell.of(
            parts.bus(bus), service=service.name, subjects=cluster.subjects, clock=node.clock, entropy=entropy
        )
        journals = []
        for shard in range(service.shards):
            stream = cluster.stream(service, shard)
            served = parts.serve(MemoryStore(stream, shards=service.shards))
            store = FaultyStore(cluster.storage, node=node.name, stream=stream, served=served)
            self._stores.append(store)
            journals.append(parts.journal(store, entropy))
        runner = Runner(
            service.define(shell),
            shell=shell,
            journals=journals,
            lease=plan.lease,
            snapshots=SnapshotPolicy(records=plan.snapshot_records),
        )
        return parts.runner(runner)

    async def run(self) -> None:
        """Serve until stopped or crashed."""
        try:
            async with asyncio.TaskGroup() as group:
                watching = [
                    group.create_task(self._watch(host))
                    for runner in self.runners.values()
                    for host in runner.hosts
                ]
                await asyncio.wait([group.create_task(runner.run()) for runner in self.runners.values()])
                for task in watching:
                    task.cancel()
        except* (UnavailableError, ClosedError) as group_error:
            self._cluster.trace.note("gave up", self.name, _names(group_error))
        except* Exception as group_error:  # noqa: BLE001 - whatever it is, the run must fail with it
            if not self.is_crashed:
                self._cluster.failures.append(f"{self.name} ended: {_names(group_error)}")
        finally:
            for bus in self._buses:
                bus.abort()
            if not self.over.done():
                self.over.set_result(None)

    async def _watch(self, host: Host[Any]) -> None:
        while True:
            await host.leading.wait()
            self._cluster.trace.note("leads", self.name, host.name, host.epoch)
            await host.following.wait()
            self._cluster.trace.note("follows", self.name, host.name, host.epoch)

    def stop(self) -> None:
        """Ask every service to end in good order."""
        for runner in self.runners.values():
            runner.stop()

    def crash(self) -> None:
        """Cut the process off from the world; what its tasks do then, nobody hears of."""
        self.is_crashed = True
        self.resume()
        for bus in self._buses:
            bus.abort()
        for store in self._stores:
            store.abort()
        if not self.over.done():
            self.over.set_result(None)

    def pause(self) -> None:
        """Suspend the process: it does nothing, and does not notice."""
        _loop().pause(self.name)

    def resume(self) -> None:
        """Let the process go on where it stood; idempotent."""
        _loop().resume(self.name)

    def lose_connection(self) -> None:
        """Let the connections of all services break."""
        for bus in self._buses:
            bus.lose_connection()

    def restore_connection(self) -> None:
        """Let the connections be there again."""
        for bus in self._buses:
            bus.restore_connection()


class Node:
    """One machine: runs the services, one process after another."""

    def __init__(self, name: str, cluster: Cluster, *, seed: str) -> None:
        self.name = name
        self.cluster = cluster
        self.clock = SimulatedClock()
        self.life: _Life | None = None
        """The process that runs now."""
        self._seed = seed
        self._lives = 0
        self._may_run = asyncio.Event()
        self._may_run.set()
        self._ending: dict[asyncio.Task[None], None] = {}
        """The tasks of processes that crashed, until their clean-up is through."""

    async def run(self) -> None:
        """Run one process after another until cancelled."""
        try:
            while True:
                await self._may_run.wait()
                self._lives += 1
                life = self.life = _Life(self, self._lives, seed=self._seed)
                self.cluster.trace.note("started", life.name)
                context = copy_context()
                context.run(PROCESS.set, life.name)
                task = asyncio.create_task(life.run(), name=life.name, context=context)
                self._ending[task] = None
                task.add_done_callback(self._ending.pop)
                await life.over
                self.life = None
                if life.is_crashed:
                    task.cancel()
                self.cluster.trace.note("ended", life.name)
                await asyncio.sleep(RESTART_S)
        finally:
            tasks = tuple(self._ending)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def crash(self) -> None:
        """Kill the process, and start no other until `start`."""
        self._may_run.clear()
        if self.life is not None:
            self.life.crash()

    def stop(self) -> None:
        """Ask the process to end in good order; another one is started after it."""
        if self.life is not None:
            self.life.stop()

    def start(self) -> None:
        """Let a process run; idempotent."""
        self._may_run.set()

    @property
    def leads(self) -> bool:
        """Whether it leads any shard."""
        if self.life is None:
            return False
        return any(host.leading.is_set() for runner in self.life.runners.values() for host in runner.hosts)


def _loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


def _names(error: BaseException) -> str:
    """What went wrong, without anything that differs from run to run."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(_names(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"
