"""Votes under faults: voters that crash, repeat themselves, are late and cheat, and what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from functools import partial
from typing import Final

from consensus import service as consensus
from consensus.audit import collect
from consensus.client import ConsensusClient
from coordination.registry import service as registry
from coordination.registry import wire as registry_wire
from coordination.registry.membership import Membership, SupersededError
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError
from coordination.runtime.lease import Lease
from coordination.simulation.clock import SimulatedClock
from coordination.simulation.cluster import Cluster, ClusterPlan, Parts, ServicePlan
from coordination.simulation.scenario import pause
from coordination.simulation.toy_scenario import SHORT_LEASE
from tests.simulation.vote_agent import Crash, VoteAgent
from tests.simulation.vote_checks import broken_votes
from tests.simulation.vote_sightings import Sightings
from tests.simulation.vote_terms import ROLE, artifact

INTERVAL_MS: Final = 500
_MAX_ACTS: Final = 60
_LAST_ACTS: Final = 8
"""After healing, so that what is under way then comes to its end."""
_LAST_PAUSE_S: Final = 0.4


class VotesScenario:
    """Every client is an agent that is in the electorate of some proposals, and comes and goes."""

    def __init__(self) -> None:
        self.clients = 5
        self.seen = Sightings()

    def plan(self, entropy: random.Random, parts: Parts) -> ClusterPlan:
        """See `Scenario.plan`."""
        self.clients = entropy.randint(4, 6)
        return ClusterPlan(
            services=(
                ServicePlan(
                    name=registry.NAME, define=partial(registry.define, heartbeat_interval_ms=INTERVAL_MS)
                ),
                ServicePlan(name=consensus.NAME, define=consensus.define),
            ),
            nodes=entropy.choice((2, 2, 3)),
            lease=entropy.choice((Lease(), SHORT_LEASE)),
            snapshot_records=entropy.choice((3, 20, 1_000)),
            parts=parts,
        )

    async def work(self, caller: Caller, entropy: random.Random, stop: asyncio.Event) -> None:
        """See `Scenario.work`."""
        agents = [f"c{number}" for number in range(1, self.clients + 1)]
        agent = VoteAgent(caller, self.seen, agents, entropy)
        await agent.listen()
        staying = asyncio.create_task(self._come_and_go(caller, random.Random(entropy.random())))
        try:
            for _ in range(_MAX_ACTS):
                if stop.is_set():
                    break
                await self._act(agent)
                await pause(stop, entropy.expovariate(8))
            await stop.wait()
            for _ in range(_LAST_ACTS):
                await self._act(agent)
                await asyncio.sleep(_LAST_PAUSE_S)
        finally:
            staying.cancel()
            await asyncio.wait([staying])

    async def _act(self, agent: VoteAgent) -> None:
        try:
            await agent.act()
        except Crash:
            self.seen.met["crashed"] += 1
            agent.restart()

    @staticmethod
    async def _come_and_go(caller: Caller, entropy: random.Random) -> None:
        """Be a member of the registry, but for the times between two processes."""
        labels = {"role": ROLE} if entropy.random() < 0.7 else {}
        request = registry_wire.RegisterRequest(
            capabilities=(registry_wire.Capability(name="work"),), labels=labels
        )
        while True:
            member = Membership(caller, request, clock=SimulatedClock(), entropy=entropy)
            # Without a word: what an agent that leaves in good order comes to is the same to a vote.
            with contextlib.suppress(ConclaveError, SupersededError, TimeoutError):
                async with asyncio.timeout(entropy.expovariate(1 / 4)):
                    await member.run()
            await asyncio.sleep(entropy.expovariate(1 / 1.5))

    async def probe(self, caller: Caller) -> None:
        """See `Scenario.probe`."""
        client = ConsensusClient(caller)
        for proposal_id in self.seen.proposals:
            audit = await collect(client, proposal_id)
            self.seen.final[proposal_id] = (await client.get(proposal_id), audit)
        made = await client.propose("probe", artifact_sha256=artifact("probe"), electorate=["probe"])
        await client.get(made.proposal_id)

    def violations(self, cluster: Cluster) -> Iterator[str]:
        """See `Scenario.violations`."""
        service = cluster.plan.services[1]
        archive = cluster.stream(service, 0).archive
        yield from broken_votes(self.seen, archive, cluster.hosts(service, 0))
