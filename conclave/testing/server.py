"""A Conclave on a nats-server of its own: what production runs, on loopback, for the length of a test."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Final

from conclave.deployment import Deployment
from conclave.embedded import EmbeddedServer
from conclave.identity import OPERATOR
from conclave.session import Session
from conclave.testing.mesh import Mesh
from conclave.testing.record import Said
from coordination.runtime.bus import Bus, Delivery, NatsBus
from coordination.runtime.carrying import HEADER_PUSH, as_if_alone
from coordination.runtime.clock import SystemClock
from coordination.runtime.concurrency import one_error
from coordination.runtime.credentials import Credentials

_ANY_PORT: Final = -1
_START_TIMEOUT_S: Final = 30.0


class ServerMesh(Mesh):
    """A real, secured nats-server and all services, in real time.

    Whoever connects gets a credential of its own, with an agent's permissions and no others.

    Args:
        store: Directory for configuration, log, credentials and data; by default a temporary one that is
            removed at the end.
    """

    def __init__(self, *, store: Path | None = None) -> None:
        super().__init__(clock=SystemClock())
        self._temporary = None if store is not None else tempfile.TemporaryDirectory(prefix="conclave-")
        self._server = EmbeddedServer(
            store if store is not None else Path(self._temporary.name if self._temporary else ""),
            port=_ANY_PORT,
            secured=self.subjects,
        )
        self._deployment: Deployment | None = None
        self._serving: asyncio.Task[None] | None = None
        self._listener: NatsBus | None = None

    @property
    def url(self) -> str:
        """``nats://127.0.0.1:PORT`` of the running server."""
        return self._server.url

    @property
    def credentials(self) -> Path:
        """Directory with ``<agent>.nk`` of everybody who has connected so far, for other processes."""
        return self._server.identities.directory

    async def restart_server(self) -> None:
        """Stop the server and start it again on the same port and store.

        Returns when it accepts connections. Agents and services connect again by themselves; calls are
        repeated until then.

        Raises:
            UnavailableError: It did not come up.
        """
        port = int(self.url.rpartition(":")[2])
        await self._server.stop()
        self._server = EmbeddedServer(self._server.store, port=port, secured=self.subjects)
        await self._server.start()

    def describe(self) -> str:
        """See `Mesh.describe`."""
        return f"ServerMesh at {self.url}, log in {self._server.store / 'nats-server.log'}"

    def _wake(self, process: str) -> None:
        """In real time nobody is paused."""

    async def _start(self) -> None:
        try:
            await self._server.start()
            self._listener = await self._listen()
            self._deployment = Deployment(
                self.url, subjects=self.subjects, credentials=self._server.credentials
            )
            self._serving = asyncio.create_task(self._deployment.run(), name="services")
            ready = asyncio.ensure_future(self._deployment.ready.wait())
            try:
                async with asyncio.timeout(_START_TIMEOUT_S):
                    await asyncio.wait({ready, self._serving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                ready.cancel()
            if self._serving.done():
                await self._serving  # raises what ended them
        except BaseException:
            await self._stop()
            raise

    async def _stop(self) -> None:
        try:
            with one_error():
                if self._deployment is not None and self._serving is not None:
                    self._deployment.stop()
                    await self._serving
        finally:
            if self._listener is not None:
                await self._listener.close()
            await self._server.stop()
            if self._temporary is not None:
                self._temporary.cleanup()

    async def _listen(self) -> NatsBus:
        """Fill the record. The operator may hear everything; of it, what is said in the deployment counts."""
        operator = Credentials.read(self._server.identities.path(OPERATOR))
        bus = await NatsBus.connect(self.url, agent=OPERATOR, credentials=operator)
        for kind in ("call", "inbox", "event", "presence"):
            await bus.subscribe(f"{self.subjects.prefix}.{kind}.>", self._note)
        await bus.flush()
        return bus

    async def _note(self, delivery: Delivery) -> None:
        at_s = asyncio.get_running_loop().time() - self._started_s
        if HEADER_PUSH in delivery.headers:  # how a push comes is nobody's business
            delivery = as_if_alone(delivery)
        said = Said(at_s=at_s, subject=delivery.subject, payload=delivery.payload, headers=delivery.headers)
        self.record.add(said)

    async def _open_bus(self, agent: str) -> NatsBus:
        minted = await self._server.identities.ensure(agent)
        return await NatsBus.connect(self.url, agent=agent, credentials=minted[agent])

    def _session(self, bus: Bus, agent: str, patience_s: float) -> Session:
        minted = Credentials.read(self._server.identities.path(agent))
        return Session(bus, agent=agent, subjects=self.subjects, patience_s=patience_s, credentials=minted)
