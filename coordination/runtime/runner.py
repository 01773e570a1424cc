"""Runs one service: its host, its server and its companions, as one unit that stops in order.

Stopping order: take no more requests, finish those taken, end the companions, end the host.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from coordination.runtime.bus import Bus
from coordination.runtime.client import Caller
from coordination.runtime.clock import Clock, SystemClock
from coordination.runtime.host import Host
from coordination.runtime.journal import Journal
from coordination.runtime.limits import DRAIN_TIMEOUT_S
from coordination.runtime.model import Notice, Push
from coordination.runtime.names import Subjects
from coordination.runtime.server import Server
from coordination.runtime.service import ServiceDefinition
from coordination.runtime.wire import to_json

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """The outside world of one service: everything that is not its model."""

    bus: Bus
    subjects: Subjects
    caller: Caller
    """To call other services, under this service's own name."""
    clock: Clock

    @classmethod
    def of(cls, bus: Bus, *, service: str, subjects: Subjects, clock: Clock | None = None) -> Shell:
        """The shell of `service` on `bus`."""
        caller = Caller(bus, agent=service, subjects=subjects)
        return cls(bus=bus, subjects=subjects, caller=caller, clock=clock or SystemClock())

    async def deliver(self, service: str, message: Push | Notice) -> None:
        """Send a push or a notice of `service`."""
        match message:
            case Push():
                subject = self.subjects.inbox(message.agent, message.kind)
            case Notice():
                subject = self.subjects.event(service, message.event, message.aggregate)
        await self.bus.publish(subject, to_json(message.body))


class Runner:
    """One running service.

    Args:
        definition: What to serve.
        shell: Where to serve it.
        journal: Its model's journal; None exactly when the definition has no model.
    """

    def __init__(
        self, definition: ServiceDefinition, *, shell: Shell, journal: Journal | None = None
    ) -> None:
        assert (definition.model is None) == (journal is None), f"{definition.name}: model needs journal"
        self.definition = definition
        self.ready = asyncio.Event()
        """Set when the first request would be answered."""
        self._stop = asyncio.Event()
        self.host: Host[Any] | None = None
        if definition.model is not None and journal is not None:
            self.host = Host(
                name=f"{definition.name}.0",
                model=definition.model(),
                journal=journal,
                clock=shell.clock,
                deliver=lambda message: shell.deliver(definition.name, message),
            )
        self._server = Server(definition, bus=shell.bus, subjects=shell.subjects, host=self.host)

    def stop(self) -> None:
        """Make `run` drain and return."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            ExceptionGroup: Holding what ended the service, such as `NotLeaderError`.
        """
        async with asyncio.TaskGroup() as group:
            hosting = group.create_task(self.host.run()) if self.host is not None else None
            companions: list[asyncio.Task[None]] = []
            try:
                await self._lead(group)
                if not self._stop.is_set():
                    await self._server.start()
                    companions += [group.create_task(work(self.host)) for work in self.definition.companions]
                    self.ready.set()
                    _log.info("serving", service=self.definition.name)
                    await self._stop.wait()
            finally:
                # Also when the host or a companion failed: a server that goes on receiving would
                # take requests away from the process that leads now, only to refuse them.
                await self._server.drain()
            for companion in companions:
                companion.cancel()
            if companions:
                await asyncio.wait(companions, timeout=DRAIN_TIMEOUT_S)
            if hosting is not None:
                await self._end(hosting)
        _log.info("stopped", service=self.definition.name)

    async def _lead(self, group: asyncio.TaskGroup) -> None:
        """Return when the host is ready, or when there is no more need for it."""
        if self.host is None:
            return
        waits = [group.create_task(event.wait()) for event in (self.host.ready, self._stop)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()

    async def _end(self, hosting: asyncio.Task[None]) -> None:
        assert self.host is not None
        self.host.stop()
        # A host that is not ready has accepted nothing; one without its journal would wait for ever.
        timeout_s = DRAIN_TIMEOUT_S if self.host.ready.is_set() else 0
        _, late = await asyncio.wait([hosting], timeout=timeout_s)
        if late:
            _log.warning("the journal does not answer, giving up", service=self.definition.name)
            hosting.cancel()
