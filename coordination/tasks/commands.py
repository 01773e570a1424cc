"""What the task model is asked to do, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from coordination.runtime.fast_init import fast_init
from coordination.tasks.dags import DagState
from coordination.tasks.lifecycle import State
from coordination.tasks.queues import QueueSettings
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence
from coordination.tasks.spec import Reference, TaskSpec

OPERATOR: Final = "operator"
"""Id of the operator, who may do what only owners may, and set up queues."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTask:
    """Have an agent do something."""

    task_id: str
    submitter: str
    spec: TaskSpec
    seed: int = 0
    """Of what is drawn about it, 0 to 2**32 - 1."""
    parent_token: int = 0
    """Fencing token under which the submitter holds ``spec.parent``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTasks:
    """Submit several tasks; each is taken or refused by itself."""

    tasks: tuple[SubmitTask, ...]
    """At most `MAX_BATCH`, of one submitter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitDag:
    """Submit tasks that wait for one another: all of them, or none."""

    dag_id: str
    submitter: str
    tasks: tuple[SubmitTask, ...]
    """At most `MAX_DAG_TASKS`, in topological order; each has ``spec.name``, ``spec.dag`` and ``spec.after``,
    by ids. Whoever makes this command has found that there is no cycle (`coordination.tasks.graph`)."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptOffer:
    """`agent` takes the task and its lease."""

    task_id: str
    agent: str
    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefuseOffer:
    """`agent` passes on the task."""

    task_id: str
    agent: str
    fencing_token: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportProgress:
    """`agent` is at work; extends its lease, and takes an offer that it has not accepted yet."""

    task_id: str
    agent: str
    fencing_token: int
    share: float | None = None
    """Of the work done, 0 to 1."""
    note: str = ""
    spent: int | None = None
    """Units that this attempt has used so far."""


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTask:
    """`agent` has done it."""

    task_id: str
    agent: str
    fencing_token: int
    result: Any
    result_bytes: int
    """Size of the result as compact JSON."""
    result_reference: Reference | None = None
    spent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailTask:
    """`agent` could not do it."""

    task_id: str
    agent: str
    fencing_token: int
    reason: str
    retryable: bool = True
    retry_after_ms: int | None = None
    """The pause before the next attempt, instead of the backoff."""
    spent: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmCancel:
    """`agent` has stopped working on a task that is being canceled."""

    task_id: str
    agent: str
    fencing_token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bid:
    """`agent` proposes to do an announced task, or declines to."""

    task_id: str
    agent: str
    call: int
    """Token of the call for proposals."""
    is_refusal: bool = False
    reason: str = ""
    cost: float = 0.0
    eta_ms: int = 0


WorkerCommand = AcceptOffer | RefuseOffer | ReportProgress | CompleteTask | FailTask | ConfirmCancel
"""Commands that need the fencing token of the current offer or lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Several things that one agent says of different tasks; each counts or is refused by itself."""

    agent: str
    items: tuple[WorkerCommand | Bid, ...]
    """At most `MAX_BATCH`, of `agent`, at most one of each task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTask:
    """The submitter, whoever holds a task above it, or the operator no longer wants it."""

    task_id: str
    caller: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelDag:
    """Cancel what is open of a DAG, and undo what has completed."""

    dag_id: str
    caller: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryTask:
    """Do not wait any longer: end the backoff of a failed task, or redrive a dead letter."""

    task_id: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """Which dead letters; all that are given must hold."""

    task_ids: tuple[str, ...] = ()
    """Empty: any."""
    submitter: str = ""
    capability: str = ""
    queue: str = ""
    reason: str = ""
    """Part of the reason."""
    before_ms: int | None = None
    """Dead-lettered before then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedriveDeadLetters:
    """Bring dead letters back that the caller submitted; the operator any. At most `limit`, oldest first."""

    caller: str
    which: DeadLetterFilter
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeDeadLetters:
    """Delete dead letters that the caller submitted; the operator any. At most `limit`, oldest first."""

    caller: str
    which: DeadLetterFilter
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigureQueue:
    """Set a queue up, or with None as if nobody had; only the operator may."""

    queue: str
    caller: str
    settings: QueueSettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseQueue:
    """Offer nothing more of a queue, or go on; only the operator may."""

    queue: str
    caller: str
    is_paused: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSchedule:
    """Set up or change a schedule; only its owner or the operator may change one."""

    schedule_id: str
    caller: str
    spec: TaskSpec
    recurrence: Recurrence
    deadline_after_ms: int | None = None
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseSchedule:
    """Submit nothing more, or go on."""

    schedule_id: str
    caller: str
    is_paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveSchedule:
    """Forget a schedule."""

    schedule_id: str
    caller: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What the registry says of one agent."""

    agent: str
    incarnation: int
    """The newest known. Those of an agent only grow."""
    is_gone: bool = False
    """It left as this incarnation; else it is registered as it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Take back what incarnations hold that are no more, at most `MAX_LOST_TASKS` at a time.

    An agent that is silent is none of them: it may come back, and its lease decides.
    """

    sightings: tuple[Sighting, ...]


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """Reply to `SubmitTask`."""

    task_id: str
    state: State
    duplicate: bool
    """The same task was submitted before, under this id or key; nothing was added."""
    name: str = ""
    """Within its DAG."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """One of several things was refused; the others were not."""

    task_id: str
    code: str
    message: str
    retryable: bool = False
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedTasks:
    """Reply to `SubmitTasks` and `SubmitDag`: one for each, in order."""

    tasks: tuple[Submitted | Refused, ...]
    dag_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DagStanding:
    """Reply to `CancelDag`: where the DAG stands now."""

    dag_id: str
    state: DagState


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Reply to every other command on one task: where it stands now."""

    task_id: str
    state: State
    fencing_token: int
    """Token of the last offer; 0 before the first."""
    lease_expires_ms: int | None = None
    """Until when the caller may be silent; None without a lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStanding:
    """Reply to `ConfigureQueue` and `PauseQueue`: the settings that hold now."""

    queue: str
    settings: QueueSettings
    is_configured: bool = True
    """Somebody set it up; else these are the defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """Reply to `Report`: one for each, in order."""

    results: tuple[Standing | Refused, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Reply to redriving and purging."""

    task_ids: tuple[str, ...]
    more: bool
    """Others match as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """Reply to `TakeBack`."""

    count: int
    """`MAX_LOST_TASKS`: there may be more."""
