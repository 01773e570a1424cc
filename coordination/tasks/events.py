"""What happened to tasks: the journal's vocabulary, and which input of the lifecycle each event is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coordination.runtime.fast_init import fast_init
from coordination.tasks.lifecycle import Input
from coordination.tasks.queues import QueueSettings
from coordination.tasks.schedules import Schedule
from coordination.tasks.spec import Reference, TaskSpec


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSubmitted:
    """A task exists: queued, or scheduled or blocked, as its spec and what it waits for say."""

    task_id: str
    submitter: str
    spec: TaskSpec
    seed: int
    """Of what is drawn about it, 0 to 2**32 - 1."""
    at_ms: int
    waits_for: tuple[str, ...] = ()
    """Ids of those tasks of ``spec.after`` that have not ended."""
    chain: tuple[str, ...] = ()
    """Ids of the tasks that it was delegated from, the root first."""
    parent_attempt: int = 0
    """Number of the parent's attempt that delegated it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DependencyEnded:
    """One of the tasks that it waits for has ended, and its edge lets the task go on."""

    task_id: str
    dependency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReleased:
    """Its time has come, or the last one that it waited for has ended: it waits for an agent."""

    task_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeferred:
    """The last one that it waited for has ended; now it waits for its time."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSkipped:
    """One that it waited for did not complete."""

    task_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalsCalled:
    """Agents were called for proposals (cfp)."""

    task_id: str
    agents: tuple[str, ...]
    """Each with its incarnation in `incarnations`."""
    incarnations: tuple[int, ...]
    call: int
    """Token of this call: a bid names it. Grows with the fencing tokens."""
    bids_until_ms: int
    new_round: bool
    counts_round: bool = True
    """As of `TaskOffered`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BidMade:
    """An agent proposed to do the task (propose), or declined to (refuse)."""

    task_id: str
    agent: str
    at_ms: int
    is_refusal: bool = False
    reason: str = ""
    cost: float = 0.0
    eta_ms: int = 0
    """How long it would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBids:
    """Nobody has bid."""

    task_id: str
    at_ms: int


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOffered:
    """A task was offered, or awarded, to one agent under a new fencing token."""

    task_id: str
    agent: str
    incarnation: int = 0
    """0: not known, and never judged."""
    fencing_token: int
    at_ms: int
    expires_ms: int
    new_round: bool
    """Those that had passed on it may be asked again: who had is forgotten."""
    why: str = ""
    """Why this agent, in words."""
    counts_round: bool = True
    """Whether everybody had passed on it when the new round began; else the others had no free slot, and that
    does not bring the task nearer to being given up."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class OfferAccepted:
    """The agent took the task: an attempt began."""

    task_id: str
    at_ms: int
    lease_expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferRefused:
    """The agent passed on the task."""

    task_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTimedOut:
    """The agent did not answer the offer."""

    task_id: str
    at_ms: int


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReported:
    """The worker is alive; its lease was extended. Of an offer not yet accepted, this accepts it."""

    task_id: str
    at_ms: int
    share: float | None
    note: str
    lease_expires_ms: int
    spent: int | None = None
    """Units that the attempt has used so far, if it says."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted:
    """The one accepted result."""

    task_id: str
    fencing_token: int
    result: Any
    result_bytes: int
    at_ms: int
    result_reference: Reference | None = None
    spent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """The worker gave up this attempt."""

    task_id: str
    reason: str
    at_ms: int
    retry_at_ms: int
    spent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseExpired:
    """The worker was silent for too long; the attempt counts as failed, or the task as canceled."""

    task_id: str
    at_ms: int
    retry_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptTimedOut:
    """The attempt took longer than it may."""

    task_id: str
    at_ms: int
    retry_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    """The incarnation that held the task is no more: offer void, attempt failed, or cancellation done."""

    task_id: str
    reason: str
    at_ms: int
    retry_at_ms: int | None
    """End of the backoff; None for an offer, which waits again at once, and for a task being canceled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """The backoff after a failed attempt is over."""

    task_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeadLettered:
    """No further attempt will be made."""

    task_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCanceled:
    """Nobody wants it any more. A running one is being canceled until its worker confirms."""

    task_id: str
    reason: str
    by: str
    """Who asked: an agent's id, or the task service for a cascade."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelConfirmed:
    """Its worker has stopped."""

    task_id: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExpired:
    """Its deadline passed before it was done, or it was not begun in time."""

    task_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRedriven:
    """A dead letter was brought back; it has all its attempts again."""

    task_id: str
    by: str
    at_ms: int


Transition = (
    DependencyEnded
    | TaskReleased
    | TaskDeferred
    | TaskSkipped
    | ProposalsCalled
    | BidMade
    | NoBids
    | TaskOffered
    | OfferAccepted
    | OfferRefused
    | OfferTimedOut
    | ProgressReported
    | TaskCompleted
    | AttemptFailed
    | LeaseExpired
    | AttemptTimedOut
    | WorkerLost
    | TaskRequeued
    | TaskDeadLettered
    | TaskCanceled
    | CancelConfirmed
    | TaskExpired
    | TaskRedriven
)
"""Every event that happens to a task which exists."""

INPUTS: Final[dict[type, Input]] = {
    TaskReleased: Input.RELEASE,
    TaskDeferred: Input.DEFER,
    TaskSkipped: Input.SKIP,
    ProposalsCalled: Input.ANNOUNCE,
    BidMade: Input.BID,
    NoBids: Input.NO_BIDS,
    TaskOffered: Input.OFFER,
    OfferAccepted: Input.ACCEPT,
    OfferRefused: Input.REFUSE,
    OfferTimedOut: Input.OFFER_TIMEOUT,
    ProgressReported: Input.PROGRESS,
    TaskCompleted: Input.COMPLETE,
    AttemptFailed: Input.FAIL,
    LeaseExpired: Input.LEASE_TIMEOUT,
    AttemptTimedOut: Input.ATTEMPT_TIMEOUT,
    WorkerLost: Input.WORKER_LOST,
    TaskRequeued: Input.RETRY,
    TaskDeadLettered: Input.GIVE_UP,
    TaskCanceled: Input.CANCEL,
    CancelConfirmed: Input.CONFIRM,
    TaskExpired: Input.EXPIRE,
    TaskRedriven: Input.REDRIVE,
}
"""The input of the lifecycle that each event is; `DependencyEnded` alone changes no state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettled:
    """Everything that followed from the end of a task, or of an attempt, has happened.

    What follows: those that waited for it go on or end, its children are canceled, its DAG takes notice.
    """

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceResumed:
    """The service could hear nobody for a while: no offer and no lease ends before `until_ms`."""

    until_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLettersPurged:
    """Dead letters were deleted."""

    task_ids: tuple[str, ...]
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfigured:
    """A queue was set up, paused or resumed; None: it is as if nobody ever set it up."""

    queue: str
    settings: QueueSettings | None
    by: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DagSubmitted:
    """A DAG exists; its tasks follow in the same record."""

    dag_id: str
    submitter: str
    tasks: dict[str, str]
    """Task id by name, in topological order."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DagFailed:
    """A task of it has failed; what has not begun is canceled, what completed is undone."""

    dag_id: str
    reason: str
    at_ms: int
    canceled_by: str = ""
    """Who canceled it; empty if a task of it has failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompensated:
    """The compensation of a task has ended."""

    dag_id: str
    task_id: str
    is_undone: bool
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DagEnded:
    """Nothing more happens to it."""

    dag_id: str
    state: str
    """A `DagState`."""
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSet:
    """A schedule was set up, changed, paused or resumed."""

    schedule: Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRemoved:
    """There is no such schedule any more; its tasks go on."""

    schedule_id: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleFired:
    """A time of the schedule has come; its task, if there is one, follows in the same record."""

    schedule_id: str
    time_ms: int
    """The time that was due."""
    task_id: str
    """Empty: it was skipped."""
    next_ms: int | None
    passed_over: int = 0
    """Missed times after it for which there is no task either."""
    is_late: bool = False
    """The time was missed, and is made up for."""
    problem: str = ""
    """Why it was skipped."""
