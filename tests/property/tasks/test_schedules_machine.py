"""Schedules that are set, paused, changed and removed while time passes, jumps and leaders restart."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import CancelTask, PauseSchedule, RemoveSchedule, SetSchedule
from coordination.tasks.events import ScheduleFired, ScheduleRemoved, ScheduleSet, TaskSubmitted
from coordination.tasks.limits import MAX_CATCH_UP, MISSED_AFTER_MS
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence, Schedule
from coordination.tasks.spec import TaskSpec
from tests.support.tasking import Tasking

BEGIN_MS = 1_792_890_000_000
"""2026-10-25 00:20 UTC: clocks change in Berlin 40 minutes later."""
ids = st.sampled_from(["a", "b"])
starts = st.none() | st.integers(BEGIN_MS - 7_200_000, BEGIN_MS + 7_200_000)
counts = st.none() | st.integers(1, 6)
intervals = st.builds(
    Recurrence,
    every_ms=st.sampled_from([100, 7_000, 60_000, 3_600_000]),
    start_ms=starts,
    end_ms=st.none() | st.integers(BEGIN_MS, BEGIN_MS + 10_000_000),
    max_count=counts,
)
crons = st.builds(
    Recurrence,
    cron=st.sampled_from(["* * * * *", "*/20 * * * *", "30 2 * * *", "0,30 2,3 * * *", "*/10 * * * * *"]),
    time_zone=st.sampled_from(["UTC", "Europe/Berlin"]),
    start_ms=starts,
    max_count=counts,
)
recurrences = intervals | crons


class Schedules(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.tasking = Tasking()
        self.tasking.now_ms = BEGIN_MS

    @rule(
        schedule_id=ids,
        recurrence=recurrences,
        overlap=st.sampled_from(Overlap),
        catch_up=st.sampled_from(CatchUp),
        priority=st.integers(0, 9),
        deadline_after_ms=st.none() | st.integers(1, 100_000),
    )
    def set(self, schedule_id: str, recurrence: Recurrence, priority: int, **fields: Any) -> None:
        spec = TaskSpec(requirement="python", priority=priority)
        outcome = self.tasking.send(
            SetSchedule(schedule_id=schedule_id, caller="ada", spec=spec, recurrence=recurrence, **fields)
        )
        assert isinstance(outcome, Outcome) or outcome.code == "invalid_schedule"

    @rule(schedule_id=ids, is_paused=st.booleans())
    def pause(self, schedule_id: str, *, is_paused: bool) -> None:
        command = PauseSchedule(schedule_id=schedule_id, caller="ada", is_paused=is_paused)
        outcome = self.tasking.send(command)
        known = schedule_id in self.tasking.model.state.schedules
        assert isinstance(outcome, Outcome) if known else isinstance(outcome, Rejected)

    @rule(schedule_id=ids)
    def remove(self, schedule_id: str) -> None:
        self.tasking.send(RemoveSchedule(schedule_id=schedule_id, caller="ada"))

    @rule(by_ms=st.sampled_from([1, 500, 8_000, 61_000]))
    def pass_time(self, by_ms: int) -> None:
        self.tasking.advance(self.tasking.now_ms + by_ms)

    @rule(by_ms=st.sampled_from([3_000, 45_000, 1_000_000, 5_000_000]))
    def be_away(self, by_ms: int) -> None:
        tasking = self.tasking
        tasking.now_ms += by_ms
        ticks = 0
        while (due_ms := tasking.model.next_deadline_ms()) is not None and due_ms <= tasking.now_ms:
            tasking.tick(tasking.now_ms)
            ticks += 1
        assert ticks < 2_000, "an outage is dealt with in a bounded number of ticks"

    @rule(data=st.data())
    def end_one(self, data: st.DataObject) -> None:
        open_ids = sorted(self.tasking.model.state.open)
        if open_ids:
            self.tasking.accept(CancelTask(task_id=data.draw(st.sampled_from(open_ids)), caller="ada"))

    @rule()
    def restart(self) -> None:
        self.tasking.restart()

    @invariant()
    def nothing_is_left_due(self) -> None:
        state = self.tasking.model.state
        waiting = [each.next_ms for each in state.schedules.values() if not each.is_paused and each.next_ms]
        assert state.schedules_due_ms == min(waiting, default=None)

    def teardown(self) -> None:
        tasking = self.tasking
        tasking.check_replay()
        tasking.check_snapshot()
        check_history(tasking.events)


def check_history(events: list[Any]) -> None:
    """What a reader of the journal who knows only what the events say must find."""
    submitted: list[str] = []
    schedules: dict[str, Schedule] = {}
    last_ms: dict[str, int] = {}
    made_up: dict[str, int] = {}
    following: ScheduleFired | None = None
    for event in events:
        if isinstance(event, TaskSubmitted):
            assert event.task_id not in submitted, "never two for one time"
            submitted.append(event.task_id)
            assert following is None or following.task_id == event.task_id
            following = None
        elif isinstance(event, ScheduleSet):
            before = schedules.get(event.schedule.schedule_id)
            if before is None or before.recurrence != event.schedule.recurrence:
                last_ms.pop(event.schedule.schedule_id, None)
            schedules[event.schedule.schedule_id] = event.schedule
        elif isinstance(event, ScheduleRemoved):
            last_ms.pop(event.schedule_id, None)
            del schedules[event.schedule_id]
        elif isinstance(event, ScheduleFired):
            schedule = schedules[event.schedule_id]
            assert event.time_ms > last_ms.get(event.schedule_id, 0), "times only grow"
            assert event.next_ms is None or event.next_ms > event.time_ms
            last_ms[event.schedule_id] = event.time_ms
            check_bounds(schedule.recurrence, event)
            late = made_up.get(event.schedule_id, 0) + 1 if event.is_late and event.task_id else 0
            made_up[event.schedule_id] = late
            assert schedule.catch_up is not CatchUp.ALL or late <= MAX_CATCH_UP
            assert not (schedule.catch_up is CatchUp.NONE and event.is_late and event.task_id)
            following = event if event.task_id else None


def check_bounds(when: Recurrence, event: ScheduleFired) -> None:
    assert when.start_ms is None or event.time_ms >= when.start_ms
    assert when.end_ms is None or event.time_ms <= when.end_ms
    if when.every_ms is not None and when.start_ms is not None:
        assert (event.time_ms - when.start_ms) % when.every_ms == 0, "nothing drifts"
    assert event.passed_over == 0 or (event.is_late and MISSED_AFTER_MS)


Schedules.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestSchedules = Schedules.TestCase
