"""Silence counts only while somebody listens: what becomes of leases when the service was away."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.tasks.commands import AcceptOffer, CompleteTask
from coordination.tasks.events import ServiceResumed
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.model import TasksModel
from tests.support.tasking import AGENT, START_MS, Tasking

POLICY = Policy(offer_timeout_ms=1_000, lease_ms=2_000, resume_grace_ms=5_000)
AWAY_MS = 60_000


def resumed(tasking: Tasking) -> tuple[Any, ...]:
    """What a new leader writes first, after a long silence."""
    tasking.now_ms += AWAY_MS
    outcome = tasking.model.resume(tasking.now_ms)
    assert outcome.messages == ()
    tasking._take(outcome.events)
    return outcome.events


@pytest.mark.parametrize("state", [State.OFFERED, State.RUNNING, State.CANCELING])
def test_whoever_holds_a_task_has_time_to_be_heard_again(state: State) -> None:
    tasking = Tasking(policy=POLICY)
    before = tasking.bring_to(state)
    assert resumed(tasking) == (ServiceResumed(until_ms=START_MS + AWAY_MS + 5_000),)
    task = tasking.task()
    assert (task.state, task.fencing_token, task.attempts) == (state, before.fencing_token, before.attempts)
    tasking.tick(tasking.now_ms + 4_999)
    assert tasking.task().state is state
    tasking.tick(tasking.now_ms + 1)
    after = {State.OFFERED: State.QUEUED, State.RUNNING: State.FAILED, State.CANCELING: State.CANCELED}
    assert tasking.model.find("t").state is after[state]  # type: ignore[union-attr]


def test_a_worker_that_is_heard_in_time_has_lost_nothing() -> None:
    tasking = Tasking(policy=POLICY)
    token = tasking.bring_to(State.RUNNING).fencing_token
    resumed(tasking)
    tasking.work(Input.PROGRESS)
    tasking.accept(
        CompleteTask(task_id="t", agent=AGENT, fencing_token=token, result={"by": AGENT}, result_bytes=12)
    )
    assert len(tasking.task().attempts) == 1
    assert tasking.task().state is State.COMPLETED


def test_a_renewal_does_not_shorten_what_the_return_has_prolonged() -> None:
    tasking = Tasking(policy=POLICY)
    tasking.bring_to(State.RUNNING)
    resumed(tasking)
    tasking.work(Input.PROGRESS)
    tasking.tick(tasking.now_ms + 4_999)
    assert tasking.task().state is State.RUNNING
    tasking.work(Input.PROGRESS)
    tasking.tick(tasking.now_ms + POLICY.lease_ms)
    assert tasking.task().state is State.FAILED


def test_an_offer_can_be_accepted_that_would_have_ended_while_nobody_listened() -> None:
    tasking = Tasking(policy=POLICY)
    token = tasking.bring_to(State.OFFERED).fencing_token
    resumed(tasking)
    tasking.accept(AcceptOffer(task_id="t", agent=AGENT, fencing_token=token))
    assert tasking.task().state is State.RUNNING


def test_a_lease_that_lasts_longer_anyway_is_left_as_it_is() -> None:
    tasking = Tasking(policy=POLICY, lease_ms=10 * AWAY_MS)
    before = tasking.bring_to(State.RUNNING)
    assert resumed(tasking) == ()
    assert tasking.task() == before


def test_what_nobody_holds_and_what_has_a_deadline_is_as_late_as_it_is() -> None:
    tasking = Tasking(policy=POLICY, deadline_ms=START_MS + AWAY_MS)
    tasking.bring_to(State.RUNNING)
    tasking.submit("waits")
    assert len(resumed(tasking)) == 1
    tasking.tick(tasking.now_ms)
    assert {tasking.model.find(each).state for each in ("t", "waits")} == {State.EXPIRED}  # type: ignore[union-attr]


def test_without_anybody_at_work_nothing_is_written() -> None:
    assert TasksModel(POLICY).resume(START_MS).events == ()
