"""How the task service tells of one task; handed on by `coordination.tasks.wire`. Times are Unix ms."""

from __future__ import annotations

from typing import Any

from coordination.runtime.names import Id
from coordination.runtime.wire import Reply
from coordination.tasks.terms import (
    Criterion,
    OnFailure,
    OnParentEnd,
    State,
    Strategy,
)


class ReferenceView(Reply):
    """Something in the object store."""

    sha256: str
    size_bytes: int


class BackoffView(Reply):
    """The pause after failed attempts."""

    first_ms: int
    factor: float
    last_ms: int
    jitter: float


class NearnessView(Reply):
    """A mark that the task is to be near, or apart from."""

    mark: str
    is_apart: bool
    is_required: bool


class PlacementView(Reply):
    """Which agents may be asked."""

    marks: tuple[str, ...]
    near: tuple[NearnessView, ...]
    sticky_key: str
    waits_for_sticky: bool


class BiddingView(Reply):
    """How bids are gathered."""

    bid_ms: int
    criterion: Criterion
    max_bidders: int


class BudgetView(Reply):
    """What the task and everything below it may use."""

    tasks: int | None
    cost: int | None


class DependencyView(Reply):
    """A task that must end first."""

    task_id: Id
    on_failure: OnFailure


class CompensationView(Reply):
    """What undoes the task."""

    requirement: str
    payload: dict[str, Any]


class HolderView(Reply):
    """The agent that was offered the task or works on it."""

    agent: Id
    incarnation: int
    expires_ms: int
    """End of the offer or of the lease."""
    why: str = ""
    """Why this agent was chosen, in words."""


class RefusalView(Reply):
    """An agent passed on the task."""

    agent: Id
    reason: str
    at_ms: int


class BidView(Reply):
    """What an agent answered to the call for proposals."""

    agent: Id
    incarnation: int = 0
    at_ms: int
    is_refusal: bool
    reason: str
    cost: float
    eta_ms: int


class CallView(Reply):
    """A call for proposals: its bids are being gathered, or the task was awarded from it."""

    call: int
    """Its token."""
    agents: tuple[Id, ...]
    bids_until_ms: int
    bids: tuple[BidView, ...]


class AttemptView(Reply):
    """One agent's work on the task."""

    agent: Id
    fencing_token: int
    started_ms: int
    ended_ms: int | None
    error: str
    incarnation: int = 0
    """Of the agent."""
    spent: int = 0
    """Units, as it reported them."""


class TaskSummary(Reply):
    """A task without its payload, result and history."""

    task_id: Id
    sequence: int
    """Position among all submissions, from 1."""
    submitter: Id
    capability: str
    """What the requirement is about, if that is one thing; else empty."""
    requirement: str = ""
    """Canonical text."""
    queue: str = "default"
    priority: int
    fairness_key: str = ""
    run_at_ms: int | None = None
    deadline_ms: int | None
    max_attempts: int
    attempt_count: int = 0
    """Attempts that have begun, over all redrives."""
    earlier_attempts: int = 0
    """Of these, those before the last redrive, which `max_attempts` does not count."""
    submitted_at_ms: int
    traceparent: str = ""
    """The span that it was submitted from (W3C); empty for none."""
    approved_by: str = ""
    """The proposal that approved exactly this task; empty for none."""
    state: State
    fencing_token: int
    holder: HolderView | None
    retry_at_ms: int | None
    share: float | None
    """Of the work done, as the current attempt reported it."""
    note: str
    reason: str
    """Why it ended without a result, or is being canceled."""
    finished_at_ms: int | None
    canceled_by: str = ""
    is_confirmed: bool = False
    """Whether the worker of a canceled task said that it stopped; else there was none, or its lease ended."""
    waits_for: tuple[Id, ...] = ()
    """Tasks that must end first, while it is blocked."""
    chain: tuple[Id, ...] = ()
    """The tasks that it was delegated from, the root first."""
    dag: str = ""
    name: str = ""
    """Within its DAG."""
    compensates: str = ""
    """The completed task that it undoes."""
    schedule: str = ""
    """The schedule that submitted it."""


class TaskRecord(TaskSummary):
    """Everything known of one task."""

    payload: dict[str, Any]
    payload_reference: ReferenceView | None = None
    result: Any
    result_reference: ReferenceView | None = None
    attempts: tuple[AttemptView, ...]
    """Oldest first, of all redrives."""
    refusals: tuple[RefusalView, ...]
    """Agents that passed on it in this round."""
    rounds: int = 0
    """Rounds in which everybody passed on it, since it was last worked on."""
    call: CallView | None = None
    queued_at_ms: int = 0
    """Since when it waits for an agent."""
    strategy: Strategy | None = None
    """Null: that of the queue."""
    fairness_weight: int | None = None
    start_by_ms: int | None = None
    timeout_ms: int | None = None
    lease_ms: int | None = None
    max_rounds: int = 0
    backoff: BackoffView | None = None
    placement: PlacementView | None = None
    bidding: BiddingView | None = None
    after: tuple[DependencyView, ...] = ()
    parent: str = ""
    on_parent_end: OnParentEnd = "cancel"
    budget: BudgetView | None = None
    cost: int = 0
    used_tasks: int = 0
    """Descendants submitted."""
    used_cost: int = 0
    """Units reserved or spent by descendants, and spent by its own attempts that have ended."""
    max_depth: int = 0
    may_return: bool = False
    idempotency_key: str = ""
    compensation: CompensationView | None = None
    redrives: int = 0
