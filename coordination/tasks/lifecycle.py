"""The life of a task as a table: total, so that every input to every state has one answer. Pure.

docs/tasks.md shows the diagram that ``tools/lifecycle_diagram.py`` makes of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from itertools import product
from typing import Final


class State(StrEnum):
    """Where a task stands."""

    SCHEDULED = "scheduled"
    """Its time has not come."""
    BLOCKED = "blocked"
    """Waits for other tasks to end."""
    QUEUED = "queued"
    """Waits for an agent."""
    ANNOUNCED = "announced"
    """Agents were called for proposals, and their bids are gathered (contract net)."""
    OFFERED = "offered"
    """One agent was asked and has not answered."""
    RUNNING = "running"
    """One agent holds the lease."""
    CANCELING = "canceling"
    """Its worker was told to stop, and has not confirmed it."""
    FAILED = "failed"
    """The last attempt failed; waits out its backoff."""
    COMPLETED = "completed"
    DEAD_LETTERED = "dead_lettered"
    """Given up: attempts used up, or a failure that no retry would mend. Can be redriven."""
    CANCELED = "canceled"
    EXPIRED = "expired"
    """Its deadline passed, or it was not begun in time."""
    SKIPPED = "skipped"
    """Not done, because a task that it waited for did not complete."""


class Input(StrEnum):
    """What can happen to a task."""

    RELEASE = "release"
    """Its time has come, or what it waited for has ended."""
    DEFER = "defer"
    """What it waited for has ended, but its time has not come."""
    SKIP = "skip"
    ANNOUNCE = "announce"
    BID = "bid"
    NO_BIDS = "no_bids"
    """The time for bids is over, and nobody who is still there has made one."""
    OFFER = "offer"
    ACCEPT = "accept"
    REFUSE = "refuse"
    OFFER_TIMEOUT = "offer_timeout"
    PROGRESS = "progress"
    COMPLETE = "complete"
    FAIL = "fail"
    LEASE_TIMEOUT = "lease_timeout"
    ATTEMPT_TIMEOUT = "attempt_timeout"
    """The attempt takes longer than it may, however alive its worker is."""
    WORKER_LOST = "worker_lost"
    """The incarnation that it was offered to, or that worked on it, is no more."""
    RETRY = "retry"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    CONFIRM = "confirm"
    """The worker has stopped."""
    EXPIRE = "expire"
    REDRIVE = "redrive"


ENDED: Final = frozenset({State.COMPLETED, State.DEAD_LETTERED, State.CANCELED, State.EXPIRED, State.SKIPPED})
"""States in which nobody works on a task or waits to; only a dead letter can be brought back."""
OPEN: Final = frozenset(State) - ENDED
WAITING: Final = frozenset({State.SCHEDULED, State.BLOCKED, State.QUEUED, State.ANNOUNCED, State.FAILED})
"""Open, and with no agent."""
HELD: Final = frozenset({State.OFFERED, State.RUNNING, State.CANCELING})
"""Open, and with one agent, whose slot it takes."""


def _each(states: Iterable[State], happened: Input, state: State) -> dict[tuple[State, Input], State]:
    return {(each, happened): state for each in states}


_STEPS: Final[dict[tuple[State, Input], State]] = {
    **_each((State.SCHEDULED, State.BLOCKED), Input.RELEASE, State.QUEUED),
    (State.BLOCKED, Input.DEFER): State.SCHEDULED,
    (State.BLOCKED, Input.SKIP): State.SKIPPED,
    (State.QUEUED, Input.ANNOUNCE): State.ANNOUNCED,
    (State.ANNOUNCED, Input.BID): State.ANNOUNCED,
    (State.ANNOUNCED, Input.NO_BIDS): State.QUEUED,
    **_each((State.QUEUED, State.ANNOUNCED), Input.OFFER, State.OFFERED),
    (State.OFFERED, Input.ACCEPT): State.RUNNING,
    (State.OFFERED, Input.REFUSE): State.QUEUED,
    (State.OFFERED, Input.OFFER_TIMEOUT): State.QUEUED,
    (State.OFFERED, Input.WORKER_LOST): State.QUEUED,
    # Work that is done before the offer ends needs no acceptance of its own: the report is one.
    **_each((State.OFFERED, State.RUNNING), Input.PROGRESS, State.RUNNING),
    **_each((State.OFFERED, State.RUNNING), Input.COMPLETE, State.COMPLETED),
    **_each((State.OFFERED, State.RUNNING), Input.FAIL, State.FAILED),
    (State.RUNNING, Input.LEASE_TIMEOUT): State.FAILED,
    (State.RUNNING, Input.ATTEMPT_TIMEOUT): State.FAILED,
    (State.RUNNING, Input.WORKER_LOST): State.FAILED,
    (State.FAILED, Input.RETRY): State.QUEUED,
    **_each((State.QUEUED, State.BLOCKED, State.FAILED), Input.GIVE_UP, State.DEAD_LETTERED),
    **_each((*WAITING, State.OFFERED), Input.CANCEL, State.CANCELED),
    (State.RUNNING, Input.CANCEL): State.CANCELING,
    **_each((State.CANCELING,), Input.CONFIRM, State.CANCELED),
    **_each((State.CANCELING,), Input.LEASE_TIMEOUT, State.CANCELED),
    **_each((State.CANCELING,), Input.WORKER_LOST, State.CANCELED),
    **_each((*WAITING, State.OFFERED, State.RUNNING), Input.EXPIRE, State.EXPIRED),
    (State.DEAD_LETTERED, Input.REDRIVE): State.QUEUED,
}

TRANSITIONS: Final[dict[tuple[State, Input], State | None]] = {
    pair: _STEPS.get(pair) for pair in product(State, Input)
}
"""The next state for every state and input; None where that input cannot happen and is refused."""

assert {happened for _, happened in _STEPS} == set(Input)
assert all(happened is Input.REDRIVE for state, happened in _STEPS if state in ENDED)


class IllegalTransitionError(AssertionError):
    """An event met a task in a state it cannot happen in: a bug of ours, or a foreign journal."""


def step(state: State, happened: Input) -> State:
    """The state that `happened` leads to.

    Raises:
        IllegalTransitionError: The table has no such step.
    """
    after = TRANSITIONS[state, happened]
    if after is None:
        raise IllegalTransitionError(f"{happened} cannot happen to a {state} task")
    return after
