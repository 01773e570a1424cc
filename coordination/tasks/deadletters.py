"""Dead letters: bringing them back and deleting them; and ending a backoff early. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import budgets
from coordination.tasks.commands import (
    OPERATOR,
    DeadLetterFilter,
    PurgeDeadLetters,
    RedriveDeadLetters,
    RetryTask,
    Swept,
)
from coordination.tasks.draft import Draft
from coordination.tasks.events import DeadLettersPurged, TaskRedriven, TaskRequeued
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_TICK_TASKS
from coordination.tasks.record import Task, TasksState
from coordination.tasks.relations import Together
from coordination.tasks.standing import not_submitter, standing, unknown_task, wrong_state
from coordination.tasks.submitting import overloaded
from coordination.tasks.view import View


def matches(task: Task, which: DeadLetterFilter) -> bool:
    """Whether a dead letter is one of those that the filter means."""
    spec = task.spec
    if which.task_ids and task.task_id not in which.task_ids:
        return False
    if which.submitter and task.submitter != which.submitter:
        return False
    if which.capability and spec.capability != which.capability:
        return False
    if which.queue and spec.queue != which.queue:
        return False
    if which.before_ms is not None and (task.finished_at_ms or 0) >= which.before_ms:
        return False
    return which.reason in task.reason


def matching(state: TasksState, which: DeadLetterFilter) -> Iterator[Task]:
    """The dead letters that the filter means, oldest first; of ids, in the order in which they are named."""
    letters = state.dead_letters
    if which.task_ids:
        named = (letters[task_id] for task_id in dict.fromkeys(which.task_ids) if task_id in letters)
        return (task for task in named if matches(task, which))
    return (task for task in letters.values() if matches(task, which))


def redrive(view: View, command: RedriveDeadLetters, now_ms: int) -> Outcome | Rejected:
    """Bring dead letters back, as many as are wanted and there is room for."""
    found = _of_caller(view, command.caller, command.which)
    draft = Draft(view, now_ms)
    room = _Room(view)
    brought: list[str] = []
    more, refused = False, None
    for task in found:
        if len(brought) >= _limit(command.limit):
            more = True
            break
        problem = room.problem(task)
        if problem is not None:
            more, refused = True, refused or problem
            continue
        redriven = TaskRedriven(task_id=task.task_id, by=command.caller, at_ms=now_ms)
        room.take(task, draft.add(task, redriven))
        brought.append(task.task_id)
    if not brought and refused is not None:
        return refused
    return draft.outcome(Swept(task_ids=tuple(brought), more=more))


def purge(view: View, command: PurgeDeadLetters, _: int) -> Outcome | Rejected:
    """Delete dead letters for good; those from which something still follows are left for later."""
    found = (
        task
        for task in _of_caller(view, command.caller, command.which)
        if not view.families.is_pinned(task.task_id)
    )
    limit = _limit(command.limit)
    some = tuple(task.task_id for task in islice(found, limit + 1))
    purged = some[:limit]
    reply = Swept(task_ids=purged, more=len(some) > limit)
    if not purged:
        return Outcome(reply=reply)
    return Outcome(events=(DeadLettersPurged(task_ids=purged, by=command.caller),), reply=reply)


def retry(view: View, command: RetryTask, now_ms: int) -> Outcome | Rejected:
    """Let a task not wait any longer: end its backoff, or bring it back."""
    task = view.state.find(command.task_id)
    if task is None:
        return unknown_task(command.task_id)
    if command.caller not in {task.submitter, OPERATOR}:
        return not_submitter(task.submitter, f"task {task.task_id}", "retry")
    draft = Draft(view, now_ms)
    if task.state is State.FAILED:
        after = draft.add(task, TaskRequeued(task_id=task.task_id, at_ms=now_ms))
    elif task.state is State.DEAD_LETTERED:
        refused = _Room(view).problem(task)
        if refused is not None:
            return refused
        after = draft.add(task, TaskRedriven(task_id=task.task_id, by=command.caller, at_ms=now_ms))
    else:
        return wrong_state(task, "retried: only failed and dead-lettered tasks can")
    return draft.outcome(standing(after))


def _limit(limit: int) -> int:
    """As many as one record takes."""
    return min(limit, MAX_TICK_TASKS)


def _of_caller(view: View, caller: str, which: DeadLetterFilter) -> Iterator[Task]:
    found = matching(view.state, which)
    if caller == OPERATOR:
        return found
    return (task for task in found if task.submitter == caller)


class _Room:
    """What is left of the bounds while dead letters are brought back one by one."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._batch = Together()
        self._size_bytes = 0

    def problem(self, task: Task) -> Rejected | None:
        """Why this one cannot be brought back too; None if it can."""
        view = self._view
        if len(view.state.open) + len(self._batch.tasks) >= view.policy.max_open_tasks:
            return overloaded(f"{view.policy.max_open_tasks} tasks are open")
        size_bytes = view.index.open_bytes + self._size_bytes + task.spec.size_bytes
        if size_bytes > view.policy.max_open_bytes:
            return overloaded(f"payloads of open tasks reach {view.policy.max_open_bytes} bytes")
        return budgets.room_for(view, task, self._batch)

    def take(self, before: Task, after: Task) -> None:
        """Count one in."""
        self._batch.bring_back(before, after)
        self._size_bytes += after.spec.size_bytes
