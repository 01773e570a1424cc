"""What allocation remembers of every transition: rates, stickiness and turns. Pure."""

from __future__ import annotations

from coordination.tasks.events import TaskSubmitted, Transition
from coordination.tasks.record import Task, TasksState


def on_transition(
    state: TasksState, before: Task | None, event: Transition | TaskSubmitted, after: Task | None
) -> None:
    """Take over the side effects of `event`, which led from `before` to `after`."""
