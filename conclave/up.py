"""Runs services until told to stop: what ``conclave up`` and ``conclave serve`` do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from conclave.deployment import Deployment
from conclave.embedded import EmbeddedServer, embedded_server
from coordination.runtime.errors import UnavailableError
from coordination.runtime.names import Subjects

Announce = Callable[[str, Deployment], None]


async def up(
    *, store: Path, port: int, url: str | None, names: Sequence[str], subjects: Subjects, announce: Announce
) -> None:
    """Serve until SIGINT or SIGTERM, on the server at `url` or on an embedded one.

    Args:
        store: Directory of the embedded server.
        port: Its port; 0 chooses.
        url: An existing server instead.
        names: Services; none means all.
        subjects: The deployment's subjects.
        announce: Called once with the server's URL when every service answers.

    Raises:
        UsageError, UnavailableError: The server or a service could not be started.
    """
    async with contextlib.AsyncExitStack() as stack:
        server = None
        if url is None:
            server = await stack.enter_async_context(embedded_server(store, port=port))
            url = server.url
        deployment = Deployment(url, names=names, subjects=subjects)
        with _stopping_on_signal(deployment.stop):
            await _serve(deployment, server, url, announce)


async def _serve(deployment: Deployment, server: EmbeddedServer | None, url: str, announce: Announce) -> None:
    async with asyncio.TaskGroup() as group:
        watchdog = group.create_task(_watch(server)) if server is not None else None
        greeting = group.create_task(_announce(deployment, url, announce))
        try:
            await deployment.run()
        finally:
            greeting.cancel()
            if watchdog is not None:
                watchdog.cancel()


async def _announce(deployment: Deployment, url: str, announce: Announce) -> None:
    await deployment.ready.wait()
    announce(url, deployment)


async def _watch(server: EmbeddedServer) -> None:
    """Fail when the server ends on its own: services without it would only look alive."""
    status = await server.wait()
    raise UnavailableError(f"nats-server ended with status {status}; see {server.store / 'nats-server.log'}")


@contextlib.contextmanager
def _stopping_on_signal(stop: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
