"""A registry and a gateway on the shared server, scripted agents, and a foreign client."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.prompting import Foreigner, Scripted, foreigner, gateway_runner
from tests.support.registry import registry_runner, running


@pytest.fixture
async def registry(connect: Connect, subjects: Subjects) -> AsyncIterator[Runner]:
    """A running registry that gives an agent up after 0.6 s."""
    runner = registry_runner(await connect("registry"), subjects, heartbeat_interval_ms=200)
    async with running(runner):
        yield runner


@pytest.fixture
async def gateway(registry: Runner, connect: Connect, subjects: Subjects) -> AsyncIterator[Runner]:
    """A running gateway."""
    runner = gateway_runner(await connect("gateway"), subjects)
    async with running(runner):
        yield runner


@pytest.fixture
async def scripted(gateway: Runner, subjects: Subjects) -> AsyncIterator[Scripted]:
    """Agents to be made."""
    agents = Scripted(subjects)
    yield agents
    await agents.close()


@pytest.fixture
async def foreign(nats_server: RealServer, subjects: Subjects) -> AsyncIterator[Foreigner]:
    """A client that has never heard of us."""
    async with foreigner(nats_server.url, subjects.prefix) as client:
        yield client
