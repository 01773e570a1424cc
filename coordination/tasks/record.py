"""The record of one task, and how each event changes it. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Any

from coordination.requirements import Requirement
from coordination.tasks.events import (
    INPUTS,
    AttemptFailed,
    LeaseExpired,
    OfferAccepted,
    OfferRefused,
    OfferTimedOut,
    ProgressReported,
    TaskCanceled,
    TaskCompleted,
    TaskDeadLettered,
    TaskExpired,
    TaskOffered,
    TaskRequeued,
    TaskSubmitted,
    Transition,
    WorkerLost,
)
from coordination.tasks.lifecycle import FINISHED, State, step
from coordination.tasks.limits import MAX_REFUSALS

OFFER_TIMED_OUT = "no answer to the offer"
LEASE_EXPIRED = "the worker was silent for longer than its lease"
WORKER_RESTARTED = "the worker restarted"
WORKER_LEFT = "the worker left"
DEADLINE_PASSED = "the deadline passed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The agent that was offered the task or works on it."""

    agent: str
    incarnation: int = 0
    """As which it was registered when it was offered the task. 0: not known, and never judged."""
    expires_ms: int
    """End of the offer or of the lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An agent passed on the task in this round."""

    agent: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One agent's work on the task."""

    agent: str
    fencing_token: int
    started_ms: int
    ended_ms: int | None = None
    error: str = ""
    incarnation: int = 0
    """Of the agent; 0 in what was stored before it was kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything known of one task.

    Invariants: `holder` is set exactly while offered or running; fencing tokens only grow.
    """

    task_id: str
    sequence: int
    """Position among all submissions, from 1."""
    submitter: str
    capability: str
    """What the requirement is about, if that is one thing; else empty."""
    payload: dict[str, Any]
    payload_bytes: int
    priority: int
    deadline_ms: int | None
    max_attempts: int
    submitted_at_ms: int
    requirement: str = ""
    """Canonical text. In what was stored before there were requirements, the capability is it."""
    traceparent: str = ""
    """The span that it was submitted from (W3C); empty for none."""
    approved_by: str = ""
    """The proposal that approved exactly this task; empty for none."""
    state: State = State.QUEUED
    fencing_token: int = 0
    """Of the last offer; 0 before the first."""
    holder: Holder | None = None
    attempts: tuple[Attempt, ...] = ()
    """Oldest first, at most `max_attempts`."""
    refusals: tuple[Refusal, ...] = ()
    """Of this round, oldest first, at most `MAX_REFUSALS`, one per agent."""
    retry_at_ms: int | None = None
    """End of the backoff; set exactly while failed."""
    share: float | None = None
    """Of the work done, as the current attempt reported it."""
    note: str = ""
    result: Any = None
    result_bytes: int = 0
    reason: str = ""
    """Why it ended without a result."""
    finished_at_ms: int | None = None

    def __post_init__(self) -> None:
        """Give a record of old the requirement that its capability was."""
        if not self.requirement:
            object.__setattr__(self, "requirement", str(Requirement.of_capability(self.capability)))

    @property
    def size_bytes(self) -> int:
        """What the record weighs against the bounds."""
        return self.payload_bytes + self.result_bytes + len(self.requirement)

    @property
    def due_ms(self) -> int | None:
        """When time does something to it at the earliest; None for never."""
        if self.state in FINISHED:
            return None
        expires_ms = self.holder.expires_ms if self.holder is not None else None
        return min(filter(None, (expires_ms, self.retry_at_ms, self.deadline_ms)), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentApproval:
    """An approval was used, once and for all."""

    task_id: str
    expires_ms: int
    """Afterwards it counts for nothing, and need not be remembered."""


@dataclass(slots=True)
class TasksState:
    """Everything that survives a restart."""

    open: dict[str, Task] = field(default_factory=dict)
    """In order of submission."""
    finished: OrderedDict[str, Task] = field(default_factory=OrderedDict)
    """In order of ending; bounded, the oldest are forgotten first."""
    last_sequence: int = 0
    last_fencing_token: int = 0
    """Grows over all tasks, so that it also fences an id that is used again."""
    spent_approvals: dict[str, SpentApproval] = field(default_factory=dict)
    """By proposal. Outlives the task: one that is forgotten must not be approved a second time."""


def submitted(event: TaskSubmitted, sequence: int) -> Task:
    """The record of a new task."""
    return Task(
        task_id=event.task_id,
        sequence=sequence,
        submitter=event.submitter,
        capability=event.capability,
        payload=event.payload,
        payload_bytes=event.payload_bytes,
        priority=event.priority,
        deadline_ms=event.deadline_ms,
        max_attempts=event.max_attempts,
        submitted_at_ms=event.at_ms,
        requirement=event.requirement,
        traceparent=event.traceparent,
        approved_by=event.approved_by,
    )


def evolve(task: Task, event: Transition) -> Task:  # noqa: C901, PLR0911 - one arm per event
    """The record after `event`.

    Raises:
        IllegalTransitionError: The lifecycle has no such step.
    """
    state = step(task.state, INPUTS[type(event)])
    match event:
        case TaskOffered():
            return _offered(task, event, state)
        case OfferAccepted():
            return _accepted(task, event, state)
        case OfferRefused():
            return _passed_on(task, event.reason, event.at_ms, state)
        case OfferTimedOut():
            return _passed_on(task, OFFER_TIMED_OUT, event.at_ms, state)
        case ProgressReported():
            holder = replace(_holder(task), expires_ms=event.lease_expires_ms)
            return replace(task, state=state, holder=holder, share=event.share, note=event.note)
        case TaskCompleted():
            done = _ended(task, state, event.at_ms, "")
            return replace(done, result=event.result, result_bytes=event.result_bytes)
        case AttemptFailed():
            return _failed(task, event.reason, event.at_ms, event.retry_at_ms)
        case LeaseExpired():
            return _failed(task, LEASE_EXPIRED, event.at_ms, event.retry_at_ms)
        case WorkerLost():
            return _lost(task, event, state)
        case TaskRequeued():
            return replace(task, state=state, retry_at_ms=None)
        case TaskDeadLettered() | TaskCanceled():
            return _ended(task, state, event.at_ms, event.reason)
        case TaskExpired():
            return _ended(task, state, event.at_ms, DEADLINE_PASSED)


def _holder(task: Task) -> Holder:
    assert task.holder is not None, f"a {task.state} task has a holder"
    return task.holder


def _offered(task: Task, event: TaskOffered, state: State) -> Task:
    assert event.fencing_token > task.fencing_token
    return replace(
        task,
        state=state,
        fencing_token=event.fencing_token,
        holder=Holder(agent=event.agent, incarnation=event.incarnation, expires_ms=event.expires_ms),
        refusals=() if event.new_round else task.refusals,
    )


def _accepted(task: Task, event: OfferAccepted, state: State) -> Task:
    holder = replace(_holder(task), expires_ms=event.lease_expires_ms)
    attempt = Attempt(
        agent=holder.agent,
        fencing_token=task.fencing_token,
        started_ms=event.at_ms,
        incarnation=holder.incarnation,
    )
    return replace(
        task,
        state=state,
        holder=holder,
        attempts=(*task.attempts, attempt),
        refusals=(),
        share=None,
        note="",
    )


def _passed_on(task: Task, reason: str, at_ms: int, state: State) -> Task:
    agent = _holder(task).agent
    others = [refusal for refusal in task.refusals if refusal.agent != agent]
    refusals = (*others, Refusal(agent=agent, reason=reason, at_ms=at_ms))
    return replace(task, state=state, holder=None, refusals=refusals[-MAX_REFUSALS:])


def _lost(task: Task, event: WorkerLost, state: State) -> Task:
    if event.retry_at_ms is None:
        assert state is State.QUEUED, "an attempt that failed has a backoff"
        # The agent did not pass on it, so its next incarnation may be asked at once.
        return replace(task, state=state, holder=None)
    assert state is State.FAILED, "an offer has no backoff"
    return _failed(task, event.reason, event.at_ms, event.retry_at_ms)


def _failed(task: Task, reason: str, at_ms: int, retry_at_ms: int) -> Task:
    return replace(
        task,
        state=State.FAILED,
        holder=None,
        attempts=_closed(task.attempts, at_ms, reason),
        retry_at_ms=retry_at_ms,
    )


def _ended(task: Task, state: State, at_ms: int, reason: str) -> Task:
    return replace(
        task,
        state=state,
        holder=None,
        attempts=_closed(task.attempts, at_ms, reason),
        retry_at_ms=None,
        reason=reason,
        finished_at_ms=at_ms,
    )


def _closed(attempts: tuple[Attempt, ...], at_ms: int, error: str) -> tuple[Attempt, ...]:
    """The attempts with the one under way, if any, ended."""
    if not attempts or attempts[-1].ended_ms is not None:
        return attempts
    return (*attempts[:-1], replace(attempts[-1], ended_ms=at_ms, error=error))
