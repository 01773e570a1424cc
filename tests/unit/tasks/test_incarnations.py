"""Offers and leases belong to one incarnation of their agent, and end with it."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from coordination.tasks.commands import CompleteTask, Sighting, TakeBack
from coordination.tasks.events import TaskOffered
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_LOST_TASKS
from coordination.tasks.record import WORKER_LEFT, WORKER_RESTARTED, Attempt, Holder
from coordination.tasks.spec import Backoff
from tests.support.tasking import AGENT, Tasking

STEADY = Backoff(first_ms=1_000, jitter=0.0)


def restarted(incarnation: int = 2) -> TakeBack:
    return TakeBack(sightings=(Sighting(agent=AGENT, incarnation=incarnation),))


def left(incarnation: int = 1) -> TakeBack:
    return TakeBack(sightings=(Sighting(agent=AGENT, incarnation=incarnation, is_gone=True),))


@pytest.mark.parametrize(("command", "reason"), [(restarted(), WORKER_RESTARTED), (left(), WORKER_LEFT)])
def test_the_attempt_of_an_incarnation_that_is_no_more_ends_at_once_as_a_failed_one(
    command: TakeBack, reason: str
) -> None:
    tasking = Tasking(backoff=STEADY)
    token = tasking.bring_to(State.RUNNING).fencing_token
    assert tasking.accept(command).count == 1
    task = tasking.task()
    assert (task.state, task.retry_at_ms) == (State.FAILED, tasking.now_ms + STEADY.first_ms)
    assert [(each.error, each.incarnation) for each in task.attempts] == [(reason, 1)]
    assert [each["reason"] for each in tasking.notices("failed")] == [reason]
    late = CompleteTask(task_id="t", agent=AGENT, fencing_token=token, result=1, result_bytes=1)
    assert tasking.refuse(late) == "stale_token"
    assert tasking.accept(command).count == 0, "it is taken back once"
    tasking.advance(tasking.now_ms + STEADY.first_ms)
    tasking.offer(incarnation=2)
    assert tasking.refuse(late) == "stale_token"
    tasking.check_replay()
    tasking.check_snapshot()


def test_its_offer_is_void_without_an_attempt_and_the_next_incarnation_is_asked_at_once() -> None:
    tasking = Tasking()
    old = tasking.bring_to(State.OFFERED).fencing_token
    tasking.accept(restarted())
    task = tasking.task()
    assert (task.state, task.attempts, task.refusals) == (State.QUEUED, (), ())
    assert tasking.notices("failed") == []
    assert tasking.offer(incarnation=2).fencing_token > old
    tasking.check_replay()


@pytest.mark.parametrize("state", [State.OFFERED, State.RUNNING])
@pytest.mark.parametrize("command", [restarted(1), restarted(0), left(0)])
def test_the_incarnation_that_is_registered_keeps_what_it_holds(state: State, command: TakeBack) -> None:
    tasking = Tasking()
    before = tasking.bring_to(state)
    assert tasking.accept(command).count == 0
    assert tasking.task() == before


def test_other_agents_keep_what_they_hold() -> None:
    tasking = Tasking()
    before = tasking.bring_to(State.RUNNING)
    tasking.accept(TakeBack(sightings=(Sighting(agent="cy", incarnation=9, is_gone=True),)))
    assert tasking.task() == before


def test_an_incarnation_that_nobody_knows_is_not_judged() -> None:
    tasking = Tasking()
    tasking.submit()
    tasking.offer(incarnation=0)
    tasking.work(Input.ACCEPT)
    assert tasking.accept(left(9)).count == 0
    assert tasking.task().state is State.RUNNING


def test_restarts_use_up_the_attempts() -> None:
    tasking = Tasking(backoff=STEADY, max_attempts=2)
    tasking.submit()
    for incarnation in (1, 2):
        tasking.offer(incarnation=incarnation)
        tasking.work(Input.ACCEPT)
        tasking.accept(restarted(incarnation + 1))
        tasking.advance(tasking.now_ms + STEADY.first_ms)
    assert (tasking.task().state, tasking.task().reason) == (State.DEAD_LETTERED, WORKER_RESTARTED)
    assert len(tasking.pushes("result")) == 1


def test_a_worker_that_is_gone_needs_not_confirm_that_it_stopped() -> None:
    tasking = Tasking()
    tasking.bring_to(State.CANCELING)
    assert tasking.accept(left()).count == 1
    task = tasking.task()
    assert (task.state, task.is_confirmed) == (State.CANCELED, False)
    assert task.attempts[-1].error == WORKER_LEFT
    assert len(tasking.pushes("result")) == 1
    tasking.check_replay()


def test_one_command_takes_back_a_bounded_number_of_tasks() -> None:
    tasking = Tasking()
    for index in range(MAX_LOST_TASKS + 3):
        tasking.submit(f"t{index}")
        tasking.offer(task_id=f"t{index}")
    assert tasking.model.index.holders() == {AGENT: 1}
    assert tasking.accept(left()).count == MAX_LOST_TASKS
    assert tasking.accept(left()).count == 3
    assert tasking.model.index.holders() == {}


def test_what_was_stored_without_incarnations_is_read_as_of_an_unknown_one() -> None:
    offered = {"task_id": "t", "agent": AGENT, "fencing_token": 1, "at_ms": 1, "expires_ms": 2}
    offered["new_round"] = False
    assert TypeAdapter(TaskOffered).validate_python(offered).incarnation == 0
    assert TypeAdapter(Holder).validate_python({"agent": AGENT, "expires_ms": 2}).incarnation == 0
    attempt = {"agent": AGENT, "fencing_token": 1, "started_ms": 2}
    assert TypeAdapter(Attempt).validate_python(attempt).incarnation == 0
