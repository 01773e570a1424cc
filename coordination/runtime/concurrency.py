"""What task groups and cancellation do to callers, put right.

`asyncio.wait_for` in Python 3.11, which nats-py uses throughout, returns the result and forgets the
cancellation when both come in one turn of the loop. A loop around such a call then never ends, and
whoever waits for it hangs. So loops ask here after each call.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Iterator
from typing import Final

_HASHED_BYTES: Final = 1024 * 1024
"""Hashed in one turn of the loop: a few milliseconds."""
PART_BYTES: Final = 128 * 1024
"""JSON of a state that is written, read or applied in one turn of the loop: one to three milliseconds."""


def raise_if_cancelled() -> None:
    """Raise the cancellation that a call inside this task has swallowed, if there is one.

    Raises:
        asyncio.CancelledError: The current task was asked to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


@contextlib.contextmanager
def one_error() -> Iterator[None]:
    """Raise an error that came alone out of a task group as itself.

    A context manager that keeps a task beside the caller's block would otherwise hand the caller's own
    error back wrapped in a group, and no ``except RejectedError`` around the block would catch it.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if error is group:
            raise
        raise error from None


class Turns:
    """Divides much work into turns of the loop, between which others have theirs: the lease above all."""

    def __init__(self) -> None:
        self._size_bytes = 0

    async def after(self, size_bytes: int) -> None:
        """Let others go on if as much as `PART_BYTES` was dealt with since they last did.

        Args:
            size_bytes: What was dealt with since the last call.
        """
        self._size_bytes += size_bytes
        if self._size_bytes >= PART_BYTES:
            self._size_bytes = 0
            await asyncio.sleep(0)


async def sha256_of(payload: bytes) -> bytes:
    """The SHA-256 of `payload`; large ones let others have their turns."""
    digest = hashlib.sha256()
    for begin in range(0, len(payload), _HASHED_BYTES):
        if begin:
            await asyncio.sleep(0)
        digest.update(memoryview(payload)[begin : begin + _HASHED_BYTES])
    return digest.digest()
