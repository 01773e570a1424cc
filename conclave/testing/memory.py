"""A Conclave in one process: the real services over a bus, a store and a network in memory, by seed."""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextvars import copy_context
from dataclasses import replace
from typing import Final

import consensus.service
import coordination.artifacts.service
import coordination.gateway.service
import coordination.registry.service
import coordination.tasks.service
import dialog.service
import knowledge.service
from conclave.agent import Agent
from conclave.identity import RESERVED_NAMES
from conclave.session import Session
from conclave.testing.errors import NotFulfilledError
from conclave.testing.loop import SERVICES, MeshLoop
from conclave.testing.mesh import Mesh
from conclave.testing.record import Said
from conclave.testing.storage import MemoryArtifacts, MemoryChanges
from coordination.artifacts.depot import Depot
from coordination.runtime.bus import Bus
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import UsageError
from coordination.runtime.failures import LISTENER
from coordination.runtime.memory import MemoryBus, MemoryExchange, Transmission
from coordination.simulation.clock import SimulatedClock
from coordination.simulation.cluster import Cluster, ClusterPlan, ServicePlan
from coordination.simulation.loop import PROCESS
from coordination.simulation.network import NetworkFaults
from coordination.simulation.trace import Trace

_START_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.01


class MemoryMesh(Mesh):
    """All services in one process, without a server: the same code as in production over a bus in memory.

    On the loop of the fixture ``memory_mesh`` or of `run_in_memory` time is virtual: nothing sleeps, plain
    functions run inline instead of in threads, and the seed decides everything. (What is not by seed: the
    bytes of changes to shared knowledge, which hold random actor ids.) On any other loop of asyncio's it
    works, too, in real time.

    Args:
        seed: The same seed, the same delays, ids and order of everything.
    """

    def __init__(self, *, seed: int = 0) -> None:
        clock = SimulatedClock()
        super().__init__(clock=clock)
        self.seed = seed
        self._now_s = 0.0
        self._trace = Trace(self._elapsed_s)
        self._changes = MemoryChanges()
        self._artifacts = MemoryArtifacts()
        self._cluster = Cluster(
            ClusterPlan(services=self._services(), nodes=1), seed=str(seed), trace=self._trace
        )
        self._exchange = self._cluster.exchange = _HeardExchange(self, self._cluster.network)
        self._running: asyncio.Task[None] | None = None
        self._links_made = 0

    def _services(self) -> tuple[ServicePlan, ...]:
        return (
            ServicePlan(name="registry", define=coordination.registry.service.define),
            ServicePlan(name="tasks", define=coordination.tasks.service.define),
            ServicePlan(name="dialog", define=dialog.service.define),
            ServicePlan(name="consensus", define=consensus.service.define),
            ServicePlan(
                name="knowledge",
                define=lambda shell: knowledge.service.define_over(shell, self._changes),
                shards=0,
            ),
            ServicePlan(
                name="artifacts",
                define=lambda shell: coordination.artifacts.service.define_over(
                    Depot(self._artifacts, shell.clock)
                ),
                shards=0,
            ),
            ServicePlan(name="gateway", define=coordination.gateway.service.define, shards=0),
        )

    @property
    def trace_digest(self) -> str:
        """SHA-256 over every message and stored record with its time; equal for equal runs."""
        return self._trace.digest

    async def advance(self, seconds: float) -> None:
        """Let virtual time pass, and everybody do what they do in it; `asyncio.sleep` does the same.

        Raises:
            UsageError: Time is real, and passes by itself.
        """
        self._virtual_loop()
        await asyncio.sleep(seconds)

    # --- faults

    def drop(self, fraction: float) -> None:
        """Lose this share of all messages from now on, 0 to 1, by seed.

        Raises:
            UsageError: `fraction` is not between 0 and 1.
        """
        if not 0 <= fraction <= 1:
            raise UsageError(f"a share of messages is between 0 and 1, not {fraction}")
        self._set_faults(replace(self._cluster.network.faults, lost=fraction))

    def delay(self, least_s: float, most_s: float | None = None) -> None:
        """Let each message take between `least_s` and `most_s` seconds from now on; by default 0.1 to 2 ms.

        Messages from one sender to one receiver still arrive in order.

        Raises:
            UsageError: Not ``0 <= least_s <= most_s``.
        """
        most_s = least_s if most_s is None else most_s
        if not 0 <= least_s <= most_s:
            raise UsageError(f"a delay is 0 <= least <= most seconds, not {least_s} to {most_s}")
        self._set_faults(replace(self._cluster.network.faults, delay_s=(least_s, most_s)))

    def mend(self) -> None:
        """Lose nothing more, delay nothing more, and let every agent be connected and run again."""
        self._set_faults(NetworkFaults())
        for link in self._links:
            if isinstance(link.bus, MemoryBus):
                link.bus.restore_connection()
            if link.participant is not None:
                self._wake(link.participant.process)

    def _set_faults(self, faults: NetworkFaults) -> None:
        self._cluster.network.faults = faults

    def disconnect(self, agent: Agent | str) -> None:
        """Let the connections of `agent` break; it notices, and what it publishes waits until `reconnect`.

        Raises:
            UsageError: `agent` is not connected.
        """
        for link in self._links_of(agent):
            assert isinstance(link.bus, MemoryBus)
            link.bus.lose_connection()

    def reconnect(self, agent: Agent | str) -> None:
        """Let the connections of `agent` be there again; idempotent.

        Raises:
            UsageError: `agent` is not in the mesh.
        """
        for link in self._links_of(agent):
            assert isinstance(link.bus, MemoryBus)
            link.bus.restore_connection()

    def pause(self, agent: Agent | str) -> None:
        """Let `agent` stand still, as if its loop were blocked or its process suspended.

        Only for agents that take part through `join`, and in virtual time.

        Raises:
            UsageError: It is not such an agent, or time is real.
        """
        processes = self._processes_of(agent)
        if not processes:
            raise UsageError("only an agent that takes part through `mesh.join` can be paused")
        for process in processes:
            self._virtual_loop().pause(process)

    def resume(self, agent: Agent | str) -> None:
        """Let `agent` go on where it stood; idempotent.

        Raises:
            UsageError: `agent` is not in the mesh, or time is real.
        """
        for process in self._processes_of(agent):
            self._virtual_loop().resume(process)

    async def restart_services(self, *, away_s: float = 0.0) -> None:
        """Kill all services at once and start them again over what they had stored.

        Returns when they answer.

        Args:
            away_s: How much virtual time passes before they are started.

        Raises:
            UsageError: Time is real.
        """
        self._virtual_loop()
        (node,) = self._cluster.nodes
        node.crash()
        if away_s:
            await self.advance(away_s)
        node.start()
        await self._wait_until_ready()

    def _wake(self, process: str) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, MeshLoop):
            loop.resume(process)

    def _virtual_loop(self) -> MeshLoop:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, MeshLoop):
            raise UsageError("time is real here; that works on the loop of memory_mesh or run_in_memory only")
        return loop

    # --- running

    def describe(self) -> str:
        """See `Mesh.describe`."""
        return f"MemoryMesh with seed {self.seed}, at {self._elapsed_s():.3f} s"

    def _elapsed_s(self) -> float:
        # Asked for after the run, too, by the report of a test that failed.
        with contextlib.suppress(RuntimeError):
            self._now_s = asyncio.get_running_loop().time() - self._started_s
        return self._now_s

    async def _start(self) -> None:
        context = copy_context()
        context.run(PROCESS.set, SERVICES)
        context.run(LISTENER.set, self._hear)
        self._running = asyncio.create_task(self._cluster.run(), name=SERVICES, context=context)
        await self._wait_until_ready()

    async def _wait_until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _START_TIMEOUT_S
        (node,) = self._cluster.nodes
        while node.life is None or not all(each.ready.is_set() for each in node.life.runners.values()):
            if loop.time() > give_up_s:
                raise NotFulfilledError(f"the services do not start: {self._cluster.failures}")
            await asyncio.sleep(_POLL_S)

    async def _stop(self) -> None:
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

    async def _open_bus(self, agent: str) -> MemoryBus:
        if agent in RESERVED_NAMES:
            raise UsageError(f"agent id {agent!r} is reserved; choose another")
        return MemoryBus(self._exchange, agent=agent)

    def _session(self, bus: Bus, agent: str, patience_s: float) -> Session:
        self._links_made += 1
        entropy = random.Random(f"{self.seed}/{agent}/{self._links_made}")
        return Session(
            bus,
            agent=agent,
            subjects=self.subjects,
            patience_s=patience_s,
            clock=self.clock,
            entropy=entropy,
        )

    def hear(self, delivery: Delivery) -> None:
        """Put what is published into the record."""
        self.record.add(
            Said(
                at_s=self._elapsed_s(),
                subject=delivery.subject,
                payload=delivery.payload,
                headers=delivery.headers,
            )
        )


class _HeardExchange(MemoryExchange):
    """An exchange that tells of every message."""

    def __init__(self, mesh: MemoryMesh, transmission: Transmission) -> None:
        super().__init__(transmission)
        self._mesh = mesh

    def route(self, source: str, delivery: Delivery) -> int:
        """See `MemoryExchange.route`."""
        self._mesh.hear(delivery)
        return super().route(source, delivery)
