"""What a submitter says of a task: everything that is fixed once it is submitted. Pure.

Field names are those of the wire; units go last. Bounds are in `coordination.tasks.limits`, and what breaks
one is refused before it comes here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from coordination.runtime.fast_init import fast_init
from coordination.tasks.limits import DEFAULT_ATTEMPTS, DEFAULT_DEPTH, DEFAULT_ROUNDS

DEFAULT_QUEUE = "default"


class Strategy(StrEnum):
    """Which of the agents that could do a task is asked."""

    ROUND_ROBIN = "round_robin"
    """The one that was asked longest ago."""
    LEAST_LOADED = "least_loaded"
    """The one with the smallest part of its slots in use, then with the lowest load of its own report."""
    BEST_MATCH = "best_match"
    """The one that meets most of the requirement's preferences, by weight."""
    CONTRACT_NET = "contract_net"
    """The one with the best bid (FIPA SC00029H: cfp, propose, accept-proposal, reject-proposal)."""


class Criterion(StrEnum):
    """What makes a bid the best; the smallest wins, then the better match, then the earlier bid."""

    COST = "cost"
    ETA = "eta"


class OnFailure(StrEnum):
    """What becomes of a task when one that it waits for ends otherwise than completed."""

    FAIL = "fail"
    """It is dead-lettered, too."""
    SKIP = "skip"
    """It is skipped; what waits for it sees that it did not complete."""
    RUN = "run"
    """It runs anyway."""


class OnParentEnd(StrEnum):
    """What becomes of a child when its parent's attempt ends before it."""

    CANCEL = "cancel"
    KEEP = "keep"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The pause after failed attempt n: ``first_ms * factor ** (n - 1)``, at most `last_ms`.

    Of that a share of up to `jitter` is taken away, drawn from the task's own seed, so that tasks that failed
    together do not come back together, and that a replay draws the same.
    """

    first_ms: int = 1_000
    factor: float = 2.0
    """1 to 10."""
    last_ms: int = 60_000
    jitter: float = 0.2
    """0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A payload or result that is in the object store: it is fetched there, and checked, by its digest."""

    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nearness:
    """Where a task should be with regard to others, by the marks of what an agent holds at that moment."""

    mark: str
    is_apart: bool = False
    """Away from agents that hold a task with that mark; else only where one is held."""
    is_required: bool = True
    """Else a preference, which goes before the strategy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which of the agents that meet the requirement may be asked."""

    marks: tuple[str, ...] = ()
    """Names by which other tasks may want to be near this one, or apart from it."""
    near: tuple[Nearness, ...] = ()
    sticky_key: str = ""
    """Tasks of one key go to the agent that the last one of it went to, as long as that agent is online and
    meets the requirement; then, and only then, to another one."""
    waits_for_sticky: bool = False
    """While that agent has no free slot the task waits for it; else it goes to another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bidding:
    """How bids are gathered; of contract net only."""

    bid_ms: int = 1_000
    """From the call to the deadline for bids; the award is made as soon as everybody called has answered."""
    criterion: Criterion = Criterion.COST
    max_bidders: int = 32
    """Of the agents with a free slot, the best matching ones are called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a task and everything below it may use; None is no limit of its own."""

    tasks: int | None = None
    """Descendants."""
    cost: int | None = None
    """Units, of the task itself and of its descendants."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A task that must end first."""

    task_id: str
    on_failure: OnFailure = OnFailure.FAIL


@dataclass(frozen=True, slots=True, kw_only=True)
class Compensation:
    """What undoes a completed task when its DAG fails (saga).

    It is offered with ``{"payload": ..., "result": ..., "compensation": payload}`` as its payload.
    """

    requirement: str
    payload: dict[str, Any] = field(default_factory=dict)


_BACKOFF: Final = Backoff()
_PLACEMENT: Final = Placement()
_BIDDING: Final = Bidding()


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """A task as submitted."""

    requirement: str
    """Canonical text."""
    capability: str = ""
    """What the requirement is about, if that is one thing; else empty."""
    payload: dict[str, Any] = field(default_factory=dict)
    payload_bytes: int = 2
    """Size of the payload as compact JSON."""
    payload_reference: Reference | None = None
    """Where the payload is, if it is too large to be in the record; `payload` is empty then."""
    queue: str = DEFAULT_QUEUE
    strategy: Strategy | None = None
    """None: that of the queue."""
    priority: int = 0
    """0 to 9; higher goes first."""
    fairness_key: str = ""
    """Within one priority, keys share dispatches by weight."""
    fairness_weight: int | None = None
    """1 to 1000; counts only for a key to which the queue gives no weight. None: 1."""
    cost: int = 0
    """Units that it may use; reserved out of the budgets above it."""
    run_at_ms: int | None = None
    """Not before then."""
    start_by_ms: int | None = None
    """Expires if no attempt has begun by then."""
    deadline_ms: int | None = None
    """Expires if it has not ended by then."""
    timeout_ms: int | None = None
    """Of one attempt, however alive its worker is."""
    lease_ms: int | None = None
    """How long its worker may be silent; None: as the policy says."""
    max_attempts: int = DEFAULT_ATTEMPTS
    max_rounds: int = DEFAULT_ROUNDS
    """Rounds of offers in which everybody who could do it passes on it, before it is given up."""
    backoff: Backoff = _BACKOFF
    placement: Placement = _PLACEMENT
    bidding: Bidding = _BIDDING
    after: tuple[Dependency, ...] = ()
    parent: str = ""
    """The running task that this one was delegated from."""
    on_parent_end: OnParentEnd = OnParentEnd.CANCEL
    budget: Budget | None = None
    max_depth: int = DEFAULT_DEPTH
    """Levels of delegation below this task; a child never has as many as its parent."""
    may_return: bool = False
    """Whether an agent that holds a task above may be asked, too."""
    idempotency_key: str = ""
    """The submitter's: the same key again is the same task."""
    dag: str = ""
    """The DAG it was submitted with."""
    name: str = ""
    """Within its DAG."""
    compensation: Compensation | None = None
    compensates: str = ""
    """The completed task that it undoes."""
    schedule: str = ""
    """The schedule that submitted it."""
    traceparent: str = ""
    """The span that it was submitted from (W3C); empty for none."""
    approved_by: str = ""
    """The proposal whose approval was redeemed for exactly this task; empty for none."""
    approval_expires_ms: int = 0
    """Last instant at which that approval counts."""

    @property
    def size_bytes(self) -> int:
        """What it weighs against the bounds."""
        return self.payload_bytes + len(self.requirement)
