"""What the leader asks its neighbours, and what it makes of their answers; over the in-memory bus."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from consensus import attendance, census, snapshots, wire
from consensus import service as consensus
from consensus.client import ConsensusClient
from consensus.limits import MAX_ELECTORATE
from coordination.registry import wire as registry
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.model import Notice
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Action, Call, Endpoint, ServiceDefinition
from coordination.runtime.wire import Body
from tests.support.clock import ManualClock
from tests.support.serving import Agents
from tests.support.voting import ARTIFACT, OTHER_ARTIFACT, signing
from tests.support.waiting import settle, wait_until

WAIT_S = 10.0


def agent(name: str, *, status: registry.Status = "online", **labels: str) -> registry.AgentRecord:
    """An agent as the registry tells of it."""
    return registry.AgentRecord(
        agent=name,
        incarnation=1,
        status=status,
        capabilities=(registry.AgentCapability(name="python", version="3.11.0"),),
        labels=labels,
        max_tasks=1,
        description="",
        registered_at_ms=1,
    )


class Neighbours:
    """A registry and knowledge that say what the test wants, and remember what they were asked."""

    def __init__(self) -> None:
        self.agents: dict[str, registry.AgentRecord] = {}
        self.asked: list[str] = []
        self.page_size = 1_000
        self.revision = 7
        self.before_page: Callable[[int], None] = lambda _: None
        """Called with the number of the page of ``watch`` that is about to be answered."""
        self.trust: dict[str, int] = {}

    def add(self, *names: str, **more: Any) -> None:
        self.agents |= {name: agent(name, **more) for name in names}

    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            _endpoint("find", registry.FindRequest, registry.FindReply, self._find),
            _endpoint("get", registry.GetRequest, registry.AgentRecord, self._get),
            _endpoint("list", registry.ListRequest, registry.AgentsReply, self._list),
            _endpoint("watch", registry.WatchRequest, registry.WatchReply, self._watch),
        )

    async def _find(self, _: Call, request: registry.FindRequest) -> registry.FindReply:
        self.asked.append("find")
        assert request.requirement is not None
        there = [each for each in self.agents.values() if each.status != "offline"]
        shown = there[: self.page_size]
        return registry.FindReply(
            agents=tuple(registry.FoundAgent(**each.model_dump(exclude={"metadata"})) for each in shown),
            matched=len(there),
            revision=self.revision,
        )

    async def _get(self, _: Call, request: registry.GetRequest) -> registry.AgentRecord:
        self.asked.append(f"get {request.agent}")
        if request.agent not in self.agents:
            raise RejectedError("unknown_agent", "not registered")
        return self.agents[request.agent]

    def _page(self, after: str) -> tuple[list[registry.AgentRecord], str]:
        names = sorted(name for name in self.agents if name > after)
        shown = names[: self.page_size]
        return [self.agents[name] for name in shown], shown[-1] if len(shown) < len(names) else ""

    async def _list(self, _: Call, request: registry.ListRequest) -> registry.AgentsReply:
        self.asked.append("list")
        shown, following = self._page(request.after)
        return registry.AgentsReply(agents=tuple(shown), next=following)

    async def _watch(self, _: Call, request: registry.WatchRequest) -> registry.WatchReply:
        self.asked.append("watch")
        self.before_page(self.asked.count("watch"))
        shown, following = self._page(request.after)
        return registry.WatchReply(agents=tuple(shown), next=following, revision=self.revision)

    async def judge(self, _: Call, request: TrustRequest) -> TrustReply:
        self.asked.append("trust")
        return TrustReply(weights={each: self.trust[each] for each in request.agents if each in self.trust})


class TrustRequest(Body):
    topic: str
    agents: tuple[str, ...]


class TrustReply(Body):
    weights: dict[str, int]


def _endpoint(verb: str, request: type[Body], reply: Any, act: Any) -> Endpoint:
    return Action(verb=verb, description="As asked.", request=request, reply=reply, act=act)


class World:
    """Consensus with neighbours on one in-memory exchange."""

    def __init__(self, clock: ManualClock | None) -> None:
        self.clock = clock
        self.neighbours = Neighbours()
        self.exchange = MemoryExchange()
        self.agents = Agents(self.exchange)
        self._registry_bus = MemoryBus(self.exchange, agent="registry")
        self._journal = MemoryStream()

    def client(self, name: str) -> ConsensusClient:
        return signing(self.agents.caller(name))

    @contextlib.asynccontextmanager
    async def serving(self, name: str) -> AsyncIterator[None]:
        """``registry`` or ``knowledge`` answers for the length of the block."""
        endpoints = self.neighbours.endpoints()
        if name == "knowledge":
            endpoints = (_endpoint("trust", TrustRequest, TrustReply, self.neighbours.judge),)
        definition = ServiceDefinition(name=name, version="0.1.0", description="N.", endpoints=endpoints)
        async with self._running(definition, MemoryBus(self.exchange, agent=name), []):
            yield

    @contextlib.asynccontextmanager
    async def consensus(self) -> AsyncIterator[None]:
        bus = MemoryBus(self.exchange, agent="consensus")
        async with self._running(None, bus, [Journal(MemoryStore(self._journal))]):
            yield

    @contextlib.asynccontextmanager
    async def _running(
        self, definition: ServiceDefinition | None, bus: MemoryBus, journals: list[Journal]
    ) -> AsyncIterator[None]:
        name = definition.name if definition else "consensus"
        shell = Shell.of(bus, service=name, subjects=Subjects(), clock=self.clock)
        runner = Runner(definition or consensus.define(shell), shell=shell, journals=journals)
        async with asyncio.TaskGroup() as group:
            group.create_task(runner.run())
            await runner.ready.wait()
            try:
                yield
            finally:
                runner.stop()
        await bus.close()

    async def notice(self, kind: str, name: str) -> None:
        """The registry tells what became of an agent."""
        shell = Shell.of(self._registry_bus, service="registry", subjects=Subjects())
        await shell.deliver("registry", Notice(event=kind, aggregate=name, body={}))

    async def close(self) -> None:
        await self.agents.close()
        await self._registry_bus.close()


@contextlib.asynccontextmanager
async def world(*, clock: ManualClock | None = None) -> AsyncIterator[World]:
    """Consensus and a registry, until the end of the block."""
    found = World(clock)
    async with found.serving("registry"), found.consensus():
        yield found
        await found.close()


async def shown(
    client: ConsensusClient,
    proposal_id: str,
    condition: Callable[[wire.Proposal], bool],
    *,
    clock: ManualClock | None = None,
) -> wire.Proposal:
    """The proposal, as soon as `condition` holds; time passes meanwhile, if there is a `clock`."""
    async with asyncio.timeout(WAIT_S):
        while not condition(proposal := await client.get(proposal_id)):
            if clock is not None:
                clock.advance(100)
            await settle()
    return proposal


def is_open(proposal: wire.Proposal) -> bool:
    return proposal.status != "pending"


async def propose(client: ConsensusClient, electorate: Any, **terms: Any) -> str:
    proposed = await client.propose("t", artifact_sha256=ARTIFACT, electorate=electorate, **terms)
    return proposed.proposal_id


async def test_one_answer_of_the_registry_is_the_electorate_as_of_its_revision() -> None:
    async with world() as here:
        here.neighbours.add("bob", "cy")
        ada = here.client("ada")
        proposal_id = await propose(ada, {"requirement": "python"})
        assert (await shown(ada, proposal_id, is_open)).weights == {"bob": 1, "cy": 1}
        assert here.neighbours.asked == ["find"]
        assert (await ada.trail(proposal_id)).entries[1].body["source_revision"] == 7


async def test_an_electorate_that_fits_no_answer_is_read_in_pages_of_one_revision() -> None:
    async with world() as here:
        here.neighbours.add(*(f"v{index}" for index in range(5)), role="reviewer")
        here.neighbours.add("other", role="author")
        here.neighbours.add("gone", role="reviewer", status="offline")
        here.neighbours.page_size = 3

        def change(page: int) -> None:
            if page == 2:  # between the first page and the second
                here.neighbours.revision += 1
                here.neighbours.add("v0", role="author")

        here.neighbours.before_page = change
        ada = here.client("ada")
        proposal_id = await propose(ada, {"role": "reviewer"})
        proposal = await shown(ada, proposal_id, is_open)
        assert list(proposal.weights) == ["v1", "v2", "v3", "v4"]
        assert here.neighbours.asked == ["find", *["watch"] * 5], "two of them in vain"
        assert (await ada.trail(proposal_id)).entries[1].body["source_revision"] == 8


async def test_a_registry_that_never_stands_still_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "OUTAGE_PAUSE_MS", 10)
    async with world() as here:
        here.neighbours.add("a", "b", "c")
        here.neighbours.page_size = 2

        def change(page: int) -> None:
            here.neighbours.revision += page < 12

        here.neighbours.before_page = change
        ada = here.client("ada")
        proposal_id = await propose(ada, {"requirement": "python"})
        assert len((await shown(ada, proposal_id, is_open)).weights) == 3
        assert here.neighbours.asked.count("find") == 2


async def test_more_electors_than_may_vote_are_a_defeat_that_says_so() -> None:
    async with world() as here:
        here.neighbours.add(*(f"v{index:04}" for index in range(MAX_ELECTORATE + 1)))
        ada = here.client("ada")
        decision = await ada.decision(await propose(ada, {"requirement": "python"}), timeout_s=WAIT_S)
        assert (decision.status, decision.reason) == ("defeated", "electorate_too_large")


async def test_an_amendment_while_the_registry_is_asked_voids_the_snapshot() -> None:
    clock = ManualClock(now_ms=1_000)
    async with world(clock=clock) as here:
        here.neighbours.add("bob")
        ada = here.client("ada")
        proposal_id = await propose(ada, {"requirement": "python"}, voting_delay_ms=100)
        await ada.amend(proposal_id, OTHER_ARTIFACT)
        await settle()
        assert here.neighbours.asked == [], "nothing is due, so nobody is asked"
        clock.advance(101)
        proposal = await shown(ada, proposal_id, is_open)
        assert (proposal.artifact_sha256, proposal.weights) == (OTHER_ARTIFACT, {"bob": 1})
        assert proposal.deadline_ms == 1_101 + 60_000


async def test_a_neighbour_that_is_away_holds_up_only_those_who_need_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "OUTAGE_PAUSE_MS", 10)
    monkeypatch.setattr(snapshots, "PATIENCE_S", 0.1)
    async with world() as here:
        here.neighbours.add("bob", "cy")
        ada = here.client("ada")
        weighed = await propose(ada, ["bob"], weights={"trust": "nixos"})
        plain = await propose(ada, {"requirement": "python"})
        await shown(ada, plain, is_open)
        waiting = await shown(ada, weighed, lambda each: each.waiting_for == "knowledge")
        assert (waiting.status, waiting.deadline_ms) == ("pending", None)
        here.neighbours.trust = {"cy": 3}
        async with here.serving("knowledge"):
            await wait_until(lambda: "trust" in here.neighbours.asked)
            assert (await ada.get(weighed)).waiting_for == "knowledge", "it says nothing of bob"
            here.neighbours.trust = {"bob": 7}
            assert (await shown(ada, weighed, is_open)).weights == {"bob": 7}


async def test_nothing_is_asked_while_nothing_waits() -> None:
    clock = ManualClock(now_ms=1_000)
    async with world(clock=clock) as here:
        here.neighbours.add("bob")
        ada = here.client("ada")
        await propose(ada, ["bob"], voting_period_ms=500_000)
        for name in ("bob", "eve"):
            await here.notice("offline", name)
        for _ in range(3):
            clock.advance(60_000)
            await settle()
        assert here.neighbours.asked == []


async def test_a_notice_has_one_elector_looked_up_and_a_sweep_all_of_them() -> None:
    clock = ManualClock(now_ms=1_000)
    async with world(clock=clock) as here:
        here.neighbours.add("bob", "cy", "dan")
        ada = here.client("ada")
        proposal_id = await propose(
            ada, ["bob", "cy", "dan"], offline_voters="release", voting_period_ms=500_000
        )
        asked = here.neighbours.asked
        await wait_until(lambda: len(asked) == 3)
        here.neighbours.add("bob", status="offline")
        await here.notice("offline", "bob")
        await here.notice("offline", "eve")
        await shown(ada, proposal_id, lambda each: each.released == ("bob",))
        assert asked[3:] == ["get bob"], "nobody votes who is called eve"
        del here.neighbours.agents["cy"], asked[:]
        proposal = await shown(ada, proposal_id, lambda each: each.released == ("bob", "cy"), clock=clock)
        assert clock.now_ms() >= 1_000 + attendance.SWEEP_MS
        assert proposal.tally is not None
        assert (proposal.tally.eligible_votes, proposal.tally.released_votes) == (3, 2)
        assert sorted(asked) == ["get bob", "get cy", "get dan"]
        here.neighbours.add("bob")
        await here.notice("online", "bob")
        await shown(ada, proposal_id, lambda each: each.released == ("cy",))


async def test_many_electors_are_looked_up_by_pages() -> None:
    names = [f"v{index}" for index in range(census.MAX_SINGLE_LOOKUPS + 2)]
    async with world() as here:
        here.neighbours.add(*names[2:])
        here.neighbours.add(names[1], status="offline")
        here.neighbours.page_size = 20
        ada = here.client("ada")
        proposal_id = await propose(ada, names, offline_voters="release")
        await shown(ada, proposal_id, lambda each: set(each.released) == {"v0", "v1"})
        assert here.neighbours.asked == ["list", "list"]


async def test_a_vote_that_opens_later_is_followed_from_then_on() -> None:
    clock = ManualClock(now_ms=1_000)
    async with world(clock=clock) as here:
        here.neighbours.add("bob")
        ada = here.client("ada")
        proposal_id = await propose(
            ada, ["bob", "cy"], offline_voters="release", voting_delay_ms=100, voting_period_ms=500_000
        )
        await settle()
        assert here.neighbours.asked == []
        clock.advance(101)
        await shown(ada, proposal_id, is_open)
        await shown(ada, proposal_id, lambda each: each.released == ("cy",), clock=clock)
        assert here.neighbours.asked[:2] == ["get bob", "get cy"]


async def test_the_presence_of_electors_waits_for_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attendance, "OUTAGE_PAUSE_MS", 10)
    monkeypatch.setattr(snapshots, "PATIENCE_S", 0.1)
    here = World(None)
    async with here.consensus():
        ada = here.client("ada")
        proposal_id = await propose(ada, ["bob", "cy"], offline_voters="release")
        with pytest.raises(UnavailableError):
            await ada.decision(proposal_id, timeout_s=0.2)
        assert (await ada.get(proposal_id)).released == (), "an absent registry says nothing of anybody"
        here.neighbours.add("bob")
        async with here.serving("registry"):
            await shown(ada, proposal_id, lambda each: each.released == ("cy",))
        await here.close()


async def test_a_successor_takes_the_snapshots_that_its_predecessor_could_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(snapshots, "PATIENCE_S", 0.1)
    here = World(None)
    here.neighbours.add("bob")
    ada = here.client("ada")
    async with here.consensus():
        proposal_id = await propose(ada, {"requirement": "python"}, signatures="optional")
        await shown(ada, proposal_id, lambda each: each.waiting_for == "registry")
    async with here.serving("registry"), here.consensus():
        assert (await shown(ada, proposal_id, is_open)).weights == {"bob": 1}
        await here.close()
