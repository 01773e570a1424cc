"""The life of a task as one table, `(State, Input) -> State`. Pure.

A pair that is not in the table cannot happen: `decide` refuses what would lead to it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a task stands."""

    QUEUED = "queued"
    """Waits for an agent."""
    OFFERED = "offered"
    """One agent was asked and has not answered."""
    RUNNING = "running"
    """One agent holds the lease."""
    FAILED = "failed"
    """The last attempt failed; waits out its backoff."""
    COMPLETED = "completed"
    DEAD_LETTERED = "dead_lettered"
    """Given up: attempts used up, or a failure that no retry would mend."""
    CANCELED = "canceled"
    EXPIRED = "expired"
    """Its deadline passed."""


class Input(StrEnum):
    """What can happen to a task."""

    OFFER = "offer"
    ACCEPT = "accept"
    REFUSE = "refuse"
    OFFER_TIMEOUT = "offer_timeout"
    PROGRESS = "progress"
    COMPLETE = "complete"
    FAIL = "fail"
    LEASE_TIMEOUT = "lease_timeout"
    WORKER_LOST = "worker_lost"
    """The incarnation that it was offered to, or that worked on it, is no more."""
    RETRY = "retry"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    EXPIRE = "expire"


TRANSITIONS: Final[dict[tuple[State, Input], State]] = {
    (State.QUEUED, Input.OFFER): State.OFFERED,
    (State.OFFERED, Input.ACCEPT): State.RUNNING,
    (State.OFFERED, Input.REFUSE): State.QUEUED,
    (State.OFFERED, Input.OFFER_TIMEOUT): State.QUEUED,
    (State.OFFERED, Input.WORKER_LOST): State.QUEUED,
    (State.RUNNING, Input.PROGRESS): State.RUNNING,
    (State.RUNNING, Input.COMPLETE): State.COMPLETED,
    (State.RUNNING, Input.FAIL): State.FAILED,
    (State.RUNNING, Input.LEASE_TIMEOUT): State.FAILED,
    (State.RUNNING, Input.WORKER_LOST): State.FAILED,
    (State.FAILED, Input.RETRY): State.QUEUED,
    (State.FAILED, Input.GIVE_UP): State.DEAD_LETTERED,
    **{
        (state, Input.CANCEL): State.CANCELED
        for state in (State.QUEUED, State.OFFERED, State.RUNNING, State.FAILED)
    },
    **{
        (state, Input.EXPIRE): State.EXPIRED
        for state in (State.QUEUED, State.OFFERED, State.RUNNING, State.FAILED)
    },
}

FINISHED: Final = frozenset({State.COMPLETED, State.DEAD_LETTERED, State.CANCELED, State.EXPIRED})
"""States that nothing leads out of."""

assert not any(state in FINISHED for state, _ in TRANSITIONS)


class IllegalTransitionError(AssertionError):
    """An event met a task in a state it cannot happen in: a bug of ours, or a foreign journal."""


def step(state: State, happened: Input) -> State:
    """The state that `happened` leads to.

    Raises:
        IllegalTransitionError: The table has no such pair.
    """
    try:
        return TRANSITIONS[state, happened]
    except KeyError:
        raise IllegalTransitionError(f"{happened} cannot happen to a {state} task") from None
