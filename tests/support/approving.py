"""Consensus and its consumers in one process, and proposals that were approved for them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

import consensus.service
from consensus.client import ConsensusClient
from consensus.wire import Kind, Proposal
from coordination.approvals.artifact import Artifact
from coordination.approvals.wire import Approval
from coordination.runtime.client import Caller
from coordination.runtime.concurrency import one_error
from coordination.runtime.errors import ClosedError
from coordination.runtime.journal import Journal
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition
from coordination.runtime.store import JournalStore
from tests.support.clock import ManualClock

WINDOW_MS: Final = 60_000
"""How long the approvals of `Hall.approved` may be executed."""
_START_TIMEOUT_S: Final = 5.0


class Hall:
    """Services on one exchange under one clock, started one by one."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self.exchange = MemoryExchange()
        self.clock = ManualClock()
        self._group = group
        self._running: dict[str, tuple[Runner, asyncio.Task[None]]] = {}
        self._buses: list[MemoryBus] = []

    def caller(self, agent: str, *, patience_s: float = 2.0) -> Caller:
        """A new connection of `agent`."""
        bus = MemoryBus(self.exchange, agent=agent)
        self._buses.append(bus)
        return Caller(bus, agent=agent, patience_s=patience_s)

    async def serve(
        self,
        name: str,
        define: Callable[[Shell], ServiceDefinition],
        *,
        store: JournalStore | None = None,
        has_journal: bool = True,
    ) -> None:
        """Run a service; returns when it answers."""
        bus = MemoryBus(self.exchange, agent=name)
        shell = Shell.of(bus, service=name, subjects=Subjects(), clock=self.clock)
        journals = [Journal(store or MemoryStore(MemoryStream()))] if has_journal else []
        runner = Runner(define(shell), shell=shell, journals=journals)
        self._running[name] = runner, self._group.create_task(_until_killed(runner))
        async with asyncio.timeout(_START_TIMEOUT_S):
            await runner.ready.wait()

    async def ended(self, name: str) -> None:
        """Return when a service has ended, which its journal or `stop_one` has brought about."""
        async with asyncio.timeout(_START_TIMEOUT_S):
            await self._running.pop(name)[1]

    async def stop_one(self, name: str) -> None:
        """End one service in good order."""
        self._running[name][0].stop()
        await self.ended(name)

    async def approved(
        self,
        artifact: Artifact | str,
        kind: Kind = "custom",
        *,
        conditions: Iterable[str] = (),
        choice: str = "for",
        **rules: Any,
    ) -> Proposal:
        """A proposal of `ada` about `artifact`, on which she alone has voted."""
        client = ConsensusClient(self.caller("ada"))
        sha256 = artifact if isinstance(artifact, str) else artifact.sha256
        made = await client.propose(
            "Do it",
            artifact_sha256=sha256,
            electorate=["ada"],
            kind=kind,
            signatures="optional",
            **{"execution_window_ms": WINDOW_MS, **rules},
        )
        await client.vote(made.proposal_id, choice, conditions=conditions)
        return await client.get(made.proposal_id)

    async def status(self, proposal_id: str) -> str:
        """Where a proposal stands."""
        return (await ConsensusClient(self.caller("ada")).get(proposal_id)).status

    async def stop(self) -> None:
        """End all connections, then all services."""
        for bus in self._buses:
            await bus.close()
        for runner, _ in self._running.values():
            runner.stop()


async def _until_killed(runner: Runner) -> None:
    """Serve until `stop`, or until the journal's connection is lost, which is how a test kills a service."""
    with contextlib.suppress(ClosedError), one_error():
        await runner.run()


def token_of(proposal: Proposal, **changed: Any) -> Approval:
    """The approval of a proposal that has one, with some fields altered."""
    assert proposal.approval is not None
    return Approval.model_validate(proposal.approval.model_dump() | changed)


@contextlib.asynccontextmanager
async def a_hall() -> AsyncIterator[Hall]:
    """Consensus, running."""
    async with asyncio.TaskGroup() as group:
        hall = Hall(group)
        await hall.serve(consensus.service.NAME, consensus.service.define)
        try:
            yield hall
        finally:
            await hall.stop()
