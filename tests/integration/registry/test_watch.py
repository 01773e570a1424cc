"""A watch on the real server: registries are killed, the server is restarted, and nothing is missed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from coordination.registry.client import RegistryClient
from coordination.registry.watch import Present, Synced
from coordination.registry.wire import Change
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer
from tests.support.registry import registry_runner, running
from tests.support.waiting import wait_until


class Log:
    """What a watcher was told."""

    def __init__(self) -> None:
        self.present: list[str] = []
        self.synced: list[int] = []
        self.changes: list[Change] = []

    async def fill(self, client: RegistryClient) -> None:
        async with contextlib.aclosing(client.watch()) as events:
            async for event in events:
                match event:
                    case Present():
                        self.present.append(event.record.agent)
                    case Synced():
                        self.synced.append(event.revision)
                    case Change():
                        self.changes.append(event)
                    case _:
                        raise AssertionError(event)

    def check(self) -> None:
        """Every change once, in order, from the one after the state that was named."""
        (first,) = self.synced
        assert [each.revision for each in self.changes] == list(
            range(first + 1, first + 1 + len(self.changes))
        )

    def registered(self, incarnation: int) -> bool:
        return any(each.kind == "registered" and each.incarnation == incarnation for each in self.changes)


@contextlib.asynccontextmanager
async def watching(client: RegistryClient) -> AsyncIterator[Log]:
    log = Log()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(log.fill(client))
        await wait_until(lambda: log.synced)
        yield log
        task.cancel()
    log.check()


async def test_a_watch_names_who_is_there_then_every_change(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    async with running(registry_runner(await connect("registry"), subjects)):
        registered = await client.register(["python"], metadata={"a": 1})
        async with watching(client) as log:
            await client.update(incarnation=registered.incarnation, description="new")
            await client.deregister(incarnation=registered.incarnation)
            await wait_until(lambda: len(log.changes) == 2)
        assert log.present == ["ada"]
        assert [each.kind for each in log.changes] == ["updated", "deregistered"]
        assert log.changes[0].record is not None
        assert log.changes[0].record.description == "new"
        assert log.changes[0].record.metadata == {"a": 1}


async def test_a_watch_goes_on_when_another_process_takes_over(
    connect: Connect, subjects: Subjects, client: RegistryClient
) -> None:
    first = await connect("registry")
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(running(registry_runner(first, subjects)))
        await stack.enter_async_context(running(registry_runner(await connect("registry"), subjects)))
        async with watching(client) as log:
            await client.register()
            await first.close()  # as good as kill -9: it says goodbye to nobody
            last = (await client.register()).incarnation
            await wait_until(lambda: log.registered(last))


async def test_a_watch_goes_on_when_the_server_is_killed_and_restarted(
    own_server: RealServer, subjects: Subjects
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        buses = [await NatsBus.connect(own_server.url, agent=agent) for agent in ("registry", "ada", "eve")]
        for bus in buses:
            stack.push_async_callback(bus.close)
        await stack.enter_async_context(running(registry_runner(buses[0], subjects)))
        ada = RegistryClient(Caller(buses[1], agent="ada", subjects=subjects))
        eve = RegistryClient(Caller(buses[2], agent="eve", subjects=subjects))
        await ada.register()
        async with watching(eve) as log:
            own_server.kill()
            own_server.start()
            last = (await ada.register()).incarnation
            await wait_until(lambda: log.registered(last))
        assert log.present == ["ada"]
