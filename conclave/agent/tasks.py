"""The part of an agent that works on tasks: offers in, results out."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

from pydantic import TypeAdapter, ValidationError

from conclave.agent.alarms import Alarms
from conclave.agent.bidding import Bids
from conclave.agent.dispatch import choose
from conclave.agent.duty import Duty
from conclave.agent.handler import Handler
from conclave.agent.job import STOPPING_REASON, Job
from conclave.agent.part import Part
from conclave.agent.reporting import Reports
from conclave.agent.taskhandler import BidHandler, TaskHandler
from coordination.registry.wire import Capability
from coordination.requirements import RequirementSyntaxError, parse
from coordination.runtime.bundles import bodies_of
from coordination.runtime.bus import Delivery
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.logs import get_logger
from coordination.tasks.limits import MAX_NOTE_CHARS
from coordination.tasks.wire import TaskOffer, TaskTakenAway

__all__ = ["REQUIRES_APPROVAL", "STOPPING_REASON", "Tasks"]
REQUIRES_APPROVAL: Final = "requires_approval"
"""Attribute of a capability: true if its handler refuses what no vote has approved."""
MAX_BEGUN: Final = 64
"""Handlers that begin in one turn of the event loop. Where several agents have as many offers each, one's
first reports keep the service busy while its other handlers run; more at a time would let both wait for each
other, fewer would make more calls (docs/performance.md)."""
MAX_DONE: Final = 1024
"""Offers remembered that were dealt with; a push that comes a second time is for one of the last."""
# As `validate_json` of a model or an adapter, without what that does before.
_read_offer: Final = TypeAdapter(TaskOffer).validator.validate_json
_read_offers: Final = TypeAdapter(list[TaskOffer]).validator.validate_json
_log = get_logger("conclave.agent")


class Asked(Protocol):
    """What an offer and a call for proposals have in common."""

    @property
    def capability(self) -> str:
        """What the requirement is about, if that is one thing."""

    @property
    def requirement(self) -> str:
        """Canonical text."""

    @property
    def approved_by(self) -> str:
        """The proposal that approved the task; empty for none."""


class Tasks(Part):
    """The task handlers of an agent: one for each capability, and at most one for everything else."""

    def __init__(self) -> None:
        self._capabilities: dict[str, Capability] = {}
        self.handlers: dict[str, TaskHandler] = {}
        self.default: TaskHandler | None = None
        self.bidders: dict[str, BidHandler] = {}
        self.default_bidder: BidHandler | None = None

    @property
    def capabilities(self) -> tuple[Capability, ...]:
        """See `Part.capabilities`."""
        return tuple(self._capabilities.values())

    def add(self, handler: Handler, capability: Capability | None, *, is_eager: bool = False) -> None:
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
            self.default = TaskHandler(handler, is_eager=is_eager)
            return
        known = self.handlers.get(capability.name)
        if known is not None:
            raise UsageError(
                f"handler {handler.name}: {known.handler.name} works on tasks for {capability.name!r} already"
            )
        insists = capability.attributes.get(REQUIRES_APPROVAL) is True
        self.handlers[capability.name] = TaskHandler(handler, requires_approval=insists, is_eager=is_eager)
        self._capabilities[capability.name] = capability

    def add_bidder(self, handler: Handler, capability: str | None) -> None:
        """Have `handler` bid for tasks for `capability`, or without one for those that no other one bids for.

        Raises:
            UsageError: There is a handler for that already.
        """
        known = self.default_bidder if capability is None else self.bidders.get(capability)
        if known is not None:
            of = "all tasks" if capability is None else repr(capability)
            raise UsageError(f"handler {handler.name}: {known.handler.name} bids for {of} already")
        if capability is None:
            self.default_bidder = BidHandler(handler)
        else:
            self.bidders[capability] = BidHandler(handler)

    def handler_for(self, asked: Asked) -> TaskHandler | None:
        """What does the task; None if nothing does."""
        return choose(asked.capability, lambda: _named(asked), self.handlers, self.default)

    def bidder_for(self, asked: Asked) -> BidHandler | None:
        """What bids for the task; None if nothing does."""
        return choose(asked.capability, lambda: _named(asked), self.bidders, self.default_bidder)

    async def begin(self, duty: Duty) -> None:
        """See `Part.begin`."""
        for name in self.bidders:
            if name not in self.handlers and self.default is None:
                raise UsageError(f"there is a bid for {name!r}, but no handler that does such tasks")
        reports = Reports(duty)
        offers = Offers(duty, self, reports)
        bids = Bids(duty, reports, choose=self.bidder_for, objection=offers.objection)
        # Until the end: an offer that comes while the agent stops is passed on at once, not left to time out.
        await duty.listen("task", offers.receive)
        await duty.listen("cancel", offers.receive_cancel)
        await duty.subscribe("cfp", bids.receive, until_end=True)


class Offers:
    """Takes offers, and passes on those that the agent cannot take.

    Args:
        duty: The agent at work.
        tasks: Its handlers.
        reports: Where answers go.
    """

    def __init__(self, duty: Duty, tasks: Tasks, reports: Reports) -> None:
        self._duty = duty
        self._tasks = tasks
        self._reports = reports
        self._alarms = Alarms()
        self._jobs: dict[tuple[str, int], Job] = {}
        """By task and fencing token, until the last report of each is answered."""
        self._done: OrderedDict[tuple[str, int], None] = OrderedDict()
        """Offers that were dealt with: pushes may come twice."""
        duty.on_over(self._stop)

    def receive(self, delivery: Delivery) -> None:
        """Take offers in: one, or several as a JSON array."""
        taken: list[Job] = []
        for offer in self._offers_in(delivery.payload):
            key = (offer.task_id, offer.fencing_token)
            if key in self._jobs or key in self._done:
                continue
            chosen = self._tasks.handler_for(offer)
            objection = self._objection(offer, chosen)
            if objection or chosen is None:
                self._note_done(key)
                self._refuse(offer, objection)
                continue
            # At once: the same push, or word that it was cancelled, may come before the handler has begun.
            self._duty.tasks_held += 1
            self._jobs[key] = job = Job(self._duty, self._reports, self._alarms, offer, chosen, self._end)
            taken.append(job)
        self._begin(taken[:MAX_BEGUN])
        if len(taken) > MAX_BEGUN:
            self._duty.spawn(self._begin_in_turns(taken[MAX_BEGUN:]))

    def _begin(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            job.begin()
        self._reports.expect()

    async def _begin_in_turns(self, jobs: list[Job]) -> None:
        """Begin some in each turn of the loop: what the first have to say leaves while the last begin."""
        waiting = deque(jobs)
        try:
            while waiting:
                self._begin(waiting.popleft() for _ in range(min(MAX_BEGUN, len(waiting))))
                await asyncio.sleep(0)
        finally:
            self._begin(waiting)  # none, unless the agent was made to end

    def _offers_in(self, payload: bytes) -> Sequence[TaskOffer]:
        """The offers of one push; what is none is passed over, and the others are none the worse for it."""
        try:
            return _read_offers(payload) if payload.startswith(b"[") else (_read_offer(payload),)
        except ValidationError:
            return list(self._offers_among(payload))

    def _offers_among(self, payload: bytes) -> Iterator[TaskOffer]:
        for body in bodies_of(payload):
            try:
                yield _read_offer(body)
            except ValidationError:
                _log.warning("push ignored", agent=self._duty.agent, reason="not a task offer")

    def _end(self, job: Job) -> None:
        key = (job.offer.task_id, job.offer.fencing_token)
        del self._jobs[key]
        self._note_done(key)

    def _note_done(self, key: tuple[str, int]) -> None:
        self._done[key] = None
        if len(self._done) > MAX_DONE:
            self._done.popitem(last=False)

    def objection(self, asked: Asked) -> str:
        """Why the agent does not take a task now; empty if it does."""
        return self._objection(asked, self._tasks.handler_for(asked))

    def _objection(self, asked: Asked, chosen: TaskHandler | None) -> str:
        if chosen is None:
            return f"no handler for tasks that ask for {asked.capability or asked.requirement}"
        if chosen.requires_approval and not asked.approved_by:
            return (
                f"{REQUIRES_APPROVAL}: {chosen.handler.name} does only what a vote has approved; "
                "submit the task with the approval of its proposal"
            )
        if self._duty.is_stopping:
            return "the agent stops"
        if self._duty.tasks_held >= self._duty.max_tasks:
            return f"busy with {self._duty.tasks_held} tasks"
        return ""

    def _refuse(self, offer: TaskOffer, reason: str) -> None:
        said = {
            "do": "refuse",
            "task_id": offer.task_id,
            "fencing_token": offer.fencing_token,
            "reason": reason[:MAX_NOTE_CHARS],
        }
        self._reports.put(offer.task_id, said, partial(self._hear_of_refusal, offer, reason))

    def _hear_of_refusal(self, offer: TaskOffer, reason: str, error: BaseException | None) -> None:
        about = {"agent": self._duty.agent, "task": offer.task_id, "attempt": offer.attempt}
        match error:
            case None:
                _log.info("offer refused", **about, reason=reason)
            case RejectedError():
                _log.info("offer gone", **about, code=error.code)
            case Exception():
                _log.warning("offer not answered", **about, error=str(error))

    def receive_cancel(self, delivery: Delivery) -> None:
        """Take in that work is not wanted any more."""
        try:
            taken = TaskTakenAway.model_validate_json(delivery.payload)
        except ValidationError:
            _log.warning("push ignored", agent=self._duty.agent, reason="not about a task")
            return
        job = self._jobs.get((taken.task_id, taken.fencing_token))
        if job is not None:
            job.take_away(taken.state, taken.reason)

    def _stop(self) -> None:
        for job in tuple(self._jobs.values()):
            job.stop()


def _named(asked: Asked) -> frozenset[str]:
    """What the task's requirement may mean by a capability of this agent."""
    try:
        return frozenset().union(*parse(asked.requirement).alternatives)
    except RequirementSyntaxError:
        return frozenset()  # An older service's offer has none, a newer one's may say more than we know.
