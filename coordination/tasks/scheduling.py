"""Schedules: setting them up, and submitting what is due. Pure.

The next time of a schedule is worked out when the one before it fires, and is in the event: a replay asks
neither cron nor the time zone database. Times only grow, and the id of a task is that of the schedule with
the time behind it, so that there is never a second one for a time; only where somebody else has a task of
that id it is another one.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Final

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import cron, submitting
from coordination.tasks.commands import (
    OPERATOR,
    PauseSchedule,
    RemoveSchedule,
    SetSchedule,
    SubmitTask,
)
from coordination.tasks.draft import Draft
from coordination.tasks.events import ScheduleFired, ScheduleRemoved, ScheduleSet, TaskCanceled, TaskSubmitted
from coordination.tasks.lifecycle import OPEN, State
from coordination.tasks.limits import (
    MAX_CATCH_UP,
    MAX_NOTE_CHARS,
    MAX_SCHEDULE_ID_CHARS,
    MAX_SCHEDULES,
    MIN_INTERVAL_MS,
    MISSED_AFTER_MS,
)
from coordination.tasks.record import TasksState
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence, Schedule
from coordination.tasks.shares import is_too_much
from coordination.tasks.undoing import SERVICE
from coordination.tasks.view import View

_COUNTED: Final = 1000
"""Missed times of a cron expression that are counted one by one; those beyond are passed over uncounted. So
many in one tick, too: a tick must not take as long as a leadership lasts."""
_MAX_STEPS: Final = MAX_CATCH_UP + 1
"""Times of one schedule that one tick deals with, so that each has its turn."""


def decide(
    view: View, command: SetSchedule | PauseSchedule | RemoveSchedule, now_ms: int
) -> Outcome | Rejected:
    """What a command about a schedule leads to; the reply is the schedule as it stands, or its removal."""
    known = view.state.schedules.get(command.schedule_id)
    if known is not None and command.caller not in {known.owner, OPERATOR}:
        setter = f"who set schedule {known.schedule_id} up,"
        is_ours = known.owner == OPERATOR
        who = f"the operator, {setter}" if is_ours else f"{known.owner}, {setter} or the operator"
        message = f"only {who} may do that"
        return Rejected(code="not_owner", message=message)
    if isinstance(command, SetSchedule):
        return _set(view.state, command, known, now_ms)
    if known is None:
        message = f"there is no schedule {command.schedule_id}; schedules lists those that there are"
        return Rejected(code="unknown_schedule", message=message)
    if isinstance(command, RemoveSchedule):
        removed = ScheduleRemoved(schedule_id=known.schedule_id, by=command.caller)
        return Outcome(events=(removed,), reply=removed)
    return _changed(known, replace(known, is_paused=command.is_paused))


def apply(state: TasksState, event: ScheduleSet | ScheduleRemoved | ScheduleFired) -> None:
    """Carry out an event of a schedule."""
    schedules = state.schedules
    if isinstance(event, ScheduleSet):
        schedules[event.schedule.schedule_id] = event.schedule
    elif isinstance(event, ScheduleRemoved):
        del schedules[event.schedule_id]
    else:
        schedules[event.schedule_id] = _fired(schedules[event.schedule_id], event)
    due = (each.next_ms for each in schedules.values() if not each.is_paused and each.next_ms is not None)
    state.schedules_due_ms = min(due, default=None)


def fire(view: View, draft: Draft) -> None:
    """Submit what is due, the schedule that waits longest first."""
    earliest_ms = view.state.schedules_due_ms
    if earliest_ms is None or earliest_ms > draft.now_ms:
        return
    due = [
        (each.next_ms, each.schedule_id)
        for each in view.state.schedules.values()
        if not each.is_paused and each.next_ms is not None and each.next_ms <= draft.now_ms
    ]
    batch = submitting.Batch()
    counted = 0
    for _, schedule_id in sorted(due):
        schedule = view.state.schedules[schedule_id]
        for _ in range(_MAX_STEPS):
            if schedule.next_ms is None or schedule.next_ms > draft.now_ms or draft.is_full:
                break
            before = schedule
            schedule = _step(draft, batch, before, schedule.next_ms)
            if schedule.recurrence.cron:
                counted += schedule.skipped - before.skipped
            if counted >= _COUNTED:
                return


def next_ms(view: View) -> int | None:
    """When a schedule is due next; None: never."""
    return view.state.schedules_due_ms


def next_time_ms(recurrence: Recurrence, created_ms: int, after_ms: int) -> int | None:
    """The first time of a recurrence that is later than `after_ms`; None: there is none.

    Args:
        recurrence: When.
        created_ms: When it was set up: intervals are counted from there, unless they have a start.
        after_ms: Unix ms.

    Raises:
        CronError: The expression or the time zone is none.
    """
    start_ms = recurrence.start_ms
    if recurrence.every_ms is not None:
        origin_ms = created_ms if start_ms is None else start_ms
        # Multiples of the interval, whenever it was that one of them was dealt with: nothing drifts.
        count = max((after_ms - origin_ms) // recurrence.every_ms + 1, 0)
        at_ms: int | None = origin_ms + count * recurrence.every_ms
    else:
        after_ms = after_ms if start_ms is None else max(after_ms, start_ms - 1)
        at_ms = cron.next_ms(recurrence.cron, recurrence.time_zone, after_ms)
    last_ms = cron.LAST_MS if recurrence.end_ms is None else recurrence.end_ms
    return at_ms if at_ms is not None and at_ms <= min(last_ms, cron.LAST_MS) else None


# --- setting up


def _set(state: TasksState, command: SetSchedule, known: Schedule | None, now_ms: int) -> Outcome | Rejected:
    full = _full(state, command.caller) if known is None else ""
    if full:
        return submitting.overloaded(full)
    problem = _problem(command)
    if problem:
        return Rejected(code="invalid_schedule", message=problem)
    is_same = known is not None and known.recurrence == command.recurrence
    created_ms = known.created_ms if known is not None and is_same else now_ms
    try:
        first_ms = next_time_ms(command.recurrence, created_ms, now_ms)
    except cron.CronError as error:
        return Rejected(code="invalid_schedule", message=str(error))
    if first_ms is None and not is_same:
        message = "the schedule has no time from now on; look at end_ms, start_ms and the days of cron"
        return Rejected(code="invalid_schedule", message=message)
    schedule = Schedule(
        schedule_id=command.schedule_id,
        owner=command.caller,
        spec=command.spec,
        recurrence=command.recurrence,
        deadline_after_ms=command.deadline_after_ms,
        overlap=command.overlap,
        catch_up=command.catch_up,
        created_ms=created_ms,
        next_ms=first_ms,
    )
    if known is None:
        return Outcome(events=(ScheduleSet(schedule=schedule),), reply=schedule)
    most = command.recurrence.max_count
    schedule = replace(
        schedule,
        owner=known.owner,
        is_paused=known.is_paused,
        next_ms=known.next_ms if is_same else None if most is not None and known.count >= most else first_ms,
        count=known.count,
        skipped=known.skipped,
        last_task_id=known.last_task_id,
        last_ms=known.last_ms,
        last_problem=known.last_problem,
        made_up=known.made_up,
    )
    return _changed(known, schedule)


def _full(state: TasksState, owner: str) -> str:
    """Why there may be no further schedule of `owner`; empty if there may."""
    used = len(state.schedules)
    if used >= MAX_SCHEDULES:
        return f"there are {MAX_SCHEDULES} schedules, remove some"
    own = sum(each.owner == owner for each in state.schedules.values())
    if is_too_much(own, used, MAX_SCHEDULES):
        return f"{own} of {used} schedules are of {owner}, and others need room; remove some"
    return ""


def _changed(known: Schedule, schedule: Schedule) -> Outcome:
    return Outcome(events=(ScheduleSet(schedule=schedule),) if schedule != known else (), reply=schedule)


def _problem(command: SetSchedule) -> str:
    """What is wrong with a schedule, apart from its cron expression; empty if nothing is."""
    when, spec = command.recurrence, command.spec
    if len(command.schedule_id) > MAX_SCHEDULE_ID_CHARS:
        return (
            f"schedule_id has {len(command.schedule_id)} characters; use at most {MAX_SCHEDULE_ID_CHARS}, "
            "because the ids of its tasks have the time behind it"
        )
    if (when.every_ms is None) is (not when.cron):
        return "recurrence: give either every_ms or cron"
    if when.every_ms is not None and when.every_ms < MIN_INTERVAL_MS:
        return f"recurrence.every_ms: {when.every_ms} is less than {MIN_INTERVAL_MS}"
    if when.every_ms is not None and when.time_zone != "UTC":
        return "recurrence.time_zone is for cron; intervals are the same everywhere"
    times = (spec.run_at_ms, spec.start_by_ms, spec.deadline_ms)
    relations = (spec.after, spec.parent, spec.dag, spec.approved_by, spec.idempotency_key)
    if times != (None, None, None) or any(relations):
        return (
            "task: the tasks of a schedule have no run_at_ms, start_by_ms, deadline_ms, after, parent, "
            "approval, idempotency_key or dag of their own; use deadline_after_ms for a deadline"
        )
    return ""


# --- firing


def _step(draft: Draft, batch: submitting.Batch, schedule: Schedule, time_ms: int) -> Schedule:
    """Deal with one time that is due, and with missed ones that follow on it without a task."""
    missed_ms = draft.now_ms - MISSED_AFTER_MS
    is_late = time_ms <= missed_ms
    is_each = schedule.catch_up is CatchUp.ALL and schedule.made_up < MAX_CATCH_UP
    command, problem = None, "it was missed"
    if not is_late or is_each or schedule.catch_up is CatchUp.ONE:
        command, problem = _submission(draft, schedule, time_ms)
    event = None
    if command is not None:
        taken = submitting.submitted_event(draft.view, command, draft.now_ms, batch)
        if isinstance(taken, TaskSubmitted):
            event = taken
        elif isinstance(taken, Rejected):
            problem = taken.message
        else:
            problem = f"task {taken.task_id} was submitted for this time before"
    fired = ScheduleFired(
        schedule_id=schedule.schedule_id,
        time_ms=time_ms,
        task_id="" if event is None else event.task_id,
        next_ms=None,
        is_late=is_late,
        problem="" if event is not None else problem[:MAX_NOTE_CHARS],
    )
    fired = _going_on(schedule, fired, missed_ms if is_late and not is_each else time_ms)
    draft.note(fired)
    if event is not None and command is not None:
        _clear_the_way(draft, schedule)
        submitting.begin(draft, command, event, batch)
    return _fired(schedule, fired)


def _going_on(schedule: Schedule, fired: ScheduleFired, from_ms: int) -> ScheduleFired:
    """How it goes on after `from_ms`; the times up to there are passed over."""
    most = schedule.recurrence.max_count
    if most is not None and schedule.count + bool(fired.task_id) >= most:
        return fired
    try:
        passed_over = _count(schedule, fired.time_ms, from_ms)
        following_ms = next_time_ms(schedule.recurrence, schedule.created_ms, from_ms)
    except cron.CronError as error:
        # Checked when it was set up: the time zone database has lost a zone. It ends, and says why.
        return replace(fired, problem=str(error)[:MAX_NOTE_CHARS])
    return replace(fired, passed_over=passed_over, next_ms=following_ms)


def _submission(draft: Draft, schedule: Schedule, time_ms: int) -> tuple[SubmitTask | None, str]:
    """What to submit for a time; or why nothing."""
    task_id = _free_id(draft, schedule, time_ms)
    last = draft.task(schedule.last_task_id)
    if schedule.overlap is Overlap.SKIP and last is not None and not last.is_ended:
        return None, f"task {last.task_id} of the time before had not ended"
    after_ms = schedule.deadline_after_ms
    spec = replace(
        schedule.spec,
        schedule=schedule.schedule_id,
        deadline_ms=None if after_ms is None else time_ms + after_ms,
    )
    # The seed need not be random, only other than that of other tasks; and a tick draws nothing.
    seed = int.from_bytes(blake2b(task_id.encode(), digest_size=4).digest())
    return SubmitTask(task_id=task_id, submitter=schedule.owner, spec=spec, seed=seed), ""


def _clear_the_way(draft: Draft, schedule: Schedule) -> None:
    """Cancel the task of the time before, if the schedule says so."""
    last = draft.task(schedule.last_task_id)
    if schedule.overlap is Overlap.CANCEL and last is not None and last.state in OPEN - {State.CANCELING}:
        reason = f"the next time of schedule {schedule.schedule_id} has come"
        draft.add(last, TaskCanceled(task_id=last.task_id, reason=reason, by=SERVICE, at_ms=draft.now_ms))


def _count(schedule: Schedule, after_ms: int, until_ms: int) -> int:
    """Times after one moment, and not after another."""
    when = schedule.recurrence
    if when.every_ms is not None:
        until_ms = until_ms if when.end_ms is None else min(until_ms, when.end_ms)
        return max((until_ms - after_ms) // when.every_ms, 0)
    start_ms, end_ms = when.start_ms, when.end_ms
    after_ms = after_ms if start_ms is None else max(after_ms, start_ms - 1)
    until_ms = until_ms if end_ms is None else min(until_ms, end_ms)
    return cron.count(when.cron, when.time_zone, after_ms, until_ms, limit=_COUNTED)


def _fired(schedule: Schedule, event: ScheduleFired) -> Schedule:
    """The schedule after one of its times."""
    if not event.task_id:
        return replace(
            schedule,
            next_ms=event.next_ms,
            skipped=schedule.skipped + 1 + event.passed_over,
            last_problem=event.problem,
            made_up=schedule.made_up + 1 if event.is_late else 0,
        )
    return replace(
        schedule,
        next_ms=event.next_ms,
        count=schedule.count + 1,
        skipped=schedule.skipped + event.passed_over,
        last_task_id=event.task_id,
        last_ms=event.time_ms,
        last_problem=event.problem,
        made_up=schedule.made_up + 1 if event.is_late else 0,
    )


def _free_id(draft: Draft, schedule: Schedule, time_ms: int) -> str:
    """The id of the task for one time; another one if somebody else has a task of that id.

    Whoever can foresee an id could otherwise see to it that a schedule of somebody else submits nothing.
    """
    schedule_id, owner = schedule.schedule_id, schedule.owner
    task_id = task_id_of(schedule_id, time_ms)
    for number in itertools.count(1):
        known = draft.task(task_id)
        if known is None or (known.submitter, known.spec.schedule) == (owner, schedule_id):
            break
        digest = blake2b(f"{schedule_id} {time_ms} {number}".encode(), digest_size=8).hexdigest()
        task_id = f"{schedule_id}-{digest}"
    return task_id


def task_id_of(schedule_id: str, time_ms: int) -> str:
    """The id of the task for one time, such as ``nightly-20261121-030000``; UTC."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC)
    milliseconds = f"-{time_ms % 1000:03}" if time_ms % 1000 else ""
    return f"{schedule_id}-{moment:%Y%m%d-%H%M%S}{milliseconds}"
