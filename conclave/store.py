"""The directory of an embedded server: what lies where, who may use it, how its files are replaced."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO, Final

from coordination.runtime.errors import UsageError

LOCK_FILE: Final = "lock"
"""Held by the server of the store; its presence says that the directory is Conclave's."""
_POLL_S: Final = 0.01


def prepare(store: Path) -> None:
    """Make `store` a directory of ours if there is nothing.

    Raises:
        UsageError: It holds something of somebody else's, or cannot be made.
    """
    try:
        if store.is_dir() and any(store.iterdir()) and not (store / LOCK_FILE).exists():
            raise UsageError(
                f"store {store} holds something that is not Conclave's; choose another with --store"
            )
        (store / "jetstream").mkdir(parents=True, exist_ok=True)
        (store / LOCK_FILE).touch()
    except OSError as error:
        raise UsageError(f"store {store}: {error.strerror}; choose another with --store") from None


def exists(store: Path) -> bool:
    """Whether `store` is a directory of ours."""
    return (store / LOCK_FILE).is_file()


async def take_lock(
    path: Path, *, timeout_s: float, busy: str, on_wait: Callable[[], None] = lambda: None
) -> IO[str]:
    """The lock of file `path`, held until the result is closed.

    Args:
        path: The file.
        timeout_s: How long to wait for somebody else to let go of it.
        busy: What to say when nobody did.
        on_wait: Called once, as soon as it is clear that somebody else holds it.

    Raises:
        UsageError: Somebody else held it for all of `timeout_s`; `busy` is the message.
    """
    handle = path.open("a+", encoding="utf-8")
    is_waiting = False
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not is_waiting:
                        is_waiting = True
                        on_wait()
                    await asyncio.sleep(_POLL_S)
                else:
                    return handle
    except BaseException as error:
        handle.close()
        if isinstance(error, TimeoutError):
            raise UsageError(busy) from None
        raise


@contextlib.asynccontextmanager
async def locked(path: Path, *, timeout_s: float, busy: str) -> AsyncIterator[None]:
    """Hold the lock of file `path` for the length of the block; see `take_lock`."""
    with await take_lock(path, timeout_s=timeout_s, busy=busy):
        yield


def replace(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file so that whoever reads it finds the old text or the new, also after a power cut."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, mode)
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, path)  # noqa: PTH105 - the atomic one
        _sync_directory(path.parent)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)  # noqa: PTH108
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
