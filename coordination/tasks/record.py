"""The record of one task, and all that survives a restart. Plain data, pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from coordination.runtime.fast_init import fast_init
from coordination.tasks.dags import Dag, DagCounts
from coordination.tasks.lifecycle import ENDED, State
from coordination.tasks.queues import AllocationState
from coordination.tasks.schedules import Schedule
from coordination.tasks.spec import Reference, TaskSpec

OFFER_TIMED_OUT = "no answer to the offer"
LEASE_EXPIRED = "the worker was silent for longer than its lease"
ATTEMPT_TIMED_OUT = "the attempt took longer than it may"
WORKER_RESTARTED = "the worker restarted"
WORKER_LEFT = "the worker left"
NO_BID = "no answer to the call for proposals"
DEADLINE_PASSED = "the deadline passed"
NOT_BEGUN_IN_TIME = "no attempt had begun in time"


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The agent that was offered the task or works on it."""

    agent: str
    incarnation: int = 0
    """As which it was registered when it was offered the task. 0: not known, and never judged."""
    since_ms: int = 0
    """When it was offered the task: work that was not accepted before is counted from then."""
    expires_ms: int
    """End of the offer or of the lease."""
    why: str = ""
    """Why this agent was chosen, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An agent passed on the task in this round."""

    agent: str
    reason: str
    at_ms: int
    incarnation: int = 0
    """As which it did: it does not bind the next one. 0: not known, binds all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedBid:
    """What an agent answered to the call for proposals."""

    agent: str
    incarnation: int
    at_ms: int
    is_refusal: bool = False
    reason: str = ""
    cost: float = 0.0
    eta_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call for proposals whose bids are being gathered, or from which the task was awarded."""

    call: int
    agents: dict[str, int]
    """Incarnation by agent called."""
    bids_until_ms: int
    bids: tuple[ReceivedBid, ...] = ()
    """In the order in which they came."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One agent's work on the task."""

    agent: str
    fencing_token: int
    started_ms: int
    ended_ms: int | None = None
    error: str = ""
    incarnation: int = 0
    """Of the agent."""
    spent: int = 0
    """Units, as it reported them."""
    why: str = ""
    """Why this agent was chosen, in words."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything known of one task.

    Invariants: `holder` is set exactly in the states of `HELD`; fencing tokens only grow; `call` is set while
    announced, from then on if it was awarded, and while queued after an award that was passed on: the other
    bids still stand then.
    """

    task_id: str
    sequence: int
    """Position among all submissions, from 1."""
    submitter: str
    spec: TaskSpec
    seed: int
    submitted_at_ms: int
    state: State
    waits_for: tuple[str, ...] = ()
    """Tasks that must end first, while blocked."""
    chain: tuple[str, ...] = ()
    """Ids of the tasks that it was delegated from, the root first."""
    parent_attempt: int = 0
    queued_at_ms: int = 0
    """Since when it waits for an agent, counting what it had waited before a refusal: for aging."""
    fencing_token: int = 0
    """Of the last offer; 0 before the first."""
    holder: Holder | None = None
    call: Call | None = None
    attempts: tuple[Attempt, ...] = ()
    """Oldest first; of those before the last redrive the last `MAX_EARLIER_ATTEMPTS`."""
    first_attempt: int = 0
    """How many of them were made before the last redrive: these do not count against ``max_attempts``."""
    refusals: tuple[Refusal, ...] = ()
    """Of this round, oldest first, at most `MAX_REFUSALS`, one per agent."""
    rounds: int = 0
    """Rounds in which everybody passed on it, since it was last worked on."""
    pauses: int = 0
    """Rounds, counted or broken off, since it was last worked on: each pause is twice as long as the last."""
    retry_at_ms: int | None = None
    """End of the backoff; set exactly while failed."""
    share: float | None = None
    """Of the work done, as the current attempt reported it."""
    note: str = ""
    result: Any = None
    result_bytes: int = 0
    result_reference: Reference | None = None
    reason: str = ""
    """Why it ended without a result, or is being canceled."""
    canceled_by: str = ""
    is_confirmed: bool = False
    """Whether the worker of a canceled task said that it stopped; else there was none, or its lease ended."""
    finished_at_ms: int | None = None
    redrives: int = 0
    used_tasks: int = 0
    """Descendants submitted."""
    used_cost: int = 0
    """Units reserved or spent by descendants, and spent by its own attempts that have ended."""

    @property
    def is_ended(self) -> bool:
        """Whether it is in a state of `ENDED`."""
        return self.state in ENDED

    @property
    def size_bytes(self) -> int:
        """What the record weighs against the bounds."""
        return self.spec.size_bytes + self.result_bytes

    @property
    def attempts_left(self) -> int:
        """Attempts that may still be made."""
        return self.spec.max_attempts - (len(self.attempts) - self.first_attempt)


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
    """In order of submission; redriven ones at the end."""
    finished: OrderedDict[str, Task] = field(default_factory=OrderedDict)
    """Completed, canceled, expired and skipped, in order of ending; bounded, the oldest are forgotten first,
    but none that is in `unsettled`, has open tasks below it, or belongs to a DAG that has not ended: those go
    to the end of the row."""
    dead_letters: OrderedDict[str, Task] = field(default_factory=OrderedDict)
    """In order of ending; never forgotten, only redriven or purged."""
    unsettled: OrderedDict[str, None] = field(default_factory=OrderedDict)
    """Ids of tasks that others wait for, that have children, or that belong to a DAG, and which have ended,
    or an attempt of which has: what follows from that is still to be done."""
    last_sequence: int = 0
    last_fencing_token: int = 0
    """Grows over all tasks and calls, so that it also fences an id that is used again."""
    idempotency_keys: dict[str, str] = field(default_factory=dict)
    """Task id by submitter and key."""
    spent_approvals: dict[str, SpentApproval] = field(default_factory=dict)
    """By proposal. Outlives the task: one that is forgotten must not be approved a second time."""
    allocation: AllocationState = field(default_factory=AllocationState)
    dags: dict[str, Dag] = field(default_factory=dict)
    """In order of submission; of those that have ended the oldest are forgotten."""
    dag_counts: DagCounts = field(default_factory=DagCounts)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    schedules_due_ms: int | None = None
    """The earliest next time of all schedules that are not paused; None: there is none."""
    purged_count: int = 0
    """Dead letters deleted."""

    def find(self, task_id: str) -> Task | None:
        """A task that is open or dead, or ended and not yet forgotten."""
        return self.open.get(task_id) or self.dead_letters.get(task_id) or self.finished.get(task_id)
