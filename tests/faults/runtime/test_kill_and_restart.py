"""kill -9 of the only one there is: nothing acknowledged is lost, nothing is applied twice.

With a standby, and with figures: `test_failover`.
"""

from __future__ import annotations

import contextlib

from coordination.runtime.bus import NatsBus
from coordination.runtime.names import Subjects
from tests.support.nats_server import RealServer
from tests.support.processes import conclave_process
from tests.support.registry import registry_runner, running
from tests.support.traffic import Traffic, check_journal


async def test_killing_nats_server_loses_and_repeats_nothing(
    own_server: RealServer, subjects: Subjects
) -> None:
    traffic = Traffic(own_server.url, subjects, commands=600)
    bus = await NatsBus.connect(own_server.url, agent="registry")
    async with running(registry_runner(bus, subjects)) as serving:
        async with traffic.flowing():
            for count in (100, 300):
                await traffic.acknowledged_at_least(count)
                own_server.kill()
                own_server.start()
        assert not serving.done(), "the service outlives its server"
    await bus.close()
    assert await check_journal(own_server.url, subjects, traffic) == (0, 0)


async def test_killing_the_service_loses_and_repeats_nothing(
    own_server: RealServer, subjects: Subjects
) -> None:
    traffic = Traffic(own_server.url, subjects, commands=600)
    serve = ("serve", "registry", "--nats", own_server.url, "--prefix", subjects.prefix)
    async with contextlib.AsyncExitStack() as processes:
        process, _ = await processes.enter_async_context(conclave_process(*serve))
        async with traffic.flowing():
            for count in (100, 300):
                await traffic.acknowledged_at_least(count)
                process.kill()
                await process.wait()
                process, _ = await processes.enter_async_context(conclave_process(*serve))
    assert await check_journal(own_server.url, subjects, traffic) == (0, 0)
