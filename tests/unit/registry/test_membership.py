"""An agent's stay in the registry: registered, heard, forgotten, superseded, gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import partial

import pytest

from coordination.registry import wire
from coordination.registry.client import RegistryClient
from coordination.registry.membership import Membership, SupersededError
from coordination.registry.service import define
from coordination.runtime.client import Caller
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import RejectedError, UnavailableError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.wire import to_json
from tests.support.serving import Agents, serving
from tests.support.waiting import settle, wait_until

INTERVAL_MS = 60
ABLE = wire.RegisterRequest(capabilities=(wire.Capability(name="python"),), labels={"region": "eu"})


@contextlib.asynccontextmanager
async def registry(
    *, interval_ms: int = INTERVAL_MS, journal: MemoryStream | None = None
) -> AsyncIterator[Agents]:
    async with serving(
        lambda shell: define(shell, heartbeat_interval_ms=interval_ms),
        "registry",
        journal=journal or MemoryStream(),
    ) as agents:
        yield agents


class Stay:
    """A membership of ada in a registry, with somebody who asks and hears its heartbeats."""

    def __init__(self, agents: Agents, load: Callable[[], float]) -> None:
        self.heard: list[wire.Heartbeat] = []
        self.caller = agents.caller("ada")
        self.client = RegistryClient(agents.caller("eve"))
        self.membership = Membership(self.caller, ABLE, load=load)

    async def hear(self, delivery: Delivery) -> None:
        self.heard.append(wire.Heartbeat.model_validate_json(delivery.payload))

    def has_heard(self, count: int) -> bool:
        return len(self.heard) == count

    async def more(self, times: int) -> None:
        wanted = len(self.heard) + times
        await wait_until(lambda: len(self.heard) >= wanted)

    async def is_known(self) -> bool:
        return any(agent.agent == "ada" for agent in await self.client.list())


async def staying(agents: Agents, load: Callable[[], float] = lambda: 0.0) -> Stay:
    stay = Stay(agents, load)
    ear = agents.caller("ear")
    await ear.bus.subscribe(ear.subjects.presence("ada"), stay.hear)
    return stay


async def test_a_member_is_registered_and_heard_until_its_block_ends() -> None:
    async with registry() as agents:
        stay = await staying(agents, lambda: 0.25)
        async with stay.membership as member:
            assert (member.agent, member.incarnation, member.interval_ms) == ("ada", 1, INTERVAL_MS)
            ada = await stay.client.get("ada")
            assert (ada.incarnation, ada.status, ada.labels) == (1, "online", {"region": "eu"})
            await stay.more(3)
            assert stay.heard[-1] == wire.Heartbeat(incarnation=1, load=0.25)
        assert not await stay.is_known()
        heard = len(stay.heard)
        await wait_for_silence(agents)
        assert len(stay.heard) == heard


async def wait_for_silence(agents: Agents) -> None:
    """Return after as much time as makes somebody else offline."""
    bob = agents.caller("bob")
    client, gone = RegistryClient(bob), asyncio.Event()

    async def hear(_: Delivery) -> None:
        gone.set()

    await bob.bus.subscribe(bob.subjects.event("registry", "offline", "bob"), hear)
    await client.register()
    await asyncio.wait_for(gone.wait(), 20)


async def test_errors_of_the_block_come_out_as_they_are_and_the_agent_leaves() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        with pytest.raises(ZeroDivisionError):
            async with stay.membership:
                raise ZeroDivisionError
        assert not await stay.is_known()


async def test_a_refused_registration_says_why() -> None:
    async with registry() as agents:
        member = Membership(agents.caller("tasks"), wire.RegisterRequest())
        with pytest.raises(RejectedError, match="reserved_id"):
            async with member:
                raise AssertionError("it never begins")


async def test_without_a_registry_there_is_no_stay() -> None:
    bus = MemoryBus(MemoryExchange(), agent="ada")
    member = Membership(Caller(bus, agent="ada", patience_s=0.0), ABLE)
    with pytest.raises(UnavailableError):
        async with member:
            raise AssertionError("it never begins")


async def test_an_agent_that_was_forgotten_registers_again() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        async with stay.membership as member:
            await stay.more(1)
            await RegistryClient(agents.caller("ada")).deregister()  # in its name, by somebody's mistake
            await wait_until(lambda: member.incarnation == 2)
            ada = await stay.client.get("ada")
            assert (ada.incarnation, ada.capabilities[0].name) == (2, "python")


async def test_a_second_process_under_the_same_id_ends_the_first_ones_stay() -> None:
    async with registry() as agents:
        first, second = await staying(agents), await staying(agents)

        async def stay_on() -> None:
            async with first.membership:
                begun.set()
                await asyncio.Event().wait()

        begun, staying_on = asyncio.Event(), asyncio.ensure_future(stay_on())
        await begun.wait()
        async with second.membership as member:
            with pytest.raises(SupersededError, match=r"another process registered as ada \(incarnation 2\)"):
                await staying_on
            assert member.incarnation == 2
            assert (await second.client.get("ada")).incarnation == 2, "the first one did not take it along"
            await second.more(2)
            assert second.heard[-1].incarnation == 2


async def test_a_member_that_missed_its_succession_is_told_when_it_is_heard_again() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        bus = stay.caller.bus
        assert isinstance(bus, MemoryBus)
        running = asyncio.ensure_future(stay.membership.run(ready := asyncio.Event()))
        await ready.wait()
        bus.lose_connection()
        assert (await RegistryClient(agents.caller("ada")).register()).incarnation == 2
        bus.restore_connection()
        with pytest.raises(SupersededError):
            await running


async def test_a_lost_connection_that_is_back_is_followed_by_a_heartbeat_at_once() -> None:
    async with registry(interval_ms=60_000) as agents:
        stay = await staying(agents)
        async with stay.membership:
            bus = stay.caller.bus
            assert isinstance(bus, MemoryBus)
            for times in (1, 2):
                bus.lose_connection()
                bus.restore_connection()
                await wait_until(partial(stay.has_heard, times))


async def test_who_has_left_before_it_began_does_not_register() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        assert await stay.membership.leave()
        await stay.membership.run()
        assert stay.membership.incarnation == 0
        assert not await stay.is_known()


async def test_a_push_from_a_leader_of_old_changes_nothing() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        async with stay.membership as member:
            service = agents.caller("registry")
            subject = service.subjects.inbox("ada", "registration")
            for body in (
                to_json({"code": "unknown_agent", "incarnation": 0}),
                to_json({"code": "superseded", "incarnation": 7}),
                to_json({"code": "superseded", "incarnation": 1}),
                b"not json",
            ):
                await service.bus.publish(subject, body)
            await stay.more(3)
            assert member.incarnation == 1
            assert (await stay.client.get("ada")).incarnation == 1


async def test_what_is_updated_is_kept_when_registering_again() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        async with stay.membership as member:
            await member.update(labels={"region": "us"}, max_tasks=4)
            ada = await stay.client.get("ada")
            assert (ada.incarnation, ada.labels, ada.max_tasks) == (1, {"region": "us"}, 4)
            assert ada.capabilities[0].name == "python"
            assert member.request.labels == {"region": "us"}
            await RegistryClient(agents.caller("ada")).deregister()
            await wait_until(lambda: member.incarnation == 2)
            assert (await stay.client.get("ada")).labels == {"region": "us"}
            await RegistryClient(agents.caller("ada")).deregister()
            await member.update(description="there again")
            ada = await stay.client.get("ada")
            assert (ada.description, ada.max_tasks, ada.incarnation) == ("there again", 4, member.incarnation)


async def test_a_refused_update_leaves_what_was_registered() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        async with stay.membership as member:
            twice = (wire.Capability(name="python"), wire.Capability(name="python"))
            with pytest.raises(RejectedError, match="duplicate_capability"):
                await member.update(capabilities=twice)
            assert member.request == ABLE


async def test_an_update_by_who_was_superseded_says_so() -> None:
    async with registry(interval_ms=60_000) as agents:
        stay = await staying(agents)
        bus = stay.caller.bus
        assert isinstance(bus, MemoryBus)
        running = asyncio.ensure_future(stay.membership.run(ready := asyncio.Event()))
        await ready.wait()
        bus.lose_connection()
        await RegistryClient(agents.caller("ada")).register()
        running.cancel()
        await asyncio.wait([running])
        bus.restore_connection()
        with pytest.raises(SupersededError):
            await stay.membership.update(max_tasks=2)
        assert await stay.membership.leave()
        assert (await stay.client.get("ada")).incarnation == 2, "it left nobody else's registration"


async def test_leaving_without_a_registry_takes_no_longer_than_it_may() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        running = asyncio.ensure_future(stay.membership.run(ready := asyncio.Event()))
        await ready.wait()
        bus = stay.caller.bus
        assert isinstance(bus, MemoryBus)
        bus.lose_connection()
        assert not await stay.membership.leave(timeout_s=0.05)
        await running


async def test_leaving_before_registering_leaves_nothing() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        assert await stay.membership.leave()


@pytest.mark.parametrize(
    ("load", "told"), [(-1.0, 0.0), (2.5, 1.0), (float("nan"), 0.0), (float("inf"), 0.0)]
)
async def test_an_odd_load_is_brought_into_bounds(load: float, told: float) -> None:
    async with registry() as agents:
        stay = await staying(agents, lambda: load)
        async with stay.membership:
            await stay.more(1)
            assert stay.heard[0].load == told


async def test_a_load_that_cannot_be_told_keeps_no_heartbeat_away() -> None:
    def fail() -> float:
        raise ValueError("no idea")

    async with registry() as agents:
        stay = await staying(agents, fail)
        async with stay.membership:
            await stay.more(2)
            assert stay.heard[1].load == 0.0


async def test_a_cancelled_stay_ends_and_leaves_no_subscription() -> None:
    async with registry() as agents:
        stay = await staying(agents)
        running = asyncio.ensure_future(stay.membership.run(ready := asyncio.Event()))
        await ready.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await settle()
        assert isinstance(stay.caller.bus, MemoryBus)
        assert not stay.caller.bus._routes
        assert await stay.is_known(), "whoever is cancelled did not leave in good order"
