"""Cancellation that arrives together with a result.

`asyncio.wait_for` in Python 3.11, which nats-py uses throughout, returns the result and forgets the
cancellation when both come in one turn of the loop. A loop around such a call then never ends, and
whoever waits for it hangs. So loops ask here after each call.
"""

from __future__ import annotations

import asyncio


def raise_if_cancelled() -> None:
    """Raise the cancellation that a call inside this task has swallowed, if there is one.

    Raises:
        asyncio.CancelledError: The current task was asked to end.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
