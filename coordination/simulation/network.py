"""How messages travel in a simulated cluster: late, twice, out of order, or not at all; by seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from typing import Final

from coordination.runtime.delivery import Delivery
from coordination.simulation.trace import Trace

STORE: Final = "store"
"""Name of the machine that keeps the journals, beside the names of nodes."""


class Topology:
    """Which machines cannot reach which others; each direction for itself."""

    def __init__(self) -> None:
        self._cuts: dict[tuple[str, str], None] = {}

    def cut(self, source: str, target: str) -> None:
        """Let nothing from `source` arrive at `target`."""
        self._cuts[source, target] = None

    def cut_both(self, one: str, other: str) -> None:
        """Let nothing pass between the two."""
        self.cut(one, other)
        self.cut(other, one)

    def mend(self, one: str, other: str) -> None:
        """Let everything pass between the two."""
        self._cuts.pop((one, other), None)
        self._cuts.pop((other, one), None)

    def mend_all(self) -> None:
        """Let everything pass everywhere."""
        self._cuts.clear()

    def is_cut(self, source: str, target: str) -> bool:
        """Whether nothing from `source` arrives at `target`."""
        return (source, target) in self._cuts


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkFaults:
    """How bad the network is; every chance is between 0 and 1 and holds for one message."""

    delay_s: tuple[float, float] = (0.0001, 0.002)
    """Least and most that a message usually takes."""
    slow: float = 0.0
    """Chance to take up to `slow_s` instead."""
    slow_s: float = 1.0
    lost: float = 0.0
    repeated: float = 0.0
    """Chance to arrive twice."""
    overtaking: float = 0.0
    """Chance not to wait for what was sent before, on the same way."""


class SimulatedNetwork:
    """A `coordination.runtime.memory.Transmission` with faults.

    What one node sends to another arrives in the order in which it was sent, as over TCP, except for
    what overtakes. What is on its way when a cut begins is lost.

    Args:
        entropy: Decides everything.
        topology: Who cannot reach whom.
        trace: Hears of each message that arrives.
    """

    def __init__(self, entropy: random.Random, *, topology: Topology, trace: Trace) -> None:
        self.faults = NetworkFaults()
        self._entropy = entropy
        self._topology = topology
        self._trace = trace
        self._world = copy_context()  # a message arrives even if its sender stands still by then
        self._arrival_s: dict[tuple[str, str], float] = {}
        """When the last message on each way arrives that has not overtaken."""

    def choose(self, queue: str, members: int) -> int:
        """See `Transmission.choose`."""
        del queue
        return self._entropy.randrange(members)

    def carry(self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]) -> None:
        """See `Transmission.carry`."""
        faults, entropy = self.faults, self._entropy
        if entropy.random() < faults.lost or self._topology.is_cut(source, target):
            self._trace.note("lost", source, target, delivery.subject)
            return
        copies = 2 if entropy.random() < faults.repeated else 1
        for _ in range(copies):
            asyncio.get_running_loop().call_at(
                self._draw_arrival_s(source, target),
                self._hand_over,
                source,
                target,
                delivery,
                arrive,
                context=self._world,
            )

    def _draw_arrival_s(self, source: str, target: str) -> float:
        faults, entropy = self.faults, self._entropy
        takes_s = entropy.uniform(*faults.delay_s)
        if entropy.random() < faults.slow:
            takes_s = entropy.uniform(0, faults.slow_s)
        arrival_s = asyncio.get_running_loop().time() + takes_s
        if entropy.random() < faults.overtaking:
            return arrival_s
        way = (source, target)
        self._arrival_s[way] = arrival_s = max(arrival_s, self._arrival_s.get(way, 0.0))
        return arrival_s

    def _hand_over(
        self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]
    ) -> None:
        if self._topology.is_cut(source, target):
            self._trace.note("lost", source, target, delivery.subject)
            return
        self._trace.note("message", source, target, delivery.subject, payload=delivery.payload)
        arrive(delivery)

    async def settle(self, target: str) -> None:
        """See `Transmission.settle`; as a flush does, it waits for what keeps the order."""
        last_s = max((at for (_, to), at in self._arrival_s.items() if to == target), default=0.0)
        await asyncio.sleep(max(last_s - asyncio.get_running_loop().time(), 0))
