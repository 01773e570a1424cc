"""What becomes of an agent that is killed, blocks, starts again or leaves.

The registry's own times are compared, not those of the test. Figures are printed (``pytest -s``).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import AsyncIterator

import pytest

from coordination.registry.client import RegistryClient
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.members import Watcher, block, child
from tests.support.nats_server import RealServer
from tests.support.registry import registry_runner, running


@contextlib.asynccontextmanager
async def watched_registry(
    connect: Connect, subjects: Subjects, *, interval_ms: int
) -> AsyncIterator[Watcher]:
    runner = registry_runner(await connect("registry"), subjects, heartbeat_interval_ms=interval_ms)
    async with running(runner):
        yield await Watcher(await connect("watcher"), subjects).begin()


async def test_a_killed_agent_is_offline_within_three_intervals(
    nats_server: RealServer, connect: Connect, subjects: Subjects, capsys: pytest.CaptureFixture[str]
) -> None:
    interval_ms = 2_000
    async with watched_registry(connect, subjects, interval_ms=interval_ms) as watcher:
        async with child("member", nats_server.url, subjects, "ada") as process:
            await watcher.beats_more("ada", 1)
            process.kill()
        await watcher.announced("offline", "ada")
        ada = await watcher.client.get("ada")
    silent_ms = ada.status_since_ms - ada.last_heard_ms
    with capsys.disabled():
        sys.stdout.write(f"\noffline {silent_ms / interval_ms:.3f} intervals after the last heartbeat\n")
    assert ada.status == "offline"
    assert watcher.kinds("ada") == ["registered", "suspect", "offline"]
    assert 2.9 * interval_ms <= silent_ms <= 3 * interval_ms


async def test_an_agent_that_blocks_for_one_and_a_half_intervals_is_never_offline(
    nats_server: RealServer, connect: Connect, subjects: Subjects
) -> None:
    interval_ms = 600
    async with (
        watched_registry(connect, subjects, interval_ms=interval_ms) as watcher,
        child("member", nats_server.url, subjects, "ada") as process,
    ):
        for _ in range(3):
            await watcher.beats_more("ada", 1)
            await block(process, 1.5 * interval_ms / 1000)
        await watcher.beats_more("ada", 2)
        (ada,) = await watcher.agents_when(lambda agents: [each.status for each in agents] == ["online"])
        assert ada.incarnation == 1
        assert set(watcher.kinds("ada")) <= {"registered", "suspect", "online"}


async def test_a_restarted_agent_is_a_new_incarnation_and_the_old_one_is_not_heard(
    nats_server: RealServer, connect: Connect, subjects: Subjects
) -> None:
    async with watched_registry(connect, subjects, interval_ms=300) as watcher:
        async with child("member", nats_server.url, subjects, "ada") as process:
            await watcher.beats_more("ada", 1)
            process.kill()
        late = RegistryClient(Caller(await connect("ada"), agent="ada", subjects=subjects))
        async with child("member", nats_server.url, subjects, "ada"):
            await watcher.beats_more("ada", 1)
            assert (await watcher.client.get("ada")).incarnation == 2
            before = len(watcher.heard)
            await late.heartbeat(incarnation=1, load=0.75)
            await watcher.beats_more("ada", 3)
            ada = await watcher.client.get("ada")
            assert (ada.incarnation, ada.status, ada.load) == (2, "online", 0.0)
            assert len(watcher.heard) == before, "nothing has changed"
        await watcher.announced("offline", "ada", incarnation=2)
        before = len(watcher.heard)
        for _ in range(3):
            await late.heartbeat(incarnation=1)
            await watcher.beats_more("ada", 1)
            assert (await watcher.client.get("ada")).status == "offline"
        assert len(watcher.heard) == before, "the dead do not come back by the voice of their forebears"


async def test_an_agent_that_leaves_is_announced_as_left_and_not_as_lost(
    nats_server: RealServer, connect: Connect, subjects: Subjects
) -> None:
    async with watched_registry(connect, subjects, interval_ms=200) as watcher:
        async with child("member", nats_server.url, subjects, "ada") as process:
            await watcher.beats_more("ada", 1)
            assert process.stdin is not None
            process.stdin.close()  # the end of its block
            assert await process.wait() == 0
        await watcher.announced("deregistered", "ada")
        bob = RegistryClient(Caller(await connect("bob"), agent="bob", subjects=subjects))
        incarnation = (await bob.register()).incarnation
        await watcher.announced("offline", "bob", incarnation=incarnation)  # so much later ada would be, too
        assert watcher.kinds("ada") == ["registered", "deregistered"]
        assert [each.agent for each in await watcher.agents()] == ["bob"]


async def test_an_agent_that_is_heard_again_comes_back(connect: Connect, subjects: Subjects) -> None:
    async with watched_registry(connect, subjects, interval_ms=200) as watcher:
        client = RegistryClient(Caller(await connect("ada"), agent="ada", subjects=subjects))
        incarnation = (await client.register()).incarnation
        await watcher.announced("offline", "ada")
        await client.heartbeat(incarnation=incarnation, load=0.5)
        await watcher.announced("online", "ada")
        assert watcher.kinds("ada") == ["registered", "suspect", "offline", "online"]
        ada = await watcher.client.get("ada")
        assert (ada.status, ada.incarnation, ada.load) == ("online", incarnation, 0.5)
