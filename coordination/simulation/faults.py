"""Which faults a seed brings, how strong they are, and when they strike."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coordination.simulation.cluster import Cluster, Node
from coordination.simulation.network import STORE, NetworkFaults
from coordination.simulation.store import StoreFaults

_ACTIONS: Final = (
    "crash a node",
    "stop a node",
    "suspend a node",
    "cut a node from the store",
    "cut a leader from the store",
    "cut two nodes",
    "cut a client",
    "lose a connection",
    "crash the store",
    "step a clock",
)
_LONGEST_S: Final = 6.0
"""Longer than a lease and a takeover together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """The faults of one run."""

    network: NetworkFaults
    store: StoreFaults
    actions: tuple[str, ...]
    """What strikes; empty for a run with nothing but a bad network."""
    pause_s: float
    """Average time between two strikes."""
    clock_offset_ms: int
    """Most that a wall clock is wrong, or is stepped."""
    clock_drift: float
    """Most that a clock's rate differs from 1."""


def draw_plan(entropy: random.Random) -> FaultPlan:
    """The faults of one seed: some kinds, each with a strength of its own."""

    def chance(most: float) -> float:
        return entropy.random() ** 2 * most if entropy.random() < 0.35 else 0.0

    return FaultPlan(
        network=NetworkFaults(
            delay_s=(0.0001, entropy.choice((0.001, 0.005, 0.02))),
            slow=chance(0.05),
            slow_s=entropy.uniform(0.5, 6.0),
            lost=chance(0.15),
            repeated=chance(0.3),
            overtaking=chance(1.0),
        ),
        store=StoreFaults(
            delay_s=(0.0005, entropy.choice((0.001, 0.005, 0.02))),
            slow=chance(0.03),
            slow_s=entropy.uniform(0.5, 6.0),
            lost=chance(0.1),
            unacknowledged=chance(0.1),
            overtaking=chance(0.5),
            lagging=chance(0.5),
            torn=chance(0.5),
        ),
        actions=tuple(entropy.sample(_ACTIONS, entropy.choice((0, 1, 1, 2, 2, 3, 5, len(_ACTIONS))))),
        pause_s=entropy.uniform(0.3, 2.0),
        clock_offset_ms=entropy.choice((0, 50, 5_000, 100_000)),
        clock_drift=entropy.choice((0.0, 0.001, 0.01)),
    )


class Nemesis:
    """Lets the faults of a plan strike a cluster, until it is healed.

    Args:
        plan: Which faults.
        cluster: Whom they strike.
        entropy: When, and whom exactly.
    """

    def __init__(self, plan: FaultPlan, cluster: Cluster, entropy: random.Random) -> None:
        self._plan = plan
        self._cluster = cluster
        self._entropy = entropy
        self._is_healed = False

    def set_clocks(self) -> None:
        """Make every node's clock wrong in a way of its own."""
        offset_ms, drift = self._plan.clock_offset_ms, self._plan.clock_drift
        for node in self._cluster.nodes:
            node.clock.step(self._entropy.randint(-offset_ms, offset_ms))
            node.clock.set_rate(1 + self._entropy.uniform(-drift, drift))

    async def run(self) -> None:
        """Strike again and again, until cancelled."""
        while True:
            self._change_weather()
            await asyncio.sleep(self._entropy.expovariate(1 / self._plan.pause_s))
            if self._plan.actions:
                self._strike(self._entropy.choice(self._plan.actions))

    def _change_weather(self) -> None:
        """Let network and store be bad for a while, or good, so that work gets done in between."""
        is_bad = self._entropy.random() < 0.5
        self._cluster.network.faults = self._plan.network if is_bad else NetworkFaults()
        self._cluster.storage.faults = self._plan.store if is_bad else StoreFaults()

    def heal(self) -> None:
        """End every fault but wrong clocks."""
        cluster = self._cluster
        self._is_healed = True
        cluster.trace.note("healed")
        cluster.network.faults, cluster.storage.faults = NetworkFaults(), StoreFaults()
        cluster.topology.mend_all()
        cluster.storage.restart()
        for bus in cluster.client_buses.values():
            bus.restore_connection()
        for node in cluster.nodes:
            node.start()
            if node.life is not None:
                node.life.resume()
                node.life.restore_connection()

    def _strike(self, action: str) -> None:
        cluster, entropy = self._cluster, self._entropy
        node = self._victim(leader=0.95 if "leader" in action else 0.7)
        client = entropy.choice(list(cluster.client_buses))
        cluster.trace.note("fault", action, node.name, client)
        match action:
            case "crash a node":
                node.crash()
                self._later(node.start)
            case "stop a node":
                node.stop()
            case "suspend a node" if node.life is not None:
                node.life.pause()
                self._later(node.life.resume)
            case "cut a node from the store" | "cut a leader from the store":
                self._cut(node.name, STORE)
            case "cut two nodes":
                self._cut(node.name, entropy.choice([each.name for each in cluster.nodes]))
            case "cut a client":
                self._cut(node.name, client)
            case "lose a connection":
                self._lose_connection(node, client)
            case "crash the store":
                cluster.storage.crash()
                self._later(cluster.storage.restart)
            case "step a clock":
                most_ms = self._plan.clock_offset_ms
                node.clock.step(entropy.randint(-most_ms, most_ms))

    def _victim(self, *, leader: float) -> Node:
        """A node; by the chance `leader` one that leads."""
        leading = [node for node in self._cluster.nodes if node.leads]
        return self._entropy.choice(
            leading if leading and self._entropy.random() < leader else self._cluster.nodes
        )

    def _cut(self, one: str, other: str) -> None:
        topology = self._cluster.topology
        match self._entropy.randrange(3):
            case 0:
                topology.cut(one, other)
            case 1:
                topology.cut(other, one)
            case _:
                topology.cut_both(one, other)
        self._later(lambda: topology.mend(one, other))

    def _lose_connection(self, node: Node, client: str) -> None:
        life, bus = node.life, self._cluster.client_buses[client]
        if life is not None and self._entropy.random() < 0.7:
            life.lose_connection()
            self._later(life.restore_connection)
        else:
            bus.lose_connection()
            self._later(bus.restore_connection)

    def _later(self, undo: Callable[[], None]) -> None:
        """End a fault after a while, if the whole cluster has not been healed by then."""

        def undo_once() -> None:
            if not self._is_healed:
                undo()

        asyncio.get_running_loop().call_later(self._entropy.uniform(0.05, _LONGEST_S), undo_once)
