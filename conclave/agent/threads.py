"""Where sync handlers run: threads that are few, and that cannot keep the process alive.

A thread cannot be ended from outside. So these are daemon threads, one for each call: an agent that is told
to end does, whatever its handlers do, and a handler that never returns holds one place and nothing else.
(`concurrent.futures.ThreadPoolExecutor` joins its threads at exit.)
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

from conclave.agent.containment import contained_call

P = ParamSpec("P")
T = TypeVar("T")
RunSync = Callable[[Callable[[], Any]], Awaitable[Any]]
"""Runs a sync call so that the event loop goes on meanwhile, and gives its result."""


class DaemonExecutor(Executor):
    """An executor that begins every call at once, in a daemon thread of its own.

    Args:
        name: What the threads are called.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """See `concurrent.futures.Executor.submit`."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def work() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - whatever it is, whoever waits gets it
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return future


class Threads:
    """Runs sync calls through the loop's `run_in_executor`, at most `limit` at a time; further calls wait.

    A loop in virtual time has no threads; it may run the calls in any other way.

    Args:
        limit: From 1.
        name: What the threads are called.
    """

    def __init__(self, limit: int, *, name: str) -> None:
        assert limit > 0
        self._places = asyncio.Semaphore(limit)
        self._executor = DaemonExecutor(name)

    async def run(self, call: Callable[[], Any]) -> Any:
        """The result of ``call()``, made in a thread with the present context variables.

        When this is cancelled the call goes on, and keeps its place until it ends.

        Raises:
            RuntimeError: ``call`` raised `StopIteration`, which no coroutine may raise.
            HandlerExitError: It raised what is no `Exception`, such as `SystemExit`.
            Exception: Whatever else it raises.
        """
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()

        def work() -> Any:
            try:
                return context.run(contained_call, call)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop has ended, and its places with it
                    loop.call_soon_threadsafe(self._places.release)

        try:
            ending = loop.run_in_executor(self._executor, work)
        except BaseException:
            self._places.release()
            raise
        return await ending
