"""Where the nats-server is: the URL given, else the environment's, else the local server's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from conclave.identity.running import RunningServer

URL_VARIABLE: Final = "CONCLAVE_URL"
LOCAL_STORE: Final = Path(".conclave/local")
"""Where `conclave up` without ``--store`` keeps its server, seen from where it was started."""
DEFAULT_URL: Final = "nats://127.0.0.1:4222"
"""Where a nats-server listens that was told nothing else."""


def find_url(given: str | None = None) -> str:
    """The URL of the nats-server to use; nothing is asked over the network.

    Args:
        given: ``nats://HOST:PORT``. Without it the environment variable ``CONCLAVE_URL`` counts, without
            that the server that `conclave up` runs from this directory, on whatever port, and without
            that the port on this machine that every nats-server takes by default.
    """
    named = given or os.environ.get(URL_VARIABLE)
    if named:
        return named
    running = RunningServer.of(LOCAL_STORE)
    return running.url if running is not None else DEFAULT_URL
