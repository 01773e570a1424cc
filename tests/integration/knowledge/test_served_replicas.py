"""Replicas of agents over the real server and the real service: whatever restarts, they stay whole."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Shell
from knowledge import wire
from knowledge.changes import JetStreamChanges
from knowledge.facts import Fact
from knowledge.limits import MAX_CHANGE_BYTES
from knowledge.replica import Replica, following
from knowledge.served import ServedChanges
from knowledge.service import NAME, define
from tests.support.artifacts import running
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.waiting import wait_until


def fact(source: str, number: int) -> Fact:
    return Fact.of(subject=f"s{number}", predicate="is", object=number, source=source, asserted_at_ms=number)


@contextlib.asynccontextmanager
async def serving(bus: NatsBus, subjects: Subjects) -> AsyncIterator[None]:
    shell = Shell.of(bus, service=NAME, subjects=subjects)
    async with running(define(shell, bus), shell):
        yield


def served(bus: NatsBus, subjects: Subjects, agent: str, *, poll_s: float = 10.0) -> ServedChanges:
    return ServedChanges(Caller(bus, agent=agent, subjects=subjects), poll_s=poll_s)


async def open_replica(
    stack: contextlib.AsyncExitStack, bus: NatsBus, subjects: Subjects, agent: str, *, poll_s: float = 10.0
) -> Replica:
    changes = served(bus, subjects, agent, poll_s=poll_s)
    return await stack.enter_async_context(following(changes, agent=agent))


async def test_concurrent_writers_converge_and_leave_no_consumer(
    connect: Connect, subjects: Subjects
) -> None:
    bus = await connect(NAME)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(serving(bus, subjects))
        agents = ("ada", "bob", "eve")
        replicas = [await open_replica(stack, await connect(agent), subjects, agent) for agent in agents]
        for number in range(0, 30, 10):
            await asyncio.gather(
                *(
                    each.assert_fact("sky", fact(each.agent, number + more))
                    for each in replicas
                    for more in range(10)
                )
            )
        await wait_until(lambda: all(each.count("sky") == 90 for each in replicas))
        await wait_until(lambda: len({each.heads("sky") for each in replicas}) == 1)
        late = await open_replica(stack, await connect("late"), subjects, "late")
        assert late.heads("sky") == replicas[0].heads("sky")
        state = (await bus.jetstream().stream_info(f"{subjects.prefix}-changes-main")).state
        assert state.consumer_count == 1, "the service's own"
    state = (await (await connect("ops")).jetstream().stream_info(f"{subjects.prefix}-changes-main")).state
    assert state.consumer_count == 0


async def test_replicas_and_the_service_read_the_stream_alike(connect: Connect, subjects: Subjects) -> None:
    """From the stream's own consumer and through pages of the service, whichever sizes they have."""
    bus = await connect(NAME)
    async with serving(bus, subjects):
        own = JetStreamChanges(bus, subjects)
        follower = served(await connect("mallory"), subjects, "mallory")
        await follower.last_sequence()
        sizes = (2, MAX_CHANGE_BYTES, 200_000, 200_000, 300_000, *range(10, 900))
        for number, size_bytes in enumerate(sizes):
            await own.publish(
                ("sky", "sea", "No-Topic")[number % 3],
                "mallory",
                number.to_bytes(2, "big") + bytes(size_bytes - 2),
            )
        seen: dict[str, list[object]] = {}
        for name, changes in (("own", own), ("served", follower)):
            seen[name] = []
            async with contextlib.aclosing(changes.follow()) as batches:
                async for batch in batches:
                    seen[name] += batch
                    if len(seen[name]) == len(sizes):
                        break
        assert seen["own"] == seen["served"]


async def test_old_changes_are_read_from_the_stream(connect: Connect, subjects: Subjects) -> None:
    changes = JetStreamChanges(await connect(NAME), subjects)
    await changes.open()
    for number in range(100):
        await changes.publish("sky", "ada", number.to_bytes(2, "big"))
    found = await changes.read(20, 50)
    assert [each.sequence for each in found] == list(range(21, 71))
    assert [each.sequence for each in await changes.read(98, 50)] == [99, 100]
    assert await changes.read(100, 50) == await changes.read(1000, 50) == []
    for _ in range(2):
        await changes.publish(
            "sky", "ada", bytes(300_000) + (await changes.last_sequence()).to_bytes(2, "big")
        )
    assert 100 in [each.sequence for each in await changes.read(99, 1000)]


async def test_whoever_follows_outlives_the_service(connect: Connect, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(contextlib.AsyncExitStack())
        await first.enter_async_context(serving(await connect(NAME), subjects))
        ada, bob = [await open_replica(stack, await connect(name), subjects, name) for name in ("ada", "bob")]
        await ada.assert_fact("sky", fact("ada", 1))
        await bob.wait_for("sky", fact("ada", 1).fact_id, timeout_s=20)
        await first.aclose()
        waiting = asyncio.ensure_future(ada.assert_fact("sky", fact("ada", 2)))
        async with serving(await connect(NAME), subjects):
            assert await waiting
            await bob.wait_for("sky", fact("ada", 2).fact_id, timeout_s=20)
            await bob.assert_fact("sky", fact("bob", 3))
            await ada.wait_for("sky", fact("bob", 3).fact_id, timeout_s=20)
            await wait_until(lambda: ada.heads("sky") == bob.heads("sky"))


async def test_two_services_at_once_tell_everything_and_nobody_hears_it_twice(
    connect: Connect, subjects: Subjects
) -> None:
    async with serving(await connect(NAME), subjects), serving(await connect(NAME), subjects):
        changes = served(await connect("ada"), subjects, "ada")
        await changes.last_sequence()
        seen: list[int] = []

        async def follow() -> None:
            async for batch in changes.follow():
                seen.extend(each.sequence for each in batch)

        following_on = asyncio.ensure_future(follow())
        for number in range(200):
            await changes.publish("sky", "ada", number.to_bytes(2, "big"))
        await wait_until(lambda: len(seen) >= 200)
        assert seen == list(range(1, 201))
        following_on.cancel()
        await asyncio.gather(following_on, return_exceptions=True)


async def test_replicas_go_on_after_the_server_was_killed(own_server: RealServer, subjects: Subjects) -> None:
    async with contextlib.AsyncExitStack() as stack:
        buses = {name: await NatsBus.connect(own_server.url, agent=name) for name in (NAME, "ada", "bob")}
        for bus in buses.values():
            stack.push_async_callback(bus.close)
        await stack.enter_async_context(serving(buses[NAME], subjects))
        ada, bob = [
            await open_replica(stack, buses[name], subjects, name, poll_s=1.0) for name in ("ada", "bob")
        ]
        await ada.assert_fact("sky", fact("ada", 1))
        await bob.wait_for("sky", fact("ada", 1).fact_id, timeout_s=20)
        own_server.kill()
        own_server.start()
        await wait_until(lambda: all(bus.client.is_connected for bus in buses.values()))
        await ada.assert_fact("sky", fact("ada", 2))
        assert await bob.wait_for("sky", fact("ada", 2).fact_id, timeout_s=30) == fact("ada", 2)
        await wait_until(lambda: ada.heads("sky") == bob.heads("sky"))


async def test_no_header_makes_a_change_somebody_elses(connect: Connect, subjects: Subjects) -> None:
    """Who published it is in the subject of the call, which the server checks, and nowhere else."""
    async with serving(await connect(NAME), subjects):
        bus = await connect("mallory")
        changes = served(bus, subjects, "mallory")
        await changes.last_sequence()
        forged = {
            "Nats-Subject": subjects.change("main", "sky", "ada"),
            "Nats-Sequence": "99",
            "Status": "204",
        }
        request = wire.PublishRequest(topic="sky", content=b"not ada's").model_dump_json().encode()
        subject = subjects.call(NAME, "publish", "mallory")
        answer = await bus.request(subject, request, timeout_s=5, headers=forged)
        assert answer.payload == b"{}"
        ada = await connect("ada")
        async with following(served(ada, subjects, "ada"), agent="ada") as replica:
            await replica.assert_fact("sky", fact("ada", 1))
        page = await changes._ask(after=0, limit=wire.MAX_PAGE)
        assert [(each.sequence, each.signer) for each in page.changes] == [(1, "mallory"), (2, "ada")]
        for read in (
            JetStreamChanges(bus, subjects).read(0, 10),
            anext(JetStreamChanges(bus, subjects).follow()),
        ):
            found = await read
            assert [(each.sequence, each.signer) for each in found] == [(1, "mallory"), (2, "ada")]
