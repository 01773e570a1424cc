"""Which credential an agent uses: the one given, else the environment's, else the local store's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from conclave.identity.permissions import RESERVED_NAMES
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import UsageError

ENVIRONMENT_VARIABLE: Final = "CONCLAVE_CREDENTIALS"
LOCAL_DIRECTORY: Final = Path(".conclave/local/credentials")
"""Where `conclave up` without ``--store`` keeps credentials, seen from where it was started."""


def find_credentials(agent: str, given: Credentials | Path | str | None = None) -> Credentials | None:
    """The credential of `agent`, or None if there is none: then the server must not ask for one.

    Args:
        agent: A valid id.
        given: A credential, a file with one, or a directory with ``<agent>.nk``. Without it the
            environment variable ``CONCLAVE_CREDENTIALS`` counts (a file or a directory, too), and without
            that ``.conclave/local/credentials/<agent>.nk``, if it exists.

    Raises:
        UsageError: What was given does not exist, cannot be read, or holds no seed.
    """
    if isinstance(given, Credentials):
        return given
    source = given if given is not None else os.environ.get(ENVIRONMENT_VARIABLE) or None
    if source is not None:
        return _read(agent, Path(source))
    local = LOCAL_DIRECTORY / f"{agent}.nk"
    return Credentials.read(local) if local.exists() else None


def _read(agent: str, path: Path) -> Credentials:
    if not path.is_dir():
        return Credentials.read(path)
    file = path / f"{agent}.nk"
    if not file.exists():
        mend = (
            f"it is in the store of the server: credentials/{agent}.nk"
            if agent in RESERVED_NAMES
            else f"mint one where the server runs: conclave agent add {agent}"
        )
        raise UsageError(f"no credential for {agent!r}: there is no {file}; {mend}")
    return Credentials.read(file)
