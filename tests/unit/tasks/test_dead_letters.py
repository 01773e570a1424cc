"""Dead letters are kept until somebody brings them back or deletes them."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.tasks.commands import (
    OPERATOR,
    DeadLetterFilter,
    FailTask,
    PurgeDeadLetters,
    RedriveDeadLetters,
    RetryTask,
)
from coordination.tasks.events import TaskDeadLettered
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_EARLIER_ATTEMPTS, MAX_TICK_TASKS, Policy
from tests.support.tasking import AGENT, SUBMITTER, Tasking

ALL = DeadLetterFilter()


def redrive(caller: str = SUBMITTER, limit: int = 100, **which: Any) -> RedriveDeadLetters:
    return RedriveDeadLetters(caller=caller, which=DeadLetterFilter(**which), limit=limit)


def purge(caller: str = SUBMITTER, limit: int = 100, **which: Any) -> PurgeDeadLetters:
    return PurgeDeadLetters(caller=caller, which=DeadLetterFilter(**which), limit=limit)


def retry(caller: str = SUBMITTER) -> RetryTask:
    return RetryTask(task_id="t", caller=caller)


def give_up(tasking: Tasking, *task_ids: str, reason: str = "no", **fields: Any) -> None:
    for task_id in task_ids:
        tasking.submit(task_id, **fields)
        tasking.happen(TaskDeadLettered(task_id=task_id, reason=reason, at_ms=tasking.now_ms))


def test_a_redriven_task_has_all_its_attempts_again_and_keeps_its_history() -> None:
    tasking = Tasking(max_attempts=1)
    tasking.bring_to(State.DEAD_LETTERED)
    tasking.now_ms += 500
    assert tasking.accept(redrive()).task_ids == ("t",)
    task = tasking.task()
    assert (task.state, task.redrives, task.attempts_left, task.queued_at_ms) == (State.QUEUED, 1, 1, 1_500)
    assert (task.reason, task.finished_at_ms, len(task.attempts)) == ("", None, 1)
    assert list(tasking.model.state.dead_letters) == []
    assert tasking.notices("redriven")[0]["by"] == SUBMITTER
    tasking.offer()
    assert tasking.pushes("task")[-1].body["attempt"] == 1
    tasking.work(Input.COMPLETE)
    assert [each.error for each in tasking.task().attempts] == ["no", ""]
    tasking.check_replay()
    tasking.check_snapshot()


def test_times_that_have_passed_bind_a_redriven_task_no_more() -> None:
    tasking = Tasking(deadline_ms=5_000, start_by_ms=4_000)
    tasking.bring_to(State.DEAD_LETTERED)
    tasking.now_ms = 4_500
    tasking.accept(redrive())
    assert (tasking.task().spec.deadline_ms, tasking.task().spec.start_by_ms) == (5_000, None)
    assert tasking.submit().reply.duplicate, "it is still the task that was submitted"


def test_an_attempt_of_a_redriven_task_that_fails_counts_from_one() -> None:
    tasking = Tasking(max_attempts=2)
    tasking.bring_to(State.DEAD_LETTERED)
    for _ in range(2):
        tasking.accept(redrive())
        for expected in (State.FAILED, State.DEAD_LETTERED):
            tasking.offer()
            assert tasking.work(Input.FAIL).state is expected
            if expected is State.FAILED:
                tasking.accept(retry())
    assert [each["attempt"] for each in tasking.notices("failed")] == [1, 1, 2, 1, 2]


def test_the_history_of_a_task_that_is_redriven_for_ever_is_bounded() -> None:
    tasking = Tasking(max_attempts=1)
    tasking.bring_to(State.DEAD_LETTERED)
    for _ in range(MAX_EARLIER_ATTEMPTS + 3):
        tasking.accept(redrive())
        tasking.offer()
        tasking.work(Input.FAIL)
    assert tasking.task().state is State.DEAD_LETTERED
    assert len(tasking.task().attempts) == MAX_EARLIER_ATTEMPTS + 1


@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, "abcde"),
        ({"task_ids": ("d", "a", "a", "no")}, "da"),
        ({"submitter": "eve"}, "c"),
        ({"capability": "go"}, "b"),
        ({"queue": "slow"}, "d"),
        ({"reason": "full"}, "e"),
        ({"before_ms": 2_000}, "abcd"),
        ({"before_ms": 2_000, "capability": "python", "task_ids": ("a", "b", "e")}, "a"),
        ({"reason": "nothing like it"}, ""),
    ],
)
def test_the_operator_names_dead_letters_by_what_they_are(which: dict[str, Any], found: str) -> None:
    for command, left in ((redrive, "open"), (purge, "")):
        tasking = Tasking()
        give_up(tasking, "a")
        give_up(tasking, "b", capability="go")
        give_up(tasking, "c", submitter="eve")
        give_up(tasking, "d", queue="slow")
        tasking.now_ms = 2_000
        give_up(tasking, "e", reason="disk full")
        swept = tasking.accept(command(OPERATOR, **which))
        assert (swept.task_ids, swept.more) == (tuple(found), False)
        assert set(tasking.model.state.dead_letters) == set("abcde") - set(found)
        assert set(tasking.model.state.open) == (set(found) if left else set())


def test_others_than_the_operator_sweep_their_own_only() -> None:
    for command in (redrive, purge):
        tasking = Tasking()
        give_up(tasking, "a", "b")
        give_up(tasking, "c", submitter="eve")
        assert tasking.accept(command("eve")).task_ids == ("c",)
        assert tasking.accept(command("eve")).task_ids == ()


def test_sweeping_stops_at_its_limit_and_says_that_there_is_more() -> None:
    for command in (redrive, purge):
        tasking = Tasking()
        give_up(tasking, *"abc")
        first = tasking.accept(command(limit=2))
        assert (first.task_ids, first.more) == (("a", "b"), True)
        second = tasking.accept(command(limit=2))
        assert (second.task_ids, second.more) == (("c",), False)


def test_one_command_sweeps_no_more_than_fits_into_a_record() -> None:
    for command in (redrive, purge):
        tasking = Tasking()
        give_up(tasking, *(f"t{index}" for index in range(MAX_TICK_TASKS + 1)))
        swept = tasking.accept(command(limit=10_000))
        assert (len(swept.task_ids), swept.more) == (MAX_TICK_TASKS, True)


def test_purged_letters_are_counted_and_their_ids_free_again() -> None:
    tasking = Tasking(idempotency_key="k")
    give_up(tasking, "a")
    tasking.accept(purge())
    state = tasking.model.state
    assert (state.purged_count, tasking.model.find("a"), state.idempotency_keys) == (1, None, {})
    assert not tasking.submit("a").reply.duplicate
    tasking.check_replay()
    tasking.check_snapshot()


def test_as_many_are_brought_back_as_there_is_room_for() -> None:
    for policy in (Policy(max_open_tasks=2), Policy(max_open_bytes=35)):
        tasking = Tasking(policy=policy)
        give_up(tasking, *"abc")
        swept = tasking.accept(redrive())
        assert (swept.task_ids, swept.more) == (("a", "b"), True)
        assert tasking.refuse(redrive()) == "overloaded"
        assert tasking.refuse(RetryTask(task_id="c", caller=SUBMITTER)) == "overloaded"


def test_a_retry_ends_the_backoff_or_brings_a_dead_letter_back() -> None:
    for state in (State.FAILED, State.DEAD_LETTERED):
        tasking = Tasking()
        tasking.bring_to(state)
        assert tasking.refuse(retry("eve")) == "not_submitter"
        assert tasking.accept(retry(OPERATOR)).state is State.QUEUED
        assert tasking.task().redrives == (state is State.DEAD_LETTERED)


@pytest.mark.parametrize("state", sorted(set(State) - {State.FAILED, State.DEAD_LETTERED}))
def test_what_has_not_failed_cannot_be_retried(state: State) -> None:
    tasking = Tasking()
    tasking.bring_to(state)
    assert tasking.refuse(retry()) == "wrong_state"
    assert tasking.refuse(RetryTask(task_id="no", caller=SUBMITTER)) == "unknown_task"


def test_tokens_of_before_a_redrive_stay_void() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.DEAD_LETTERED).fencing_token
    tasking.accept(redrive())
    tasking.offer()
    late = FailTask(task_id="t", agent=AGENT, fencing_token=token, reason="x")
    assert tasking.refuse(late) == "stale_token"
