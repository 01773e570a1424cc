"""Setting up and pausing queues. Pure."""

from __future__ import annotations

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import ConfigureQueue, PauseQueue
from coordination.tasks.events import QueueConfigured
from coordination.tasks.record import TasksState
from coordination.tasks.view import View


def decide(view: View, command: ConfigureQueue | PauseQueue, now_ms: int) -> Outcome | Rejected:
    """What setting up or pausing a queue leads to."""
    raise NotImplementedError


def apply(state: TasksState, event: QueueConfigured) -> None:
    """Take over the settings of a queue."""
    if event.settings is None:
        state.allocation.settings.pop(event.queue, None)
    else:
        state.allocation.settings[event.queue] = event.settings
