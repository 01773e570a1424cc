"""Consensus beside a registry on the real nats-server, and agents that live in it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from consensus import service as consensus
from consensus.client import ConsensusClient
from coordination.registry import wire as registry_wire
from coordination.registry.client import RegistryClient
from coordination.registry.membership import Membership
from coordination.runtime.client import Caller
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from tests.support.fixtures import Connect
from tests.support.registry import registry_runner, running
from tests.support.voting import signing

INTERVAL_MS = 100
"""Between heartbeats: who is silent for three of them is offline."""


class Town:
    """Agents, a registry that may be closed, and consensus."""

    def __init__(self, connect: Connect, subjects: Subjects) -> None:
        self.subjects = subjects
        self._connect = connect

    async def caller(self, agent: str) -> Caller:
        """A new connection of `agent`."""
        return Caller(await self._connect(agent), agent=agent, subjects=self.subjects)

    async def client(self, agent: str) -> ConsensusClient:
        """What `agent` proposes and votes with, signed."""
        return signing(await self.caller(agent))

    async def move_in(self, agent: str, *capabilities: str, **labels: str) -> None:
        """Register `agent`, which from then on is silent, so that it goes offline."""
        client = RegistryClient(await self.caller(agent))
        await client.register(capabilities, labels=labels)

    @contextlib.asynccontextmanager
    async def living(self, agent: str, *capabilities: str, **labels: str) -> AsyncIterator[ConsensusClient]:
        """`agent`, registered and heard until the end of the block."""
        request = registry_wire.RegisterRequest(
            capabilities=tuple(registry_wire.Capability(name=each) for each in capabilities), labels=labels
        )
        caller = await self.caller(agent)
        async with Membership(caller, request):
            yield signing(caller)

    @contextlib.asynccontextmanager
    async def registry(self) -> AsyncIterator[None]:
        """The registry answers for the length of the block."""
        bus = await self._connect("registry")
        async with running(registry_runner(bus, self.subjects, heartbeat_interval_ms=INTERVAL_MS)):
            yield


@pytest.fixture
async def closed_town(connect: Connect, subjects: Subjects) -> AsyncIterator[Town]:
    """Consensus without a registry."""
    bus = await connect("consensus")
    shell = Shell.of(bus, service="consensus", subjects=subjects)
    journal = Journal(JetStreamStore(bus, subjects=subjects, service="consensus"))
    async with running(Runner(consensus.define(shell), shell=shell, journals=[journal])):
        yield Town(connect, subjects)


@pytest.fixture
async def town(closed_town: Town) -> AsyncIterator[Town]:
    """Consensus with a registry."""
    async with closed_town.registry():
        yield closed_town
