"""An event loop whose time is virtual: nothing sleeps, and a run depends on nothing but its inputs.

When nothing can run, time jumps to the next timer. Timers that are due at the same moment run in the
order in which they were set. There is no I/O, no thread and no signal.

Two things make asyncio runs differ from one process to the next: sets of tasks, whose order follows
memory addresses, and the garbage collector, which finalises generators when it likes. Here the hash of a
task or future is the number of its creation, and the collector rests while the loop runs.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
import sys
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, Final, TypeVar

T = TypeVar("T")
MAX_STEPS_PER_MOMENT: Final = 1_000_000
"""Callbacks run without any time passing; more than a bounded system can have to do at once."""
_SHOWN_TASKS: Final = 20
PROCESS: Final = ContextVar("process", default="")
"""Whose work a task does, for `VirtualLoop.pause`; tasks inherit it. Empty for the world's."""


class DeadlockError(Exception):
    """Nothing is ready, no timer is set, and the main coroutine has not ended: it never will."""


class LivelockError(Exception):
    """Callbacks wake one another for ever without any time passing."""


class _Future(asyncio.Future[Any]):
    """A future whose place in a set does not depend on its address."""

    def __init__(self, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self._number


class _Task(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address."""

    def __init__(
        self,
        number: int,
        coro: Coroutine[Any, Any, Any],
        *,
        loop: asyncio.AbstractEventLoop,
        name: str | None,
        context: Context | None,
    ) -> None:
        self.number = number
        super().__init__(coro, loop=loop, name=name or f"task-{number}", context=context)

    def __hash__(self) -> int:
        return self.number


class VirtualLoop(asyncio.AbstractEventLoop):
    """See the module. Use `run_virtual`."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        """What asyncio would have logged: exceptions in callbacks, and in tasks that nobody awaited."""
        self._now_s = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self._steps = 0
        self._closed = False
        self._running = False
        self._paused: dict[str, list[asyncio.Handle]] = {}
        """What the processes that stand still would have done by now."""
        self._generators: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]] = (
            weakref.WeakValueDictionary()
        )

    # --- time and callbacks

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback` after everything that is ready already."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` when `delay` seconds have passed."""
        return self.call_at(self._now_s + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback` at the virtual time `when`."""
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, self._next_number(), handle))
        return handle

    def _timer_handle_cancelled(self, _: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer is passed over when its time comes."""

    def _next_number(self) -> int:
        self._numbers += 1
        return self._numbers

    def pause(self, process: str) -> None:
        """Let nothing of `process` run, as if its machine were suspended; its timers go on."""
        self._paused.setdefault(process, [])

    def resume(self, process: str) -> None:
        """Let `process` run again, and do all that it would have done; idempotent."""
        self._ready.extend(self._paused.pop(process, []))

    # --- tasks and futures

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return _Future(self._next_number(), self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        """Start `coro` as a task of this loop."""
        return _Task(self._next_number(), coro, loop=self, name=name, context=context)

    # --- running

    def run_until_complete(self, future: Awaitable[Any]) -> Any:  # type: ignore[override]
        """Run until `future` is done.

        Raises:
            DeadlockError: Nothing can happen any more, and `future` is not done.
            LivelockError: Much happens, and time stands still.
        """
        main: asyncio.Future[Any] = asyncio.ensure_future(future, loop=self)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=self._remember, finalizer=self._finalise)
        asyncio._set_running_loop(self)  # noqa: SLF001 - what it is there for: whoever writes a loop
        self._running = True
        self._steps = 0
        try:
            while not main.done():
                self._run_once(main)
        finally:
            self._running = False
            asyncio._set_running_loop(None)  # noqa: SLF001
            sys.set_asyncgen_hooks(*hooks)
        return main.result()

    def _run_once(self, main: asyncio.Future[Any]) -> None:
        if not self._ready:
            self._advance(main)
        self._steps += 1
        if self._steps > MAX_STEPS_PER_MOMENT:
            raise LivelockError(f"{MAX_STEPS_PER_MOMENT} steps at {self._now_s} s:\n{self._waiting_tasks()}")
        handle = self._ready.popleft()
        if handle.cancelled():
            return
        if self._paused:
            held = self._paused.get(handle._context.get(PROCESS, ""))  # type: ignore[attr-defined]  # noqa: SLF001
            if held is not None:
                held.append(handle)
                return
        handle._run()  # noqa: SLF001

    def _advance(self, main: asyncio.Future[Any]) -> None:
        """Let time pass until a timer is due; make all timers of that moment ready."""
        self._steps = 0
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers:
            raise DeadlockError(f"{main!r} waits for what never comes:\n{self._waiting_tasks()}")
        self._now_s = max(self._now_s, self._timers[0][0])
        while self._timers and self._timers[0][0] <= self._now_s:
            self._ready.append(heapq.heappop(self._timers)[2])

    def _waiting_tasks(self) -> str:
        waiting = sorted(self._live_tasks(), key=lambda task: task.number)
        return "\n".join(repr(task)[:300] for task in waiting[:_SHOWN_TASKS])

    def _live_tasks(self) -> list[_Task]:
        return [task for task in asyncio.all_tasks(self) if isinstance(task, _Task)]

    def is_running(self) -> bool:
        """Whether `run_until_complete` is under way."""
        return self._running

    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def close(self) -> None:
        """Drop everything that is still scheduled; idempotent."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    async def cancel_rest(self) -> None:
        """End every other task, and every generator that nobody finished."""
        for process in tuple(self._paused):
            self.resume(process)
        current = asyncio.current_task()
        while rest := [task for task in self._live_tasks() if task is not current]:
            for task in sorted(rest, key=lambda task: task.number):
                task.cancel()
            await asyncio.wait(rest)
        for _, generator in sorted(self._generators.items()):
            await generator.aclose()

    # --- what would be lost

    def _remember(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators[self._next_number()] = generator

    def _finalise(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.call_soon(lambda: self.create_task(_close(generator)))

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what went wrong in `problems`."""
        error = context.get("exception")
        cause = f"{type(error).__name__}: {error}" if error is not None else ""
        self.problems.append(f"{context.get('message', '')} {cause}".strip())

    def get_debug(self) -> bool:
        """Never: asyncio's debug mode measures real time."""
        return False


async def _close(generator: AsyncGenerator[Any, Any]) -> None:
    await generator.aclose()


def run_virtual(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """The result of ``main(loop)``, run in virtual time from 0.

    Every task that `main` leaves behind is cancelled, and ends before this returns.

    Raises:
        DeadlockError: Nothing can happen any more.
        LivelockError: Time stands still.
    """
    loop = VirtualLoop()  # type: ignore[abstract]
    collected = gc.isenabled()
    gc.disable()
    try:
        try:
            result: T = loop.run_until_complete(main(loop))
        finally:
            loop.run_until_complete(loop.cancel_rest())
        return result
    finally:
        loop.close()
        if collected:
            gc.enable()
