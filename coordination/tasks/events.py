"""What happened to tasks: the journal's vocabulary, and which input of the lifecycle each event is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from coordination.tasks.lifecycle import Input


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSubmitted:
    """A task was queued."""

    task_id: str
    submitter: str
    capability: str
    payload: dict[str, Any]
    payload_bytes: int
    priority: int
    deadline_ms: int | None
    max_attempts: int
    at_ms: int
    traceparent: str = ""
    requirement: str = ""
    """Canonical text; empty in journals of before there were requirements, where the capability is it."""
    approved_by: str = ""
    """The proposal whose approval was redeemed for it; empty for none."""
    approval_expires_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOffered:
    """A task was offered to one agent under a new fencing token."""

    task_id: str
    agent: str
    incarnation: int = 0
    """0: not known, and never judged."""
    fencing_token: int
    expires_ms: int
    new_round: bool
    """Everybody had passed on it, so who had is forgotten."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressReported:
    """The worker is alive; its lease was extended."""

    task_id: str
    share: float | None
    note: str
    lease_expires_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCompleted:
    """The one accepted result."""

    task_id: str
    fencing_token: int
    result: Any
    result_bytes: int
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed:
    """The worker gave up this attempt."""

    task_id: str
    reason: str
    at_ms: int
    retry_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseExpired:
    """The worker was silent for too long; the attempt counts as failed."""

    task_id: str
    at_ms: int
    retry_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLost:
    """The incarnation that held the task is no more: its offer is void, or its attempt counts as failed."""

    task_id: str
    reason: str
    at_ms: int
    retry_at_ms: int | None
    """End of the backoff; None for an offer, which waits again at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequeued:
    """The backoff after a failed attempt is over."""

    task_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDeadLettered:
    """No further attempt will be made."""

    task_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCanceled:
    """The submitter no longer wanted it."""

    task_id: str
    reason: str
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskExpired:
    """Its deadline passed before it was done."""

    task_id: str
    at_ms: int


Transition = (
    TaskOffered
    | OfferAccepted
    | OfferRefused
    | OfferTimedOut
    | ProgressReported
    | TaskCompleted
    | AttemptFailed
    | LeaseExpired
    | WorkerLost
    | TaskRequeued
    | TaskDeadLettered
    | TaskCanceled
    | TaskExpired
)
"""Every event that happens to a task which exists."""

INPUTS: Final[dict[type, Input]] = {
    TaskOffered: Input.OFFER,
    OfferAccepted: Input.ACCEPT,
    OfferRefused: Input.REFUSE,
    OfferTimedOut: Input.OFFER_TIMEOUT,
    ProgressReported: Input.PROGRESS,
    TaskCompleted: Input.COMPLETE,
    AttemptFailed: Input.FAIL,
    LeaseExpired: Input.LEASE_TIMEOUT,
    WorkerLost: Input.WORKER_LOST,
    TaskRequeued: Input.RETRY,
    TaskDeadLettered: Input.GIVE_UP,
    TaskCanceled: Input.CANCEL,
    TaskExpired: Input.EXPIRE,
}
"""The input of the lifecycle that each event is."""
