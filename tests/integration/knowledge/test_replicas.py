"""Replicas over the real server: they converge, survive restarts, and shrug off hostile changes."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import Subjects
from knowledge.changes import JetStreamChanges
from knowledge.facts import Fact, Pattern
from knowledge.replica import Replica, following
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until

AGENTS = ("ada", "bob", "eve")


def fact(source: str, number: int) -> Fact:
    return Fact.of(subject=f"s{number}", predicate="is", object=number, source=source, asserted_at_ms=number)


async def open_changes(bus: NatsBus, subjects: Subjects) -> JetStreamChanges:
    changes = JetStreamChanges(bus, subjects)
    await changes.open()
    return changes


async def open_replica(
    stack: contextlib.AsyncExitStack, bus: NatsBus, subjects: Subjects, agent: str
) -> Replica:
    changes = await open_changes(bus, subjects)
    return await stack.enter_async_context(following(changes, agent=agent))


async def test_concurrent_writers_converge_to_equal_heads(connect: Connect, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        replicas = [await open_replica(stack, await connect(agent), subjects, agent) for agent in AGENTS]
        facts = [fact(replica.agent, number) for number in range(20) for replica in replicas]
        by_agent = {replica.agent: replica for replica in replicas}
        await asyncio.gather(*(by_agent[each.source].assert_fact("sky", each) for each in facts))
        await wait_until(lambda: all(replica.count("sky") == len(facts) for replica in replicas))
        await wait_until(lambda: len({replica.heads("sky") for replica in replicas}) == 1)
        expected = sorted(each.fact_id for each in facts)
        for replica in replicas:
            assert sorted(each.fact_id for each in replica.query("sky")) == expected
        late = await open_replica(stack, await connect("late"), subjects, "late")
        assert late.heads("sky") == replicas[0].heads("sky"), "whoever joins later has caught up on entry"


async def test_asserting_the_same_fact_again_changes_nothing(connect: Connect, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        replica = await open_replica(stack, await connect("ada"), subjects, "ada")
        assert await replica.assert_fact("sky", fact("ada", 1))
        heads = replica.heads("sky")
        assert not await replica.assert_fact("sky", fact("ada", 1))
        assert replica.heads("sky") == heads


async def test_hostile_changes_are_quarantined_and_harm_nobody(connect: Connect, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        bus = await connect("mallory")
        changes = await open_changes(bus, subjects)
        ada = await open_replica(stack, await connect("ada"), subjects, "ada")
        await ada.assert_fact("sky", fact("ada", 1))
        honest = (await anext(changes.follow()))[0].content
        altered = bytes([*honest[:-1], honest[-1] ^ 1])
        for topic, content in (("sky", b"noise"), ("sky", altered), ("sky", honest), ("Not-A-Topic", honest)):
            await changes.publish(topic, "mallory", content)
        # `honest` is ada's own change: said again under mallory's name it is not hers to say.
        await ada.assert_fact("sky", fact("ada", 2))
        bob = await open_replica(stack, await connect("bob"), subjects, "bob")
        assert [each.source for each in bob.query("sky")] == ["ada", "ada"]
        assert bob.heads("sky") == ada.heads("sky")
        assert bob.quarantined_count >= 2


async def test_nobody_asserts_in_the_name_of_another(connect: Connect, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        replica = await open_replica(stack, await connect("ada"), subjects, "ada")
        with pytest.raises(RejectedError) as refused:
            await replica.assert_fact("sky", fact("bob", 1))
        assert refused.value.code == "foreign_source"


async def test_replicas_go_on_after_the_server_was_killed(own_server: RealServer, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        buses = {agent: await NatsBus.connect(own_server.url, agent=agent) for agent in ("ada", "bob")}
        for bus in buses.values():
            stack.push_async_callback(bus.close)
        ada, bob = [await open_replica(stack, bus, subjects, agent) for agent, bus in buses.items()]
        await ada.assert_fact("sky", fact("ada", 1))
        await bob.wait_for("sky", fact("ada", 1).fact_id, timeout_s=20)
        own_server.kill()
        own_server.start()
        await wait_until(lambda: all(bus.client.is_connected for bus in buses.values()))
        await ada.assert_fact("sky", fact("ada", 2))
        assert await bob.wait_for("sky", fact("ada", 2).fact_id, timeout_s=30) == fact("ada", 2)


async def test_a_replica_leaves_no_consumer_behind(connect: Connect, subjects: Subjects) -> None:
    bus = await connect("ada")
    changes = await open_changes(bus, subjects)
    for number in range(20):
        async with following(changes, agent="ada") as replica:
            if number % 2:  # ended in the middle of its first steps, and after them
                await replica.assert_fact("sky", fact("ada", number))
    consumers = await bus.client.jetstream().consumers_info(f"{subjects.prefix}-changes-main")
    assert consumers == []


async def test_queries_match_exactly(connect: Connect, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        replica = await open_replica(stack, await connect("ada"), subjects, "ada")
        for number in range(3):
            await replica.assert_fact("sky", fact("ada", number))
        assert [each.object for each in replica.query("sky", Pattern(subject="s1"))] == [1]
        assert replica.query("sky", Pattern(source="bob")) == []
        assert replica.query("elsewhere") == []
        with pytest.raises(RejectedError):
            replica.query("Not A Topic")
