"""Agents that register over and over on the real server, and a checker that reads the journal's bytes.

Every command carries a label of its own and is repeated under one command id until it is acknowledged,
so that the journal alone tells what took effect, and how often.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from typing import Any

from coordination.registry import wire
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.names import Subjects
from tests.support.toy import stored_events
from tests.support.waiting import wait_until

AGENTS = 20
PATIENCE_S = 60.0


class Traffic:
    """`AGENTS` agents, each sending at least its share of `commands`, one after another.

    After every tenth acknowledgement an agent reads its own record back: it must never see an older
    incarnation than the one it was told.
    """

    def __init__(self, url: str, subjects: Subjects, *, commands: int) -> None:
        self.acknowledged: dict[str, int] = {}
        """Label -> incarnation that the registry answered."""
        self.stale_reads: list[str] = []
        self._url = url
        self._subjects = subjects
        self._each = commands // AGENTS
        self._is_enough = False
        self._started_s = self._ended_s = self._last_s = 0.0

    @property
    def count(self) -> int:
        """How many commands were acknowledged."""
        return len(self.acknowledged)

    @property
    def per_second(self) -> float:
        """Acknowledged commands per second over the whole run."""
        return self.count / (self._ended_s - self._started_s)

    @contextlib.asynccontextmanager
    async def flowing(self) -> AsyncIterator[None]:
        """Commands flow during the block, and after it until there were enough; all are acknowledged."""
        self._started_s = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for index in range(AGENTS):
                group.create_task(self._register(f"agent-{index}"))
            yield
            self._is_enough = True
        self._ended_s = time.monotonic()

    async def acknowledged_at_least(self, count: int) -> None:
        """Wait until `count` commands have been acknowledged."""
        await wait_until(lambda: self.count >= count, timeout_s=PATIENCE_S)

    async def next_acknowledgement_s(self) -> float:
        """Seconds until the next acknowledgement; what was on its way at the call does not count."""
        started_s = time.monotonic()
        before = self.count
        # Each agent may have one answer under way that was sent before whatever happened just now.
        await wait_until(lambda: self.count > before + AGENTS, timeout_s=PATIENCE_S)
        return self._last_s - started_s

    async def _register(self, agent: str) -> None:
        bus = await NatsBus.connect(self._url, agent=agent)
        caller = Caller(bus, agent=agent, subjects=self._subjects, patience_s=PATIENCE_S)
        try:
            for index in itertools.count():
                if self._is_enough and index >= self._each:
                    return
                label = f"{agent}/{index}"
                request = wire.RegisterRequest(labels={"label": label})
                reply = await caller.command("registry", "register", request, wire.RegisterReply)
                self.acknowledged[label] = reply.incarnation
                self._last_s = time.monotonic()
                if index % 10 == 9:
                    await self._read_back(caller, agent, reply.incarnation)
        finally:
            await bus.close()

    async def _read_back(self, caller: Caller, agent: str, told: int) -> None:
        seen = await caller.query("registry", "get", wire.GetRequest(agent=agent), wire.Agent)
        if seen.incarnation < told:
            self.stale_reads.append(f"{agent}: saw {seen.incarnation} after it was told {told}")


async def registrations(url: str, subjects: Subjects) -> list[dict[str, Any]]:
    """What the journal says took effect, record by record."""
    bus = await NatsBus.connect(url, agent="checker")
    store = JetStreamStore(bus, subjects=subjects, service="registry")
    journal = Journal(store)
    try:
        return stored_events([entry.payload async for entry in journal.replay(0)], "AgentRegistered")
    finally:
        await journal.close()
        await bus.close()


async def check_journal(url: str, subjects: Subjects, traffic: Traffic) -> tuple[int, int]:
    """How many acknowledged commands are lost (or were answered wrongly), how many took effect twice."""
    stored = await registrations(url, subjects)
    labels = [event["labels"]["label"] for event in stored]
    incarnations = {event["labels"]["label"]: event["incarnation"] for event in stored}
    lost = [label for label, told in traffic.acknowledged.items() if incarnations.get(label) != told]
    return len(lost), len(labels) - len(set(labels))
