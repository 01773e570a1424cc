"""Runs an agent as a program of its own: signals, logs and errors for whoever looks at the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from conclave import log, loops
from conclave.garbage import collecting_rarely
from coordination.runtime.errors import ConclaveError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def serve(taking_part: Callable[[], Coroutine[Any, Any, None]], *, agent: str) -> None:
    """Run `taking_part` until it ends, or until SIGINT or SIGTERM cancels it.

    A second signal ends the program at once, whatever its handlers do: nobody listens to it.

    Raises:
        SystemExit: It raised an error of ours; the text names the agent and says why.
    """
    if not structlog.is_configured():
        log.configure(verbose=True)
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        with contextlib.suppress(KeyboardInterrupt), collecting_rarely():
            loops.run(_until_signalled(taking_part))
    except ConclaveError as error:
        raise SystemExit(f"{agent}: {error}") from None
    finally:
        for number, handler in before.items():
            if handler is not None:  # else it is none of Python's, and cannot be put back
                signal.signal(number, handler)


async def _until_signalled(taking_part: Callable[[], Coroutine[Any, Any, None]]) -> None:
    loop = asyncio.get_running_loop()
    working = asyncio.ensure_future(taking_part())

    def stop() -> None:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
            # Not Python's own for SIGINT: its KeyboardInterrupt waits for all that ignores a cancellation.
            signal.signal(number, signal.SIG_DFL)
        working.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        await asyncio.wait([working])
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    if not working.cancelled():
        working.result()
