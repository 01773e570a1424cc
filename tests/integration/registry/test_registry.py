"""The registry, as an agent uses it."""

from __future__ import annotations

import pytest

from coordination.registry import wire
from coordination.registry.client import RegistryClient
from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.registry import registry_runner, running
from tests.support.waiting import wait_until


async def test_an_agent_registers_is_found_and_leaves(registry: Runner, client: RegistryClient) -> None:
    capability = wire.Capability(name="python", version="3.11.0", attributes={"async": True, "cores": 2})
    registered = await client.register([capability, "review"], labels={"team": "ops"}, max_tasks=3)
    assert (registered.agent, registered.incarnation, registered.heartbeat_interval_ms) == ("ada", 1, 5_000)
    (found,) = await client.find("python")
    known = await client.get("ada")
    assert found.model_dump(exclude={"score"}) == known.model_dump(exclude={"metadata"})
    assert found.capabilities[0].model_dump() == capability.model_dump()
    assert (found.status, found.labels, found.max_tasks) == ("online", {"team": "ops"}, 3)
    assert await client.find("cobol") == ()
    await client.deregister()
    assert await client.list() == ()
    with pytest.raises(RejectedError, match="unknown_agent"):
        await client.deregister()


async def test_registering_again_is_a_new_incarnation_also_after_leaving(
    registry: Runner, client: RegistryClient
) -> None:
    assert [(await client.register()).incarnation for _ in range(2)] == [1, 2]
    await client.deregister()
    assert (await client.register()).incarnation == 3


async def test_agents_are_listed_by_id_in_pages(
    registry: Runner, ada: NatsBus, connect: Connect, subjects: Subjects
) -> None:
    for agent in ("eve", "ada", "bob"):
        await RegistryClient(Caller(await connect(agent), agent=agent, subjects=subjects)).register()
    client = RegistryClient(Caller(ada, agent="ada", subjects=subjects))
    assert [agent.agent for agent in await client.list()] == ["ada", "bob", "eve"]
    assert [agent.agent for agent in await client.list(limit=2)] == ["ada", "bob"]
    assert [agent.agent for agent in await client.list(after="bob")] == ["eve"]
    best = await client.search("agent.max_tasks>=1", limit=2)
    assert ([agent.agent for agent in best.agents], best.matched) == (["ada", "bob"], 3)


async def test_a_heartbeat_carries_load_and_an_old_incarnation_is_not_heard(
    registry: Runner, client: RegistryClient
) -> None:
    await client.register()
    await client.register()

    async def load() -> float:
        return (await client.get("ada")).load

    await client.heartbeat(incarnation=1, load=0.9)
    await client.heartbeat(incarnation=2, load=0.5)
    seen = 0.0
    while seen == 0.0:
        seen = await load()
    assert seen == 0.5
    await client.heartbeat(incarnation=1, load=0.1)
    await client.heartbeat(incarnation=2, load=0.75)
    while seen == 0.5:
        seen = await load()
    assert seen == 0.75


async def test_a_silent_agent_is_suspected_then_offline_then_back(
    connect: Connect, subjects: Subjects, ada: NatsBus, client: RegistryClient
) -> None:
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.subject.split(".")[3])

    await ada.subscribe(subjects.event("registry", "*", "ada"), hear)
    await ada.flush()
    async with running(registry_runner(await connect("registry"), subjects, heartbeat_interval_ms=200)):
        await client.register(["python"])
        await wait_until(lambda: "offline" in heard)
        assert await client.find("python") == ()
        assert len(await client.find("python", include_offline=True)) == 1
        await client.heartbeat(incarnation=1)
        await wait_until(lambda: "online" in heard)
    assert heard[:4] == ["registered", "suspect", "offline", "online"]


async def test_a_restart_forgets_nothing(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    async with running(registry_runner(await connect("registry"), subjects)) as first:
        await client.register(["python"], labels={"team": "ops"})
        before = await client.get("ada")
    assert first.done()
    runner = registry_runner(await connect("registry"), subjects)
    async with running(runner):
        after = await client.get("ada")
        assert after.model_copy(update={"last_heard_ms": before.last_heard_ms}) == before
        assert (await client.register()).incarnation == 2
        assert runner.hosts
        assert runner.hosts[0].epoch == 2, "each leadership has a number of its own"
