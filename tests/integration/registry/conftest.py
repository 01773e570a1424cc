"""A registry on the real nats-server, and an agent that calls it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from tests.support.fixtures import Connect
from tests.support.registry import registry_runner, running


@pytest.fixture
async def registry(connect: Connect, subjects: Subjects) -> AsyncIterator[Runner]:
    """A running registry."""
    runner = registry_runner(await connect("registry"), subjects)
    async with running(runner):
        yield runner


@pytest.fixture
async def ada(connect: Connect) -> NatsBus:
    """The connection of the agent ada."""
    return await connect("ada")


@pytest.fixture
def caller(ada: NatsBus, subjects: Subjects) -> Caller:
    """How ada calls services."""
    return Caller(ada, agent="ada", subjects=subjects)


@pytest.fixture
def client(caller: Caller) -> RegistryClient:
    """How ada calls the registry."""
    return RegistryClient(caller)
