"""What task groups and cancellation do to callers, put right.

`asyncio.wait_for` in Python 3.11, which nats-py uses throughout, returns the result and forgets the
cancellation when both come in one turn of the loop. A loop around such a call then never ends, and
whoever waits for it hangs. So loops ask here after each call.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


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
