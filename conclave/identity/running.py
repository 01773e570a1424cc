"""The server of a store: found without mistaking another process for it, and told to reload."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from conclave import store as directory
from conclave.identity.permissions import WITNESS
from coordination.runtime.bus import NatsBus
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import AuthorizationError, UnavailableError

RECORD_FILE: Final = "server.json"
CONFIGURATION_FILE: Final = "nats-server.conf"
_RELOAD_TIMEOUT_S: Final = 15.0
_POLL_S: Final = 0.02
_IS_LINUX: Final = sys.platform == "linux"


class RunningServer(BaseModel):
    """What a server that accepts connections has left in its store about itself.

    It stays there when the server has ended: its successor listens where this one did.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    pid: int = Field(gt=1)
    url: str
    is_secured: bool
    """Whether it asks for credentials; one that does not has no users to reload."""

    @classmethod
    def of(cls, store: Path) -> RunningServer | None:
        """The server of `store`, if it runs.

        A record that an ended server left behind names a process that is gone, or by now is another
        one: only a process that was started with this store's configuration counts.
        """
        record = cls.last(store)
        return record if record is not None and _serves(record.pid, store) else None

    @classmethod
    def last(cls, store: Path) -> RunningServer | None:
        """The last server of `store` that came up, whether or not it runs; None if there was none."""
        try:
            return cls.model_validate_json((store / RECORD_FILE).read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return None

    @property
    def port(self) -> int:
        """Where it listens, or did; 0 if its address has no port."""
        try:
            return urlsplit(self.url).port or 0
        except ValueError:
            return 0

    def write(self, store: Path) -> None:
        """Leave the record in `store`."""
        directory.replace(store / RECORD_FILE, self.model_dump_json() + "\n")

    async def reload(self, witness: Credentials, *, store: Path) -> None:
        """Have the server read its users again; returns when it has.

        Nobody is dropped whose user is still the same.

        Args:
            witness: A user that only the new configuration has.
            store: The server's store.

        Raises:
            UnavailableError: The server did not take the configuration.
        """
        if not self.is_secured:
            return
        if not _signal(self.pid, signal.SIGHUP, store):
            return  # it ended just now; its successor reads the new users
        try:
            async with asyncio.timeout(_RELOAD_TIMEOUT_S):
                while True:
                    if await self._knows(witness):
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise UnavailableError(
                f"the server of store {store} did not take the new users within {_RELOAD_TIMEOUT_S:g} s; "
                f"see {store / 'nats-server.log'}. They count from its next start on"
            ) from None

    async def _knows(self, witness: Credentials) -> bool:
        try:
            bus = await NatsBus.connect(self.url, agent=WITNESS, credentials=witness)
        except (AuthorizationError, UnavailableError):
            return False  # the second when the new configuration came during our handshake
        await bus.close()
        return True


def _serves(pid: int, store: Path) -> bool:
    """Whether process `pid` is a nats-server on the configuration of `store`."""
    arguments = _arguments(pid)
    if "--config" not in arguments[:-1]:
        return False
    configuration = Path(arguments[arguments.index("--config") + 1])
    try:
        return configuration.samefile(store / CONFIGURATION_FILE)
    except OSError:
        return False


def _arguments(pid: int) -> Sequence[str]:
    """The command line of process `pid`; empty if there is no such process."""
    if _IS_LINUX:
        try:
            return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace").split("\0")
        except OSError:
            return ()
    shown = subprocess.run(  # noqa: S603 - a number and constants
        ["/bin/ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return shown.stdout.split()


def _signal(pid: int, number: signal.Signals, store: Path) -> bool:
    """Send `number` to the server of `store`; False if `pid` is not it (any more)."""
    if not _IS_LINUX:
        if not _serves(pid, store):
            return False
        os.kill(pid, number)
        return True
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The handle stays with this process even if it ends now and its number is given to another.
        if not _serves(pid, store):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True
