"""Everything that can be killed: nats-server, registry, task service with a standby, and crews of agents."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from conclave.embedded import EmbeddedServer
from coordination.runtime.credentials import Credentials
from coordination.runtime.names import Subjects

_START_TIMEOUT_S: Final = 120.0
_PR_SET_PDEATHSIG: Final = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Program:
    """A process that says when it is ready.

    Args:
        arguments: Of ``python -m``.
    """

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False

    async def start(self) -> None:
        """Start it; returns before it is ready."""
        self._is_ready = False
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *self._arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=_die_with_parent,
        )

    async def ready(self) -> None:
        """Return when it is ready; idempotent.

        Raises:
            AssertionError: It ended instead.
        """
        if self._is_ready:
            return
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            line = await self._process.stdout.readline()
        assert line, f"it ended instead of starting: {' '.join(self._arguments[:4])}"
        self._is_ready = True

    async def kill(self) -> None:
        """``kill -9``; idempotent."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)


class Server:
    """The nats-server, secured, over one store; it keeps its port."""

    def __init__(self, store: Path, agents: tuple[str, ...]) -> None:
        self._store = store
        self._agents = agents
        self._port = _free_port()
        self._server: EmbeddedServer | None = None

    @property
    def url(self) -> str:
        """Where it is."""
        return f"nats://127.0.0.1:{self._port}"

    @property
    def credentials(self) -> Path:
        """Directory of everybody's credentials."""
        assert self._server is not None
        return self._server.identities.directory

    def credentials_of(self, name: str) -> Credentials:
        """Those of one agent or service."""
        return Credentials.read(self.credentials / f"{name}.nk")

    async def start(self) -> None:
        """Start it, for the first time or again."""
        self._server = EmbeddedServer(self._store, port=self._port, secured=Subjects())
        await self._server.identities.ensure(*self._agents)
        await self._server.start()

    async def kill(self) -> None:
        """``kill -9``."""
        assert self._server is not None
        os.kill(self._server.pid, signal.SIGKILL)
        await self._server.wait()
        await self._server.stop()

    async def stop(self) -> None:
        """Stop it in good order; idempotent."""
        if self._server is not None:
            await self._server.stop()


class Place:
    """A deployment at work.

    Args:
        folder: Empty; for the store and the logs of the crews.
        crews: Names of the agents of each process.
        work_ms: How long a task works, on average.
    """

    def __init__(self, folder: Path, crews: tuple[tuple[str, ...], ...], *, work_ms: float) -> None:
        everybody = tuple(name for crew in crews for name in crew)
        self.server = Server(folder / "store", (*everybody, "submitter"))
        self.crews: list[Program] = []
        self.crew_logs = [folder / f"crew-{number}.log" for number in range(len(crews))]
        self._names = crews
        self._work_ms = work_ms
        self._services: list[Program] = []
        """Of the task service, the leader first."""
        self._others: list[Program] = []

    async def start(self) -> None:
        """Start everything, and return when all of it is ready."""
        await self.server.start()
        registry = self._service("registry")
        self._others.append(registry)
        await registry.start()
        await registry.ready()
        for _ in range(2):
            await self._stand_by()
            await self._services[-1].ready()
        for number, names in enumerate(self._names):
            log, url = str(self.crew_logs[number]), self.server.url
            credentials = str(self.server.credentials)
            arguments = (url, credentials, log, str(self._work_ms), *names)
            self.crews.append(Program("benchmarks.storming.crew", *arguments))
            await self.crews[-1].start()
        for crew in self.crews:
            await crew.ready()

    async def kill_leader(self) -> None:
        """``kill -9`` of the leader, as soon as there is a standby; returns when it is dead."""
        leader = self._services.pop(0)
        await leader.kill()
        await self._stand_by()

    async def standby_ready(self) -> None:
        """Return when there is somebody to take over."""
        await self._services[-1].ready()

    async def kill_crew(self, number: int) -> None:
        """``kill -9`` of a crew, which is started again at once."""
        await self.crews[number].kill()
        await self.crews[number].start()

    async def kill_server(self) -> None:
        """``kill -9`` of the nats-server, which is started again at once."""
        await self.server.kill()
        await self.server.start()

    async def stop(self) -> None:
        """Kill all processes and stop the server."""
        for program in (*self.crews, *self._services, *self._others):
            await program.kill()
        await self.server.stop()

    def _service(self, name: str) -> Program:
        where = ("--nats", self.server.url, "--credentials", str(self.server.credentials))
        return Program("conclave", "serve", name, *where, "--json")

    async def _stand_by(self) -> None:
        service = self._service("tasks")
        self._services.append(service)
        await service.start()


@contextlib.asynccontextmanager
async def place(folder: Path, crews: tuple[tuple[str, ...], ...], *, work_ms: float) -> AsyncIterator[Place]:
    """A deployment for the length of the block; all its processes are gone at the end."""
    made = Place(folder, crews, work_ms=work_ms)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
