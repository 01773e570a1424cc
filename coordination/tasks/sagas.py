"""DAGs: submitted all or not at all; when a task of one fails, the others are canceled and undone. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import CancelDag, SubmitDag
from coordination.tasks.events import DagEnded, DagFailed, DagSubmitted, TaskCompensated
from coordination.tasks.record import Task, TasksState

if TYPE_CHECKING:
    from coordination.tasks.view import View

DagEvent = DagSubmitted | DagFailed | TaskCompensated | DagEnded


def submit_dag(view: View, command: SubmitDag, now_ms: int) -> Outcome | Rejected:
    """Submit all tasks of a DAG, or none."""
    raise NotImplementedError


def cancel_dag(view: View, command: CancelDag, now_ms: int) -> Outcome | Rejected:
    """Cancel what is open of a DAG; what has completed is undone."""
    raise NotImplementedError


def apply(state: TasksState, event: DagEvent) -> None:
    """Carry out an event of a DAG."""
    raise NotImplementedError


def on_change(state: TasksState, before: Task | None, after: Task) -> None:
    """Keep the books of a DAG.

    To be called after every change of a record with ``spec.dag`` or ``spec.compensates``, also when it is
    submitted (`before` is None), with `after` in the state.
    """
    raise NotImplementedError
