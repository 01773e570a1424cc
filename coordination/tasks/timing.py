"""What the passing of time does to tasks: ends of offers, leases, attempts, backoffs and deadlines. Pure."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from coordination.runtime.model import NOTHING, Outcome
from coordination.tasks import bidding
from coordination.tasks.draft import Draft
from coordination.tasks.events import (
    AttemptTimedOut,
    LeaseExpired,
    OfferTimedOut,
    ServiceResumed,
    TaskDeadLettered,
    TaskExpired,
    TaskReleased,
    TaskRequeued,
)
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_REASON_CHARS, MAX_TICK_TASKS
from coordination.tasks.record import (
    ATTEMPT_TIMED_OUT,
    DEADLINE_PASSED,
    LEASE_EXPIRED,
    NOT_BEGUN_IN_TIME,
    Task,
)
from coordination.tasks.spec import Backoff
from coordination.tasks.transitions import has_begun
from coordination.tasks.view import View

_DRAWS: Final = 2**32
_MAX_NAMED: Final = 3
"""Tasks that a reason names."""


def backoff_ms(backoff: Backoff, attempt: int, seed: int) -> int:
    """The pause after a failed attempt.

    Args:
        backoff: As submitted.
        attempt: Number of the attempt that failed, from 1.
        seed: The task's. The same seed and attempt draw the same, so that a replay agrees.
    """
    longest_ms = min(backoff.first_ms * backoff.factor ** (attempt - 1), float(backoff.last_ms))
    digest = blake2b(b"%d %d" % (seed, attempt), digest_size=4).digest()
    drawn = int.from_bytes(digest) / _DRAWS
    return int(longest_ms * (1.0 - backoff.jitter * drawn))


def retry_at_ms(task: Task, now_ms: int) -> int:
    """When the backoff ends if the attempt, or what is reported of an offer as one, fails now."""
    made = len(task.attempts) - task.first_attempt
    attempt = made + 1 if task.state is State.OFFERED else made
    return now_ms + backoff_ms(task.spec.backoff, max(attempt, 1), task.seed)


def give_up_if_spent(draft: Draft, task: Task, reason: str) -> Task:
    """Let a task whose attempt has just failed end there if it was the last one."""
    if task.attempts_left > 0:
        return task
    return draft.add(task, TaskDeadLettered(task_id=task.task_id, reason=reason, at_ms=draft.now_ms))


def resume(view: View, now_ms: int) -> Outcome:
    """Give workers time to be heard again, after nobody could be heard: no silence of theirs ends a lease."""
    until_ms = now_ms + view.policy.resume_grace_ms
    if not held_shorter(view, until_ms):
        return NOTHING
    return Outcome(events=(ServiceResumed(until_ms=until_ms),))


def held_shorter(view: View, until_ms: int) -> list[Task]:
    """The tasks whose offer or lease ends before `until_ms`."""
    held = map(view.state.open.__getitem__, view.index.held())
    return [task for task in held if task.holder is not None and task.holder.expires_ms < until_ms]


def next_ms(view: View) -> int | None:
    """When `time_out` has something to do; None: never."""
    return view.index.next_ms()


def time_out(view: View, draft: Draft) -> None:
    """Do what is due by now, as far as one tick may."""
    for task_id in view.index.due(draft.now_ms, limit=MAX_TICK_TASKS):
        if draft.is_full:
            return
        _time_out(view, view.state.open[task_id], draft)


def _time_out(view: View, task: Task, draft: Draft) -> None:
    now_ms, task_id = draft.now_ms, task.task_id
    reason = _expiry(task, now_ms)
    if reason is not None:
        draft.add(task, TaskExpired(task_id=task_id, reason=reason, at_ms=now_ms))
        return
    match task.state:
        case State.SCHEDULED:
            draft.add(task, TaskReleased(task_id=task_id, at_ms=now_ms))
        case State.ANNOUNCED:
            bidding.award(view, task, draft)
        case State.OFFERED:
            draft.add(task, OfferTimedOut(task_id=task_id, at_ms=now_ms))
        case State.RUNNING:
            _end_attempt(task, draft)
        case State.CANCELING:
            draft.add(task, LeaseExpired(task_id=task_id, at_ms=now_ms, retry_at_ms=now_ms))
        case State.FAILED:
            draft.add(task, TaskRequeued(task_id=task_id, at_ms=now_ms))
        case _:
            raise AssertionError(f"time does nothing to a {task.state} task")


def _end_attempt(task: Task, draft: Draft) -> None:
    """The attempt took too long, or its worker was silent for too long: whichever came first."""
    holder, timeout_ms = task.holder, task.spec.timeout_ms
    assert holder is not None
    retry_ms = retry_at_ms(task, draft.now_ms)
    ends_ms = holder.expires_ms if timeout_ms is None else task.attempts[-1].started_ms + timeout_ms
    if ends_ms < holder.expires_ms:
        timed_out = AttemptTimedOut(task_id=task.task_id, at_ms=draft.now_ms, retry_at_ms=retry_ms)
        give_up_if_spent(draft, draft.add(task, timed_out), ATTEMPT_TIMED_OUT)
    else:
        silent = LeaseExpired(task_id=task.task_id, at_ms=draft.now_ms, retry_at_ms=retry_ms)
        give_up_if_spent(draft, draft.add(task, silent), LEASE_EXPIRED)


def _expiry(task: Task, now_ms: int) -> str | None:
    """Why the task expires now; None: it does not."""
    spec = task.spec
    if task.state is State.CANCELING:
        return None
    if spec.deadline_ms is not None and spec.deadline_ms <= now_ms:
        return DEADLINE_PASSED
    if spec.start_by_ms is not None and spec.start_by_ms <= now_ms and not has_begun(task):
        return f"{NOT_BEGUN_IN_TIME}: it waited for {_awaited(task)}"[:MAX_REASON_CHARS]
    return None


def _awaited(task: Task) -> str:
    """What a task that nobody has begun waits for, in words."""
    match task.state:
        case State.BLOCKED:
            named = ", ".join(task.waits_for[:_MAX_NAMED])
            more = len(task.waits_for) - _MAX_NAMED
            return f"task {named}" + (f" and {more} others" if more > 0 else "")
        case State.OFFERED:
            assert task.holder is not None
            return f"an answer of {task.holder.agent} to its offer"
        case State.ANNOUNCED:
            return "bids"
        case State.SCHEDULED:
            return f"its time, {task.spec.run_at_ms} (Unix ms)"
        case _:
            passed = len(task.refusals)
            last = (
                f"; {task.refusals[-1].agent} passed on it last: {task.refusals[-1].reason}" if passed else ""
            )
            return f"an agent that meets {task.spec.requirement!r}, in queue {task.spec.queue}{last}"
