"""Planted bugs of the task service, each of which must be caught."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from unittest import mock

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import (
    index,
    model,
    relations,
    scheduling,
    settling,
    submitting,
    transitions,
    undoing,
    working,
)
from coordination.tasks.commands import CompleteTask
from coordination.tasks.record import Task
from coordination.tasks.roster import AgentView, Roster
from coordination.tasks.view import View

Mutant = Callable[[], contextlib.AbstractContextManager[Any]]
_LATE_MS: Final = 700


def _patch(target: Any, name: str, by: Any) -> Mutant:
    return lambda: mock.patch.object(target, name, by)


_not_entitled = working._not_entitled
_due_ms = transitions.due_ms
_known = submitting._known
_beginning = relations.beginning
_put = Roster.put
_next_to_undo = undoing.Following._next_to_undo
_fired = scheduling._fired


def _any_token(view: View, command: CompleteTask, now_ms: int) -> Outcome | Rejected:
    """Whatever token a holder names is taken for the one that stands."""
    task = view.state.find(command.task_id)
    token = command.fencing_token if task is None else task.fencing_token
    return working.work(view, replace(command, fencing_token=token), now_ms)


def _anybody(task: Task, command: Any, now_ms: int) -> Rejected | None:
    """Who knows the token may speak for the task."""
    agent = task.holder.agent if task.holder is not None else command.agent
    return _not_entitled(task, replace(command, agent=agent), now_ms)


def _due_later(task: Task) -> int | None:
    """Offers and leases last longer than their holders were told."""
    due_ms = _due_ms(task)
    return due_ms + _LATE_MS if due_ms is not None and task.holder is not None else due_ms


def _in_time(task: Task, command: Any, now_ms: int) -> Rejected | None:
    """Nobody looks at the time of who speaks."""
    return _not_entitled(task, command, now_ms - _LATE_MS)


@contextlib.contextmanager
def _leases_are_long() -> Any:
    with (
        mock.patch.object(index, "due_ms", _due_later),
        mock.patch.object(working, "_not_entitled", _in_time),
    ):
        yield


def _forgetful(state: Any, command: Any, batch: Any) -> Task | None:
    """A submission is not known again unless it is open."""
    known = _known(state, command, batch)
    return known if known is not None and not known.is_ended else None


def _at_once(view: View, command: Any, now_ms: int, together: Any = None) -> relations.Beginning:
    """Nothing waits for what has not ended."""
    return replace(_beginning(view, command, now_ms, together), waits_for=())


def _roomy(roster: Roster, view: AgentView) -> None:
    """Everybody has a slot more than it says."""
    _put(roster, replace(view, max_tasks=view.max_tasks + 1))


def _never_spent(draft: Any, task: Task, reason: str) -> Task:
    """A task is tried for ever."""
    return task


def _first_first(following: Any, dag: Any) -> Any:
    """What was done first is undone first."""
    return _next_to_undo(following, replace(dag, completed=dag.completed[::-1]))


def _keeps_due(schedule: Any, event: Any) -> Any:
    """A time that was skipped comes again."""
    after = _fired(schedule, event)
    return after if event.task_id or schedule.skipped % 3 else replace(after, next_ms=schedule.next_ms)


MUTANTS: Final[dict[str, Mutant]] = {
    "any token is taken": _patch(model, "_DECISIONS", {**model._DECISIONS, CompleteTask: _any_token}),
    "anybody who knows the token may complete": _patch(working, "_not_entitled", _anybody),
    "leases last longer than they do": _leases_are_long,
    "what has ended is submitted again": _patch(submitting, "_known", _forgetful),
    "dependents do not wait": _patch(relations, "beginning", _at_once),
    "an agent has a slot too many": _patch(Roster, "put", _roomy),
    "tasks are tried for ever": _patch(working, "give_up_if_spent", _never_spent),
    "children outlive their parents": _patch(settling, "_cancel_children", lambda *_: True),
    "undone in the order in which it was done": _patch(undoing.Following, "_next_to_undo", _first_first),
    "schedules fire twice for a time": _patch(scheduling, "_fired", _keeps_due),
}
