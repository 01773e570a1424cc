"""The real services under faults: agents that register, work, talk and vote; and what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from consensus import service as consensus
from consensus.client import ConsensusClient
from consensus.wire import Choice
from coordination.registry import service as registry
from coordination.registry.client import RegistryClient
from coordination.runtime.bundles import bodies_of
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError, RejectedError
from coordination.runtime.lease import Lease
from coordination.simulation.checks.journal import stored_events
from coordination.simulation.cluster import Cluster, ClusterPlan, Parts, ServicePlan
from coordination.simulation.scenario import pause
from coordination.simulation.toy_scenario import SHORT_LEASE
from coordination.tasks import service as tasks
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import TaskOffer
from dialog import service as dialog
from dialog.client import DialogClient
from tests.support.voting import signing

_MAX_OPERATIONS: Final = 20
_CAPABILITY: Final = "work"
_CHOICES: Final[tuple[Choice, ...]] = ("for", "against", "abstain")
_ARTIFACT: Final = "0" * 64


class ServicesScenario:
    """Every client is an agent that does a little of everything."""

    def __init__(self) -> None:
        self.clients = 3
        self._submitted: list[str] = []
        self._completed: list[tuple[str, int]] = []
        self._said: list[str] = []
        self._voted: list[tuple[str, str, str]] = []
        self._registered: list[tuple[str, int]] = []
        self._proposals: list[str] = []
        self._conversation = ""

    def plan(self, entropy: random.Random, parts: Parts) -> ClusterPlan:
        """See `Scenario.plan`."""
        self.clients = entropy.randint(2, 4)
        return ClusterPlan(
            services=(
                ServicePlan(name=registry.NAME, define=registry.define),
                ServicePlan(name=tasks.NAME, define=tasks.define),
                ServicePlan(name=dialog.NAME, define=dialog.define),
                ServicePlan(name=consensus.NAME, define=consensus.define),
            ),
            nodes=2,
            lease=entropy.choice((Lease(), SHORT_LEASE)),
            snapshot_records=entropy.choice((3, 10, 1_000)),
            parts=parts,
        )

    async def work(self, caller: Caller, entropy: random.Random, stop: asyncio.Event) -> None:
        """See `Scenario.work`."""
        working = asyncio.create_task(self._serve_tasks(caller))
        try:
            for number in range(_MAX_OPERATIONS):
                if stop.is_set():
                    break
                with contextlib.suppress(ConclaveError):
                    await self._do(caller, entropy, f"{caller.agent}-{number}", number)
                await pause(stop, entropy.expovariate(5))
        finally:
            working.cancel()
            await asyncio.wait([working])

    async def probe(self, caller: Caller) -> None:
        """See `Scenario.probe`."""
        await RegistryClient(caller).register()
        await TasksClient(caller).submit(_CAPABILITY, task_id="probe")
        await DialogClient(caller).open("probe")
        await self._propose(caller, "probe")

    async def _serve_tasks(self, caller: Caller) -> None:
        """Register, beat, and complete every task that is offered."""
        offers: asyncio.Queue[TaskOffer] = asyncio.Queue()

        async def receive(delivery: Delivery) -> None:
            for body in bodies_of(delivery.payload):
                offers.put_nowait(TaskOffer.model_validate_json(body))

        await caller.inbox.subscribe("task", receive)
        client, incarnation = RegistryClient(caller), 0
        while True:
            with contextlib.suppress(ConclaveError):
                if not incarnation:
                    incarnation = (await client.register([_CAPABILITY], max_tasks=4)).incarnation
                    self._registered.append((caller.agent, incarnation))
                await client.heartbeat(incarnation=incarnation)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    offer = await offers.get()
                with contextlib.suppress(ConclaveError):
                    await self._complete(TasksClient(caller), offer)

    async def _complete(self, client: TasksClient, offer: TaskOffer) -> None:
        await client.accept(offer.task_id, offer.fencing_token)
        await client.complete(offer.task_id, offer.fencing_token, {"done": offer.task_id})
        self._completed.append((offer.task_id, offer.fencing_token))

    async def _do(self, caller: Caller, entropy: random.Random, label: str, number: int) -> None:
        if number == 0 and caller.agent == "c1":
            self._conversation = (await DialogClient(caller).open("all", self._agents())).conversation_id
            return
        match entropy.randrange(5):
            case 0 | 1:
                await TasksClient(caller).submit(_CAPABILITY, task_id=label)
                self._submitted.append(label)
            case 2 if self._conversation:
                await DialogClient(caller).say(self._conversation, label)
                self._said.append(label)
            case 3:
                await self._propose(caller, label)
            case _ if self._proposals:
                await self._vote(caller, entropy)
            case _:
                return

    def _agents(self) -> list[str]:
        return [f"c{number}" for number in range(1, self.clients + 1)]

    async def _propose(self, caller: Caller, title: str) -> None:
        proposal = await ConsensusClient(caller).propose(
            title, artifact_sha256=_ARTIFACT, electorate=self._agents(), voting_period_ms=4_000
        )
        self._proposals.append(proposal.proposal_id)

    async def _vote(self, caller: Caller, entropy: random.Random) -> None:
        proposal_id = entropy.choice(self._proposals)
        choice: Choice = entropy.choice(_CHOICES)
        try:
            await signing(caller).vote(proposal_id, choice)
        except RejectedError:
            return  # voted already, or too late
        self._voted.append((proposal_id, caller.agent, choice))

    # --- what must be true

    def violations(self, cluster: Cluster) -> Iterator[str]:
        """See `Scenario.violations`."""
        journals = {
            service.name: [entry.payload for entry in cluster.stream(service, 0).archive]
            for service in cluster.plan.services
        }

        def events(service: str, kind: str) -> list[dict[str, Any]]:
            return [event for payload in journals[service] for event in stored_events(payload, kind)]

        registered = [(each["agent"], each["incarnation"]) for each in events("registry", "AgentRegistered")]
        yield from _missing("registration", self._registered, registered)
        submitted = [each["task_id"] for each in events("tasks", "TaskSubmitted")]
        yield from _missing("task", self._submitted, submitted)
        completed = events("tasks", "TaskCompleted")
        yield from _repeated("completion of task", [each["task_id"] for each in completed])
        handed_in = [(each["task_id"], each["fencing_token"]) for each in completed]
        yield from _missing("completion", self._completed, handed_in)
        said = [each["content"] for each in events("dialog", "MessageSaid")]
        yield from _missing("message", self._said, said)
        votes = events("consensus", "VoteCast")
        yield from _missing(
            "vote", self._voted, [(each["proposal_id"], each["voter"], each["choice"]) for each in votes]
        )
        yield from _repeated("vote", [(each["proposal_id"], each["voter"]) for each in votes])
        yield from wrong_tallies(votes, events("consensus", "ProposalDecided"))


def wrong_tallies(votes: list[dict[str, Any]], decisions: list[dict[str, Any]]) -> Iterator[str]:
    """Which decisions do not count each vote on record once."""
    yield from _repeated("decision", [each["proposal_id"] for each in decisions])
    for decision in decisions:
        cast = Counter(each["choice"] for each in votes if each["proposal_id"] == decision["proposal_id"])
        tally = decision["tally"]
        counted = {choice: tally[f"{choice}_votes"] for choice in _CHOICES}
        if any(cast[choice] != count for choice, count in counted.items()):
            yield f"proposal {decision['proposal_id']} was decided with {counted}, cast were {dict(cast)}"


def _missing(what: str, acknowledged: list[Any], stored: list[Any]) -> Iterator[str]:
    """What was acknowledged and is not on record, or not just once."""
    found = Counter(stored)
    for each in acknowledged:
        if found[each] != 1:
            yield f"{what} {each} was acknowledged and is in the journal {found[each]} times"


def _repeated(what: str, stored: list[Any]) -> Iterator[str]:
    for each, count in Counter(stored).items():
        if count > 1:
            yield f"{what} {each} is in the journal {count} times"
