"""The event loop of processes that serve: uvloop's where it is installed, with ``conclave[uvloop]``.

It saves up to a tenth of the latency of a small task, in the service as in agents (docs/performance.md);
nothing else depends on it. ``CONCLAVE_LOOP=asyncio`` does without it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from coordination.runtime.errors import UsageError

T = TypeVar("T")
VARIABLE: Final = "CONCLAVE_LOOP"
"""Environment variable: ``uvloop``, ``asyncio``, or nothing for the first that is installed."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """As `asyncio.run`, on the faster loop.

    Raises:
        UsageError: The environment asks for a loop that is not there.
    """
    try:
        name = chosen()
    except UsageError:
        work.close()
        raise
    if name == "asyncio":
        return asyncio.run(work)
    from uvloop import new_event_loop  # noqa: PLC0415 - not everybody has it

    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(work)


def chosen() -> str:
    """``uvloop`` or ``asyncio``.

    Raises:
        UsageError: The environment asks for one that is not there.
    """
    wanted = os.environ.get(VARIABLE, "")
    is_there = importlib.util.find_spec("uvloop") is not None
    if wanted == "uvloop" and not is_there:
        raise UsageError(f"{VARIABLE}=uvloop: it is not installed; pip install 'conclave[uvloop]'")
    if wanted not in ("", "asyncio", "uvloop"):
        raise UsageError(f"{VARIABLE}={wanted[:40]}: there are: asyncio, uvloop")
    return wanted or ("uvloop" if is_there else "asyncio")
