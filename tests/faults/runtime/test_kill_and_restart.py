"""kill -9 while commands flow: nothing acknowledged is lost, nothing is applied twice.

The checker reads the journal's bytes. Every command carries a label of its own; agents repeat a
command under the same command id until it is acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from coordination.registry import wire
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.journal import JetStreamJournal
from coordination.runtime.names import Subjects
from tests.support.nats_server import RealServer
from tests.support.processes import conclave_process
from tests.support.registry import registry_runner, running
from tests.support.toy import stored_events
from tests.support.waiting import wait_until

AGENTS = 6
ACKS_PER_PHASE = 10
PATIENCE_S = 60.0


class Traffic:
    """Agents that register over and over, each registration under its own label and command id."""

    def __init__(self, url: str, subjects: Subjects) -> None:
        self.acknowledged: dict[str, int] = {}
        """Label -> incarnation that the registry answered."""
        self._url = url
        self._subjects = subjects
        self._counts = {f"agent-{index}": 0 for index in range(AGENTS)}
        self._stop = False

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Commands flow for the length of the block; at its end the last ones are acknowledged."""
        async with asyncio.TaskGroup() as group:
            for agent in self._counts:
                group.create_task(self._register(agent))
            yield
            self._stop = True

    async def grown(self) -> None:
        """Wait until every agent has had a fair number of further acknowledgements."""
        wanted = {agent: count + ACKS_PER_PHASE for agent, count in self._counts.items()}
        await wait_until(
            lambda: all(self._counts[agent] >= count for agent, count in wanted.items()), timeout_s=PATIENCE_S
        )

    async def _register(self, agent: str) -> None:
        bus = await NatsBus.connect(self._url, agent=agent)
        caller = Caller(bus, agent=agent, subjects=self._subjects, patience_s=PATIENCE_S)
        try:
            while not self._stop:
                count = self._counts[agent]
                label = f"{agent}/{count}"
                request = wire.RegisterRequest(labels={"label": label})
                reply = await caller.command(
                    "registry", "register", request, wire.RegisterReply, command_id=f"c{count}"
                )
                self.acknowledged[label] = reply.incarnation
                self._counts[agent] += 1
        finally:
            await bus.close()


async def registrations(url: str, subjects: Subjects) -> list[dict[str, Any]]:
    """What the journal says took effect."""
    bus = await NatsBus.connect(url, agent="checker")
    try:
        journal = JetStreamJournal(
            bus.client.jetstream(),
            stream=subjects.journal_stream("registry", 0),
            subject=subjects.journal("registry", 0),
        )
        return stored_events([entry.payload async for entry in journal.replay()], "AgentRegistered")
    finally:
        await bus.close()


async def check(traffic: Traffic, url: str, subjects: Subjects) -> None:
    """Nothing acknowledged is lost or was answered wrongly, nothing took effect twice."""
    stored = await registrations(url, subjects)
    labels = [event["labels"]["label"] for event in stored]
    assert len(labels) == len(set(labels)), "a command took effect twice"
    incarnations = {event["labels"]["label"]: event["incarnation"] for event in stored}
    lost = traffic.acknowledged.keys() - incarnations.keys()
    assert not lost, f"acknowledged and lost: {sorted(lost)[:5]}"
    assert traffic.acknowledged == {label: incarnations[label] for label in traffic.acknowledged}


async def test_killing_nats_server_loses_and_repeats_nothing(
    own_server: RealServer, subjects: Subjects
) -> None:
    traffic = Traffic(own_server.url, subjects)
    bus = await NatsBus.connect(own_server.url, agent="registry")
    async with running(registry_runner(bus, subjects)) as serving:
        async with traffic.flowing():
            for _ in range(2):
                await traffic.grown()
                own_server.kill()
                own_server.start()
            await traffic.grown()
        assert not serving.done(), "the service outlives its server"
    await bus.close()
    await check(traffic, own_server.url, subjects)


async def test_killing_the_service_loses_and_repeats_nothing(
    own_server: RealServer, subjects: Subjects
) -> None:
    traffic = Traffic(own_server.url, subjects)
    serve = ("serve", "registry", "--nats", own_server.url, "--prefix", subjects.prefix)
    async with contextlib.AsyncExitStack() as processes:
        process, _ = await processes.enter_async_context(conclave_process(*serve))
        async with traffic.flowing():
            for _ in range(2):
                await traffic.grown()
                process.kill()
                await process.wait()
                process, _ = await processes.enter_async_context(conclave_process(*serve))
            await traffic.grown()
    await check(traffic, own_server.url, subjects)
