"""The roster of the task service is what the registry says, whatever becomes of its notices."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from hypothesis import given, settings
from hypothesis import strategies as st

from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from coordination.runtime.wire import to_json
from coordination.tasks.following import FIRST_PAUSE_MS, OUTAGE_PAUSE_MS, SILENCE_MS, Following
from coordination.tasks.roster import Roster
from tests.support.clock import ManualClock
from tests.support.telling import AgentState, ToldRegistry
from tests.support.waiting import settle, wait_until

KINDS = ("registered", "updated", "suspect", "online", "offline", "deregistered", "expired")
FATES = ("told", "lost", "told twice", "told late")


class Feed:
    """A roster that follows a registry which a test plays."""

    def __init__(self, *, page_size: int = 2) -> None:
        self.exchange = MemoryExchange()
        self.registry = ToldRegistry(self.exchange, page_size=page_size)
        self.clock = ManualClock()
        self.roster = Roster()
        self.ended: list[frozenset[str] | None] = []
        self.bus = MemoryBus(self.exchange, agent="tasks")
        shell = Shell.of(self.bus, service="tasks", subjects=Subjects(), clock=self.clock)
        self.following = Following(shell, self.roster, self.ended.append)

    @property
    def known(self) -> dict[str, AgentState]:
        """What the roster says."""
        return {
            agent: (view.incarnation, view.status, view.max_tasks)
            for agent, view in self.roster.agents.items()
        }

    async def happen(self, kind: str, agent: str) -> None:
        """Let something happen, and its notice arrive."""
        await self.registry.tell(self.registry.happen(kind, agent))
        await settle()


@contextlib.asynccontextmanager
async def a_feed(*, is_there: bool = True, page_size: int = 2) -> AsyncIterator[Feed]:
    """A roster that is kept as long as the block lasts."""
    feed = Feed(page_size=page_size)
    if is_there:
        await feed.registry.open()
    running = asyncio.ensure_future(feed.following.run())
    try:
        await settle(60)
        yield feed
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await feed.bus.close()
        await feed.registry.bus.close()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(KINDS), st.sampled_from("abcd"), st.sampled_from(FATES), st.booleans()),
        max_size=25,
    )
)
def test_whatever_becomes_of_notices_the_roster_is_right_after_a_silence(
    happening: list[tuple[str, str, str, bool]],
) -> None:
    async def run() -> None:
        async with a_feed() as feed:
            late = []
            for kind, agent, fate, is_settled in happening:
                change = feed.registry.happen(kind, agent)
                if fate == "told late":
                    late.append(change)
                elif fate != "lost":
                    await feed.registry.tell(change)
                if fate == "told twice":
                    await feed.registry.tell(change)
                if is_settled:
                    await settle()
            for change in late:
                await feed.registry.tell(change)
            await settle(60)
            feed.clock.advance(SILENCE_MS)
            await wait_until(lambda: feed.known == feed.registry.truth)

    asyncio.run(run())


async def test_a_notice_is_taken_over_at_once_and_without_a_question() -> None:
    async with a_feed() as feed:
        await feed.happen("registered", "ann")
        asked = len(feed.registry.asked)
        await feed.happen("registered", "bob")
        await feed.happen("offline", "ann")
        assert feed.known == {"ann": (1, "offline", 1), "bob": (1, "online", 1)}
        assert len(feed.registry.asked) == asked


async def test_only_what_can_end_an_incarnation_is_told_as_such() -> None:
    async with a_feed() as feed:
        await feed.happen("registered", "ann")
        feed.ended.clear()
        await feed.happen("suspect", "ann")
        await feed.happen("registered", "ann")
        await feed.happen("deregistered", "ann")
        assert feed.ended == [frozenset(), frozenset({"ann"}), frozenset({"ann"})]


async def test_what_changes_while_the_state_is_read_is_not_missed() -> None:
    feed = Feed()
    for agent in "abcdef":
        feed.registry.happen("registered", agent)
    feed.registry.between_pages = [("deregistered", "a"), ("registered", "b"), ("offline", "f")]
    await feed.registry.open()
    await feed.following.catch_up()
    assert feed.known == feed.registry.truth
    assert feed.known["b"] == (2, "online", 1)
    assert "a" not in feed.known


async def test_what_is_forgotten_is_read_anew_and_everybody_is_looked_at() -> None:
    async with a_feed() as feed:
        await feed.happen("registered", "ann")
        for agent in "bcd":
            feed.registry.happen("registered", agent)
        feed.registry.happen("deregistered", "ann")
        feed.registry.forgotten = len(feed.registry.changes)
        feed.ended.clear()
        feed.clock.advance(SILENCE_MS)
        await wait_until(lambda: feed.known == feed.registry.truth)
        assert feed.ended[-1] is None


async def test_a_registry_that_lost_its_memory_is_read_anew() -> None:
    async with a_feed() as feed:
        for agent in "abc":
            await feed.happen("registered", agent)
        feed.registry.changes.clear()
        feed.registry.agents.clear()
        feed.registry.happen("registered", "new")
        feed.clock.advance(SILENCE_MS)
        await wait_until(lambda: feed.known == feed.registry.truth)


async def test_a_registry_that_comes_later_is_found_within_a_moment() -> None:
    async with a_feed(is_there=False) as feed:
        assert feed.following.pause_ms == FIRST_PAUSE_MS
        feed.registry.happen("registered", "ann")
        await feed.registry.open()

        def found() -> bool:
            feed.clock.advance(FIRST_PAUSE_MS)  # what it waits for stands still otherwise
            return feed.known == feed.registry.truth

        await wait_until(found)
        assert feed.following.pause_ms == OUTAGE_PAUSE_MS


async def test_what_was_said_while_the_connection_was_lost_is_asked_for_when_it_is_back() -> None:
    async with a_feed() as feed:
        await feed.happen("registered", "ann")
        feed.bus.lose_connection()
        await feed.happen("registered", "bob")
        assert "bob" not in feed.known
        feed.bus.restore_connection()
        await wait_until(lambda: feed.known == feed.registry.truth)


async def test_loads_are_those_of_the_running_incarnation_and_outlive_other_changes() -> None:
    async with a_feed() as feed:
        await feed.happen("registered", "ann")
        version = feed.roster.version

        async def beat(load: object, incarnation: int = 1) -> float:
            body = to_json({"incarnation": incarnation, "load": load})
            await feed.registry.bus.publish(Subjects().presence("ann"), body)
            await settle()
            return feed.roster.agents["ann"].load

        assert await beat(0.5) == 0.0, "a standby has no use for loads"
        feed.following.are_loads_wanted = True
        assert await beat(0.5) == 0.5
        assert await beat(0.25, incarnation=2) == 0.5
        assert await beat("much") == 0.5
        assert await beat(1.5) == 0.5
        assert feed.roster.version == version, "who may be asked has not changed"
        await feed.happen("updated", "ann")
        assert feed.roster.agents["ann"].load == 0.5
        await feed.happen("registered", "ann")
        assert feed.roster.agents["ann"].load == 0.0


async def test_what_is_no_change_is_passed_over() -> None:
    async with a_feed() as feed:
        await feed.happen("registered", "ann")
        await feed.registry.bus.publish(Subjects().event("registry", "online", "ann"), b"[1]")
        await feed.happen("registered", "bob")
        assert feed.known == feed.registry.truth
