"""Schedules: tasks that are submitted again and again. Plain data, pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from coordination.tasks.spec import TaskSpec


class Overlap(StrEnum):
    """What happens at a time when the task of an earlier time is still open."""

    SKIP = "skip"
    ALLOW = "allow"
    CANCEL = "cancel"
    """The earlier task is canceled."""


class CatchUp(StrEnum):
    """What happens about times that were missed, because nobody led or the schedule was paused."""

    NONE = "none"
    ONE = "one"
    """One task for all of them, at once."""
    ALL = "all"
    """A task for each, at most `MAX_CATCH_UP`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """When: at every multiple of an interval, or by a cron expression; exactly one of the two."""

    every_ms: int | None = None
    cron: str = ""
    """Five fields, as in crontab(5); or six, with seconds first."""
    time_zone: str = "UTC"
    """IANA name, for cron."""
    start_ms: int | None = None
    """Not before then; for intervals the first time. None: from when it was set up."""
    end_ms: int | None = None
    """Not after then."""
    max_count: int | None = None
    """Tasks in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One schedule as it stands."""

    schedule_id: str
    owner: str
    spec: TaskSpec
    """Of every task; its deadline, start_by and run_at are counted from each time (None: none)."""
    recurrence: Recurrence
    deadline_after_ms: int | None = None
    """Deadline of each task, from its time on."""
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONE
    is_paused: bool = False
    created_ms: int
    next_ms: int | None
    """The next time; None: there is no further one."""
    count: int = 0
    """Tasks submitted."""
    skipped: int = 0
    """Times at which none was."""
    last_task_id: str = ""
    last_ms: int | None = None
    """The time of the last task."""
    last_problem: str = ""
    """Why there was no task at the last time; empty if there was one."""
    made_up: int = 0
    """Missed times looked at one by one since it last was on time, whether or not there was a task."""
