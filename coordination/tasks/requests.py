"""What workers, submitters and operators ask of the task service; handed on by `coordination.tasks.wire`."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, StrictBool, model_validator

from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from coordination.tasks.limits import (
    MAX_BATCH,
    MAX_PAGE,
)
from coordination.tasks.submissions import require_once
from coordination.tasks.terms import (
    CapabilityName,
    Count,
    DeadLetterFilter,
    Note,
    PauseMs,
    QueueName,
    QueueSettings,
    Reason,
    Reference,
    State,
    Token,
    Units,
)


class AcceptRequest(Body):
    """Take an offered task and its lease."""

    task_id: Id
    fencing_token: Token
    """From the offer."""


class RefuseRequest(Body):
    """Pass on an offered task."""

    task_id: Id
    fencing_token: Token
    reason: Note = ""


class ProgressRequest(Body):
    """Say that the work goes on; extends the lease."""

    task_id: Id
    fencing_token: Token
    share: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    """Of the work done."""
    note: Note = ""
    spent: Units | None = None
    """Units that this attempt has used so far."""


class CompleteRequest(Body):
    """Hand in the result."""

    task_id: Id
    fencing_token: Token
    result: Any = None
    """Any JSON value, at most 128 KiB and 64 levels."""
    result_reference: Reference | None = None
    """Where the result is, if it is larger: in the object store; instead of one."""
    spent: Units | None = None

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if self.result_reference is not None and self.result is not None:
            raise ValueError("give either a result or a result_reference")
        return self


class FailRequest(Body):
    """Give up this attempt."""

    task_id: Id
    fencing_token: Token
    reason: Reason
    retryable: StrictBool = True
    """False sends the task to the dead letters at once."""
    retry_after_ms: PauseMs | None = None
    """The pause before the next attempt, instead of the backoff."""
    spent: Units | None = None


class ConfirmRequest(Body):
    """Say that the work on a task that is being canceled has stopped."""

    task_id: Id
    fencing_token: Token


class ProposeRequest(Body):
    """Bid for a task, or decline to."""

    task_id: Id
    call: Token
    """From the call for proposals."""
    cost: float = Field(default=0.0, ge=0, le=1e15, allow_inf_nan=False)
    """In whatever unit the caller for proposals and the bidders share."""
    eta_ms: PauseMs = 0
    """How long it would take."""
    refuse: StrictBool = False
    reason: Note = ""
    """Why not."""


class AcceptItem(AcceptRequest):
    """As ``accept``."""

    do: Literal["accept"]


class RefuseItem(RefuseRequest):
    """As ``refuse``."""

    do: Literal["refuse"]


class ProgressItem(ProgressRequest):
    """As ``progress``."""

    do: Literal["progress"]


class CompleteItem(CompleteRequest):
    """As ``complete``."""

    do: Literal["complete"]


class FailItem(FailRequest):
    """As ``fail``."""

    do: Literal["fail"]


class ConfirmItem(ConfirmRequest):
    """As ``confirm``."""

    do: Literal["confirm"]


class ProposeItem(ProposeRequest):
    """As ``propose``."""

    do: Literal["propose"]


ReportItem: TypeAlias = (
    AcceptItem | RefuseItem | ProgressItem | CompleteItem | FailItem | ConfirmItem | ProposeItem
)


class ReportRequest(Body):
    """Several things that the caller says of different tasks; each counts or is refused by itself."""

    items: Annotated[
        tuple[Annotated[ReportItem, Field(discriminator="do")], ...],
        Field(min_length=1, max_length=MAX_BATCH),
    ]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        if len(self.items) > 1:
            require_once("items", [item.task_id for item in self.items])
        return self


class CancelRequest(Body):
    """Stop a task that the caller submitted, or that was delegated from one that it submitted or holds."""

    task_id: Id
    reason: Note = ""


class CancelDagRequest(Body):
    """Cancel what is open of a DAG, and undo what has completed."""

    dag_id: Id
    reason: Note = ""


class RetryRequest(Body):
    """Do not wait any longer: end the backoff of a failed task, or redrive a dead letter."""

    task_id: Id


class SweepRequest(Body):
    """Bring back, or delete, dead letters that the caller submitted; the operator any. Oldest first."""

    filter: DeadLetterFilter = DeadLetterFilter()
    """Which."""
    all: StrictBool = False
    """Every one that the filter leaves; without it the filter must say something."""
    limit: Annotated[int, Field(ge=1, le=MAX_BATCH, strict=True)] = MAX_BATCH

    @model_validator(mode="after")
    def _say_which(self) -> Self:
        # An empty body, or a list of ids that came out empty, must not mean everything.
        if not self.all and self.filter == DeadLetterFilter():
            raise ValueError('say which dead letters with a filter, or "all": true for every one')
        return self


class SetQueueRequest(Body):
    """Set a queue up; only the operator may."""

    queue: QueueName
    settings: QueueSettings | None
    """In place of those before; null: as if nobody had ever set it up."""


class PauseQueueRequest(Body):
    """Offer nothing more of a queue; only the operator may."""

    queue: QueueName
    reason: Note = ""


class ResumeQueueRequest(Body):
    """Offer tasks of a queue again; only the operator may."""

    queue: QueueName


class ScheduleRequest(Body):
    """Pause, resume or remove a schedule; only its owner or the operator may."""

    schedule_id: Id


class GetRequest(Body):
    """Ask for one task."""

    task_id: Id


class StatesRequest(Body):
    """Ask in short how several tasks stand."""

    task_ids: Annotated[tuple[Id, ...], Field(min_length=1, max_length=MAX_PAGE)]


class ListRequest(Body):
    """Ask for a page of tasks in order of submission, or in the reverse order."""

    state: State | None = None
    submitter: Id | None = None
    capability: CapabilityName | None = None
    queue: QueueName | None = None
    parent: Id | None = None
    dag: Id | None = None
    after: Count = 0
    """`sequence` of the last task of the previous page; 0 for the first page."""
    newest_first: StrictBool = False
    """Whether the page begins with the task that was submitted last."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)] = 100


class ChildrenRequest(Body):
    """Ask for the tasks that were delegated from one, of all levels below it, in order of submission."""

    task_id: Id
    after: Count = 0
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)] = 100


class DagRequest(Body):
    """Ask for a DAG and its tasks."""

    dag_id: Id


class DeadLettersRequest(Body):
    """Ask for a page of dead letters, the oldest first."""

    filter: DeadLetterFilter = DeadLetterFilter()
    after: Annotated[str, Field(max_length=64, pattern=r"^([0-9]{1,20}-[0-9]{1,20})?\z")] = ""
    """`next` of the previous page."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)] = 100


class QueuesRequest(Body):
    """Ask for all queues."""


class SchedulesRequest(Body):
    """Ask for a page of schedules, ordered by id."""

    owner: Id | None = None
    after: Annotated[str, Field(max_length=63)] = ""
    """`next` of the previous page."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE, strict=True)] = 100
