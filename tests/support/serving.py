"""Runs services in one process over the in-memory bus, with connections for their callers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from coordination.runtime.client import Caller
from coordination.runtime.clock import Clock
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition

_START_TIMEOUT_S = 5.0


class Agents:
    """Connections of agents to one exchange."""

    def __init__(self, exchange: MemoryExchange) -> None:
        self._exchange = exchange
        self._buses: list[MemoryBus] = []

    def caller(self, agent: str) -> Caller:
        """A new connection of `agent`."""
        bus = MemoryBus(self._exchange, agent=agent)
        self._buses.append(bus)
        return Caller(bus, agent=agent, patience_s=2.0)

    async def close(self) -> None:
        """End all connections."""
        for bus in self._buses:
            await bus.close()


@contextlib.asynccontextmanager
async def serving(
    define: Callable[[Shell], ServiceDefinition],
    name: str,
    *,
    journal: MemoryStream,
    clock: Clock | None = None,
) -> AsyncIterator[Agents]:
    """Serve one service until the block ends."""
    exchange = MemoryExchange()
    bus = MemoryBus(exchange, agent=name)
    shell = Shell.of(bus, service=name, subjects=Subjects(), clock=clock)
    runner = Runner(define(shell), shell=shell, journals=[Journal(MemoryStore(journal))])
    agents = Agents(exchange)
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                await runner.ready.wait()
            yield agents
        finally:
            await agents.close()
            runner.stop()
    await bus.close()
