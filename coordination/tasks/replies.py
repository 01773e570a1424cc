"""What the task service answers; handed on by `coordination.tasks.wire`. Times are Unix ms."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from coordination.runtime.names import Id
from coordination.runtime.wire import Reply
from coordination.tasks.records import DependencyView, TaskSummary
from coordination.tasks.terms import (
    CatchUp,
    DagState,
    Overlap,
    State,
    Strategy,
)


class SubmitReply(Reply):
    """The task is taken, durably."""

    task_id: Id
    state: State
    """``queued``, or ``scheduled`` or ``blocked`` if its time has not come or it waits for other tasks."""
    duplicate: bool = False
    """The same task was submitted before, under this id or key; nothing was added."""
    name: str = ""
    """Within its DAG."""


class RefusedReply(Reply):
    """One of several things was refused; the others were not."""

    task_id: str
    """Empty if it never had one."""
    code: str
    message: str
    retryable: bool = False
    details: dict[str, Any] = Field(default_factory=dict)


class StandingReply(Reply):
    """Where the task stands now."""

    task_id: Id
    state: State
    fencing_token: int
    """Token of the last offer; 0 before the first."""
    lease_expires_ms: int | None = None
    """Until when the worker may be silent."""


def _kind(of: Any) -> str:
    """Which of the two it is: trying both takes three times as long, and there may be hundreds."""
    is_refusal = "code" in of if isinstance(of, dict) else hasattr(of, "code")
    return "refused" if is_refusal else "done"


_Refused = Annotated[RefusedReply, Tag("refused")]
Outcome = Annotated[Annotated[SubmitReply, Tag("done")] | _Refused, Discriminator(_kind)]
Reported = Annotated[Annotated[StandingReply, Tag("done")] | _Refused, Discriminator(_kind)]


class SubmitManyReply(Reply):
    """One for each task, in their order."""

    tasks: tuple[Outcome, ...]


class SubmitDagReply(Reply):
    """All tasks of the DAG are taken, durably."""

    dag_id: Id
    tasks: tuple[SubmitReply, ...]
    """In topological order."""


class ReportReply(Reply):
    """One for each thing reported, in their order."""

    results: tuple[Reported, ...]


class TaskStanding(Reply):
    """How one of several tasks stands, in short."""

    task_id: Id
    submitter: Id
    state: State
    fencing_token: int
    finished_at_ms: int | None


class StatesReply(Reply):
    """The tasks that are known, in the order in which they were named."""

    tasks: tuple[TaskStanding, ...]
    unknown: tuple[Id, ...] = ()
    """There is no such task, or it ended long ago."""


class ListReply(Reply):
    """Tasks in order of submission; fewer than asked for if more would not fit into a message."""

    tasks: tuple[TaskSummary, ...]
    next: int | None = None
    """`after` of the next page; null after the last one."""


class DeadLettersReply(Reply):
    """Dead letters in the order in which they were given up."""

    tasks: tuple[TaskSummary, ...]
    next: str = ""
    """`after` of the next page; empty after the last one."""
    count: int = 0
    """Dead letters in all, whatever was asked for."""


class SweptReply(Reply):
    """Dead letters that were brought back, or deleted."""

    task_ids: tuple[Id, ...]
    more: bool = False
    """Others match as well: ask again."""


class DagMember(Reply):
    """One task of a DAG."""

    name: str
    task_id: Id
    state: State | None
    """Null: it ended so long ago that it is forgotten."""
    after: tuple[DependencyView, ...] = ()
    reason: str = ""
    is_compensated: bool | None = None
    """Whether it was undone: null if nobody tried to."""


class DagReply(Reply):
    """A DAG and its tasks."""

    dag_id: Id
    submitter: Id
    state: DagState
    reason: str = ""
    """Why it failed: the first task that did, and how."""
    submitted_at_ms: int
    finished_at_ms: int | None
    open_count: int
    """Tasks of it that have not ended."""
    compensating: str = ""
    """The compensation task under way."""
    tasks: tuple[DagMember, ...]
    """In topological order."""


class DagStandingReply(Reply):
    """Where a DAG stands now."""

    dag_id: Id
    state: DagState


class WaitReason(Reply):
    """Something that a task waits for."""

    code: str
    """``paused``, ``rate_limited``, ``no_match``, ``barred``, ``all_busy``, ``behind``, ``backoff``,
    ``scheduled``, ``dependencies``, ``bids``, ``offer``, ``lease``, ``round_pause``, ``giving_up``,
    ``canceling`` or ``ended``."""
    text: str
    until_ms: int | None = None


class AgentVerdict(Reply):
    """What is true of one agent with regard to the task."""

    agent: Id
    verdict: str
    """``chosen``, ``free``, ``busy``, ``lacks``, ``offline``, ``refused``, ``in_chain``, ``apart``, ``near``,
    ``sticky_elsewhere``, ``rate_limited``, ``queue_limit``, ``needs_approval``, ``outranked``
    (others go before it) or ``not_chosen`` (why is not recorded)."""
    text: str
    reasons: tuple[str, ...] = ()


class ExplainReply(Reply):
    """What a task waits for now, and for each agent why it was or was not chosen."""

    task_id: Id
    state: State
    waiting_for: tuple[WaitReason, ...]
    position: int | None = None
    """Tasks that would be served before it, and one; null if it waits for no agent."""
    agents: tuple[AgentVerdict, ...]
    """At most 200, those nearest to it first."""
    counts: dict[str, int] = Field(default_factory=dict)
    """Agents by verdict, all of them."""


class RateLimitView(Reply):
    """A rate limit."""

    count: int
    per_ms: int
    burst: int | None = None


class SettingsView(Reply):
    """How tasks of one queue are allocated."""

    strategy: Strategy
    aging_ms: int
    weights: dict[str, int]
    rate_limits: dict[str, RateLimitView]
    agent_rate_limit: RateLimitView | None
    max_held: int | None
    max_held_per_agent: int | None
    is_paused: bool
    pause_reason: str


class QueueReply(Reply):
    """A queue as it is set up now."""

    queue: str
    settings: SettingsView
    is_configured: bool = True
    """Somebody set it up; else these are the defaults."""


class QueueView(QueueReply):
    """A queue, and what is in it."""

    waiting: int
    """Tasks that wait for an agent."""
    held: int
    """Tasks that were offered or are worked on."""


class QueuesReply(Reply):
    """Every queue that was set up or has open tasks, ordered by name."""

    queues: tuple[QueueView, ...]


class RecurrenceView(Reply):
    """When a schedule submits."""

    every_ms: int | None
    cron: str
    time_zone: str
    start_ms: int | None
    end_ms: int | None
    max_count: int | None


class ScheduleReply(Reply):
    """A schedule as it stands."""

    schedule_id: Id
    owner: Id
    requirement: str
    payload: dict[str, Any]
    queue: str
    priority: int
    recurrence: RecurrenceView
    deadline_after_ms: int | None
    overlap: Overlap
    catch_up: CatchUp
    is_paused: bool
    created_ms: int
    next_ms: int | None
    """The next time; null: there is no further one."""
    count: int
    """Tasks submitted."""
    skipped: int
    """Times at which none was."""
    last_task_id: str
    last_ms: int | None


class ScheduleRemovedReply(Reply):
    """There is no such schedule any more; its tasks go on."""

    schedule_id: Id


class SchedulesReply(Reply):
    """Schedules, ordered by id."""

    schedules: tuple[ScheduleReply, ...]
    next: str = ""
    """`after` of the next page; empty after the last one."""
