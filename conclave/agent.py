"""An agent in a few lines: registered, heard, reachable, and gone in good order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import structlog
from pydantic import ValidationError
from pydantic_core import from_json

from conclave.session import Session, connect
from coordination.registry.wire import Capability
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import ConclaveError, RejectedError, UsageError
from coordination.runtime.names import require_id
from coordination.tasks.wire import TaskOffer

MAX_IN_FLIGHT_PUSHES: Final = 256
"""Pushes handled at a time; the next ones wait, and wait in NATS' own bounded buffer after that."""

Handler = Callable[[Session, dict[str, Any]], Awaitable[None]]
TaskHandler = Callable[[Session, TaskOffer], Awaitable[Mapping[str, Any] | None]]
_log = structlog.get_logger(__name__)


class Agent:
    """A participant: give it handlers, then run it.

    Args:
        agent_id: 1 to 63 of a-z, 0-9, ``_`` and ``-``, beginning with a letter or digit.
        capabilities: What it can do; a bare string is a capability of version 1.0.0.
        max_tasks: Tasks it works on at a time.
        description: One line for people.

    Raises:
        UsageError: `agent_id` is not valid.
    """

    def __init__(
        self,
        agent_id: str,
        *,
        capabilities: Iterable[Capability | str] = (),
        max_tasks: int = 1,
        description: str = "",
    ) -> None:
        self.id = require_id(agent_id)
        self._capabilities = tuple(capabilities)
        self._max_tasks = max_tasks
        self._description = description
        self._handlers: dict[str, Handler] = {}
        self._task_handler: TaskHandler | None = None
        self._running_tasks = 0

    def on(self, kind: str) -> Callable[[Handler], Handler]:
        """Decorator: handle pushes of `kind` (``message``, ``proposal``, ``decision``, ``result``).

        The handler gets the session and the push's JSON body; several run at a time.
        """
        if kind == "task":
            raise UsageError("handle tasks with Agent.task, which also accepts and completes them")

        def register(handler: Handler) -> Handler:
            self._handlers[kind] = handler
            return handler

        return register

    def task(self, handler: TaskHandler) -> TaskHandler:
        """Decorator: work on tasks. What the handler returns is the task's result.

        An exception fails the attempt with its class name as the reason; the task may be retried.
        """
        self._task_handler = handler
        return handler

    async def run(self, url: str, *, prefix: str = "conclave") -> None:
        """Take part until cancelled.

        Raises:
            UnavailableError: No server answers at `url`, or no registry on it.
        """
        async with self.running(url, prefix=prefix):
            await asyncio.Event().wait()

    @contextlib.asynccontextmanager
    async def running(self, url: str, *, prefix: str = "conclave") -> AsyncIterator[Session]:
        """Take part for the length of the block: registered before it, deregistered after it."""
        async with connect(url, agent=self.id, prefix=prefix) as session, asyncio.TaskGroup() as group:
            slots = asyncio.Semaphore(MAX_IN_FLIGHT_PUSHES)
            working: set[asyncio.Task[None]] = set()

            async def receive(delivery: Delivery) -> None:
                await slots.acquire()
                task = group.create_task(self._handle(session, delivery))
                working.add(task)
                task.add_done_callback(working.discard)
                task.add_done_callback(lambda _: slots.release())

            subscription = await session.bus.subscribe(session.subjects.inbox(self.id, "*"), receive)
            await session.bus.flush()  # reachable before anybody can find us
            registered = await session.registry.register(
                self._capabilities, max_tasks=self._max_tasks, description=self._description
            )
            beating = group.create_task(
                self._beat(session, registered.incarnation, registered.heartbeat_interval_ms / 1000)
            )
            try:
                yield session
            finally:
                beating.cancel()
                await subscription.unsubscribe()
                for task in working:
                    task.cancel()
                with contextlib.suppress(ConclaveError):
                    await session.registry.deregister()

    async def _beat(self, session: Session, incarnation: int, interval_s: float) -> None:
        while True:
            load = min(self._running_tasks / self._max_tasks, 1.0) if self._max_tasks else 0.0
            with contextlib.suppress(ConclaveError):
                await session.registry.heartbeat(incarnation=incarnation, load=load)
            await asyncio.sleep(interval_s)

    async def _handle(self, session: Session, delivery: Delivery) -> None:
        kind = delivery.subject.rpartition(".")[2]
        try:
            if kind == "task":
                await self._work(session, TaskOffer.model_validate_json(delivery.payload))
            elif (handler := self._handlers.get(kind)) is not None:
                await handler(session, from_json(delivery.payload))
        except (ValidationError, ValueError):
            _log.warning("push ignored", agent=self.id, kind=kind, reason="not what its kind says")
        except Exception:  # noqa: BLE001 - one failing handler must not end the agent
            _log.exception("handler failed", agent=self.id, kind=kind)

    async def _work(self, session: Session, offer: TaskOffer) -> None:
        task_id, token = offer.task_id, offer.fencing_token
        if self._task_handler is None:
            await session.tasks.refuse(task_id, token, reason="this agent has no task handler")
            return
        try:
            await session.tasks.accept(task_id, token)
        except RejectedError as error:
            _log.info("offer gone", agent=self.id, task=task_id, code=error.code)
            return
        self._running_tasks += 1
        try:
            result = await self._task_handler(session, offer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has failed
            _log.exception("task failed", agent=self.id, task=task_id)
            await session.tasks.fail(task_id, token, reason=type(error).__name__, retryable=True)
        else:
            await session.tasks.complete(task_id, token, dict(result or {}))
        finally:
            self._running_tasks -= 1
