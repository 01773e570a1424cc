"""A registry on the real nats-server, running for the length of a block."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from coordination.registry.service import define
from coordination.runtime.bus import NatsBus
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell


def registry_runner(
    bus: NatsBus, subjects: Subjects, *, heartbeat_interval_ms: int = 5_000, replicas: int = 1
) -> Runner:
    """The registry on its JetStream journal, not yet running."""
    shell = Shell.of(bus, service="registry", subjects=subjects)
    journal = Journal(JetStreamStore(bus, subjects=subjects, service="registry", replicas=replicas))
    definition = define(shell, heartbeat_interval_ms=heartbeat_interval_ms)
    return Runner(definition, shell=shell, journals=[journal])


@contextlib.asynccontextmanager
async def running(runner: Runner) -> AsyncIterator[asyncio.Task[None]]:
    """`runner` from ready until the end of the block; a failure of its own is raised."""
    task = asyncio.create_task(runner.run())
    ready = asyncio.create_task(runner.ready.wait())
    try:
        await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        yield task
    finally:
        ready.cancel()
        runner.stop()
        with contextlib.suppress(BaseExceptionGroup):
            await task
