"""Runs services until told to stop: what ``conclave up`` and ``conclave serve`` do."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from conclave.deployment import Deployment, choose
from conclave.embedded import EmbeddedServer, embedded_server
from conclave.garbage import collecting_rarely
from conclave.identity import find_credentials
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UnavailableError
from coordination.runtime.logs import get_logger
from coordination.runtime.names import Subjects

INSECURE_TITLE: Final = "NO AUTHENTICATION (--insecure)"
INSECURE_TEXT: Final = (
    "every program on this machine may speak, vote and write as any agent or service while this runs."
)
Announce = Callable[[str, Deployment], None]
_log = get_logger(__name__)


async def up(
    *,
    store: Path,
    port: int | None,
    url: str | None,
    names: Sequence[str],
    subjects: Subjects,
    announce: Announce,
    credentials: Path | None = None,
    insecure: bool = False,
    replicas: int = 1,
) -> None:
    """Serve until SIGINT or SIGTERM, on the server at `url` or on an embedded one.

    Args:
        store: Directory of the embedded server.
        port: Its port; None keeps the one of the store, 0 chooses, see `EmbeddedServer`.
        url: An existing server instead.
        names: Services; none means all.
        subjects: The deployment's subjects.
        announce: Called once with the server's URL when every service answers.
        credentials: For the server at `url`: a directory with ``<service>.nk``, or one file;
            by default what `find_credentials` finds.
        insecure: Let anybody into the embedded server.
        replicas: JetStream replicas of each journal.

    Raises:
        UsageError, UnavailableError: The server or a service could not be started.
        AuthorizationError: The server at `url` does not let a service in.
    """
    chosen: Mapping[str, Credentials]
    async with contextlib.AsyncExitStack() as stack:
        server = None
        if url is None:
            if insecure:
                warn_of_insecurity(store)
            secured = None if insecure else subjects
            server = await stack.enter_async_context(embedded_server(store, port=port, secured=secured))
            url, chosen = server.url, server.credentials
        else:
            chosen = find_service_credentials(names, credentials)
        deployment = Deployment(url, names=names, subjects=subjects, credentials=chosen, replicas=replicas)
        with collecting_rarely(), _stopping_on_signal(deployment.stop):
            await _serve(deployment, server, url, announce)


def warn_of_insecurity(store: Path) -> None:
    """Say in the log that the embedded server will let anybody in."""
    _log.warning(INSECURE_TITLE, store=str(store), meaning=INSECURE_TEXT)


def find_service_credentials(names: Sequence[str], given: Path | None) -> dict[str, Credentials]:
    """Credentials of the services `names` (none means all), as far as there are any; see `find_credentials`.

    Raises:
        UsageError: A name is no service, or what was given holds no credential for it.
    """
    found = {name: find_credentials(name, given) for name in choose(names)}
    return {name: each for name, each in found.items() if each is not None}


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
