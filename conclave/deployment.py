"""Which services there are, and how a set of them is run on one nats-server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final

import consensus.service
import coordination.artifacts.service
import coordination.gateway.service
import coordination.registry.service
import coordination.tasks.service
import dialog.service
import knowledge.service
from consensus.signing import CredentialsSigner
from coordination.runtime.bus import NatsBus
from coordination.runtime.concurrency import one_error
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.runtime.service import ServiceDefinition

Factory = Callable[[Shell, NatsBus], ServiceDefinition]

SERVICES: Final[dict[str, Factory]] = {
    "registry": lambda shell, _: coordination.registry.service.define(shell),
    "tasks": lambda shell, _: coordination.tasks.service.define(shell),
    "dialog": lambda shell, _: dialog.service.define(shell),
    "consensus": lambda shell, _: consensus.service.define(shell),
    "knowledge": knowledge.service.define,
    "artifacts": coordination.artifacts.service.define,
    "gateway": lambda shell, _: coordination.gateway.service.define(shell),
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

    A service that another process leads already is followed, and taken over when that one falls silent.

    Args:
        url: The nats-server.
        names: Which services.
        subjects: The deployment's subjects.
        replicas: JetStream replicas of each journal; 1 on a single server.
        credentials: Of each service by name; a server without authentication needs none.
    """

    def __init__(
        self,
        url: str,
        *,
        names: Sequence[str] = (),
        subjects: Subjects | None = None,
        replicas: int = 1,
        credentials: Mapping[str, Credentials] | None = None,
    ) -> None:
        self.names: tuple[str, ...] = choose(names)
        self.ready: asyncio.Event = asyncio.Event()
        """Set when every service answers, here or in another process."""
        self._url = url
        self._subjects = subjects or Subjects()
        self._replicas = replicas
        self._credentials = credentials or {}
        self._runners: list[Runner] = []
        self._stopping = False

    @property
    def standing_by(self) -> tuple[str, ...]:
        """The services that another process leads at this moment."""
        return tuple(runner.definition.name for runner in self._runners if not runner.is_leading)

    def stop(self) -> None:
        """Make `run` drain every service and return."""
        self._stopping = True
        for runner in self._runners:
            runner.stop()

    async def run(self) -> None:
        """Serve until `stop`.

        Raises:
            UnavailableError: The nats-server cannot be reached.
            ExceptionGroup: Holding what ended a service.
        """
        async with contextlib.AsyncExitStack() as connections:
            for name in self.names:
                bus = await NatsBus.connect(self._url, agent=name, credentials=self._credentials.get(name))
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
        with one_error():
            await runner.run()

    async def _announce(self) -> None:
        for runner in self._runners:
            await runner.ready.wait()
        self.ready.set()

    def _runner(self, name: str, bus: NatsBus) -> Runner:
        credentials = self._credentials.get(name)
        signer = None if credentials is None else CredentialsSigner(credentials)
        shell = Shell.of(bus, service=name, subjects=self._subjects, signer=signer)
        definition = SERVICES[name](shell, bus)
        journals = []
        if definition.model is not None:
            store = JetStreamStore(bus, subjects=self._subjects, service=name, replicas=self._replicas)
            journals.append(Journal(store))
        return Runner(definition, shell=shell, journals=journals)


@contextlib.asynccontextmanager
async def deployed(
    url: str,
    *,
    names: Sequence[str] = (),
    subjects: Subjects | None = None,
    credentials: Mapping[str, Credentials] | None = None,
) -> AsyncIterator[Deployment]:
    """Services answering for the length of the block, drained at its end."""
    deployment = Deployment(url, names=names, subjects=subjects, credentials=credentials)
    with one_error():
        async with asyncio.TaskGroup() as group:
            group.create_task(deployment.run())
            await deployment.ready.wait()
            try:
                yield deployment
            finally:
                deployment.stop()
