"""What an agent that means no good asks for: the service neither fails nor lets others wait for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from unittest import mock

import pytest
from pydantic import ValidationError

from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import MAX_COMMAND_EVENTS_BYTES, MAX_RECORD_BYTES
from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import cron, dispatching, sagas, scheduling, submitting, wire
from coordination.tasks.commands import (
    CancelDag,
    CancelTask,
    CompleteTask,
    DeadLetterFilter,
    FailTask,
    PurgeDeadLetters,
    Report,
    RetryTask,
    SetSchedule,
    SubmitDag,
)
from coordination.tasks.dags import DagState
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import (
    MAX_DAG_TASKS,
    MAX_KEY_CHARS,
    MAX_MARKS,
    MAX_NOTE_CHARS,
    MAX_REASON_CHARS,
    Policy,
)
from coordination.tasks.schedules import CatchUp, Overlap, Recurrence
from coordination.tasks.scheduling import task_id_of
from coordination.tasks.spec import Budget, Dependency, Nearness, Placement, TaskSpec
from coordination.tasks.touched import MAX_LOGGED
from tests.support.allocating import agent
from tests.support.tasking import Tasking

EVE: Final = "eve"
HOUR_MS: Final = 3_600_000


class Recording(Tasking):
    """A task model whose ticks must fit into records, as the kernel insists."""

    def tick(self, now_ms: int) -> None:
        place = len(self.events)
        super().tick(now_ms)
        codec = EventCodec(self.model.event_types, encoders=self.model.encoders)
        size_bytes = sum(len(codec.encode(each)) + 1 for each in self.events[place:])
        assert size_bytes <= MAX_RECORD_BYTES


def test_schedules_of_tasks_with_long_names_that_are_due_together_fire_in_several_records() -> None:
    long = "\U0001f600" * (MAX_KEY_CHARS - 1)
    names = tuple(f"{long}{number}" for number in range(MAX_MARKS))
    placement = Placement(
        marks=names, near=tuple(Nearness(mark=each, is_required=False) for each in names), sticky_key=long
    )
    tasking = Recording()
    for number in range(4):
        command = SetSchedule(
            schedule_id=f"s{number}",
            caller=EVE,
            spec=TaskSpec(requirement="x", capability="x", placement=placement, fairness_key=long),
            recurrence=Recurrence(every_ms=100, max_count=100),
            overlap=Overlap.ALLOW,
            catch_up=CatchUp.ALL,
        )
        tasking.accept(command)
    tasking.now_ms += HOUR_MS
    tasking.advance(tasking.now_ms)
    assert len(tasking.model.state.open) == 400


def test_dags_that_fail_together_for_a_long_reason_do_so_in_several_records() -> None:
    tasking = Recording()
    tasking.roster.put(agent(EVE, "x"))
    tasking.submit("first", submitter=EVE, capability="x")
    tasking.advance(tasking.now_ms)
    for number in range(300):
        dag_id = f"d{number}"
        member = tasking.command(
            f"m{number}",
            submitter=EVE,
            capability="x",
            dag=dag_id,
            name="m",
            after=(Dependency(task_id="first"),),
        )
        tasking.accept(SubmitDag(dag_id=dag_id, submitter=EVE, tasks=(member,)))
    outcome = tasking.send(
        FailTask(
            task_id="first",
            agent=EVE,
            fencing_token=tasking.task("first").fencing_token,
            reason="\x01" * MAX_REASON_CHARS,
            retryable=False,
        )
    )
    assert isinstance(outcome, Outcome)
    tasking.advance(tasking.now_ms)
    assert tasking.model.state.dag_counts.open_dags == 0


def test_whoever_takes_the_id_of_the_next_task_of_a_schedule_does_not_keep_it_from_its_work() -> None:
    tasking = Recording()
    command = SetSchedule(
        schedule_id="nightly",
        caller="ada",
        spec=TaskSpec(requirement="x", capability="x"),
        recurrence=Recurrence(every_ms=1_000, max_count=1),
    )
    next_ms = tasking.accept(command).next_ms
    taken = task_id_of("nightly", next_ms)
    tasking.submit(taken, submitter=EVE)
    tasking.advance(next_ms)
    schedule = tasking.model.state.schedules["nightly"]
    assert (schedule.count, schedule.skipped) == (1, 0)
    assert schedule.last_task_id != taken
    assert tasking.task(schedule.last_task_id).submitter == "ada"
    tasking.check_replay()


def dag(tasking: Tasking, dag_id: str, *names: str, submitter: str = "ada") -> None:
    members = tuple(
        tasking.command(f"{submitter}-{name}", submitter=submitter, dag=dag_id, name=name) for name in names
    )
    tasking.accept(SubmitDag(dag_id=dag_id, submitter=submitter, tasks=members))


def test_a_dag_does_not_count_tasks_of_a_forgotten_one_that_had_its_id() -> None:
    tasking = Recording()
    dag(tasking, "d", "m")
    tasking.offer(task_id="ada-m")
    failed = FailTask(
        task_id="ada-m",
        agent="bob",
        fencing_token=tasking.task("ada-m").fencing_token,
        reason="no",
        retryable=False,
    )
    tasking.accept(failed)
    tasking.advance(tasking.now_ms)
    assert tasking.model.state.dags["d"].state is DagState.FAILED
    tasking.accept(RetryTask(task_id="ada-m", caller="ada"))
    del tasking.model.state.dags["d"]  # as when many others have been submitted since
    dag(tasking, "d", "one", "two", submitter=EVE)
    tasking.accept(CancelTask(task_id="ada-m", caller="ada"))
    tasking.advance(tasking.now_ms)
    assert tasking.model.state.dags["d"].open_count == 2


def test_a_large_dag_can_be_canceled_whatever_the_reason() -> None:
    tasking = Recording()
    dag(tasking, "d", *(f"m{number}" for number in range(MAX_DAG_TASKS)))
    place = len(tasking.events)
    tasking.accept(CancelDag(dag_id="d", caller="ada", reason="\U0001f600" * MAX_NOTE_CHARS))
    codec = EventCodec(tasking.model.event_types, encoders=tasking.model.encoders)
    assert sum(len(codec.encode(each)) + 1 for each in tasking.events[place:]) < MAX_COMMAND_EVENTS_BYTES
    tasking.advance(tasking.now_ms)
    assert tasking.model.state.dags["d"].state is DagState.CANCELED
    assert not tasking.model.state.open


def test_calls_for_proposals_do_not_last_for_days() -> None:
    with pytest.raises(ValidationError, match="bid_ms"):
        wire.Bidding(bid_ms=24 * HOUR_MS)


def test_an_agent_that_left_while_much_else_changed_is_not_offered_anything() -> None:
    tasking = Recording()
    for name in ("ada", "bob"):
        tasking.roster.put(agent(name, "python"))
    dispatching.pool_of(tasking.model.view, "default", tasking.now_ms)
    tasking.roster.remove("ada")
    for number in range(2 * MAX_LOGGED + 1):
        tasking.roster.set_load("bob", float(number + 1))
    for task_id in ("one", "two"):
        tasking.submit(task_id)
    tasking.advance(tasking.now_ms)
    assert [tasking.task(each).state for each in ("one", "two")] == [State.OFFERED, State.QUEUED]


def test_nothing_is_offered_before_it_is_known_who_is_there() -> None:
    tasking = Recording()
    tasking.roster.is_current = False
    tasking.roster.put(agent("bob", "python"))
    tasking.submit()
    assert tasking.model.next_deadline_ms() is None
    tasking.roster.is_current = True
    tasking.advance(tasking.now_ms)
    assert tasking.task().state is State.OFFERED


def test_a_schedule_that_begins_in_ten_thousand_years_is_refused() -> None:
    tasking = Recording()
    command = SetSchedule(
        schedule_id="late",
        caller=EVE,
        spec=TaskSpec(requirement="x", capability="x"),
        recurrence=Recurrence(cron="0 3 * * *", start_ms=2**53 - 1),
    )
    assert tasking.refuse(command) == "invalid_schedule"


def is_full(outcome: object) -> bool:
    return isinstance(outcome, Rejected) and outcome.code == "overloaded" and outcome.retryable


def taken(tasking: Tasking, submitter: str, **fields: object) -> int:
    """How many tasks of one submitter are taken before it is refused."""
    for count in range(1_000):
        different = {name: each.format(count) for name, each in fields.items() if isinstance(each, str)}
        if is_full(tasking.submit(f"{submitter}-{count}", submitter=submitter, **(fields | different))):
            return count
    raise AssertionError("nothing was refused")


def test_nobody_has_so_many_open_tasks_that_there_is_no_room_for_others() -> None:
    tasking = Tasking(policy=Policy(max_open_tasks=100))
    assert taken(tasking, EVE) == 81
    assert taken(tasking, "mallory") == 16
    assert not is_full(tasking.submit("mine"))
    tasking.restart()
    assert is_full(tasking.submit("more", submitter=EVE))
    for number in range(40):
        tasking.accept(CancelTask(task_id=f"eve-{number}", caller=EVE))
    assert not is_full(tasking.submit("more", submitter=EVE))


def test_nobody_has_so_much_payload_that_there_is_no_room_for_others() -> None:
    tasking = Tasking(policy=Policy(max_open_bytes=10 * 1024 * 1024))
    assert 60 < taken(tasking, EVE, payload_bytes=128 * 1024) < 70
    assert not is_full(tasking.submit("mine", payload_bytes=128 * 1024))


def test_nobody_uses_up_what_else_is_bounded() -> None:
    with mock.patch.object(submitting, "MAX_WAITING_REQUIREMENTS", 100):
        tasking = Tasking()
        assert taken(tasking, EVE, capability="c{}") == 81
        assert not is_full(tasking.submit("mine", capability="mine"))
    with mock.patch.object(submitting, "MAX_IDEMPOTENCY_KEYS", 100):
        tasking = Tasking()
        assert taken(tasking, EVE, idempotency_key="k{}") == 81
        assert not is_full(tasking.submit("mine", idempotency_key="mine"))
    with mock.patch.object(scheduling, "MAX_SCHEDULES", 100):
        tasking = Tasking()
        spec, when = TaskSpec(requirement="x", capability="x"), Recurrence(every_ms=HOUR_MS)
        answers = [
            tasking.send(SetSchedule(schedule_id=f"s{number}", caller=EVE, spec=spec, recurrence=when))
            for number in range(90)
        ]
        assert [is_full(each) for each in answers] == [False] * 81 + [True] * 9
        mine = SetSchedule(schedule_id="mine", caller="ada", spec=spec, recurrence=when)
        assert not is_full(tasking.send(mine))


@pytest.mark.parametrize(("bound", "most"), [("MAX_DAGS", 81), ("MAX_DAG_MEMBERS", 80)])
def test_nobody_has_so_many_dags_that_there_is_no_room_for_others(bound: str, most: int) -> None:
    tasking = Tasking()

    def submit(dag_id: str, submitter: str) -> object:
        member = tasking.command(f"{dag_id}-m", submitter=submitter, dag=dag_id, name="m")
        return tasking.send(SubmitDag(dag_id=dag_id, submitter=submitter, tasks=(member,)))

    with mock.patch.object(sagas, bound, 100):
        answers = [submit(f"d{number}", EVE) for number in range(90)]
        assert [is_full(each) for each in answers].index(True) == most
        assert not is_full(submit("mine", "ada"))


def test_dead_letters_of_one_submitter_do_not_keep_others_from_submitting() -> None:
    tasking = Tasking(policy=Policy(max_dead_letters=20, max_open_tasks=100))
    for number in range(30):
        tasking.submit(f"e{number}", submitter=EVE)
    for number in range(30):
        tasking.offer(task_id=f"e{number}")
        token = tasking.task(f"e{number}").fencing_token
        tasking.accept(
            FailTask(task_id=f"e{number}", agent="bob", fencing_token=token, reason="no", retryable=False)
        )
    assert is_full(tasking.submit("more", submitter=EVE))
    assert not is_full(tasking.submit("mine"))
    tasking.restart()
    assert is_full(tasking.submit("more", submitter=EVE))
    tasking.accept(PurgeDeadLetters(caller=EVE, which=DeadLetterFilter(), limit=30))
    assert not is_full(tasking.submit("more", submitter=EVE))


@pytest.mark.parametrize(
    ("reserved", "spent", "used"),
    [((0, 0, 0), (6, 6, 1), (6, 6 + 6, 6 + 6 + 1)), ((8, 0, 0), (2, 7, 1), (2, 9, 10))],
)
def test_what_one_report_says_of_several_tasks_counts_against_their_budget_as_if_said_one_by_one(
    reserved: tuple[int, ...], spent: tuple[int, ...], used: tuple[int, ...]
) -> None:
    tasking = Tasking()
    tasking.submit("top", budget=Budget(cost=10))
    tasking.offer(task_id="top")
    token = tasking.task("top").fencing_token
    for number, cost in enumerate(reserved):
        child = tasking.command(f"c{number}", submitter="bob", parent="top", payload={"n": number}, cost=cost)
        tasking.accept(replace(child, parent_token=token))
        tasking.offer("carl", task_id=f"c{number}")
    items = tuple(
        CompleteTask(
            task_id=f"c{number}",
            agent="carl",
            fencing_token=tasking.task(f"c{number}").fencing_token,
            result=None,
            result_bytes=4,
            spent=units,
        )
        for number, units in enumerate(spent)
    )
    tasking.accept(Report(agent="carl", items=items))
    states = [tasking.task(f"c{number}").state for number in range(3)]
    assert states == [State.COMPLETED if each <= 10 else State.DEAD_LETTERED for each in used]
    assert tasking.task("top").used_cost == used[-1]


def test_schedules_that_have_missed_many_times_are_dealt_with_in_several_ticks() -> None:
    """A tick that takes longer than a leadership lasts would be begun by one leader after the other."""
    tasking = Tasking()
    when = Recurrence(cron="* * * * *")
    for number in range(20):
        spec = TaskSpec(requirement="x", capability="x")
        schedule_id = f"s{number}"
        tasking.accept(SetSchedule(schedule_id=schedule_id, caller=EVE, spec=spec, recurrence=when))
    tasking.now_ms += 30 * 24 * HOUR_MS
    with mock.patch.object(cron, "next_ms", wraps=cron.next_ms) as asked:
        tasking.tick(tasking.now_ms)
    assert asked.call_count <= 2
    tasking.advance(tasking.now_ms)
    schedules = tasking.model.state.schedules.values()
    assert all(each.count == 1 and each.skipped >= 1_000 for each in schedules)


def test_missed_times_at_which_nothing_may_be_submitted_are_not_looked_at_without_end() -> None:
    tasking = Tasking()
    command = SetSchedule(
        schedule_id="often",
        caller=EVE,
        spec=TaskSpec(requirement="x", capability="x"),
        recurrence=Recurrence(every_ms=100),
        overlap=Overlap.SKIP,
        catch_up=CatchUp.ALL,
    )
    tasking.accept(command)
    tasking.advance(tasking.now_ms + 100)
    tasking.now_ms += 24 * HOUR_MS
    place = len(tasking.events)
    tasking.advance(tasking.now_ms)
    assert len(tasking.events) - place < 1_000
    schedule = tasking.model.state.schedules["often"]
    assert schedule.next_ms is not None
    assert schedule.next_ms > tasking.now_ms
