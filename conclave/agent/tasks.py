"""The part of an agent that works on tasks: offers in, results out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from conclave.agent.binding import Binding, ContentError
from conclave.agent.containment import Told, contained, tell
from conclave.agent.dispatch import choose
from conclave.agent.duty import Duty
from conclave.agent.errors import MAX_REASON_CHARS, WorkCancelledError
from conclave.agent.handler import Handler
from conclave.agent.job import RETRY_S, Job, StoppedError, TakenAwayError
from conclave.agent.part import Part
from conclave.agent.results import task_result
from coordination.registry.wire import Capability
from coordination.requirements import RequirementSyntaxError, parse
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import ConclaveError, RejectedError, UnavailableError, UsageError
from coordination.runtime.logs import get_logger
from coordination.tasks.wire import TaskOffer, TaskTakenAway

REQUIRES_APPROVAL: Final = "requires_approval"
"""Attribute of a capability: true if its handler refuses what no vote has approved."""
STOPPING_REASON: Final = "the agent stopped before it was done"
_BAD_RESULT: Final = frozenset({"too_large", "too_deep", "invalid_request"})
"""Refusals of a result that no other attempt of the same handler would change."""
_log = get_logger("conclave.agent")


class TaskHandler:
    """A handler for tasks, with the binding of its payload."""

    def __init__(self, handler: Handler, *, requires_approval: bool = False) -> None:
        self.handler = handler
        self.requires_approval = requires_approval
        self.binding: Binding = Binding(handler.signature)


class Tasks(Part):
    """The task handlers of an agent: one for each capability, and at most one for everything else."""

    def __init__(self) -> None:
        self._capabilities: dict[str, Capability] = {}
        self.handlers: dict[str, TaskHandler] = {}
        self.default: TaskHandler | None = None

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """See `Part.capabilities`."""
        return tuple(self._capabilities.values())

    def add(self, handler: Handler, capability: Capability | None) -> None:
        """Have `handler` work on tasks for `capability`, or without one on those that no other handler takes.

        Raises:
            UsageError: There is a handler for that already.
        """
        if capability is None:
            if self.default is not None:
                raise UsageError(
                    f"handler {handler.name}: {self.default.handler.name} takes all tasks already; "
                    'name the capability: @agent.task("name")'
                )
            self.default = TaskHandler(handler)
            return
        known = self.handlers.get(capability.name)
        if known is not None:
            raise UsageError(
                f"handler {handler.name}: {known.handler.name} works on tasks for {capability.name!r} already"
            )
        insists = capability.attributes.get(REQUIRES_APPROVAL) is True
        self.handlers[capability.name] = TaskHandler(handler, requires_approval=insists)
        self._capabilities[capability.name] = capability

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""
        desk = _Desk(duty, self)
        # Until the end: an offer that comes while the agent stops is passed on at once, not left to time out.
        await duty.subscribe("task", desk.receive_offer, until_end=True)
        await duty.subscribe("cancel", desk.receive_cancel, until_end=True)


@dataclass(eq=False, slots=True)
class _Place:
    """One of the places for tasks; given back once, from the event loop or from a thread."""

    duty: Duty
    loop: asyncio.AbstractEventLoop
    is_taken: bool = True
    is_begun: bool = False
    """Whether the handler runs, or has run."""

    def leave(self) -> None:
        if self.is_taken:
            self.is_taken = False
            self.duty.tasks_held -= 1


class _Desk:
    """Takes offers and works on them."""

    def __init__(self, duty: Duty, tasks: Tasks) -> None:
        self._duty = duty
        self._tasks = tasks
        self._jobs: dict[str, tuple[int, Job]] = {}
        """Fencing token and job, by task."""
        self._offered: set[tuple[str, int]] = set()
        """Task and token of the offers that are being dealt with; pushes may come twice."""

    async def receive_offer(self, delivery: Delivery) -> None:
        try:
            offer = TaskOffer.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("push ignored", agent=self._duty.agent, reason="not a task offer")
            return
        key = (offer.task_id, offer.fencing_token)
        if key not in self._offered:
            # At once: the same push may be handled again before the task that deals with it has begun.
            self._offered.add(key)
            self._duty.spawn(self._deal_with(offer))

    async def receive_cancel(self, delivery: Delivery) -> None:
        try:
            taken = TaskTakenAway.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("push ignored", agent=self._duty.agent, reason="not about a task")
            return
        token, job = self._jobs.get(taken.task_id, (0, None))
        if job is not None and token == taken.fencing_token:
            job.take_away(taken.state)

    async def _deal_with(self, offer: TaskOffer) -> None:
        try:
            with self._duty.scope(offer.traceparent, task=offer.task_id, attempt=offer.attempt) as (
                trace,
                log,
            ):
                try:
                    await _Work(self._duty, offer, trace, log, self._jobs).do(self._chosen(offer))
                except ConclaveError as error:
                    # The offer or the lease runs out, and the task is offered again.
                    log.warning("task dropped", error=str(error))
        finally:
            self._offered.discard((offer.task_id, offer.fencing_token))

    def _chosen(self, offer: TaskOffer) -> TaskHandler | None:
        tasks = self._tasks
        return choose(offer.capability, _named(offer), tasks.handlers, tasks.default)


def _named(offer: TaskOffer) -> frozenset[str]:
    """What the task's requirement may mean by a capability of this agent."""
    try:
        return frozenset().union(*parse(offer.requirement).alternatives)
    except RequirementSyntaxError:
        return frozenset()  # An older service's offer has none, a newer one's may say more than we know.


class _Work:
    """What is done about one offer, from the answer to it to the report."""

    def __init__(
        self, duty: Duty, offer: TaskOffer, trace: Any, log: Any, jobs: dict[str, tuple[int, Job]]
    ) -> None:
        self._duty = duty
        self._offer = offer
        self._trace = trace
        self._log = log
        self._jobs = jobs
        self._client = duty.session.tasks

    async def do(self, chosen: TaskHandler | None) -> None:
        if chosen is None:
            await self._refuse(
                f"no handler for tasks that ask for {self._offer.capability or self._offer.requirement}"
            )
        elif chosen.requires_approval and not self._offer.approved_by:
            await self._refuse(
                f"{REQUIRES_APPROVAL}: {chosen.handler.name} does only what a vote has approved; "
                "submit the task with the approval of its proposal"
            )
        elif self._duty.is_stopping:
            await self._refuse("the agent stops")
        elif self._duty.tasks_held >= self._duty.max_tasks:
            await self._refuse(f"busy with {self._duty.tasks_held} tasks")
        else:
            await self._work(chosen)

    async def _refuse(self, reason: str) -> None:
        try:
            await self._client.refuse(self._offer.task_id, self._offer.fencing_token, reason=reason[:256])
        except RejectedError as error:
            self._log.info("offer gone", code=error.code)
        else:
            self._log.info("offer refused", reason=reason)

    async def _work(self, chosen: TaskHandler) -> None:
        duty, offer = self._duty, self._offer
        loop = asyncio.get_running_loop()
        duty.tasks_held += 1
        place = _Place(duty, loop)
        try:
            job = Job(duty, offer, accepted_s=loop.time(), trace=self._trace, log=self._log)
            # Before it is accepted: word that it was cancelled may overtake the answer.
            self._jobs[offer.task_id] = (offer.fencing_token, job)
            try:
                await self._client.accept(offer.task_id, offer.fencing_token)
                await self._run(chosen, job, place)
            except RejectedError as error:
                self._log.info("offer gone", code=error.code)
            finally:
                if self._jobs.get(offer.task_id, (0, None))[1] is job:
                    del self._jobs[offer.task_id]
        finally:
            if not place.is_begun:
                place.leave()

    async def _run(self, chosen: TaskHandler, job: Job, place: _Place) -> None:
        """Have the handler do the task, and report what came of it.

        Raises:
            RejectedError: The task is not ours any more.
            UnavailableError: The lease is over, and nothing could be reported.
        """
        try:
            await self._attempt(chosen, job, place)
        except (RejectedError, UnavailableError):
            raise
        except Exception as error:  # noqa: BLE001 - a report that cannot be made or logged is no silence
            await self._fail(job, self._told(error, chosen).reason, retryable=True)

    async def _attempt(self, chosen: TaskHandler, job: Job, place: _Place) -> None:
        try:
            with contained():  # its types may have validators and serializers of its author's
                arguments = chosen.binding.arguments(self._offer.payload, job.context)
                returned = await job.run(lambda: self._call(chosen.handler, arguments, place))
                result = task_result(returned)
        except TakenAwayError as taken:
            self._log.warning("task taken away", reason=str(taken))
        except StoppedError:
            if await self._fail(job, STOPPING_REASON, retryable=True):
                self._duty.handed_back.append(self._offer.task_id)
                self._log.info("task handed back")
        except ContentError as error:
            self._log.warning("payload not valid", reason=str(error))
            await self._fail(job, f"invalid payload: {error}", retryable=False)
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt has failed
            if isinstance(error, WorkCancelledError) and job.context.cancelled.is_set():
                self._log.warning("task taken away", reason=job.context.cancelled.reason)
                return
            told = self._told(error, chosen)
            await self._fail(job, told.reason, retryable=told.is_retryable)
        else:
            await self._complete(job, result)

    async def _call(self, handler: Handler, arguments: Mapping[str, Any], place: _Place) -> Any:
        """Call the handler; its place is free again when it has really ended, in whatever thread."""
        place.is_begun = True
        if handler.is_async:
            try:
                return await handler.call(arguments, self._duty.run_task)
            finally:
                place.leave()
        return await handler.call(arguments, lambda call: self._duty.run_task(_leaving(call, place)))

    def _told(self, error: Exception, chosen: TaskHandler) -> Told:
        log = self._log.bind(handler=chosen.handler.name)
        return tell(error, log, "task failed", fresh_id=self._duty.fresh_id)

    # --- reports

    async def _complete(self, job: Job, result: dict[str, Any]) -> None:
        offer = self._offer
        try:
            await self._report(job, lambda: self._client.complete(offer.task_id, offer.fencing_token, result))
        except RejectedError as error:
            if error.code in _BAD_RESULT:
                await self._fail(job, f"the result was refused: {error.message}", retryable=False)
            else:
                self._log.warning("result refused", code=error.code)
        else:
            self._log.info("task completed")

    async def _fail(self, job: Job, reason: str, *, retryable: bool) -> bool:
        """Report that the attempt has failed; returns whether the service has taken that down."""
        offer = self._offer
        shown = reason.encode(errors="replace").decode()[:MAX_REASON_CHARS]
        try:
            await self._report(
                job,
                lambda: self._client.fail(
                    offer.task_id, offer.fencing_token, reason=shown, retryable=retryable
                ),
            )
        except RejectedError as error:
            self._log.warning("failure refused", code=error.code)
            return False
        return True

    async def _report(self, job: Job, report: Any) -> None:
        """Send a report, again and again while the service is away and the lease holds.

        A report that took effect unheard is refused when it is sent again, and that is as good.

        Raises:
            RejectedError: The service refuses it.
            UnavailableError: The lease is over.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                await report()
            except UnavailableError:
                if loop.time() >= job.lease_ends_s:
                    raise
                # A session of little patience gives up at once, and the loop must get its turn to reconnect.
                await asyncio.sleep(RETRY_S)
            else:
                return


def _leaving(call: Any, place: _Place) -> Any:
    def work() -> Any:
        try:
            return call()
        finally:
            # On the loop, and before the result arrives there: the next offer finds the place free.
            place.loop.call_soon_threadsafe(place.leave)

    return work
