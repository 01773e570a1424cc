"""The `conclave` command as a process of its own, beside a secured server whose registry runs in the test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conclave.address import LOCAL_STORE, URL_VARIABLE
from conclave.embedded import EmbeddedServer, embedded_server
from conclave.identity import ENVIRONMENT_VARIABLE
from coordination.registry.client import RegistryClient
from coordination.registry.wire import Capability
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.credentials import Credentials
from coordination.runtime.names import Subjects
from tests.support.processes import free_port
from tests.support.registry import registry_runner, running

_PATIENCE_S = 60.0
QUIET_INTERVAL_MS = 60_000
"""A heartbeat interval that no test lives to miss."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command has left."""

    status: int
    out: str
    err: str


def environment(**more: str) -> dict[str, str]:
    """The test's own environment without what would lead a command elsewhere or colour its output."""
    misleading = (URL_VARIABLE, ENVIRONMENT_VARIABLE, "FORCE_COLOR", "NO_COLOR", "COLUMNS")
    kept = {name: value for name, value in os.environ.items() if name not in misleading}
    return kept | more


async def started(*arguments: str, cwd: Path, **variables: str) -> asyncio.subprocess.Process:
    """A `conclave` process in `cwd`, its output in pipes."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "conclave", *arguments),
        cwd=cwd,
        env=environment(**variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def conclave(*arguments: str, cwd: Path, **variables: str) -> Finished:
    """Run a command to its end."""
    process = await started(*arguments, cwd=cwd, **variables)
    try:
        async with asyncio.timeout(_PATIENCE_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


class Here:
    """A server in the local store of `cwd`, as `conclave up` makes it there, and agents of the test's own."""

    def __init__(self, cwd: Path, server: EmbeddedServer, connections: contextlib.AsyncExitStack) -> None:
        self.cwd = cwd
        self.server = server
        self._connections = connections
        self.clients: dict[str, RegistryClient] = {}

    async def run(self, *arguments: str, **variables: str) -> Finished:
        """Run a command here."""
        return await conclave(*arguments, cwd=self.cwd, **variables)

    async def join(self, name: str, *capabilities: str, load: float = 0.0, **given: Any) -> int:
        """Register an agent with capabilities ``name@version``, send one heartbeat; its incarnation."""
        client = self.clients.get(name) or await self._connect(name)
        parts = [each.split("@") for each in capabilities]
        made = [Capability(name=each, version=version) for each, version in parts]
        incarnation = (await client.register(made, **given)).incarnation
        await client.heartbeat(incarnation=incarnation, load=load)
        return incarnation

    async def _connect(self, name: str) -> RegistryClient:
        credentials = (await self.server.identities.ensure(name))[name]
        bus = await self.bus(name, credentials)
        self.clients[name] = RegistryClient(Caller(bus, agent=name))
        return self.clients[name]

    async def bus(self, name: str, credentials: Mapping[str, Credentials] | Credentials) -> NatsBus:
        """A connection for the length of the test."""
        found = credentials if isinstance(credentials, Credentials) else credentials[name]
        bus = await NatsBus.connect(self.server.url, agent=name, credentials=found)
        self._connections.push_async_callback(bus.close)
        return bus


@contextlib.asynccontextmanager
async def server_here(cwd: Path) -> AsyncIterator[Here]:
    """A secured server without any service."""
    async with (
        embedded_server(cwd / LOCAL_STORE, port=free_port(), secured=Subjects()) as server,
        contextlib.AsyncExitStack() as connections,
    ):
        yield Here(cwd, server, connections)


@contextlib.asynccontextmanager
async def registry_here(cwd: Path, *, heartbeat_interval_ms: int = QUIET_INTERVAL_MS) -> AsyncIterator[Here]:
    """A secured server and its registry."""
    async with server_here(cwd) as here:
        bus = await here.bus("registry", here.server.credentials)
        runner = registry_runner(bus, Subjects(), heartbeat_interval_ms=heartbeat_interval_ms)
        async with running(runner):
            yield here
