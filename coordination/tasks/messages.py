"""What agents and listeners are told about a task. Pure; the bodies are `coordination.tasks.wire`'s."""

from __future__ import annotations

from typing import Any, Final

from coordination.runtime.model import Notice, Push
from coordination.tasks.events import AttemptFailed, LeaseExpired, ProgressReported, TaskOffered, WorkerLost
from coordination.tasks.lifecycle import State
from coordination.tasks.record import Task

_TAKEN_AWAY: Final = (State.CANCELED, State.EXPIRED)
"""Ends that a worker does not know of by its own doing."""


def offer(task: Task, event: TaskOffered, *, lease_ms: int) -> Push:
    """To the agent that is to do the task (kind ``task``)."""
    body = {
        "task_id": task.task_id,
        "fencing_token": event.fencing_token,
        "capability": task.capability,
        "requirement": task.requirement,
        "payload": task.payload,
        "submitter": task.submitter,
        "priority": task.priority,
        "attempt": len(task.attempts) + 1,
        "max_attempts": task.max_attempts,
        "lease_ms": lease_ms,
        "offer_expires_ms": event.expires_ms,
        "deadline_ms": task.deadline_ms,
        "traceparent": task.traceparent,
        "approved_by": task.approved_by,
    }
    return Push(agent=event.agent, kind="task", body=body)


def progress(event: ProgressReported) -> Notice:
    """To whoever watches."""
    body = {"task_id": event.task_id, "share": event.share, "note": event.note}
    return Notice(event="progress", aggregate=event.task_id, body=body)


def attempt_failed(task: Task, event: AttemptFailed | LeaseExpired | WorkerLost, reason: str) -> Notice:
    """To whoever watches: an attempt failed, another may follow.

    Args:
        task: The record before the event.
        event: The failure.
        reason: Why it failed.
    """
    body = {
        "task_id": task.task_id,
        "attempt": len(task.attempts),
        "max_attempts": task.max_attempts,
        "reason": reason,
        "retry_at_ms": event.retry_at_ms,
    }
    return Notice(event="failed", aggregate=task.task_id, body=body)


def finished(before: Task, after: Task) -> tuple[Push | Notice, ...]:
    """A task ended: its result to the submitter, a word to its worker, a notice to whoever watches.

    Args:
        before: The record before the last event.
        after: The record after it.
    """
    ended: dict[str, Any] = {
        "task_id": after.task_id,
        "state": after.state.value,
        "reason": after.reason,
        "attempts": len(after.attempts),
        "fencing_token": after.fencing_token,
        "finished_at_ms": after.finished_at_ms,
    }
    told: list[Push | Notice] = [
        Push(agent=after.submitter, kind="result", body={**ended, "result": after.result}),
        Notice(event=after.state.value, aggregate=after.task_id, body=ended),
    ]
    if before.holder is not None and after.state in _TAKEN_AWAY:
        body = {
            "task_id": after.task_id,
            "fencing_token": after.fencing_token,
            "state": after.state.value,
            "reason": after.reason,
        }
        told.append(Push(agent=before.holder.agent, kind="cancel", body=body))
    return tuple(told)
