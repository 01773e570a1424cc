"""Runs an agent as a program of its own: signals, logs and errors for whoever looks at the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from conclave import log
from coordination.runtime.errors import ConclaveError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


async def until_signalled() -> None:
    """Return at the first SIGINT or SIGTERM; a second one ends the program at once, as if nobody listened."""
    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, signalled.set)
    try:
        await signalled.wait()
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def serve(taking_part: Callable[[], Coroutine[Any, Any, None]], *, agent: str) -> None:
    """Run `taking_part` to its end.

    Raises:
        SystemExit: It raised an error of ours; the text names the agent and says why.
    """
    if not structlog.is_configured():
        log.configure(verbose=True)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(taking_part())
    except ConclaveError as error:
        raise SystemExit(f"{agent}: {error}") from None
