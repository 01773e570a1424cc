"""Agents that join, die, come back and leave, while the registry, the network and the store fail."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Final

from coordination.registry import wire
from coordination.registry.client import RegistryClient
from coordination.registry.membership import Membership, SupersededError
from coordination.registry.service import NAME, define
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.lease import Lease
from coordination.simulation.checks.journal import stored_events
from coordination.simulation.clock import SimulatedClock
from coordination.simulation.cluster import Cluster, ClusterPlan, Parts, ServicePlan
from coordination.simulation.scenario import pause
from coordination.simulation.toy_scenario import SHORT_LEASE

INTERVAL_MS: Final = 1_000
_RETURN_S: Final = 20.0
"""After healing: until an agent that lives is online as what it believes to be."""
_POLL_S: Final = 0.1


class PresenceScenario:
    """Every client is one agent, in one process after another."""

    def __init__(self) -> None:
        self.clients = 3
        self._problems: list[str] = []
        self._left: list[tuple[str, int]] = []
        """Incarnations that the registry has confirmed not to count any more."""

    def plan(self, entropy: random.Random, parts: Parts) -> ClusterPlan:
        """See `Scenario.plan`."""
        self.clients = entropy.randint(2, 5)
        return ClusterPlan(
            services=(ServicePlan(name=NAME, define=partial(define, heartbeat_interval_ms=INTERVAL_MS)),),
            nodes=entropy.choice((1, 2, 3)),
            lease=entropy.choice((Lease(), SHORT_LEASE)),
            snapshot_records=entropy.choice((3, 10, 1_000)),
            parts=parts,
        )

    async def work(self, caller: Caller, entropy: random.Random, stop: asyncio.Event) -> None:
        """See `Scenario.work`."""
        may_be_superseded = False
        is_over = False
        while not is_over:
            is_over = stop.is_set()  # one more stay after healing, unless one lasts until then
            request = wire.RegisterRequest(capabilities=(wire.Capability(name="work"),))
            member = Membership(caller, request, load=entropy.random, clock=SimulatedClock(), entropy=entropy)
            stay_s, leaves = entropy.expovariate(1 / 4), entropy.random() < 0.5
            try:
                is_over = await self._stay(member, caller, stop, stay_s, leaves=leaves) or is_over
                # What a process that died had sent may arrive later than what its successor sends.
                may_be_superseded = True
            except (UnavailableError, RejectedError) as error:
                if is_over:
                    self._problems.append(f"{caller.agent} does not get in after healing: {error}")
                await pause(stop, 0.2)
            except SupersededError as error:
                if not may_be_superseded:
                    self._problems.append(f"{error}, and there never was another process")

    async def _stay(
        self, member: Membership, caller: Caller, stop: asyncio.Event, stay_s: float, *, leaves: bool
    ) -> bool:
        """Be a member for a while, then leave, or die without a word; True if it lived to see the healing."""
        ready = asyncio.Event()
        running = asyncio.ensure_future(member.run(ready))
        waiting = asyncio.ensure_future(self._pass(ready, stop, stay_s))
        try:
            await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
            if stop.is_set() and not running.done():
                await self._comes_back(member, RegistryClient(caller))
            if running.done():
                running.result()
            elif leaves and await member.leave():
                self._left.append((member.agent, member.incarnation))
            return stop.is_set()
        finally:
            for task in (running, waiting):
                task.cancel()
            await asyncio.wait((running, waiting))

    @staticmethod
    async def _pass(ready: asyncio.Event, stop: asyncio.Event, stay_s: float) -> None:
        await ready.wait()
        await pause(stop, stay_s)

    async def _comes_back(self, member: Membership, client: RegistryClient) -> None:
        try:
            async with asyncio.timeout(_RETURN_S):
                while True:
                    with contextlib.suppress(RejectedError, UnavailableError):
                        found = await client.get(member.agent)
                        if (found.status, found.incarnation) == ("online", member.incarnation):
                            break
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            self._problems.append(f"{member.agent} lives and is not online {_RETURN_S:g} s after healing")

    async def probe(self, caller: Caller) -> None:
        """See `Scenario.probe`."""
        await RegistryClient(caller).register()

    # --- what must be true

    def violations(self, cluster: Cluster) -> Iterator[str]:
        """See `Scenario.violations`."""
        yield from self._problems
        (service,) = cluster.plan.services
        payloads = [entry.payload for entry in cluster.stream(service, 0).archive]
        yield from wrong_courses(payloads)
        yield from self._unregistered(payloads)

    def _unregistered(self, payloads: list[bytes]) -> Iterator[str]:
        registered = {
            (each["agent"], each["incarnation"])
            for payload in payloads
            for each in stored_events(payload, "AgentRegistered")
        }
        for agent, incarnation in self._left:
            if incarnation and (agent, incarnation) not in registered:
                yield f"{agent} left as {incarnation}, which was never registered"


def wrong_courses(payloads: list[bytes]) -> Iterator[str]:
    """What no agent's course may hold: an incarnation twice, a status twice, a status of who is not there."""
    status: dict[str, str] = {}
    last_incarnation = 0
    for payload in payloads:
        for stored in json.loads(payload)["events"]:
            kind, event = stored["type"], stored["data"]
            agent = event.get("agent", "")
            if kind == "AgentRegistered":
                if event["incarnation"] <= last_incarnation:
                    yield f"{agent} registered as {event['incarnation']}, after {last_incarnation}"
                last_incarnation, status[agent] = event["incarnation"], "online"
            elif kind == "AgentStatusChanged":
                if status.get(agent, event["status"]) == event["status"]:
                    yield f"{agent} became {event['status']}, having been {status.get(agent)}"
                status[agent] = event["status"]
            elif kind == "AgentDeregistered" and status.pop(agent, None) is None:
                yield f"{agent} left without being there"
