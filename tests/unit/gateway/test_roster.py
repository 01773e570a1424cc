"""The gateway's copy of the registry: whatever is lost on the way, it ends up as the registry is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from coordination.gateway.limits import Timing
from coordination.gateway.profile import Status
from coordination.gateway.roster import Change, Record, Roster, follow
from coordination.runtime.errors import RejectedError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import Action, Call, ServiceDefinition
from tests.support.waiting import wait_until

SUBJECTS = Subjects()
PROTOCOLS = [(), ("agents",), ("agents.text",), ("other", "agents")]


def record(
    agent: str, incarnation: int = 1, *, status: Status = "online", protocols: Any = ("agents",)
) -> Record:
    return Record(agent=agent, incarnation=incarnation, status=status, protocols=protocols)


class Anything(BaseModel):
    """A body that takes whatever it is given."""

    model_config = ConfigDict(extra="allow")


class FakeRegistry:
    """The three verbs that the gateway reads, over plain lists; changes can be forgotten."""

    def __init__(self) -> None:
        self.agents: dict[str, Record] = {}
        self.changes: list[Change] = []
        self.first_kept = 1
        self.watched = 0
        self.page = 2

    @property
    def revision(self) -> int:
        return len(self.changes)

    def change(self, kind: str, agent: str, incarnation: int = 1, *, protocols: Any = ("agents",)) -> None:
        """Let something happen, as the registry would."""
        told = None
        if kind in ("registered", "updated"):
            told = self.agents[agent] = record(agent, incarnation, protocols=protocols)
        elif kind in ("deregistered", "expired"):
            self.agents.pop(agent, None)
        else:
            self.agents[agent] = self.agents[agent].model_copy(update={"status": kind})
        self.changes.append(
            Change(revision=self.revision + 1, kind=kind, agent=agent, incarnation=incarnation, record=told)
        )

    async def watch(self, _: Call, request: Any) -> Anything:
        self.watched += 1
        after = getattr(request, "after", "")
        names = sorted(name for name in self.agents if name > after)
        shown = names[: self.page]
        return Anything(
            agents=[self.agents[name].model_dump() for name in shown],
            next=shown[-1] if len(names) > self.page else "",
            revision=self.revision,
        )

    async def tell_changes(self, _: Call, request: Any) -> Anything:
        after = request.after_revision
        if after + 1 < self.first_kept:
            raise RejectedError("revision_compacted", "forgotten")
        return Anything(
            changes=[each.model_dump() for each in self.changes[after : after + 3]], revision=self.revision
        )

    def definition(self) -> ServiceDefinition:
        verbs = {"watch": self.watch, "changes": self.tell_changes}
        return ServiceDefinition(
            name="registry",
            version="1.0.0",
            description="A registry.",
            endpoints=tuple(
                Action(verb=verb, description=verb, request=Anything, reply=Anything, act=act)
                for verb, act in verbs.items()
            ),
        )


class Followed:
    """A roster that follows a fake registry."""

    def __init__(self, exchange: MemoryExchange, registry: FakeRegistry) -> None:
        self.exchange = exchange
        self.registry = registry
        self.roster = Roster("conclave")
        self.loaded = asyncio.Event()
        self.concerned: list[set[str]] = []
        self.bus = MemoryBus(exchange, agent="gateway")

    async def changed(self, agents: Iterable[str]) -> None:
        self.concerned.append(set(agents))

    async def follow(self, *, roster_ms: int = 20) -> None:
        shell = Shell.of(self.bus, service="gateway", subjects=SUBJECTS)
        timing = Timing(roster_ms=roster_ms)
        await follow(self.roster, shell, timing, changed=self.changed, loaded=self.loaded)

    @property
    def statuses(self) -> dict[str, str]:
        return {face.profile.agent: face.profile.status for face in self.roster}


def expected(registry: FakeRegistry) -> dict[str, str]:
    return {
        name: each.status
        for name, each in registry.agents.items()
        if {"agents", "agents.text"} & set(each.protocols)
    }


@pytest.fixture
async def followed() -> AsyncIterator[Followed]:
    """A roster beside a registry; nothing follows yet."""
    exchange, registry = MemoryExchange(), FakeRegistry()
    bus = MemoryBus(exchange, agent="registry")
    runner = Runner(registry.definition(), shell=Shell.of(bus, service="registry", subjects=SUBJECTS))
    serving = asyncio.create_task(runner.run())
    await runner.ready.wait()
    made = Followed(exchange, registry)
    yield made
    runner.stop()
    await serving
    await made.bus.close()
    await bus.close()


async def test_it_begins_with_all_who_are_here_page_by_page(followed: Followed) -> None:
    for name in "abcde":
        followed.registry.change("registered", name)
    followed.registry.change("registered", "shy", protocols=())
    following = asyncio.create_task(followed.follow())
    await followed.loaded.wait()
    assert followed.statuses == dict.fromkeys("abcde", "online")
    assert set().union(*followed.concerned) == set("abcde")
    following.cancel()


async def test_it_follows_changes_without_a_single_notice(followed: Followed) -> None:
    following = asyncio.create_task(followed.follow())
    await followed.loaded.wait()
    for number in range(10):
        followed.registry.change("registered", f"agent-{number}")
    followed.registry.change("suspect", "agent-1")
    followed.registry.change("deregistered", "agent-2")
    await wait_until(lambda: followed.roster.revision == followed.registry.revision)
    assert followed.statuses == expected(followed.registry)
    assert followed.registry.watched == 1
    following.cancel()


async def test_a_notice_wakes_it_at_once(followed: Followed) -> None:
    following = asyncio.create_task(followed.follow(roster_ms=3_600_000))
    await followed.loaded.wait()
    followed.registry.change("registered", "ada")
    await followed.bus.publish(SUBJECTS.event("registry", "registered", "ada"), b"{}")
    await wait_until(lambda: followed.statuses == {"ada": "online"})
    following.cancel()


async def test_it_begins_anew_when_what_it_missed_is_forgotten(followed: Followed) -> None:
    following = asyncio.create_task(followed.follow())
    await followed.loaded.wait()
    for name in "abc":
        followed.registry.change("registered", name)
    followed.registry.first_kept = 3
    await wait_until(lambda: followed.statuses == expected(followed.registry))
    following.cancel()


async def test_it_begins_anew_with_a_registry_that_was_set_up_anew(followed: Followed) -> None:
    for name in "abc":
        followed.registry.change("registered", name)
    following = asyncio.create_task(followed.follow())
    await followed.loaded.wait()
    followed.registry.agents.clear()
    followed.registry.changes.clear()
    followed.registry.change("registered", "z")
    # Those concerned are told after the roster has changed.
    await wait_until(lambda: set("abcz") <= set().union(*followed.concerned))
    assert followed.statuses == {"z": "online"}
    following.cancel()


async def test_it_waits_for_a_registry_that_is_away(followed: Followed) -> None:
    followed.registry.change("registered", "ada")
    followed.bus.lose_connection()
    following = asyncio.create_task(followed.follow())
    await asyncio.sleep(0)
    assert not followed.loaded.is_set()
    followed.bus.restore_connection()
    async with asyncio.timeout(30):
        await followed.loaded.wait()
    assert followed.statuses == {"ada": "online"}
    following.cancel()


def test_an_instance_is_found_while_its_agent_can_be_reached() -> None:
    roster = Roster("conclave")
    roster.replace([record("ada")], 1)
    (face,) = roster
    for kind, is_found in (("suspect", True), ("offline", False), ("online", True), ("deregistered", False)):
        roster.apply(Change(revision=roster.revision + 1, kind=kind, agent="ada", incarnation=1))
        assert (roster.find_instance(face.instance_id) is not None) == is_found, kind
        assert (roster.find("ada") is not None) == is_found, kind


def test_what_is_said_of_an_earlier_incarnation_does_not_count() -> None:
    roster = Roster("conclave")
    roster.replace([record("ada", 2)], 1)
    roster.apply(Change(revision=2, kind="offline", agent="ada", incarnation=1))
    assert roster.find("ada") is not None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["registered", "updated", "deregistered", "expired", "online", "suspect", "offline"]),
        st.sampled_from("abc"),
        st.sampled_from(PROTOCOLS),
    ),
    max_size=40,
)


@given(STEPS, st.integers(0, 40))
def test_a_copy_made_at_any_time_and_kept_up_is_the_registry(
    steps: list[tuple[str, str, Any]], at: int
) -> None:
    """Also if the state it begins with is newer than the revision that it goes on from."""
    registry, roster = FakeRegistry(), Roster("conclave")
    for number, (kind, agent, protocols) in enumerate(steps):
        if kind in ("registered", "updated") or agent in registry.agents:
            incarnation = registry.agents[agent].incarnation if agent in registry.agents else number + 1
            registry.change(kind, agent, incarnation, protocols=protocols)
    begin = min(at, registry.revision)
    roster.replace(registry.agents.values(), begin)
    for change in registry.changes[begin:]:
        roster.apply(change)
    assert {face.profile.agent: face.profile.status for face in roster} == expected(registry)
    assert roster.revision == registry.revision
    for face in roster:
        found = roster.find_instance(face.instance_id)
        assert (found is face) == face.profile.is_reachable
