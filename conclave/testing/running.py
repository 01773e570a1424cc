"""Runs a test, and what is set up for it, on one loop: in virtual time or in real time.

Between two runs nothing happens: the loop stands still while pytest does something else.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextvars import copy_context
from typing import Any, Final, Generic, TypeVar

from conclave.testing.errors import StalledError
from conclave.testing.loop import MeshLoop
from conclave.testing.memory import MemoryMesh
from conclave.testing.owners import make_task
from coordination.simulation.loop import LivelockError

T = TypeVar("T")
LIMIT_S: Final = 600.0
"""Virtual seconds that one run may take, unless told otherwise."""
_UNWIND_S: Final = 60.0
"""Virtual seconds that a test which was given up may still take to clean up."""


class LoopRunner(abc.ABC):
    """One loop for everything that belongs to a test."""

    @abc.abstractmethod
    def run(self, coro: Coroutine[Any, Any, T], *, name: str = "test") -> T:
        """The result of `coro`, run to its end; all runs share one context."""

    @abc.abstractmethod
    def close(self) -> None:
        """End what is left, and the loop."""


class VirtualRunner(LoopRunner):
    """Runs in virtual time; see `MeshLoop`.

    Args:
        limit_s: Virtual seconds that one run may take.
    """

    def __init__(self, *, limit_s: float = LIMIT_S) -> None:
        self.loop: MeshLoop = MeshLoop()  # type: ignore[abstract]
        self._limit_s = limit_s
        self._context = copy_context()

    def run(self, coro: Coroutine[Any, Any, T], *, name: str = "test") -> T:
        """See `LoopRunner.run`.

        Raises:
            StalledError: It waits for what does not come.
        """
        loop = self.loop
        task = loop.create_task(coro, name=name, context=self._context)
        loop.limit_s = loop.time() + self._limit_s
        with _resting_collector():
            try:
                result: T = loop.run_until_complete(task)
            except (StalledError, LivelockError) as error:
                if task.done():
                    raise  # the test's own
                loop.limit_s = float("inf")
                task.cancel()
                loop.run_until_complete(asyncio.wait({task}, timeout=_UNWIND_S))
                raise StalledError(str(error)) from None
        return result

    def close(self) -> None:
        """See `LoopRunner.close`; idempotent."""
        if self.loop.is_closed():
            return
        self.loop.limit_s = float("inf")
        with _resting_collector():
            self.loop.run_until_complete(self.loop.cancel_rest())
        self.loop.close()


class RealRunner(LoopRunner):
    """Runs on an ordinary loop of asyncio's own."""

    def __init__(self) -> None:
        # A loop of our own making is not put into the policy, where other tests would find it, or its end.
        self._runner = asyncio.Runner(loop_factory=_new_loop)
        self._context = copy_context()

    def run(self, coro: Coroutine[Any, Any, T], *, name: str = "test") -> T:
        """See `LoopRunner.run`."""
        del name
        return self._runner.run(coro, context=self._context)

    def close(self) -> None:
        """See `LoopRunner.close`; idempotent."""
        self._runner.close()


def _new_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(make_task)
    return loop


class GeneratorLife(Generic[T]):
    """An async generator with one ``yield``, run by one task from its begin to its end.

    What it enters before the ``yield`` it leaves after it: task groups and timeouts want the same task.
    """

    def __init__(self, generator: AsyncGenerator[T, None]) -> None:
        self._generator = generator
        self._leaving = asyncio.Event()
        self._values: list[T] = []
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> T:
        """Run to the ``yield``; returns what it yields."""
        entered = asyncio.Event()
        self._task = task = asyncio.create_task(self._live(entered))
        waiting = asyncio.ensure_future(entered.wait())
        try:
            await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not self._values:
            await task
            raise RuntimeError("the async generator did not yield")
        return self._values[0]

    async def leave(self) -> None:
        """Run from the ``yield`` to the end."""
        assert self._task is not None, "not entered"
        self._leaving.set()
        await self._task

    async def _live(self, entered: asyncio.Event) -> None:
        async with contextlib.aclosing(self._generator) as generator:
            async for value in generator:
                if self._values:
                    raise RuntimeError("the async generator has yielded twice")
                self._values.append(value)
                entered.set()
                await self._leaving.wait()


def run_in_memory(
    main: Callable[[MemoryMesh], Awaitable[T]],
    *,
    seed: int = 0,
    limit_s: float = LIMIT_S,
    raise_failures: bool = True,
) -> T:
    """The result of ``main(mesh)`` on a new `MemoryMesh`, in virtual time; for use without pytest.

    Args:
        main: What to do.
        seed: Decides everything that is random: the same seed, the same order of everything.
        limit_s: Virtual seconds that it may take.
        raise_failures: Whether exceptions in handlers are raised when `main` has returned.

    Raises:
        StalledError: It waits for what does not come.
        HandlersFailedError: Handlers raised what `main` did not look at.
    """

    async def run() -> T:
        async with MemoryMesh(seed=seed) as mesh:
            result = await main(mesh)
            if raise_failures:
                mesh.raise_failures()
            return result

    runner = VirtualRunner(limit_s=limit_s)
    try:
        return runner.run(run())
    finally:
        runner.close()


@contextlib.contextmanager
def _resting_collector() -> Iterator[None]:
    """The garbage collector would end generators when it likes, and so change the order of things."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
