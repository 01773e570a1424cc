"""What follows from the end of a task, or of an attempt, for others. Pure.

``state.unsettled`` names the tasks from which something still follows; all of it can be told from the
records, so a leader that dies between two steps leaves nothing undone. Per task, in this order: its DAG takes
notice (`coordination.tasks.undoing`), those that wait for it go on or end, and what was delegated from an
attempt that is over is canceled. What ends thereby is unsettled in its turn: a cascade goes down by levels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordination.tasks import relations
from coordination.tasks.events import (
    DependencyEnded,
    TaskCanceled,
    TaskDeadLettered,
    TaskDeferred,
    TaskReleased,
    TaskSettled,
    TaskSkipped,
    Transition,
)
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_REASON_CHARS
from coordination.tasks.record import Task
from coordination.tasks.spec import OnFailure, OnParentEnd
from coordination.tasks.undoing import SERVICE, Following, is_full

if TYPE_CHECKING:
    from coordination.tasks.draft import Draft
    from coordination.tasks.view import View


def next_ms(view: View) -> int | None:
    """0, which is at once, if anything is unsettled; else None."""
    return 0 if view.state.unsettled else None


def settle(view: View, draft: Draft) -> None:
    """Do what follows from ``state.unsettled``, as far as one tick may; the rest stays there.

    Invariants: at most `MAX_TICK_TASKS` events; at least one, if anything is unsettled.
    """
    following = Following(view, draft)
    for task_id in view.state.unsettled:
        if is_full(draft):
            return
        task = view.state.find(task_id)
        if draft.task(task_id) is not task:
            continue  # something happens to it in this very draft; what follows from all of it comes next
        if (
            (task is None or following.is_done(task))
            and _go_on(view, draft, task_id, task)
            and _cancel_children(view, draft, task_id, task)
        ):
            draft.note(TaskSettled(task_id=task_id))


def _go_on(view: View, draft: Draft, task_id: str, task: Task | None) -> bool:
    """Let those go on or end that wait for a task which has ended; False if some are left."""
    if task is not None and not task.is_ended:
        return True
    for dependent_id in view.families.dependents(task_id):
        dependent = draft.task(dependent_id)
        if dependent is None or dependent.state is not State.BLOCKED or task_id not in dependent.waits_for:
            continue
        if is_full(draft):
            return False
        draft.add(dependent, *_consequence(dependent, task_id, task, draft.now_ms))
    return True


def _consequence(dependent: Task, task_id: str, awaited: Task | None, now_ms: int) -> tuple[Transition, ...]:
    """What the end of `awaited` means for one that waits for it."""
    edge = next(each for each in dependent.spec.after if each.task_id == task_id)
    reason = relations.judged(edge, awaited)
    if reason is not None:
        return (failed_dependency(dependent.task_id, edge.on_failure, reason, now_ms),)
    ended = DependencyEnded(task_id=dependent.task_id, dependency=task_id)
    if dependent.waits_for != (task_id,):
        return (ended,)
    run_at_ms = dependent.spec.run_at_ms
    if run_at_ms is not None and run_at_ms > now_ms:
        return (ended, TaskDeferred(task_id=dependent.task_id))
    return (ended, TaskReleased(task_id=dependent.task_id, at_ms=now_ms))


def failed_dependency(task_id: str, policy: OnFailure, reason: str, now_ms: int) -> Transition:
    """The end of a blocked task because one that it waits for did not complete; by FAIL or SKIP."""
    if policy is OnFailure.SKIP:
        return TaskSkipped(task_id=task_id, reason=reason, at_ms=now_ms)
    assert policy is OnFailure.FAIL, "with RUN it goes on"
    return TaskDeadLettered(task_id=task_id, reason=reason, at_ms=now_ms)


def _cancel_children(view: View, draft: Draft, task_id: str, task: Task | None) -> bool:
    """Cancel what was delegated from attempts that are over; False if some is left."""
    for child_id in view.families.open_children(task_id):
        child = draft.task(child_id)
        if child is None or child.is_ended or child.state is State.CANCELING:
            continue
        if child.spec.on_parent_end is OnParentEnd.KEEP or _lives(task, child):
            continue
        if is_full(draft):
            return False
        canceled = TaskCanceled(
            task_id=child_id, reason=_orphaned(task_id, task, child), by=SERVICE, at_ms=draft.now_ms
        )
        draft.add(child, canceled)
    return True


def _lives(parent: Task | None, child: Task) -> bool:
    """Whether the attempt goes on that delegated a child."""
    if parent is None:
        return False
    if parent.sequence > child.sequence:
        return True  # another task has the parent's id now; this is none of its children
    return parent.state is State.RUNNING and child.parent_attempt == len(parent.attempts)


def _orphaned(parent_id: str, parent: Task | None, child: Task) -> str:
    """Why a child is canceled."""
    if parent is None:
        return f"task {parent_id}, which delegated it, is gone"
    if parent.is_ended or parent.state is State.CANCELING:
        found = f"task {parent_id}, which delegated it, is {parent.state}"
        return f"{found}: {parent.reason}"[:MAX_REASON_CHARS] if parent.reason else found
    number = child.parent_attempt
    error = parent.attempts[number - 1].error if 0 < number <= len(parent.attempts) else ""
    return f"attempt {number} of task {parent_id}, which delegated it, has failed: {error}"[:MAX_REASON_CHARS]
