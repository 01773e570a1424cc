"""Where the nats-server is: the URL given, else the environment's, else the local server's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from conclave import store as directory
from conclave.identity.running import RunningServer
from coordination.runtime.errors import UnavailableError

URL_VARIABLE: Final = "CONCLAVE_URL"
LOCAL_STORE: Final = Path(".conclave/local")
"""Where `conclave up` without ``--store`` keeps its server, seen from where it was started."""
DEFAULT_URL: Final = "nats://127.0.0.1:4222"
"""Where a nats-server listens that was told nothing else; meant only where there is no local store."""


def find_url(given: str | None = None) -> str:
    """The URL of the nats-server to use; nothing is asked over the network.

    Args:
        given: ``nats://HOST:PORT``. Without it the environment variable ``CONCLAVE_URL`` counts, without
            that the server that `conclave up` runs from this directory, on whatever port. In a directory
            without a store of its own it is the port on this machine that every nats-server takes by default.

    Raises:
        UnavailableError: The server of this directory's store does not run. Whatever listens elsewhere, or
            by now on its port, is somebody else's.
    """
    named = given or os.environ.get(URL_VARIABLE)
    if named:
        return named
    running = RunningServer.of(LOCAL_STORE)
    if running is not None:
        return running.url
    last = RunningServer.last(LOCAL_STORE)
    if last is None and not directory.exists(LOCAL_STORE):
        return DEFAULT_URL
    where = f" ({last.url})" if last is not None else ""
    raise UnavailableError(
        f"the server of {LOCAL_STORE}{where} is not running; start it: conclave up, "
        f"or give another address with --nats URL or {URL_VARIABLE}"
    )
