"""An agent in a few lines: registered, heard, reachable, and gone in good order."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from pydantic import ValidationError
from pydantic_core import from_json

from conclave.session import Session, connect
from consensus.wire import Decision, ProposalAnnounced
from coordination.registry.wire import Capability
from coordination.runtime.bus import Delivery, Subscription
from coordination.runtime.concurrency import one_error
from coordination.runtime.credentials import Credentials
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError
from coordination.runtime.failures import log_failure
from coordination.runtime.names import require_id
from coordination.tasks.wire import TaskOffer
from dialog.wire import Message

RENEWALS_PER_LEASE: Final = 3
"""How often a running task's lease is renewed within its length."""

MessageHandler = Callable[[Session, Message], Awaitable[None]]
ProposalHandler = Callable[[Session, ProposalAnnounced], Awaitable[None]]
DecisionHandler = Callable[[Session, Decision], Awaitable[None]]
PushHandler = Callable[[Session, Any], Awaitable[None]]
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
        self._message_handler: MessageHandler | None = None
        self._proposal_handler: ProposalHandler | None = None
        self._decision_handler: DecisionHandler | None = None
        self._push_handlers: dict[str, PushHandler] = {}
        self._task_handler: TaskHandler | None = None
        self._running_tasks = 0

    def message(self, handler: MessageHandler) -> MessageHandler:
        """Decorator: hear the messages of the agent's dialogs, in order, each once, gaps filled."""
        self._message_handler = handler
        return handler

    def proposal(self, handler: ProposalHandler) -> ProposalHandler:
        """Decorator: be told of proposals on which the agent may vote."""
        self._proposal_handler = handler
        return handler

    def decision(self, handler: DecisionHandler) -> DecisionHandler:
        """Decorator: be told how proposals ended that the agent made or could vote on."""
        self._decision_handler = handler
        return handler

    def on(self, kind: str) -> Callable[[PushHandler], PushHandler]:
        """Decorator: handle pushes of any other `kind`, such as ``result``, with their JSON body."""

        def register(handler: PushHandler) -> PushHandler:
            self._push_handlers[kind] = handler
            return handler

        return register

    def task(self, handler: TaskHandler) -> TaskHandler:
        """Decorator: work on tasks. What the handler returns is the task's result.

        An exception fails the attempt with its class name as the reason; the task may be retried.
        """
        self._task_handler = handler
        return handler

    async def run(
        self, url: str, *, credentials: Credentials | Path | str | None = None, prefix: str = "conclave"
    ) -> None:
        """Take part until cancelled.

        Args:
            url: ``nats://HOST:PORT``.
            credentials: As for `connect`.
            prefix: First token of the deployment's subjects.

        Raises:
            UsageError: The credential cannot be read.
            UnavailableError: No server answers at `url`, or no registry on it.
            AuthorizationError: The server does not let the agent in.
        """
        async with self.running(url, credentials=credentials, prefix=prefix):
            await asyncio.Event().wait()

    def serve(
        self, url: str, *, credentials: Credentials | Path | str | None = None, prefix: str = "conclave"
    ) -> None:
        """Take part until Ctrl-C; for programs that do nothing else. Blocks. Otherwise as `run`."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self.run(url, credentials=credentials, prefix=prefix))

    @contextlib.asynccontextmanager
    async def running(
        self, url: str, *, credentials: Credentials | Path | str | None = None, prefix: str = "conclave"
    ) -> AsyncIterator[Session]:
        """Take part for the length of the block: registered before it, deregistered after it.

        Arguments and errors are those of `run`.
        """
        async with (
            connect(url, agent=self.id, credentials=credentials, prefix=prefix) as session,
            self.joined(session),
        ):
            yield session

    @contextlib.asynccontextmanager
    async def joined(self, session: Session) -> AsyncIterator[None]:
        """Take part over a session that is open already, for the length of the block.

        Raises:
            UnavailableError: The registry does not answer.
        """
        with one_error():
            async with asyncio.TaskGroup() as group:
                working: set[asyncio.Task[None]] = set()
                subscriptions = await self._subscribe(session, group, working)
                await session.bus.flush()  # reachable before anybody can find us
                registered = await session.registry.register(
                    self._capabilities, max_tasks=self._max_tasks, description=self._description
                )
                beating = group.create_task(
                    self._beat(session, registered.incarnation, registered.heartbeat_interval_ms / 1000)
                )
                try:
                    yield
                finally:
                    beating.cancel()
                    for subscription in subscriptions:
                        await subscription.unsubscribe()
                    for task in working:
                        task.cancel()
                    with contextlib.suppress(ConclaveError):
                        await session.registry.deregister()

    async def _subscribe(
        self, session: Session, group: asyncio.TaskGroup, working: set[asyncio.Task[None]]
    ) -> list[Subscription]:
        async def take_task(delivery: Delivery) -> None:
            # Tasks take long: each runs beside the others. The tasks service keeps to `max_tasks`.
            task = group.create_task(self._take_task(session, delivery))
            working.add(task)
            task.add_done_callback(working.discard)

        subject = session.subjects.inbox(self.id, "task")
        subscriptions = [await session.bus.subscribe(subject, take_task)]
        if (on_message := self._message_handler) is not None:
            subscriptions.append(await session.dialog.on_message(partial(on_message, session)))
        if (on_proposal := self._proposal_handler) is not None:
            subscriptions.append(await session.consensus.on_proposal(partial(on_proposal, session)))
        if (on_decision := self._decision_handler) is not None:
            subscriptions.append(await session.consensus.on_decision(partial(on_decision, session)))
        for kind, handler in self._push_handlers.items():
            subject = session.subjects.inbox(self.id, kind)
            subscriptions.append(await session.bus.subscribe(subject, partial(_hand_on, session, handler)))
        return subscriptions

    async def _beat(self, session: Session, incarnation: int, interval_s: float) -> None:
        while True:
            load = min(self._running_tasks / self._max_tasks, 1.0) if self._max_tasks else 0.0
            with contextlib.suppress(ConclaveError):
                await session.registry.heartbeat(incarnation=incarnation, load=load)
            await asyncio.sleep(interval_s)

    async def _take_task(self, session: Session, delivery: Delivery) -> None:
        try:
            await self._work(session, TaskOffer.model_validate_json(delivery.payload))
        except ValidationError:
            _log.warning("push ignored", agent=self.id, reason="not a task offer")
        except ConclaveError as error:
            # The lease runs out and the task is offered again.
            _log.warning("task dropped", agent=self.id, error=str(error))

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
            result = await self._while_leased(session, offer, self._task_handler)
        except _LeaseLostError:
            _log.warning("task taken away", agent=self.id, task=task_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has failed
            log_failure(_log, "task failed", agent=self.id, task=task_id)
            await session.tasks.fail(task_id, token, reason=_reason(error), retryable=True)
        else:
            await session.tasks.complete(task_id, token, dict(result or {}))
        finally:
            self._running_tasks -= 1

    async def _while_leased(
        self, session: Session, offer: TaskOffer, handler: TaskHandler
    ) -> Mapping[str, Any] | None:
        """Run `handler` while renewing its lease; the handler is cancelled when the lease is lost.

        Raises:
            _LeaseLostError: The task was cancelled, has expired, or is somebody else's by now.
        """
        working = asyncio.ensure_future(handler(session, offer))
        try:
            while True:
                done, _ = await asyncio.wait({working}, timeout=offer.lease_ms / 1000 / RENEWALS_PER_LEASE)
                if done:
                    return working.result()
                try:
                    await session.tasks.progress(offer.task_id, offer.fencing_token)
                except RejectedError:
                    raise _LeaseLostError from None
                except UnavailableError:
                    continue  # whether the lease still holds will be known at `complete`
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


class _LeaseLostError(Exception):
    """The attempt is no longer ours; what the handler does has no effect any more."""


async def _hand_on(session: Session, handler: PushHandler, delivery: Delivery) -> None:
    await handler(session, from_json(delivery.payload))


def _reason(error: Exception) -> str:
    """What others learn of a handler's failure: our own errors in full, of others only the kind."""
    return str(error)[:256] if isinstance(error, ConclaveError) else type(error).__name__
