"""What is asked of the task service to have something done; handed on by `coordination.tasks.wire`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import FailFast, Field, StrictBool, model_validator

from coordination.approvals.wire import Approval, Conditions
from coordination.requirements import Requirement, RequirementField
from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from coordination.tasks.limits import (
    DEFAULT_ATTEMPTS,
    DEFAULT_DEPTH,
    DEFAULT_ROUNDS,
    MAX_ATTEMPTS,
    MAX_BATCH,
    MAX_DAG_TASKS,
    MAX_DEPTH,
    MAX_ROUNDS,
)
from coordination.tasks.terms import (
    After,
    Backoff,
    Bidding,
    Budget,
    CapabilityName,
    CatchUp,
    Compensation,
    DurationMs,
    Edges,
    EpochMs,
    Key,
    LeaseMs,
    OnParentEnd,
    Overlap,
    Parent,
    Placement,
    Priority,
    QueueName,
    Recurrence,
    Reference,
    Strategy,
    Units,
    Weight,
)


class TaskFields(Body):
    """What can be said of every task, however it is submitted."""

    requirement: RequirementField | None = None
    """``python>=3.11, region in [eu, us], prefer region=eu``: what the agent must be and should be."""
    capability: CapabilityName | None = None
    """Short for the requirement to have this capability, in any version; instead of one."""
    payload: dict[str, Any] = Field(default_factory=dict)
    """What to do, as the worker understands it; at most 128 KiB and 64 levels of compact JSON."""
    payload_reference: Reference | None = None
    """Where the payload is, if it is larger: in the object store; instead of one."""
    queue: QueueName = "default"
    strategy: Strategy | None = None
    """Which of the agents that could do it is asked; by default as the queue says."""
    priority: Priority = 0
    """Higher goes first."""
    fairness_key: Key = ""
    """Within one priority, keys share by weight."""
    fairness_weight: Weight | None = None
    """Counts only for a key to which the queue gives no weight; 1 by default."""
    cost: Units = 0
    """Units that it may use; reserved out of the budgets above it."""
    timeout_ms: DurationMs | None = None
    """Of one attempt, however alive its worker is."""
    lease_ms: LeaseMs | None = None
    """How long its worker may be silent; by default as the deployment says."""
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS, strict=True)] = DEFAULT_ATTEMPTS
    max_rounds: Annotated[int, Field(ge=1, le=MAX_ROUNDS, strict=True)] = DEFAULT_ROUNDS
    """Rounds of offers in which everybody who could do it passes on it, before it is given up."""
    backoff: Backoff | None = None
    """Between attempts."""
    placement: Placement | None = None
    """Marks, affinity, anti-affinity and stickiness."""
    bidding: Bidding | None = None
    """Of ``contract_net``."""
    budget: Budget | None = None
    """Of the task and everything below it."""
    max_depth: Annotated[int, Field(ge=0, le=MAX_DEPTH, strict=True)] = DEFAULT_DEPTH
    """Levels of delegation below this task."""
    may_return: StrictBool = False
    """Whether an agent that holds a task above may be asked, too."""

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if (self.requirement is None) is (self.capability is None):
            raise ValueError("give either a requirement or a capability")
        if self.payload_reference is not None and self.payload:
            raise ValueError("give either a payload or a payload_reference")
        return self

    @property
    def needs(self) -> Requirement:
        """What is asked of the agent, however it was said."""
        return _needs(self.requirement, self.capability)


class SubmitRequest(TaskFields):
    """Have an agent that meets a requirement, or has a capability, do something."""

    task_id: Id | None = None
    """Chosen by the submitter; the same task under the same id is added once. By default a new id, of an
    approved task that of its proposal."""
    idempotency_key: Key = ""
    """The submitter's: the same task under the same key is added once."""
    run_at_ms: EpochMs | None = None
    """Not before then."""
    start_by_ms: EpochMs | None = None
    """The task expires if no attempt has begun by then."""
    deadline_ms: EpochMs | None = None
    """The task expires then, whatever its state; by default it waits for ever."""
    after: After = ()
    """Tasks that must end first."""
    parent: Parent | None = None
    """The task that the submitter works on, and delegates this one from."""
    on_parent_end: OnParentEnd = "cancel"
    """What becomes of it when the parent's attempt ends before it."""
    compensation: Compensation | None = None
    """Of a task of a DAG only: what undoes it."""
    approval: Approval | None = None
    """Of exactly this task (`coordination.tasks.artifact.task_artifact`); it is redeemed before the task is
    queued, and good for no other. Of ``submit`` only."""
    conditions_met: Conditions = ()
    """Every condition of the approval."""

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if self.conditions_met and self.approval is None:
            raise ValueError("conditions_met: of which approval? Give it, too")
        if self.compensation is not None:
            raise ValueError("compensation: only tasks of a DAG are undone; submit it by submit_dag")
        if self.approval is not None and self.payload_reference is not None:
            raise ValueError("payload_reference: what is approved is a payload; give that")
        return self


class SubmitManyRequest(Body):
    """Submit several tasks; each is taken or refused by itself."""

    tasks: Annotated[tuple[SubmitRequest, ...], Field(min_length=1, max_length=MAX_BATCH)]

    @model_validator(mode="after")
    def _no_approvals(self) -> Self:
        for place, task in enumerate(self.tasks):
            if task.approval is not None:
                raise ValueError(f"tasks.{place}.approval: an approved task is submitted alone, by submit")
        require_once("tasks", [task.task_id for task in self.tasks if task.task_id is not None])
        return self


class BareTask(Body):
    """A `SubmitRequest` that says no more than most do; 4 fields are read in a third of the time of 30."""

    requirement: RequirementField | None = None
    capability: CapabilityName | None = None
    payload: dict[str, Any] = Field(default_factory=dict)
    task_id: Id | None = None

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if (self.requirement is None) is (self.capability is None):
            raise ValueError("give either a requirement or a capability")
        return self

    @property
    def needs(self) -> Requirement:
        """As of `TaskFields`."""
        return _needs(self.requirement, self.capability)


class BareTasksRequest(Body):
    """A `SubmitManyRequest` of such tasks only; whatever is wrong with it, that one says."""

    tasks: Annotated[tuple[BareTask, ...], Field(min_length=1, max_length=MAX_BATCH), FailFast()]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        require_once("tasks", [task.task_id for task in self.tasks if task.task_id is not None])
        return self


class DagTask(TaskFields):
    """One task of a DAG."""

    name: Id
    """Within the DAG."""
    after: Edges = ()
    """What must end first."""
    task_id: Id | None = None
    run_at_ms: EpochMs | None = None
    start_by_ms: EpochMs | None = None
    deadline_ms: EpochMs | None = None
    parent: Parent | None = None
    on_parent_end: OnParentEnd = "cancel"
    compensation: Compensation | None = None
    """What undoes it, if the DAG fails after it has completed."""


class SubmitDagRequest(Body):
    """Submit tasks that wait for one another: all of them, or none."""

    dag_id: Id | None = None
    """Chosen by the submitter; the same DAG under the same id is added once."""
    tasks: Annotated[tuple[DagTask, ...], Field(min_length=1, max_length=MAX_DAG_TASKS)]


class SetScheduleRequest(Body):
    """Set up or change a schedule: a task is submitted at each of its times."""

    schedule_id: Id
    task: TaskFields
    recurrence: Recurrence
    deadline_after_ms: DurationMs | None = None
    """Deadline of each task, from its time on."""
    overlap: Overlap = "skip"
    """At a time when the task of an earlier time is still open."""
    catch_up: CatchUp = "one"
    """About times that were missed."""


def _needs(requirement: Requirement | None, capability: str | None) -> Requirement:
    if requirement is not None:
        return requirement
    assert capability is not None, "one of them is given"
    return Requirement.of_capability(capability)


def require_once(what: str, task_ids: Sequence[str]) -> None:
    """Refuse a request that names a task twice.

    Raises:
        ValueError: It does.
    """
    if len(set(task_ids)) == len(task_ids):
        return
    seen: set[str] = set()
    for task_id in task_ids:
        if task_id in seen:
            raise ValueError(f"{what}: task {task_id} is named twice; one request has each task once")
        seen.add(task_id)
