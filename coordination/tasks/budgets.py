"""What tasks and everything below them have used, and may use. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordination.runtime.model import Rejected
from coordination.tasks.record import Task, TasksState

if TYPE_CHECKING:
    from coordination.tasks.view import View


def on_submitted(state: TasksState, task: Task) -> None:
    """Count a new task, which is in the state, in the records of its ancestors."""


def on_change(state: TasksState, before: Task, after: Task) -> None:
    """Count what a change of a record means for its own budget and for those above.

    Call it when `after` stands in the state already: its record there is replaced if its own attempts spent
    something.
    """


def overrun(view: View, task: Task, spent: int) -> str | None:
    """Which budget breaks if the current attempt has used `spent` units; None if none does.

    The text is the whole reason of the failure; it begins with ``budget_exceeded: ``.
    """
    raise NotImplementedError


def room_for(view: View, task: Task) -> Rejected | None:
    """Why a dead letter cannot be brought back: no room in a budget, or its DAG is being undone."""
    raise NotImplementedError
