"""Whose work a task is, so that all of it can be ended at once: what `PROCESS` was when the task was made.

It is known of tasks on the loops of `conclave.testing.running`; on any other loop nothing is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from coordination.simulation.loop import PROCESS

T = TypeVar("T")
_OWNERS: Final[WeakKeyDictionary[asyncio.Task[Any], str]] = WeakKeyDictionary()
_MAX_ROUNDS: Final = 20
"""How often what goes on after a cancellation is cancelled again."""
_ROUND_S: Final = 0.05


def note_owner(task: asyncio.Task[Any], context: Context | None) -> None:
    """Remember whose work `task` is, which was made in `context`, or in the present one."""
    _OWNERS[task] = PROCESS.get() if context is None else context.get(PROCESS, "")


def owner_of(task: asyncio.Task[Any]) -> str:
    """Whose work `task` is; empty for the test's own, and if it is not known."""
    return _OWNERS.get(task, "")


def make_task(
    loop: asyncio.AbstractEventLoop,
    coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
    /,
    *,
    context: Context | None = None,
    **options: Any,
) -> asyncio.Task[T]:
    """A task factory that remembers owners; see `asyncio.loop.set_task_factory`."""
    task = asyncio.Task(coro, loop=loop, context=context, **options)
    note_owner(task, context)
    return task


async def kill(process: str) -> None:
    """End every task of `process` as soon as cancelling can; those that will not end are left behind."""
    for _ in range(_MAX_ROUNDS):
        tasks = [task for task, owner in tuple(_OWNERS.items()) if owner == process and not task.done()]
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_ROUND_S)
