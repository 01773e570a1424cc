"""What becomes of living agents when the registry or the server does not live: nothing.

How long it takes until everybody has been heard again is printed (``pytest -s``).
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time

import pytest

from coordination.registry import wire
from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.members import Fleet, Watcher, child
from tests.support.nats_server import RealServer
from tests.support.registry import registry_runner, running

FLEET = 200
INTERVAL_MS = 1_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def all_heard_after(watcher: Watcher, names: list[str], since_ms: int) -> float:
    """Seconds from `since_ms` until each of `names` is online and has been heard later than that."""

    def all_are_back(agents: list[wire.Agent]) -> bool:
        back = {each.agent for each in agents if each.status == "online" and each.last_heard_ms > since_ms}
        return back >= set(names)

    await watcher.agents_when(all_are_back)
    return (now_ms() - since_ms) / 1000


async def lost(watcher: Watcher) -> list[wire.Change]:
    """Every change on record by which an agent was given up."""
    return [each for each in await watcher.changes() if each.kind == "offline"]


async def registry(connect: Connect, subjects: Subjects, interval_ms: int) -> Runner:
    return registry_runner(await connect("registry"), subjects, heartbeat_interval_ms=interval_ms)


async def kill(process: asyncio.subprocess.Process) -> None:
    process.kill()
    await process.wait()


@pytest.mark.timeout(180)
async def test_two_hundred_agents_outlive_server_leader_and_registry(
    own_server: RealServer, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = Fleet(own_server.url, subjects, size=FLEET)
    bus = await NatsBus.connect(own_server.url, agent="watcher")
    watcher = await Watcher(bus, subjects).begin()
    took_s: dict[str, float] = {}

    async with child("registry", own_server.url, subjects, str(INTERVAL_MS)) as leader, fleet.living():
        await all_heard_after(watcher, fleet.names, now_ms())

        began_ms = now_ms()
        own_server.kill()
        own_server.start()
        took_s["nats-server"] = await all_heard_after(watcher, fleet.names, began_ms)

        async with child("registry", own_server.url, subjects, str(INTERVAL_MS)) as standby:
            began_ms = now_ms()
            await kill(leader)
            took_s["the leader, with a standby"] = await all_heard_after(watcher, fleet.names, began_ms)

            began_ms = now_ms()
            await kill(standby)
        async with child("registry", own_server.url, subjects, str(INTERVAL_MS)):
            took_s["the only registry"] = await all_heard_after(watcher, fleet.names, began_ms)
            statuses = {each.status for each in await watcher.agents()}
            assert statuses == {"online"}
            assert await lost(watcher) == []
    await bus.close()
    with capsys.disabled():
        figures = ", ".join(f"{what}: {seconds:.2f} s" for what, seconds in took_s.items())
        sys.stdout.write(f"\n{FLEET} agents heard again after kill -9 of {figures}\n")


async def test_a_registry_that_stands_still_blames_nobody(
    nats_server: RealServer, connect: Connect, subjects: Subjects
) -> None:
    interval_ms = 400
    fleet = Fleet(nats_server.url, subjects, size=20)
    watcher = await Watcher(await connect("watcher"), subjects).begin()
    async with child("registry", nats_server.url, subjects, str(interval_ms)) as registry, fleet.living():
        await all_heard_after(watcher, fleet.names, now_ms())
        registry.send_signal(signal.SIGSTOP)
        await watcher.beats_more(fleet.names[0], 5)
        registry.send_signal(signal.SIGCONT)
        await all_heard_after(watcher, fleet.names, now_ms())
        await watcher.beats_more(fleet.names[0], 4)
        assert await lost(watcher) == []


async def test_after_a_long_absence_the_registry_gives_up_only_the_dead_and_only_in_time(
    nats_server: RealServer, connect: Connect, subjects: Subjects
) -> None:
    interval_ms = 300
    fleet = Fleet(nats_server.url, subjects, size=3)
    watcher = await Watcher(await connect("watcher"), subjects).begin()
    dead = RegistryClient(Caller(await connect("dead"), agent="dead", subjects=subjects))
    gone = RegistryClient(Caller(await connect("gone"), agent="gone", subjects=subjects))
    async with contextlib.AsyncExitStack() as living:
        async with running(await registry(connect, subjects, interval_ms)):
            await gone.register()
            await watcher.announced("offline", "gone")
            incarnation = (await dead.register()).incarnation
            await dead.heartbeat(incarnation=incarnation)
            await living.enter_async_context(fleet.living())
            await all_heard_after(watcher, fleet.names, 0)
        await watcher.beats_more(fleet.names[0], 5)  # and nobody listens
        began_ms = now_ms()
        async with running(await registry(connect, subjects, interval_ms)):
            given_up = await watcher.announced("offline", "dead", incarnation=incarnation)
            assert given_up.at_ms - began_ms >= 2.9 * interval_ms, "a full allowance"
            assert {each.agent for each in await lost(watcher)} == {"gone", "dead"}
            assert watcher.kinds("gone") == ["registered", "suspect", "offline"], "and stays so"
            await all_heard_after(watcher, fleet.names, began_ms)
            await living.aclose()
