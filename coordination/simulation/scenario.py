"""What clients do in a simulated deployment, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Protocol

from coordination.runtime.client import Caller
from coordination.simulation.cluster import Cluster, ClusterPlan, Parts


class Scenario(Protocol):
    """One kind of simulated deployment, for one run."""

    clients: int
    """How many run beside one another."""

    def plan(self, entropy: random.Random, parts: Parts) -> ClusterPlan:
        """What is deployed; the seed may decide sizes."""

    async def work(self, caller: Caller, entropy: random.Random, stop: asyncio.Event) -> None:
        """What one client does until `stop`; ends when its last answer is there, or given up."""

    async def probe(self, caller: Caller) -> None:
        """One new operation on every shard.

        Raises:
            UnavailableError: One was not served.
        """

    def violations(self, cluster: Cluster) -> Iterator[str]:
        """What the clients saw that cannot be, given what is stored."""


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Let time pass, but no longer than until `stop`."""
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
