"""What callers are answered about one task: where it stands, or why not. Pure."""

from __future__ import annotations

from typing import Final

from coordination.runtime.fast_init import maker
from coordination.runtime.model import Rejected
from coordination.tasks.commands import OPERATOR, Standing
from coordination.tasks.record import Task

_new_standing: Final = maker(Standing)


def standing(task: Task) -> Standing:
    """Where a task stands."""
    holder = task.holder
    return _new_standing(
        task_id=task.task_id,
        state=task.state,
        fencing_token=task.fencing_token,
        lease_expires_ms=holder.expires_ms if holder is not None else None,
    )


def unknown_task(task_id: str) -> Rejected:
    """There is no such task."""
    message = f"there is no task {task_id}, or it ended long ago; check the id"
    return Rejected(code="unknown_task", message=message)


def wrong_state(task: Task, what: str) -> Rejected:
    """The task is not in a state for it.

    Args:
        task: The record.
        what: What it cannot be, as in "task x is queued, and cannot be <what>".
    """
    return Rejected(
        code="wrong_state",
        message=f"task {task.task_id} is {task.state}, and cannot be {what}",
        details={"state": task.state.value},
    )


def not_submitter(submitter: str, what: str, verb: str, *, or_whom: str = "") -> Rejected:
    """The caller may not do that to what somebody else has submitted.

    Args:
        submitter: Who has.
        what: What it is, with its id: ``task x``.
        verb: What only they may do.
        or_whom: Who else may, besides the operator.
    """
    if submitter == OPERATOR:
        who = f"the operator, who submitted {what},"
        who += f" or {or_whom}" if or_whom else ""
    else:
        who = ", ".join(filter(None, (submitter, f"who submitted {what}", or_whom)))
        who += ", or the operator"
    return Rejected(code="not_submitter", message=f"only {who} may {verb} it")
