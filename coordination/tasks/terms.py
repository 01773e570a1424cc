"""What requests and replies of the task service are made of; handed on by `coordination.tasks.wire`.

Every body here says what `coordination.tasks.spec`, `queues` and `schedules` say, under the same names, with
the bounds of `coordination.tasks.limits`. Whole numbers are whole numbers: ``"5"``, ``5.0`` and ``true`` are
none.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, StrictBool, StringConstraints, model_validator

from coordination.requirements import RequirementField
from coordination.runtime.names import Id
from coordination.runtime.wire import Body
from coordination.tasks.limits import (
    MAX_BIDDERS,
    MAX_COST,
    MAX_DEPENDENCIES,
    MAX_DURATION_MS,
    MAX_FAIRNESS_KEYS,
    MAX_KEY_CHARS,
    MAX_LEASE_MS,
    MAX_MARKS,
    MAX_NOTE_CHARS,
    MAX_PRIORITY,
    MAX_RATE_LIMITS,
    MAX_REASON_CHARS,
    MAX_WEIGHT,
    MIN_LEASE_MS,
)

MAX_CRON_CHARS: Final = 256
MAX_TIME_ZONE_CHARS: Final = 64
MAX_RATE: Final = 1_000_000
"""Offers of a rate limit."""
MAX_REFERENCE_BYTES: Final = 2**40
MAX_BID_MS: Final = 3_600_000
"""Time for bids: until it is over the call takes of what the queue may have held."""

CapabilityName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}\z")]
QueueName = CapabilityName
Limited = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9][a-z0-9_.-]{0,62})\z")]
"""A capability, or ``*`` for each that has no limit of its own."""
Reason = Annotated[str, StringConstraints(max_length=MAX_REASON_CHARS)]
Note = Annotated[str, StringConstraints(max_length=MAX_NOTE_CHARS)]
Key = Annotated[str, StringConstraints(max_length=MAX_KEY_CHARS)]
Mark = Annotated[str, StringConstraints(min_length=1, max_length=MAX_KEY_CHARS)]
Token = Annotated[int, Field(ge=1, lt=2**63, strict=True)]
EpochMs = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
"""Milliseconds since the Unix epoch."""
DurationMs = Annotated[int, Field(ge=1, le=MAX_DURATION_MS, strict=True)]
PauseMs = Annotated[int, Field(ge=0, le=MAX_DURATION_MS, strict=True)]
LeaseMs = Annotated[int, Field(ge=MIN_LEASE_MS, le=MAX_LEASE_MS, strict=True)]
Priority = Annotated[int, Field(ge=0, le=MAX_PRIORITY, strict=True)]
Weight = Annotated[int, Field(ge=1, le=MAX_WEIGHT, strict=True)]
Units = Annotated[int, Field(ge=0, le=MAX_COST, strict=True)]
Count = Annotated[int, Field(ge=0, lt=2**53, strict=True)]
Positive = Annotated[int, Field(ge=1, lt=2**53, strict=True)]

State: TypeAlias = Literal[
    "scheduled",
    "blocked",
    "queued",
    "announced",
    "offered",
    "running",
    "canceling",
    "failed",
    "completed",
    "dead_lettered",
    "canceled",
    "expired",
    "skipped",
]
"""Where a task stands (`coordination.tasks.lifecycle.State`)."""
DagState: TypeAlias = Literal[
    "running", "completed", "failed", "compensating", "compensated", "compensation_failed", "canceled"
]
Strategy: TypeAlias = Literal["round_robin", "least_loaded", "best_match", "contract_net"]
Criterion: TypeAlias = Literal["cost", "eta"]
OnFailure: TypeAlias = Literal["fail", "skip", "run"]
OnParentEnd: TypeAlias = Literal["cancel", "keep"]
Overlap: TypeAlias = Literal["skip", "allow", "cancel"]
CatchUp: TypeAlias = Literal["none", "one", "all"]


class Backoff(Body):
    """The pause after failed attempt n: ``first_ms * factor ** (n - 1)``, at most `last_ms`."""

    first_ms: PauseMs = 1_000
    factor: float = Field(default=2.0, ge=1, le=10, allow_inf_nan=False, strict=True)
    last_ms: PauseMs = 60_000
    jitter: float = Field(default=0.2, ge=0, le=1, allow_inf_nan=False, strict=True)
    """Share of the pause that may be taken away, so that tasks that failed together come back apart."""

    @model_validator(mode="after")
    def _grow(self) -> Self:
        if self.last_ms < self.first_ms:
            raise ValueError(f"last_ms is at least first_ms, here {self.first_ms}")
        return self


class Reference(Body):
    """A payload or result in the object store (``artifacts``): fetched there, and checked, by its digest."""

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}\z")]
    """64 digits of lower-case hex."""
    size_bytes: Annotated[int, Field(ge=0, le=MAX_REFERENCE_BYTES, strict=True)]


class Nearness(Body):
    """Where a task should be with regard to others, by the marks of what an agent holds at that moment."""

    mark: Mark
    is_apart: StrictBool = False
    """Away from agents that hold a task with that mark; else only where one is held."""
    is_required: StrictBool = True
    """Else a preference, which goes before the strategy."""


class Placement(Body):
    """Which of the agents that meet the requirement may be asked."""

    marks: Annotated[tuple[Mark, ...], Field(max_length=MAX_MARKS)] = ()
    """Names by which other tasks may want to be near this one, or apart from it."""
    near: Annotated[tuple[Nearness, ...], Field(max_length=MAX_MARKS)] = ()
    sticky_key: Key = ""
    """Tasks of one key go to the agent that the last one of it went to, while that agent is there."""
    waits_for_sticky: StrictBool = False
    """While that agent has no free slot the task waits for it; else it goes to another one."""


class Bidding(Body):
    """How bids are gathered; of ``contract_net`` only."""

    bid_ms: Annotated[int, Field(ge=1, le=MAX_BID_MS, strict=True)] = 1_000
    """From the call to the deadline for bids, at most an hour; the award is made as soon as everybody called
    has answered."""
    criterion: Criterion = "cost"
    """The smallest wins."""
    max_bidders: Annotated[int, Field(ge=1, le=MAX_BIDDERS, strict=True)] = 32


class Budget(Body):
    """What a task and everything below it may use; null is no limit of its own."""

    tasks: Count | None = None
    """Descendants."""
    cost: Units | None = None
    """Units, of the task itself and of its descendants."""


class Parent(Body):
    """The running task that a task is delegated from, and the token under which the submitter holds it."""

    task_id: Id
    fencing_token: Token


class Compensation(Body):
    """What undoes the task when it has completed and its DAG fails (saga).

    Offered with ``{"payload": ..., "result": ..., "compensation": payload}`` as its payload.
    """

    requirement: RequirementField
    payload: dict[str, Any] = Field(default_factory=dict)
    """At most 16 KiB."""


class Dependency(Body):
    """A task that must end first."""

    task_id: Id
    on_failure: OnFailure = "fail"
    """What becomes of this task if that one ends otherwise than completed."""


class Edge(Body):
    """A task of the same DAG, by its name, or another one, by its id, that must end first."""

    name: Id | None = None
    task_id: Id | None = None
    on_failure: OnFailure = "fail"

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.name is None) is (self.task_id is None):
            raise ValueError("give either the name of a task of this DAG or the task_id of another one")
        return self


def _dependency(given: Any) -> Any:
    return {"task_id": given} if isinstance(given, str) else given


def _edge(given: Any) -> Any:
    return {"name": given} if isinstance(given, str) else given


After = Annotated[
    tuple[Annotated[Dependency, BeforeValidator(_dependency, json_schema_input_type=Id | Dependency)], ...],
    Field(max_length=MAX_DEPENDENCIES),
]
"""Each is a task id, or ``{"task_id": ..., "on_failure": "fail" | "skip" | "run"}``."""
Edges = Annotated[
    tuple[Annotated[Edge, BeforeValidator(_edge, json_schema_input_type=Id | Edge)], ...],
    Field(max_length=MAX_DEPENDENCIES),
]
"""Each is a name, or ``{"name" or "task_id": ..., "on_failure": "fail" | "skip" | "run"}``."""


class RateLimit(Body):
    """At most `count` offers in `per_ms`, as a token bucket: `burst` at once, refilled evenly."""

    count: Annotated[int, Field(ge=1, le=MAX_RATE, strict=True)]
    per_ms: DurationMs = 1_000
    burst: Annotated[int, Field(ge=1, le=MAX_RATE, strict=True)] | None = None
    """By default as many as `count`."""


class QueueSettings(Body):
    """How tasks of one queue are allocated; what is left out is as in a queue that nobody set up."""

    strategy: Strategy = "least_loaded"
    """Of tasks that do not name one."""
    aging_ms: PauseMs = 600_000
    """Waiting so long lifts a task by one priority, up to 8; 0 lifts nothing."""
    weights: Annotated[dict[Key, Weight], Field(max_length=MAX_FAIRNESS_KEYS)] = Field(default_factory=dict)
    """Of fairness keys."""
    rate_limits: Annotated[dict[Limited, RateLimit], Field(max_length=MAX_RATE_LIMITS)] = Field(
        default_factory=dict
    )
    """By capability; ``*`` is each one without a limit of its own."""
    agent_rate_limit: RateLimit | None = None
    """Of each agent, over all tasks of the queue."""
    max_held: Positive | None = None
    """Tasks of the queue that agents hold at a time, together."""
    max_held_per_agent: Positive | None = None
    is_paused: StrictBool = False
    """Nothing more of it is offered; what is offered or runs goes on."""
    pause_reason: Note = ""


class Recurrence(Body):
    """When: at every multiple of an interval, or by a cron expression; exactly one of the two."""

    every_ms: DurationMs | None = None
    cron: Annotated[str, StringConstraints(max_length=MAX_CRON_CHARS)] = ""
    """Five fields, as in crontab(5); or six, with seconds first."""
    time_zone: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TIME_ZONE_CHARS)] = "UTC"
    """IANA name, for cron."""
    start_ms: EpochMs | None = None
    """Not before then; for intervals the first time. By default from when it is set up."""
    end_ms: EpochMs | None = None
    """Not after then."""
    max_count: Positive | None = None
    """Tasks in all."""

    @model_validator(mode="after")
    def _say_it_once(self) -> Self:
        if (self.every_ms is None) is (not self.cron):
            raise ValueError("give either every_ms or cron")
        if self.start_ms is not None and self.end_ms is not None and self.end_ms < self.start_ms:
            raise ValueError("end_ms is not before start_ms")
        return self


class DeadLetterFilter(Body):
    """Which dead letters; all that are given must hold."""

    task_ids: Annotated[tuple[Id, ...], Field(max_length=1000)] = ()
    """Empty: any."""
    submitter: Id | None = None
    capability: CapabilityName | None = None
    queue: QueueName | None = None
    reason: Reason = ""
    """Part of the reason."""
    before_ms: EpochMs | None = None
    """Dead-lettered before then."""
