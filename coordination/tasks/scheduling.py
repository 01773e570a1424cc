"""Schedules: setting them up, and submitting what is due. Pure."""

from __future__ import annotations

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import PauseSchedule, RemoveSchedule, SetSchedule
from coordination.tasks.draft import Draft
from coordination.tasks.events import ScheduleFired, ScheduleRemoved, ScheduleSet
from coordination.tasks.record import TasksState
from coordination.tasks.view import View


def decide(
    view: View, command: SetSchedule | PauseSchedule | RemoveSchedule, now_ms: int
) -> Outcome | Rejected:
    """What a command about a schedule leads to."""
    raise NotImplementedError


def apply(state: TasksState, event: ScheduleSet | ScheduleRemoved | ScheduleFired) -> None:
    """Carry out an event of a schedule."""
    raise NotImplementedError


def fire(view: View, draft: Draft) -> None:
    """Submit what is due."""


def next_ms(view: View) -> int | None:
    """When a schedule is due next; None: never."""
    return None
