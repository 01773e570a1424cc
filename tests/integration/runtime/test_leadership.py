"""Two registries on one journal: at most one of them leads."""

from __future__ import annotations

import asyncio

import pytest

from coordination.registry.client import RegistryClient
from coordination.runtime.client import Caller
from coordination.runtime.errors import NotLeaderError
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.registry import registry_runner, running


async def test_the_older_one_steps_down_and_the_newer_one_serves(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    older = registry_runner(await connect("registry"), subjects)
    newer = registry_runner(await connect("registry"), subjects)
    async with running(older) as serving_older:
        assert (await client.register()).incarnation == 1
        async with running(newer) as serving_newer:
            # The older one is in the queue group still; the first command it takes shows it the truth.
            incarnations = [(await client.register()).incarnation for _ in range(20)]
            assert incarnations == list(range(2, 22))
            while not serving_older.done():
                await client.register()
            with pytest.raises(ExceptionGroup) as ended:
                await serving_older
            assert ended.group_contains(NotLeaderError)
            assert not serving_newer.done()
            impatient = RegistryClient(
                Caller(client._caller.bus, agent="ada", subjects=subjects, patience_s=0)
            )
            for _ in range(20):
                await impatient.list()  # no request goes to the one that stepped down


async def test_a_command_sent_during_the_change_takes_effect_once(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    async with running(registry_runner(await connect("registry"), subjects)):
        burst = [asyncio.ensure_future(client.register()) for _ in range(100)]
        async with running(registry_runner(await connect("registry"), subjects)):
            incarnations = sorted([(await each).incarnation for each in burst])
            assert incarnations == list(range(1, 101))
