"""What the task model is asked to do, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from coordination.tasks.lifecycle import State
from coordination.tasks.limits import DEFAULT_ATTEMPTS


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitTask:
    """Queue a task for an agent that meets `requirement`."""

    task_id: str
    submitter: str
    capability: str
    """What it is about, if that is one thing; else empty."""
    requirement: str
    """Canonical text."""
    payload: dict[str, Any]
    payload_bytes: int
    """Size of the payload as compact JSON."""
    priority: int = 0
    """0 to 9; higher goes first."""
    deadline_ms: int | None = None
    """Since the Unix epoch; None waits for ever."""
    max_attempts: int = DEFAULT_ATTEMPTS
    traceparent: str = ""
    """The span that it was submitted from (W3C); empty for none."""
    approved_by: str = ""
    """The proposal whose approval was redeemed for exactly this task; empty for none."""
    approval_expires_ms: int = 0
    """Last instant at which that approval counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An agent that meets the requirement, as the registry last knew it."""

    agent: str
    incarnation: int
    max_tasks: int
    status: str
    load: float
    """As the agent last reported it, 0 to 1."""
    score: float = 1.0
    """Share of the requirement's preferences that it meets, by weight, 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTasks:
    """Offer what waits with `requirement` to the free ones among `candidates`."""

    requirement: str
    """Canonical text."""
    candidates: tuple[Candidate, ...]


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
    """`agent` is at work; extends its lease."""

    task_id: str
    agent: str
    fencing_token: int
    share: float | None = None
    """Of the work done, 0 to 1."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteTask:
    """`agent` has done it."""

    task_id: str
    agent: str
    fencing_token: int
    result: Any
    result_bytes: int
    """Size of the result as compact JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailTask:
    """`agent` could not do it."""

    task_id: str
    agent: str
    fencing_token: int
    reason: str
    retryable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelTask:
    """The submitter no longer wants it."""

    task_id: str
    caller: str
    reason: str = ""


WorkerCommand = AcceptOffer | RefuseOffer | ReportProgress | CompleteTask | FailTask
"""Commands that need the fencing token of the current offer or lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """Reply to `SubmitTask`."""

    task_id: str
    state: State
    duplicate: bool
    """The same task was submitted before under this id; nothing was added."""


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
class OffersMade:
    """Reply to `OfferTasks`."""

    count: int
    taken_back: int = 0
    """Tasks taken back first from older incarnations of the candidates; they wait again, or soon will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """Reply to `TakeBack`."""

    count: int
    """`MAX_LOST_TASKS`: there may be more."""
