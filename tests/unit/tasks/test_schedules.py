"""Schedules: what is submitted when, what happens about times that were missed, and who may change one."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import OPERATOR, CancelTask, PauseSchedule, RemoveSchedule, SetSchedule
from coordination.tasks.events import ScheduleFired, ScheduleSet
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_CATCH_UP, MAX_SCHEDULES, MISSED_AFTER_MS, Policy
from coordination.tasks.record import Task
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence, Schedule
from coordination.tasks.scheduling import task_id_of
from coordination.tasks.spec import Dependency, TaskSpec
from tests.support.tasking import Tasking

SECOND_MS, MINUTE_MS, HOUR_MS, DAY_MS = 1_000, 60_000, 3_600_000, 86_400_000
BEGIN_MS = 1_700_000_000_000
"""2023-11-14 22:13:20 UTC."""


class Scheduling(Tasking):
    """A task model at a moment of our days, with short commands for its schedules."""

    def __init__(self, *, policy: Policy | None = None) -> None:
        super().__init__(policy=policy)
        self.now_ms = BEGIN_MS

    def set(self, schedule_id: str = "nightly", *, caller: str = "ada", **fields: Any) -> Outcome | Rejected:
        recurrence = {name: fields.pop(name) for name in Recurrence.__slots__ if name in fields}
        spec = TaskSpec(requirement="python", capability="python", **fields.pop("spec", {}))
        recurrence = recurrence or {"every_ms": MINUTE_MS}
        command = SetSchedule(
            schedule_id=schedule_id, caller=caller, spec=spec, recurrence=Recurrence(**recurrence), **fields
        )
        return self.send(command)

    def refused_schedule(self, *args: Any, **fields: Any) -> Rejected:
        outcome = self.set(*args, **fields)
        assert isinstance(outcome, Rejected), outcome
        return outcome

    def pause(self, *, is_paused: bool = True, caller: str = "ada") -> Outcome | Rejected:
        return self.send(PauseSchedule(schedule_id="nightly", caller=caller, is_paused=is_paused))

    def schedule(self, schedule_id: str = "nightly") -> Schedule:
        return self.model.state.schedules[schedule_id]

    def submitted(self) -> list[Task]:
        return sorted((each for each in self._all() if each.spec.schedule), key=lambda each: each.sequence)

    def times(self) -> list[int]:
        """For which times there were tasks, from when it began."""
        return [
            each.time_ms - BEGIN_MS for each in self.events if type(each) is ScheduleFired and each.task_id
        ]

    def jump(self, by_ms: int) -> None:
        """Let time pass without anybody who leads, and then tick until nothing is due."""
        self.now_ms += by_ms
        while (due_ms := self.model.next_deadline_ms()) is not None and due_ms <= self.now_ms:
            self.tick(self.now_ms)

    def _all(self) -> list[Task]:
        state = self.model.state
        return [*state.open.values(), *state.finished.values(), *state.dead_letters.values()]


@pytest.fixture
def schedules() -> Scheduling:
    return Scheduling()


def end_all(schedules: Scheduling) -> None:
    for task in list(schedules.model.state.open.values()):
        schedules.accept(CancelTask(task_id=task.task_id, caller="ada"))


def test_an_interval_submits_at_its_multiples_however_late_each_one_was_dealt_with(
    schedules: Scheduling,
) -> None:
    schedules.set(overlap=Overlap.ALLOW)
    for lateness_ms in (7, 0, 9_999, 3):
        due_ms = schedules.schedule().next_ms
        assert due_ms is not None
        schedules.jump(due_ms + lateness_ms - schedules.now_ms)
    assert schedules.times() == [MINUTE_MS, 2 * MINUTE_MS, 3 * MINUTE_MS, 4 * MINUTE_MS]
    assert schedules.schedule().next_ms == BEGIN_MS + 5 * MINUTE_MS


def test_the_first_time_of_an_interval_with_a_start_is_its_start(schedules: Scheduling) -> None:
    schedules.set(every_ms=HOUR_MS, start_ms=BEGIN_MS + 5_000)
    schedules.set("past", every_ms=HOUR_MS, start_ms=BEGIN_MS - DAY_MS + 5_000)
    assert schedules.schedule().next_ms == schedules.schedule("past").next_ms == BEGIN_MS + 5_000


def test_a_cron_schedule_submits_in_its_time_zone(schedules: Scheduling) -> None:
    schedules.set(cron="0 3 * * *", time_zone="Europe/Berlin", spec={"priority": 4, "payload": {"a": 1}})
    schedules.advance(BEGIN_MS + DAY_MS)
    (task,) = schedules.submitted()
    assert task.task_id == "nightly-20231115-020000"
    assert (task.submitter, task.spec.schedule, task.spec.priority) == ("ada", "nightly", 4)
    assert (task.spec.payload, task.state) == ({"a": 1}, State.QUEUED)
    assert task.submitted_at_ms == schedules.schedule().last_ms
    assert schedules.schedule().last_task_id == task.task_id


def test_what_fires_is_in_one_record_with_its_task(schedules: Scheduling) -> None:
    schedules.set()
    outcome = schedules.model.tick(BEGIN_MS + MINUTE_MS)
    assert [type(each).__name__ for each in outcome.events] == ["ScheduleFired", "TaskSubmitted"]


def test_the_deadline_of_each_task_is_counted_from_its_time(schedules: Scheduling) -> None:
    schedules.set(deadline_after_ms=30_000)
    schedules.jump(MINUTE_MS + 10)
    (task,) = schedules.submitted()
    assert task.spec.deadline_ms == BEGIN_MS + MINUTE_MS + 30_000


def test_start_end_and_count_bound_what_is_submitted(schedules: Scheduling) -> None:
    schedules.set("ending", every_ms=MINUTE_MS, end_ms=BEGIN_MS + 3 * MINUTE_MS, overlap=Overlap.ALLOW)
    schedules.set("counted", every_ms=MINUTE_MS, max_count=2, overlap=Overlap.ALLOW)
    schedules.set("later", cron="* * * * *", start_ms=BEGIN_MS + HOUR_MS, max_count=1)
    schedules.advance(BEGIN_MS + 2 * HOUR_MS)
    counts = {each.schedule_id: each.count for each in schedules.model.state.schedules.values()}
    assert counts == {"ending": 3, "counted": 2, "later": 1}
    last_ms = schedules.schedule("later").last_ms
    assert last_ms is not None
    assert BEGIN_MS + HOUR_MS <= last_ms < BEGIN_MS + HOUR_MS + MINUTE_MS
    assert [each.next_ms for each in schedules.model.state.schedules.values()] == [None] * 3
    assert schedules.model.state.schedules_due_ms is None


# --- overlap


def test_a_time_is_skipped_while_the_task_of_an_earlier_one_is_open(schedules: Scheduling) -> None:
    schedules.set()
    schedules.advance(BEGIN_MS + 3 * MINUTE_MS)
    assert schedules.times() == [MINUTE_MS]
    task_id = schedules.schedule().last_task_id
    assert schedules.schedule().skipped == 2
    assert schedules.schedule().last_problem == f"task {task_id} of the time before had not ended"
    end_all(schedules)
    schedules.advance(BEGIN_MS + 4 * MINUTE_MS)
    assert schedules.times() == [MINUTE_MS, 4 * MINUTE_MS]
    assert schedules.schedule().last_problem == ""


def test_tasks_of_a_schedule_that_allows_it_overlap(schedules: Scheduling) -> None:
    schedules.set(overlap=Overlap.ALLOW)
    schedules.advance(BEGIN_MS + 3 * MINUTE_MS)
    assert [each.state for each in schedules.submitted()] == [State.QUEUED] * 3


def test_an_earlier_task_is_canceled_if_the_schedule_says_so(schedules: Scheduling) -> None:
    schedules.set(overlap=Overlap.CANCEL, spec={"lease_ms": HOUR_MS})
    schedules.advance(BEGIN_MS + MINUTE_MS)
    (first,) = schedules.submitted()
    schedules.offer(task_id=first.task_id)
    schedules.work(Input.ACCEPT, first.task_id)
    schedules.advance(BEGIN_MS + 2 * MINUTE_MS)
    first, second = schedules.submitted()
    assert first.state is State.CANCELING, "its worker is told, and the next one need not wait"
    assert first.reason == "the next time of schedule nightly has come"
    assert (first.canceled_by, second.state) == ("tasks", State.QUEUED)


# --- missed times


def test_a_change_of_leaders_makes_no_time_a_missed_one(schedules: Scheduling) -> None:
    schedules.set(every_ms=10 * SECOND_MS, overlap=Overlap.ALLOW, catch_up=CatchUp.NONE)
    schedules.jump(35 * SECOND_MS)
    assert schedules.times() == [10 * SECOND_MS, 20 * SECOND_MS, 30 * SECOND_MS]


@pytest.mark.parametrize("recurrence", [{"every_ms": MINUTE_MS}, {"cron": "20 * * * * *"}])
def test_missed_times_are_made_up_for_as_the_schedule_says(recurrence: dict[str, Any]) -> None:
    expected = {
        CatchUp.NONE: ([], 5),
        CatchUp.ONE: ([1], 4),
        CatchUp.ALL: ([1, 2, 3, 4, 5], 0),
    }
    for catch_up, (minutes, skipped) in expected.items():
        schedules = Scheduling()
        schedules.set(overlap=Overlap.ALLOW, catch_up=catch_up, **recurrence)
        schedules.jump(5 * MINUTE_MS + MISSED_AFTER_MS)
        assert schedules.times() == [each * MINUTE_MS for each in minutes], catch_up
        assert (schedules.schedule().count, schedules.schedule().skipped) == (len(minutes), skipped)
        assert schedules.schedule().next_ms == BEGIN_MS + 6 * MINUTE_MS
        schedules.jump(30 * SECOND_MS)
        assert schedules.times() == [each * MINUTE_MS for each in (*minutes, 6)], "it goes on"


def test_one_task_is_submitted_for_each_outage(schedules: Scheduling) -> None:
    schedules.set(overlap=Overlap.ALLOW)
    for hours in (1, 2):
        schedules.jump(HOUR_MS + 45 * SECOND_MS)
        assert schedules.schedule().count == hours
    assert schedules.schedule().count + schedules.schedule().skipped == 121


@pytest.mark.parametrize("recurrence", [{"every_ms": SECOND_MS}, {"cron": "* * * * * *"}])
def test_no_more_than_a_hundred_missed_times_are_made_up_for(recurrence: dict[str, Any]) -> None:
    schedules = Scheduling()
    schedules.set(overlap=Overlap.ALLOW, catch_up=CatchUp.ALL, **recurrence)
    schedules.jump(10 * MINUTE_MS)
    recent = MISSED_AFTER_MS // SECOND_MS
    assert schedules.schedule().count == MAX_CATCH_UP + recent
    assert schedules.times()[:MAX_CATCH_UP] == [each * SECOND_MS for each in range(1, MAX_CATCH_UP + 1)]
    assert schedules.schedule().count + schedules.schedule().skipped == 600
    schedules.check_replay()


def test_a_long_outage_is_passed_over_in_a_few_events(schedules: Scheduling) -> None:
    schedules.set(every_ms=SECOND_MS, overlap=Overlap.ALLOW)
    schedules.set("cron", cron="* * * * * *", overlap=Overlap.ALLOW, catch_up=CatchUp.NONE)
    schedules.jump(365 * DAY_MS)
    assert len(schedules.events) < 150
    each = schedules.schedule()
    assert each.count + each.skipped == 365 * DAY_MS // SECOND_MS, "of an interval all are counted"
    assert schedules.schedule("cron").next_ms == schedules.now_ms + SECOND_MS


def test_a_missed_time_whose_deadline_has_passed_is_skipped_and_says_so(schedules: Scheduling) -> None:
    schedules.set(deadline_after_ms=10_000)
    schedules.jump(5 * MINUTE_MS + MISSED_AFTER_MS)
    assert schedules.times() == []
    assert "deadline_ms" in schedules.schedule().last_problem


def test_a_schedule_that_is_paused_submits_nothing_and_makes_up_for_it_afterwards(
    schedules: Scheduling,
) -> None:
    schedules.set(overlap=Overlap.ALLOW)
    assert isinstance(schedules.pause(), Outcome)
    assert schedules.model.next_deadline_ms() is None
    schedules.advance(BEGIN_MS + HOUR_MS)
    assert schedules.times() == []
    reply = schedules.pause(is_paused=False)
    assert isinstance(reply, Outcome)
    assert not reply.reply.is_paused
    schedules.advance(schedules.now_ms)
    assert schedules.times() == [MINUTE_MS, HOUR_MS], "one for what was missed, and the one that is due now"


# --- changing


def test_setting_a_schedule_again_changes_it_and_keeps_its_times_and_counts(schedules: Scheduling) -> None:
    schedules.set()
    schedules.advance(BEGIN_MS + MINUTE_MS + 10_000)
    before = schedules.schedule()
    assert schedules.set() == Outcome(reply=before), "the same again is no change"
    schedules.set(caller=OPERATOR, spec={"priority": 7})
    after = schedules.schedule()
    assert (after.owner, after.next_ms, after.count) == ("ada", before.next_ms, 1)
    assert after.spec.priority == 7
    schedules.set(every_ms=HOUR_MS)
    assert schedules.schedule().next_ms == schedules.now_ms + HOUR_MS
    assert schedules.schedule().last_task_id == before.last_task_id


def test_only_the_owner_and_the_operator_change_or_remove_a_schedule(schedules: Scheduling) -> None:
    schedules.set()
    assert schedules.refused_schedule(caller="eve").code == "not_owner"
    for command in (
        PauseSchedule(schedule_id="nightly", caller="eve", is_paused=True),
        RemoveSchedule(schedule_id="nightly", caller="eve"),
    ):
        assert schedules.refuse(command) == "not_owner"
    removed = schedules.accept(RemoveSchedule(schedule_id="nightly", caller=OPERATOR))
    assert removed.schedule_id == "nightly"
    assert schedules.model.next_deadline_ms() is None
    assert schedules.refuse(RemoveSchedule(schedule_id="nightly", caller="ada")) == "unknown_schedule"


@pytest.mark.parametrize(
    ("owner", "who"),
    [
        ("ada", "ada, who set schedule nightly up, or the operator"),
        (OPERATOR, "the operator, who set schedule nightly up,"),
    ],
)
def test_whoever_may_not_change_a_schedule_hears_who_may(schedules: Scheduling, owner: str, who: str) -> None:
    schedules.set(caller=owner)
    assert schedules.refused_schedule(caller="eve").message == f"only {who} may do that"


def test_a_schedule_that_is_removed_and_set_again_does_not_repeat_a_time(schedules: Scheduling) -> None:
    schedules.set(every_ms=MINUTE_MS, start_ms=BEGIN_MS + MINUTE_MS, overlap=Overlap.ALLOW)
    schedules.advance(BEGIN_MS + MINUTE_MS)
    schedules.accept(RemoveSchedule(schedule_id="nightly", caller="ada"))
    schedules.now_ms -= 1  # a leader whose clock is behind; the host would not let it
    schedules.set(every_ms=MINUTE_MS, start_ms=BEGIN_MS + MINUTE_MS, overlap=Overlap.ALLOW)
    schedules.advance(BEGIN_MS + MINUTE_MS)
    assert len(schedules.submitted()) == 1
    assert schedules.schedule().last_problem.endswith("was submitted for this time before")


def test_a_time_at_which_there_is_no_room_is_skipped_and_says_why() -> None:
    schedules = Scheduling(policy=Policy(max_open_tasks=1))
    schedules.set(overlap=Overlap.ALLOW)
    schedules.advance(BEGIN_MS + 2 * MINUTE_MS)
    assert (schedules.schedule().count, schedules.schedule().skipped) == (1, 1)
    assert schedules.schedule().last_problem == "1 tasks are open; try again later"


def test_large_tasks_of_many_schedules_are_spread_over_ticks(schedules: Scheduling) -> None:
    for index in range(10):
        schedules.set(f"s{index}", spec={"payload": {"a": "x" * 100_000}, "payload_bytes": 100_010})
    outcome = schedules.model.tick(BEGIN_MS + MINUTE_MS)
    assert 1 <= sum(type(each) is ScheduleFired for each in outcome.events) <= 3
    schedules.advance(BEGIN_MS + MINUTE_MS)
    assert len(schedules.submitted()) == 10


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"cron": "61 * * * *"}, "the minute, '61', takes 0 to 59"),
        ({"cron": "0 0 * * *", "time_zone": "Mars/Olympus"}, "time_zone 'Mars/Olympus' is not known"),
        ({"every_ms": MINUTE_MS, "cron": "0 0 * * *"}, "give either every_ms or cron"),
        ({"max_count": 2}, "give either every_ms or cron"),
        ({"every_ms": 99}, "every_ms: 99 is less than 100"),
        ({"every_ms": MINUTE_MS, "time_zone": "Europe/Berlin"}, "time_zone is for cron"),
        ({"every_ms": MINUTE_MS, "end_ms": BEGIN_MS}, "no time from now on"),
        ({"cron": "0 0 */30 2 MON#5"}, "no time from now on"),
        ({"schedule_id": "x" * 44}, "has 44 characters; use at most 43"),
        ({"spec": {"run_at_ms": 5}}, "have no run_at_ms"),
        ({"spec": {"after": (Dependency(task_id="t"),)}}, "have no run_at_ms"),
        ({"spec": {"approved_by": "p"}}, "have no run_at_ms"),
    ],
)
def test_a_schedule_that_cannot_work_is_refused(
    schedules: Scheduling, fields: dict[str, Any], problem: str
) -> None:
    refused = schedules.refused_schedule(**fields)
    assert refused.code == "invalid_schedule"
    assert problem in refused.message


def test_more_schedules_than_the_bound_are_refused_as_overloaded(schedules: Scheduling) -> None:
    known = Schedule(
        schedule_id="s",
        owner="ada",
        spec=TaskSpec(requirement="python"),
        recurrence=Recurrence(every_ms=MINUTE_MS),
        created_ms=BEGIN_MS,
        next_ms=None,
    )
    for index in range(MAX_SCHEDULES):
        schedules.model.state.schedules[f"s{index}"] = known
    assert schedules.refused_schedule().code == "overloaded"
    assert isinstance(schedules.set("s0"), Outcome), "one that is there can be changed"


def test_a_time_zone_that_is_gone_ends_a_schedule_and_says_so(schedules: Scheduling) -> None:
    schedules.set(cron="0 3 * * *", time_zone="Europe/Berlin")
    known = schedules.schedule()
    lost = Recurrence(cron="0 3 * * *", time_zone="Europe/Gone")
    schedules._take((ScheduleSet(schedule=_with(known, lost)),))
    schedules.advance(BEGIN_MS + DAY_MS)
    assert schedules.schedule().count == 1
    assert schedules.schedule().next_ms is None
    assert "Europe/Gone" in schedules.schedule().last_problem


def _with(schedule: Schedule, recurrence: Recurrence) -> Schedule:
    values = {name: getattr(schedule, name) for name in Schedule.__slots__}
    return Schedule(**(values | {"recurrence": recurrence}))


def test_ids_of_tasks_are_ids_however_long_that_of_the_schedule_is() -> None:
    assert task_id_of("nightly", BEGIN_MS) == "nightly-20231114-221320"
    assert len(task_id_of("x" * 43, BEGIN_MS + 123)) == 63
