"""Canceling tasks: at once if nobody works on them, else when their worker has stopped. Pure."""

from __future__ import annotations

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import OPERATOR, CancelTask
from coordination.tasks.draft import Draft
from coordination.tasks.events import TaskCanceled
from coordination.tasks.lifecycle import State
from coordination.tasks.record import Task
from coordination.tasks.standing import not_submitter, standing, unknown_task, wrong_state
from coordination.tasks.view import View


def cancel(view: View, command: CancelTask, now_ms: int) -> Outcome | Rejected:
    """What somebody's wish to cancel a task leads to; its children follow when it is settled."""
    task = view.state.find(command.task_id)
    if task is None:
        return unknown_task(command.task_id)
    if not _may_cancel(view, task, command.caller):
        above = "whoever holds a task that it was delegated from"
        return not_submitter(task.submitter, f"task {task.task_id}", "cancel", or_whom=above)
    if task.is_ended:
        return wrong_state(task, "canceled: it has ended")
    if task.state is State.CANCELING:
        return Outcome(reply=standing(task))
    draft = Draft(view, now_ms)
    reason = command.reason or f"canceled by {command.caller}"
    event = TaskCanceled(task_id=task.task_id, reason=reason, by=command.caller, at_ms=now_ms)
    return draft.outcome(standing(draft.add(task, event)))


def _may_cancel(view: View, task: Task, caller: str) -> bool:
    if caller in {task.submitter, OPERATOR}:
        return True
    for task_id in task.chain:
        above = view.state.find(task_id)
        if above is None or above.sequence > task.sequence:  # forgotten, and its id used again
            continue
        if above.submitter == caller or (above.holder is not None and above.holder.agent == caller):
            return True
    return False
