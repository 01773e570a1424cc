"""Two registries on one journal: at most one of them leads."""

from __future__ import annotations

import asyncio

from coordination.registry.client import RegistryClient
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.registry import registry_runner, running
from tests.support.waiting import wait_until


async def test_a_second_process_stands_by_and_takes_over_when_the_first_one_leaves(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    first = registry_runner(await connect("registry"), subjects)
    second = registry_runner(await connect("registry"), subjects)
    async with running(first):
        assert (await client.register()).incarnation == 1
        async with running(second):
            assert (first.is_leading, second.is_leading) == (True, False)
            incarnations = [(await client.register()).incarnation for _ in range(20)]
            assert incarnations == list(range(2, 22))
            first.stop()
            await wait_until(lambda: second.is_leading)
            assert (await client.register()).incarnation == 22
            assert second.hosts[0].epoch == 2
            impatient = RegistryClient(
                Caller(client._caller.bus, agent="ada", subjects=subjects, patience_s=0)
            )
            for _ in range(20):
                await impatient.list()  # no request goes to the one that left


async def test_a_command_sent_during_the_change_takes_effect_once(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    first = registry_runner(await connect("registry"), subjects)
    async with running(first), running(registry_runner(await connect("registry"), subjects)):
        burst = [asyncio.ensure_future(client.register()) for _ in range(100)]
        first.stop()
        incarnations = sorted([(await each).incarnation for each in burst])
        assert incarnations == list(range(1, 101))
