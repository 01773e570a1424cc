"""What the task service sends without being asked; handed on by `coordination.tasks.wire`.

Fields that a reader does not know are ignored, and those that an older service does not send have defaults.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from coordination.runtime.names import Id
from coordination.runtime.wire import Reply
from coordination.tasks.records import ReferenceView
from coordination.tasks.terms import Criterion, DagState, State

COMPACT_KINDS: Final = frozenset({"task", "result"})
"""Of these, callers that take bundles get several in one message, as an array; the others are rare."""


class Award(Reply):
    """The bid with which an agent won a task."""

    call: int
    cost: float
    eta_ms: int


class TaskOffer(Reply):
    """Push of kind ``task``: do this, if you accept in time."""

    task_id: Id
    fencing_token: int
    capability: str
    """What the requirement is about, if that is one thing; else empty."""
    requirement: str = ""
    """Canonical text."""
    payload: dict[str, Any] = Field(default_factory=dict)
    payload_reference: ReferenceView | None = None
    """Where the payload is, if it is in the object store; `payload` is empty then."""
    submitter: Id
    priority: int
    attempt: int
    """Number of the attempt that would begin, from 1."""
    max_attempts: int
    lease_ms: int
    """Longest silence allowed after accepting."""
    offer_expires_ms: int
    """Accept or refuse before then; since the Unix epoch."""
    deadline_ms: int | None = None
    timeout_ms: int | None = None
    """The attempt may take so long at most."""
    traceparent: str = ""
    """The span that the task was submitted from (W3C); empty for none."""
    approved_by: str = ""
    """The proposal that approved exactly this task; empty for none. The task service has redeemed its
    approval, which is good for no other task."""
    chain: tuple[Id, ...] = ()
    """The tasks that it was delegated from, the root first."""
    dag: str = ""
    name: str = ""
    """Within its DAG."""
    after: tuple[Id, ...] = ()
    """The tasks that it waited for; their results are to be had by ``get``."""
    award: Award | None = None
    """The agent's own bid, which won (accept-proposal)."""
    compensates: str = ""
    """The completed task that this one undoes."""
    queue: str = "default"
    cost: int = 0
    """Units that it may use."""


class TaskResult(Reply):
    """Push of kind ``result`` to the submitter; the notices of the same event lack `result`."""

    task_id: Id
    state: State
    result: Any = None
    result_reference: ReferenceView | None = None
    """Where the result is, if it is in the object store."""
    reason: str = ""
    """Why there is no result; empty when completed."""
    attempts: int = 0
    fencing_token: int = 0
    finished_at_ms: int = 0
    dag: str = ""
    name: str = ""


class TaskTakenAway(Reply):
    """Push of kind ``cancel`` to the worker: drop the work, its result would be refused.

    With state ``canceling`` the service waits until the worker has said that it stopped (``confirm``).
    """

    task_id: Id
    fencing_token: int
    state: State
    reason: str = ""


class CallForProposals(Reply):
    """Push of kind ``cfp``: bid for this task (``propose``), or decline to."""

    task_id: Id
    call: int
    """Token of the call: a bid names it."""
    capability: str = ""
    requirement: str = ""
    payload: dict[str, Any] = Field(default_factory=dict)
    payload_reference: ReferenceView | None = None
    submitter: Id
    priority: int = 0
    bid_until_ms: int
    """Later bids are refused; since the Unix epoch."""
    deadline_ms: int | None = None
    criterion: Criterion = "cost"
    traceparent: str = ""
    approved_by: str = ""


class ProposalRejected(Reply):
    """Push of kind ``reject``: another bid won, or the task is gone (reject-proposal)."""

    task_id: Id
    call: int
    reason: str = ""


class DagOutcome(Reply):
    """Push of kind ``dag`` to the submitter: nothing more happens to the DAG."""

    dag_id: Id
    state: DagState
    reason: str = ""
    finished_at_ms: int | None = None


class TaskNotice(Reply):
    """Body of ``conclave.event.tasks.<event>.<task_id>``; each event has some of it."""

    task_id: Id
    state: State | None = None
    """``running``, and the ways to end."""
    share: float | None = None
    """``progress``: of the work done."""
    note: str = ""
    reason: str = ""
    """``failed``: of the attempt; else why there is no result."""
    attempt: int | None = None
    max_attempts: int | None = None
    retry_at_ms: int | None = None
    """``failed``: when the next attempt may begin."""
    agent: str = ""
    attempts: int | None = None
    fencing_token: int | None = None
    finished_at_ms: int | None = None
