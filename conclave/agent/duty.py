"""An agent at work over one session: what its parts share, and who owns what they start."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, Final

import structlog

from conclave.agent.threads import RunSync
from conclave.session import Session
from coordination.runtime.bus import Handler as DeliveryHandler
from coordination.runtime.bus import Listener, Subscription
from coordination.runtime.failures import log_failure
from coordination.runtime.logs import get_logger
from coordination.runtime.trace import CURRENT_TRACE, TraceContext, continued

STOP_GRACE_S: Final = 5.0
"""How long what was cancelled may take to end, and to say so."""
_NOT_HANDLED: Final = "push not handled"
_log = get_logger("conclave.agent")


class Duty:
    """Begins when an agent joins and ends when it leaves.

    Args:
        session: The agent's connection.
        max_tasks: Tasks that it works on at a time.
        run_task: Where sync task handlers run; at least `max_tasks` at a time.
        run_sync: Where all other sync handlers run.
    """

    def __init__(self, session: Session, *, max_tasks: int, run_task: RunSync, run_sync: RunSync) -> None:
        self.session = session
        self.max_tasks = max_tasks
        self.run_task = run_task
        self.run_sync = run_sync
        self.is_stopping: bool = False
        """Nothing new is begun."""
        self.over: asyncio.Event = asyncio.Event()
        """Set when what is still running must be given up."""
        self.tasks_held = 0
        """Tasks whose handlers run, those included that do not end although nobody wants them any more."""
        self.handed_back: list[str] = []
        """Tasks that were begun and are others' now, because the agent stops."""
        self._subscriptions: list[Subscription] = []
        self._until_end: list[Subscription] = []
        self._working: set[asyncio.Task[None]] = set()
        self._on_over: list[Callable[[], None]] = []
        self._context = contextvars.copy_context()
        """Of whoever had the agent join: messages arrive in that of the connection."""
        self._context.run(structlog.contextvars.bind_contextvars, agent=self.agent)
        self._spans = random.Random(session.entropy.getrandbits(128))
        """Where their ids come from, which are no secrets: the system's randomness is a system call each."""

    @property
    def load(self) -> float:
        """Share of `max_tasks` in use, 0 to 1."""
        return min(self.tasks_held / self.max_tasks, 1.0) if self.max_tasks else 0.0

    @property
    def agent(self) -> str:
        """Id of the agent."""
        return self.session.agent

    def fresh_id(self) -> str:
        """A random id that an answer and the log have in common."""
        return f"{self.session.entropy.getrandbits(64):016x}"

    async def subscribe(self, kind: str, handler: DeliveryHandler, *, until_end: bool = False) -> None:
        """Hear pushes of `kind` until the agent stops, or with `until_end` until nothing runs any more."""
        self.keep(await self.session.caller.inbox.subscribe(kind, handler), until_end=until_end)

    async def listen(self, kind: str, listener: Listener) -> None:
        """Note pushes of `kind` as they arrive, until nothing runs any more; see `Bus.listen`."""
        self.keep(await self.session.caller.inbox.listen(kind, listener), until_end=True)

    def keep(self, subscription: Subscription, *, until_end: bool = False) -> None:
        """Own a subscription until the agent stops, or with `until_end` until nothing runs any more."""
        (self._until_end if until_end else self._subscriptions).append(subscription)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` beside everything else; the agent waits for it when it leaves. Its failure is logged."""
        task = asyncio.get_running_loop().create_task(self._run(work), context=self._context.copy())
        self._working.add(task)
        return task

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:  # noqa: BLE001 - one bad push must not end the agent
            log_failure(_log, _NOT_HANDLED, agent=self.agent)
        finally:
            # Here and not when the task is done: telling that takes another turn of the loop.
            self._working.discard(asyncio.current_task())

    @contextlib.contextmanager
    def scope(self, traceparent: str, **about: Any) -> Iterator[tuple[TraceContext, Any]]:
        """Work under a span of its own: calls carry it, and logs name it and what it is `about`."""
        trace = self.span(traceparent)
        about = {"agent": self.agent, **about, "trace_id": trace.trace_id}
        token = CURRENT_TRACE.set(trace)
        try:
            with structlog.contextvars.bound_contextvars(**about):
                yield trace, _log.bind(**about)
        finally:
            CURRENT_TRACE.reset(token)

    def span(self, traceparent: str) -> TraceContext:
        """A new span for work that was asked for under `traceparent`."""
        return continued(traceparent, self._spans)

    def enter(self, trace: TraceContext, **about: Any) -> None:
        """As `scope`, for good: for the first step of work that was spawned, whose context ends with it."""
        CURRENT_TRACE.set(trace)
        structlog.contextvars.bind_contextvars(**about, trace_id=trace.trace_id)

    def logger(self, trace: TraceContext, **about: Any) -> Any:
        """A logger that knows the agent, the trace, and what the work is `about`."""
        return _log.bind(agent=self.agent, **about, trace_id=trace.trace_id)

    def on_over(self, callback: Callable[[], None]) -> None:
        """Call `callback` once, when what is still running must be given up."""
        self._on_over.append(callback)

    def _give_up(self) -> None:
        if not self.over.is_set():
            self.over.set()
            for callback in self._on_over:
                callback()

    async def finish(self, drain_s: float) -> None:
        """Begin nothing more, wait `drain_s` for what runs, then have it given up.

        Whoever cancels this waits no longer: what runs is cancelled, and nobody sees to its end.
        """
        self.is_stopping = True
        try:
            await _end(self._subscriptions)
            await self._wait(drain_s)
            self._give_up()
            await self._wait(STOP_GRACE_S)
            self._cancel()
            await self._wait(STOP_GRACE_S)
        finally:
            self._give_up()
            self._cancel()
            await _end(self._subscriptions)
            await _end(self._until_end)
        if self._working:
            _log.error("handlers ignore that they were cancelled", agent=self.agent, count=len(self._working))

    def _cancel(self) -> None:
        for task in tuple(self._working):
            task.cancel()

    async def _wait(self, timeout_s: float) -> None:
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        # What is cancelled before it begins does not take itself out.
        while running := [task for task in self._working if not task.done()]:
            remaining_s = deadline_s - asyncio.get_running_loop().time()
            if remaining_s <= 0:
                return
            # What ends may have begun something more, such as the next message of a conversation.
            await asyncio.wait(running, timeout=remaining_s)
        self._working.clear()


async def _logged(work: Awaitable[None], agent: str) -> None:
    try:
        await work
    except Exception:  # noqa: BLE001 - one bad push must not end the agent
        log_failure(_log, _NOT_HANDLED, agent=agent)


async def _end(subscriptions: list[Subscription]) -> None:
    while subscriptions:
        await subscriptions.pop().unsubscribe()


Handle = Callable[[Any], Awaitable[None]]


class Lanes:
    """Handles things in order within each lane, several lanes at a time, with a bound on what waits.

    Args:
        duty: Whose work it is.
        handle: Called with one thing; its failures are logged.
        max_waiting: Things that wait in all lanes together; `put` waits for room.
        max_at_once: Lanes in which something is handled at the same time.
    """

    def __init__(self, duty: Duty, handle: Handle, *, max_waiting: int = 1024, max_at_once: int = 32) -> None:
        self._duty = duty
        self._handle = handle
        self._room = asyncio.Semaphore(max_waiting)
        self._turns = asyncio.Semaphore(max_at_once)
        self._lanes: dict[str, list[Any]] = {}

    async def put(self, lane: str, thing: Any) -> None:
        """Have `thing` handled after everything that is in its lane already; waits while too much waits."""
        await self._room.acquire()
        waiting = self._lanes.get(lane)
        if waiting is None:
            self._lanes[lane] = [thing]
            self._duty.spawn(self._work(lane))
        else:
            waiting.append(thing)

    async def _work(self, lane: str) -> None:
        waiting = self._lanes[lane]
        try:
            while waiting and not self._duty.over.is_set():
                async with self._turns:
                    thing = waiting.pop(0)
                    self._room.release()
                    await _logged(self._handle(thing), self._duty.agent)
        finally:
            del self._lanes[lane]
            for _ in waiting:
                self._room.release()
