"""What time does: backoffs are drawn and repeat, and tasks that were not begun in time say why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_ATTEMPTS, MAX_DURATION_MS
from coordination.tasks.spec import Backoff, Dependency
from coordination.tasks.timing import backoff_ms
from tests.support.tasking import Tasking

backoffs = st.builds(
    Backoff,
    first_ms=st.integers(0, MAX_DURATION_MS),
    factor=st.floats(1, 10),
    last_ms=st.integers(0, MAX_DURATION_MS),
    jitter=st.floats(0, 1),
)
attempts = st.integers(1, MAX_ATTEMPTS)
seeds = st.integers(0, 2**32 - 1)


def test_backoff_grows_by_its_factor_up_to_its_limit() -> None:
    backoff = Backoff(first_ms=100, factor=3.0, last_ms=1_000, jitter=0.0)
    assert [backoff_ms(backoff, attempt, 7) for attempt in (1, 2, 3, 4, 20)] == [100, 300, 900, 1_000, 1_000]


@given(backoff=backoffs, attempt=attempts, seed=seeds)
def test_backoff_loses_no_more_than_its_jitter_and_is_drawn_the_same_again(
    backoff: Backoff, attempt: int, seed: int
) -> None:
    whole_ms = min(backoff.first_ms * backoff.factor ** (attempt - 1), backoff.last_ms)
    drawn_ms = backoff_ms(backoff, attempt, seed)
    assert whole_ms * (1 - backoff.jitter) - 1 <= drawn_ms <= whole_ms
    assert drawn_ms == backoff_ms(backoff, attempt, seed)


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    backoff = Backoff(first_ms=10_000, jitter=0.5)
    drawn = {backoff_ms(backoff, 1, seed) for seed in range(200)}
    assert len(drawn) > 150
    assert min(drawn) < 5_500
    assert max(drawn) > 9_500
    assert backoff_ms(backoff, 1, 3) != backoff_ms(backoff, 2, 3) / 2


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (State.QUEUED, "an agent that meets 'python', in queue default"),
        (State.BLOCKED, "task first"),
        (State.OFFERED, "an answer of bob to its offer"),
        (State.ANNOUNCED, "bids"),
    ],
)
def test_a_task_that_nobody_has_begun_in_time_expires_and_says_what_it_waited_for(
    state: State, why: str
) -> None:
    tasking = Tasking(start_by_ms=2_000)
    tasking.bring_to(state)
    tasking.advance(1_999)
    assert tasking.task().state is state
    tasking.tick(2_000)
    assert tasking.task().state is State.EXPIRED
    assert tasking.task().reason == f"no attempt had begun in time: it waited for {why}"


def test_who_passed_on_a_task_last_is_part_of_why_it_was_not_begun() -> None:
    tasking = Tasking(start_by_ms=2_000)
    tasking.submit()
    tasking.offer()
    tasking.work(Input.REFUSE)
    tasking.tick(2_000)
    assert tasking.task().reason.endswith("; bob passed on it last: busy")


def test_a_task_that_waits_for_many_names_a_few() -> None:
    tasking = Tasking()
    for index in range(5):
        tasking.submit(f"d{index}")
    after = tuple(Dependency(task_id=f"d{index}") for index in range(5))
    tasking.submit(after=after, start_by_ms=2_000)
    tasking.tick(2_000)
    assert tasking.task().reason.endswith("it waited for task d0, d1, d2 and 2 others")


@pytest.mark.parametrize("state", [State.RUNNING, State.FAILED])
def test_what_has_begun_in_time_does_not_expire_for_that(state: State) -> None:
    tasking = Tasking(start_by_ms=1_500, backoff=Backoff(first_ms=60_000))
    tasking.bring_to(state)
    tasking.advance(2_000)
    assert tasking.task().state is state


def test_an_expired_task_takes_the_work_away_from_its_worker() -> None:
    tasking = Tasking(deadline_ms=2_000)
    tasking.bring_to(State.RUNNING)
    tasking.tick(2_000)
    (told,) = tasking.pushes("cancel")
    assert (told.body["state"], told.body["reason"]) == ("expired", "the deadline passed")
    assert tasking.task().attempts[-1].error == "the deadline passed"


@pytest.mark.parametrize(
    ("fields", "due_ms"),
    [
        ({}, None),
        ({"deadline_ms": 9_000}, 9_000),
        ({"deadline_ms": 9_000, "start_by_ms": 5_000}, 5_000),
        ({"run_at_ms": 3_000, "deadline_ms": 9_000, "start_by_ms": 5_000}, 3_000),
    ],
)
def test_the_earliest_of_its_times_is_when_a_task_is_due(fields: dict[str, Any], due_ms: int | None) -> None:
    tasking = Tasking(**fields)
    tasking.submit()
    assert tasking.model.next_deadline_ms() == due_ms
