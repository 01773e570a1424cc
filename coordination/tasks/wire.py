"""Wire contract of the task service: ``conclave.call.tasks.<verb>.<caller>``.

An agent is offered work on its inbox, kind ``task`` (`TaskOffer`); it accepts or refuses under the
offer's fencing token, reports progress before its lease ends, and completes or fails. A submitter
gets kind ``result`` (`TaskResult`); a worker whose task was taken away gets kind ``cancel``
(`TaskTakenAway`).

An offer or lease belongs to one incarnation of its agent. It is void as soon as the agent is registered as a
newer one, or has deregistered, and a lease that ends so counts as a failed attempt.

Notices: ``conclave.event.tasks.<event>.<task_id>`` with event ``progress``, ``failed`` (an attempt),
``completed``, ``dead_lettered``, ``canceled`` or ``expired``.

Refusals: ``unknown_task``, ``stale_token``, ``not_holder``, ``wrong_state``, ``not_submitter``,
``task_id_taken``, ``deadline_passed``, ``too_large``, ``too_deep``, ``overloaded`` (retryable). Of a
``submit`` with an approval also those of `coordination.approvals.redeeming.redeem`: nothing was queued then.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from coordination.approvals.wire import Approval, Conditions
from coordination.requirements import Requirement, RequirementField
from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from coordination.tasks.limits import (
    DEFAULT_ATTEMPTS,
    MAX_ATTEMPTS,
    MAX_NOTE_CHARS,
    MAX_PAGE,
    MAX_PRIORITY,
    MAX_REASON_CHARS,
)

CapabilityName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}\z")]
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON_CHARS)]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE_CHARS)]
Token = Annotated[int, Field(ge=1, lt=2**63)]
EpochMs = Annotated[int, Field(ge=0, lt=2**53)]
"""Milliseconds since the Unix epoch."""
State = Literal["queued", "offered", "running", "failed", "completed", "dead_lettered", "canceled", "expired"]


class SubmitRequest(Body):
    """Have an agent that meets a requirement, or has a capability, do something."""

    requirement: RequirementField | None = None
    """``python>=3.11, region in [eu, us], prefer region=eu``: what the agent must be and should be."""
    capability: CapabilityName | None = None
    """Short for the requirement to have this capability, in any version; instead of one."""
    payload: dict[str, Any] = Field(default_factory=dict)
    """What to do, as the worker understands it; at most 128 KiB and 64 levels of compact JSON."""
    priority: int = Field(default=0, ge=0, le=MAX_PRIORITY)
    """Higher goes first; within one priority, first come, first served."""
    deadline_ms: EpochMs | None = None
    """The task expires then, whatever its state; by default it waits for ever."""
    max_attempts: int = Field(default=DEFAULT_ATTEMPTS, ge=1, le=MAX_ATTEMPTS)
    task_id: Id | None = None
    """Chosen by the submitter; the same task under the same id is added once. By default a new id, of an
    approved task that of its proposal."""
    approval: Approval | None = None
    """Of exactly this task (`coordination.tasks.artifact.task_artifact`); it is redeemed before the task is
    queued, and good for no other."""
    conditions_met: Conditions = ()
    """Every condition of the approval."""

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if (self.requirement is None) is (self.capability is None):
            raise ValueError("give either a requirement or a capability")
        if self.conditions_met and self.approval is None:
            raise ValueError("conditions_met: of which approval? Give it, too")
        return self

    @property
    def needs(self) -> Requirement:
        """What is asked of the agent, however it was said."""
        if self.requirement is not None:
            return self.requirement
        assert self.capability is not None, "one of them is given"
        return Requirement.of_capability(self.capability)


class SubmitReply(Body):
    """The task is queued, durably."""

    task_id: Id
    state: State
    duplicate: bool = False
    """The same task was submitted before under this id; nothing was added."""


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


class CompleteRequest(Body):
    """Hand in the result."""

    task_id: Id
    fencing_token: Token
    result: Any = None
    """Any JSON value, at most 128 KiB and 64 levels."""


class FailRequest(Body):
    """Give up this attempt."""

    task_id: Id
    fencing_token: Token
    reason: Reason
    retryable: bool = True
    """False sends the task to the dead letters at once."""


class CancelRequest(Body):
    """Stop a task that the caller submitted."""

    task_id: Id
    reason: Note = ""


class StandingReply(Body):
    """Where the task stands now."""

    task_id: Id
    state: State
    fencing_token: int
    """Token of the last offer; 0 before the first."""
    lease_expires_ms: int | None = None
    """Until when the worker may be silent."""


class GetRequest(Body):
    """Ask for one task."""

    task_id: Id


class ListRequest(Body):
    """Ask for a page of tasks in order of submission."""

    state: State | None = None
    submitter: Id | None = None
    capability: CapabilityName | None = None
    after: int = Field(default=0, ge=0)
    """`sequence` of the last task of the previous page."""
    limit: int = Field(default=100, ge=1, le=MAX_PAGE)


class HolderView(Body):
    """The agent that was offered the task or works on it."""

    agent: Id
    incarnation: int
    expires_ms: int
    """End of the offer or of the lease."""


class RefusalView(Body):
    """An agent passed on the task."""

    agent: Id
    reason: str
    at_ms: int


class AttemptView(Body):
    """One agent's work on the task."""

    agent: Id
    fencing_token: int
    started_ms: int
    ended_ms: int | None
    error: str
    incarnation: int = 0
    """Of the agent; 0 in what was stored before it was kept."""


class TaskSummary(Body):
    """A task without its payload, result and history."""

    task_id: Id
    sequence: int
    """Position among all submissions, from 1."""
    submitter: Id
    capability: str
    """What the requirement is about, if that is one thing; else empty."""
    requirement: str = ""
    """Canonical text."""
    priority: int
    deadline_ms: int | None
    max_attempts: int
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
    note: str
    reason: str
    """Why it ended without a result."""
    finished_at_ms: int | None


class TaskRecord(TaskSummary):
    """Everything known of one task."""

    payload: dict[str, Any]
    result: Any
    attempts: tuple[AttemptView, ...]
    refusals: tuple[RefusalView, ...]
    """Agents that passed on it since it was last worked on."""


class ListReply(Body):
    """Tasks in order of submission."""

    tasks: tuple[TaskSummary, ...]


class _Received(BaseModel):
    """What others send us: fields that we do not know yet are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class TaskOffer(_Received):
    """Push of kind ``task``: do this, if you accept in time."""

    task_id: Id
    fencing_token: int
    capability: str
    """What the requirement is about, if that is one thing; else empty."""
    requirement: str = ""
    """Canonical text."""
    payload: dict[str, Any]
    submitter: Id
    priority: int
    attempt: int
    """Number of the attempt that would begin, from 1."""
    max_attempts: int
    lease_ms: int
    """Longest silence allowed after accepting."""
    offer_expires_ms: int
    """Accept or refuse before then; since the Unix epoch."""
    deadline_ms: int | None
    traceparent: str = ""
    """The span that the task was submitted from (W3C); empty for none."""
    approved_by: str = ""
    """The proposal that approved exactly this task; empty for none. The task service has redeemed its
    approval, which is good for no other task."""


class TaskResult(_Received):
    """Push of kind ``result`` to the submitter; the notices of the same event lack `result`."""

    task_id: Id
    state: State
    result: Any = None
    reason: str
    """Why there is no result; empty when completed."""
    attempts: int
    fencing_token: int
    finished_at_ms: int


class TaskTakenAway(_Received):
    """Push of kind ``cancel`` to the worker: drop the work, its result would be refused."""

    task_id: Id
    fencing_token: int
    state: State
    reason: str


class GetAgent(Body):
    """What this service asks of ``registry.get``."""

    agent: str


class RegisteredAgent(_Received):
    """What it reads of the answer."""

    agent: Id
    incarnation: int


class FindAgents(Body):
    """What this service asks of ``registry.find``."""

    requirement: str
    limit: int


class FoundAgent(_Received):
    """What it reads of an agent in the answer."""

    agent: Id
    incarnation: int
    max_tasks: int
    status: str
    load: float = 0.0
    score: float = 1.0


class FoundAgents(_Received):
    """The answer of ``registry.find``."""

    agents: tuple[FoundAgent, ...]
