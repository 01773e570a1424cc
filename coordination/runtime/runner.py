"""Runs one service: its hosts, its server and the work beside them, as one unit that stops in order.

A shard is served, and has its companions, while its host leads. Stopping order: take no more requests,
finish those taken, end the companions, end the background, end the hosts.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from coordination.runtime.bus import Bus
from coordination.runtime.client import Caller
from coordination.runtime.clock import Clock, SystemClock
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.lease import Lease
from coordination.runtime.limits import DRAIN_TIMEOUT_S
from coordination.runtime.logs import get_logger
from coordination.runtime.model import Notice, Push
from coordination.runtime.names import Subjects
from coordination.runtime.outbox import Outbox, subject_of
from coordination.runtime.server import Server
from coordination.runtime.service import ServiceDefinition
from coordination.runtime.snapshots import SnapshotPolicy
from coordination.runtime.wire import to_json

_log = get_logger(__name__)


class Signer(Protocol):
    """Signs in the name of a service."""

    @property
    def public_key(self) -> str:
        """Its nkey: 56 characters that begin with ``U``. To be read before `sign`: it decides for the key."""

    def sign(self, data: bytes) -> str:
        """Ed25519 signature of `data`: base64url without padding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """The outside world of one service: everything that is not its model."""

    bus: Bus
    subjects: Subjects
    caller: Caller
    """To call other services, under this service's own name."""
    clock: Clock
    entropy: random.Random
    """Where ids and jitter come from; a simulation gives it a seed."""
    signer: Signer | None = None
    """Signs with the service's own credentials; None where the server asks for none."""

    @classmethod
    def of(
        cls,
        bus: Bus,
        *,
        service: str,
        subjects: Subjects,
        clock: Clock | None = None,
        entropy: random.Random | None = None,
        signer: Signer | None = None,
    ) -> Shell:
        """The shell of `service` on `bus`."""
        source = entropy or random.SystemRandom()
        caller = Caller(bus, agent=service, subjects=subjects, entropy=source)
        return cls(
            bus=bus,
            subjects=subjects,
            caller=caller,
            clock=clock or SystemClock(),
            entropy=source,
            signer=signer,
        )

    async def deliver(self, service: str, message: Push | Notice) -> None:
        """Send a push or a notice of `service`."""
        await self.bus.publish(subject_of(message, service, self.subjects), to_json(message.body))


class Runner:
    """One running service.

    Args:
        definition: What to serve.
        shell: Where to serve it.
        journals: One for each shard of its model, in order; None for a shard that runs in other processes
            only. Empty exactly when there is no model.
        lease: How leadership is timed.
        snapshots: When snapshots are taken.
    """

    def __init__(
        self,
        definition: ServiceDefinition,
        *,
        shell: Shell,
        journals: Sequence[Journal | None] = (),
        lease: Lease | None = None,
        snapshots: SnapshotPolicy | None = None,
    ) -> None:
        assert (definition.model is None) == (not journals), f"{definition.name}: model needs journal"
        assert len(journals) < 2 or definition.is_shardable, f"{definition.name} cannot be sharded"
        self.definition = definition
        self.ready = asyncio.Event()
        """Set when every shard is served here, or by a leader that was heard."""
        self._stop = asyncio.Event()
        self._journals = {shard: each for shard, each in enumerate(journals) if each is not None}
        self._by_shard: dict[int, Host[Any]] = {}
        outbox = Outbox(
            definition.name, bus=shell.bus, subjects=shell.subjects, compact_kinds=definition.compact_kinds
        )
        for shard, journal in self._journals.items():
            assert definition.model is not None
            self._by_shard[shard] = Host(
                name=f"{definition.name}.{shard}",
                make_model=definition.model,
                journal=journal,
                clock=shell.clock,
                deliver=outbox.send,
                prepare=outbox.prepared,
                together=shell.bus.together,
                carry=outbox.carried,
                entropy=shell.entropy,
                lease=lease,
                snapshots=snapshots,
            )
        self._unready = set(self._by_shard)
        self._server = Server(
            definition,
            bus=shell.bus,
            subjects=shell.subjects,
            hosts=self._by_shard,
            shards=max(len(journals), 1),
            entropy=shell.entropy,
            # Several processes lead the shards of one service, and any of them may hear what an agent says
            # last: then nobody could know, and all pushes go one by one.
            takers=outbox.takers if definition.compact_kinds and len(journals) == 1 else None,
        )

    @property
    def hosts(self) -> tuple[Host[Any], ...]:
        """The hosts of the shards that run here, in order."""
        return tuple(self._by_shard.values())

    @property
    def is_leading(self) -> bool:
        """Whether this process answers for every shard that it runs."""
        return all(host.leading.is_set() for host in self.hosts)

    def stop(self) -> None:
        """Make `run` drain and return."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            ExceptionGroup: Holding what ended the service, such as `CorruptJournalError`.
        """
        try:
            async with asyncio.TaskGroup() as group:
                background = [group.create_task(work(self.hosts)) for work in self.definition.background]
                hosting = [group.create_task(host.run()) for host in self.hosts]
                serving = [group.create_task(self._serve(shard)) for shard in (self._by_shard or (0,))]
                try:
                    await self._stop.wait()
                finally:
                    # Also when a host or a companion failed: a server that goes on receiving would
                    # take requests away from the process that leads now, only to refuse them.
                    await self._server.drain()
                await self._end(serving)
                await self._end(background)
                for host in self.hosts:
                    host.stop()
                await self._end(hosting, after_s=self._patience_s())
        finally:
            for journal in self._journals.values():
                await journal.close()
        _log.info("stopped", service=self.definition.name)

    async def _serve(self, shard: int) -> None:
        """Serve `shard` with its companions, each time that its host leads."""
        host = self._by_shard.get(shard)
        if host is None:
            await self._lead(shard, None)
            return
        await host.settled.wait()
        while True:
            if not host.leading.is_set():
                self._count_ready(shard)
                await host.leading.wait()
            await self._lead(shard, host)

    def _count_ready(self, shard: int) -> None:
        self._unready.discard(shard)
        if not self._unready:
            self.ready.set()

    async def _lead(self, shard: int, host: Host[Any] | None) -> None:
        """Serve `shard`, and run the companions, until `host` leads no more."""
        # The companions begin first: what they keep must be there when the first request comes.
        companions = [asyncio.ensure_future(work(host)) for work in self.definition.companions]
        over = asyncio.ensure_future((host.following if host is not None else asyncio.Event()).wait())
        try:
            await self._server.serve(shard)
            self._count_ready(shard)
            _log.info("serving", service=self.definition.name, shard=shard)
            # A companion that ends has ended for good; one that fails ends the service.
            waiting = {over, *companions}
            while over in waiting:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await _cancel([over, *companions])
            await self._server.leave(shard)

    def _patience_s(self) -> float:
        # A host that does not lead has accepted nothing; one without its journal would wait for ever.
        return DRAIN_TIMEOUT_S if any(host.leading.is_set() for host in self.hosts) else 0.0

    async def _end(self, tasks: list[asyncio.Task[None]], *, after_s: float = 0.0) -> None:
        """Wait for `tasks` a while, then cancel those that have not ended."""
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=after_s)
        if late and after_s:
            _log.warning("the journal does not answer, giving up", service=self.definition.name)
        await _cancel(late)


async def _cancel(tasks: Sequence[asyncio.Future[Any]] | set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=DRAIN_TIMEOUT_S)
