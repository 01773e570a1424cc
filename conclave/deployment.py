"""Which services there are, and how a set of them is run on one nats-server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import structlog

import consensus.service
import coordination.artifacts.service
import coordination.registry.service
import coordination.tasks.service
import dialog.service
import knowledge.service
from coordination.runtime.bus import NatsBus
from coordination.runtime.concurrency import one_error
from coordination.runtime.errors import NotLeaderError, UsageError
from coordination.runtime.journal import JetStreamJournal
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition

_log = structlog.get_logger(__name__)
Factory = Callable[[Shell, NatsBus], ServiceDefinition]

SERVICES: Final[dict[str, Factory]] = {
    "registry": lambda shell, _: coordination.registry.service.define(shell),
    "tasks": lambda shell, _: coordination.tasks.service.define(shell),
    "dialog": lambda shell, _: dialog.service.define(shell),
    "consensus": lambda shell, _: consensus.service.define(shell),
    "knowledge": knowledge.service.define,
    "artifacts": coordination.artifacts.service.define,
}
"""Every service by name, in the order in which they start."""


def choose(names: Sequence[str]) -> tuple[str, ...]:
    """The services named, in starting order; all of them if none is named.

    Raises:
        UsageError: A name is no service.
    """
    for name in names:
        if name not in SERVICES:
            raise UsageError(f"no service {name!r}; there are: {', '.join(SERVICES)}")
    return tuple(name for name in SERVICES if name in names or not names)


class Deployment:
    """Services running in this process, each on its own connection.

    Args:
        url: The nats-server.
        names: Which services.
        subjects: The deployment's subjects.
        replicas: JetStream replicas of each journal; 1 on a single server.
    """

    def __init__(
        self, url: str, *, names: Sequence[str] = (), subjects: Subjects | None = None, replicas: int = 1
    ) -> None:
        self.names = choose(names)
        self.ready = asyncio.Event()
        """Set when every service answers."""
        self._url = url
        self._subjects = subjects or Subjects()
        self._replicas = replicas
        self._runners: list[Runner] = []
        self._lost: list[str] = []
        self._stopping = False

    def stop(self) -> None:
        """Make `run` drain every service and return."""
        self._stopping = True
        for runner in self._runners:
            runner.stop()

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            UnavailableError: The nats-server cannot be reached.
            NotLeaderError: Other processes took over every service.
            ExceptionGroup: Holding what ended a service.
        """
        async with contextlib.AsyncExitStack() as connections:
            for name in self.names:
                bus = await NatsBus.connect(self._url, agent=name)
                connections.push_async_callback(bus.close)
                self._runners.append(self._runner(name, bus))
            async with asyncio.TaskGroup() as group:
                serving = [group.create_task(self._serve(runner)) for runner in self._runners]
                if self._stopping:
                    self.stop()
                greeting = group.create_task(self._announce())
                await asyncio.wait(serving)
                greeting.cancel()  # a runner that was stopped early never gets ready

    async def _serve(self, runner: Runner) -> None:
        """Run one service; when another process takes it over, the others go on without it."""
        try:
            with one_error():
                await runner.run()
        except NotLeaderError:
            name = runner.definition.name
            self._lost.append(name)
            runner.ready.set()  # nobody need wait for it any more
            _log.warning("another process took over", service=name)
            if len(self._lost) == len(self._runners):
                raise NotLeaderError(f"another process took over {', '.join(self._lost)}") from None

    async def _announce(self) -> None:
        for runner in self._runners:
            await runner.ready.wait()
        self.ready.set()

    def _runner(self, name: str, bus: NatsBus) -> Runner:
        shell = Shell.of(bus, service=name, subjects=self._subjects)
        definition = SERVICES[name](shell, bus)
        journal = None
        if definition.model is not None:
            journal = JetStreamJournal(
                bus.client.jetstream(),
                stream=self._subjects.journal_stream(name, 0),
                subject=self._subjects.journal(name, 0),
                replicas=self._replicas,
            )
        return Runner(definition, shell=shell, journal=journal)


@contextlib.asynccontextmanager
async def deployed(
    url: str, *, names: Sequence[str] = (), subjects: Subjects | None = None
) -> AsyncIterator[Deployment]:
    """Services answering for the length of the block, drained at its end."""
    deployment = Deployment(url, names=names, subjects=subjects)
    with one_error():
        async with asyncio.TaskGroup() as group:
            group.create_task(deployment.run())
            await deployment.ready.wait()
            try:
                yield deployment
            finally:
                deployment.stop()
