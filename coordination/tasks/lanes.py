"""What waits for an agent, in the order in which it is served. Pure."""

from __future__ import annotations

from coordination.tasks.record import Task, TasksState


class Lanes:
    """Queued tasks by queue, lane, priority and fairness key; what agents hold."""

    def __init__(self, state: TasksState) -> None:
        self.version = 0
        self.waiting_count = 0
        self._state = state

    def replace(self, before: Task | None, after: Task | None) -> None:
        """Take over a change of one task; None where it is not, or no longer, open."""
        self.version += 1
