"""Every pair of state and input, through the table and through the model."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import OPERATOR, CancelTask
from coordination.tasks.events import INPUTS, TaskCompleted, WorkerLost
from coordination.tasks.lifecycle import (
    ENDED,
    HELD,
    OPEN,
    TRANSITIONS,
    WAITING,
    IllegalTransitionError,
    Input,
    State,
    step,
)
from coordination.tasks.transitions import evolve
from tests.support.tasking import AGENT, LATER_MS, SUBMITTER, WORKER_COMMANDS, Tasking

PAIRS = tuple(itertools.product(State, Input))
FIELDS: dict[str, Any] = {
    "task_id": "t",
    "at_ms": 2_000,
    "reason": "because",
    "agents": (AGENT,),
    "incarnations": (1,),
    "call": 99,
    "bids_until_ms": 3_000,
    "new_round": False,
    "agent": AGENT,
    "fencing_token": 99,
    "expires_ms": 4_000,
    "lease_expires_ms": 5_000,
    "share": 0.5,
    "note": "half",
    "result": 1,
    "result_bytes": 1,
    "retry_at_ms": 6_000,
    "by": "eve",
}


def event_of(kind: Any, **changed: Any) -> Any:
    """An event of any kind that happens to task ``t``."""
    values = FIELDS | changed
    return kind(**{name: values[name] for name in kind.__dataclass_fields__ if name in values})


@pytest.mark.parametrize(("state", "happened"), PAIRS)
def test_the_table_decides_every_pair(state: State, happened: Input) -> None:
    after = TRANSITIONS[state, happened]
    if after is not None:
        assert step(state, happened) is after
    else:
        with pytest.raises(IllegalTransitionError, match=str(state)):
            step(state, happened)


@pytest.mark.parametrize(("state", "kind"), tuple(itertools.product(State, INPUTS)))
def test_every_event_leads_every_record_where_the_table_says(state: State, kind: type) -> None:
    task = Tasking().bring_to(state)
    token = task.fencing_token if kind is TaskCompleted else 99
    is_void = kind is WorkerLost and state is not State.RUNNING
    event = event_of(kind, fencing_token=token, **({"retry_at_ms": None} if is_void else {}))
    expected = TRANSITIONS[state, INPUTS[kind]]
    if expected is None:
        with pytest.raises(IllegalTransitionError):
            evolve(task, event)
        return
    after = evolve(task, event)
    assert after.state is expected
    assert (after.holder is not None) == (expected in HELD)
    assert (after.retry_at_ms is not None) == (expected is State.FAILED)
    assert (after.finished_at_ms is not None) == (expected in ENDED)
    assert (after.call is not None) <= (expected is State.ANNOUNCED)
    under_way = [each for each in after.attempts if each.ended_ms is None]
    assert len(under_way) == (expected in (State.RUNNING, State.CANCELING))
    assert after.fencing_token >= task.fencing_token


@pytest.mark.parametrize(("state", "happened"), tuple(itertools.product(State, WORKER_COMMANDS)))
def test_a_worker_command_is_taken_exactly_where_the_table_has_it(state: State, happened: Input) -> None:
    tasking = Tasking()
    task = tasking.bring_to(state)
    outcome = tasking.send(WORKER_COMMANDS[happened](task.task_id, AGENT, task.fencing_token or 1))
    expected = TRANSITIONS[state, happened]
    if expected is not None:
        assert isinstance(outcome, Outcome)
        assert tasking.task().state is expected
        return
    assert isinstance(outcome, Rejected)
    assert tasking.task() == task
    stops = happened in (Input.PROGRESS, Input.COMPLETE, Input.FAIL)
    if state is State.CANCELING and stops:
        assert outcome.code == "being_canceled"
    else:
        assert outcome.code == ("wrong_state" if state in HELD else "stale_token")


@pytest.mark.parametrize("state", State)
def test_cancel_ends_every_open_task_and_no_other(state: State) -> None:
    tasking = Tasking()
    tasking.bring_to(state)
    outcome = tasking.send(CancelTask(task_id="t", caller=OPERATOR))
    if state in ENDED:
        assert isinstance(outcome, Rejected)
        assert outcome.code == "wrong_state"
        return
    assert isinstance(outcome, Outcome)
    needs_a_word = state in (State.RUNNING, State.CANCELING)
    assert tasking.task().state is (State.CANCELING if needs_a_word else State.CANCELED)


@pytest.mark.parametrize("state", sorted(OPEN - {State.CANCELING}))
def test_the_deadline_ends_every_open_task(state: State) -> None:
    tasking = Tasking(deadline_ms=1_000_000)
    tasking.bring_to(state)
    tasking.tick(1_000_000)
    assert tasking.task().state is State.EXPIRED
    assert tasking.task().reason == "the deadline passed"


def test_the_deadline_does_not_end_a_task_whose_worker_is_to_confirm_its_end() -> None:
    tasking = Tasking(deadline_ms=20_000)
    tasking.bring_to(State.CANCELING)
    tasking.tick(20_000)
    assert tasking.task().state is State.CANCELING
    tasking.work(Input.CONFIRM)
    assert (tasking.task().state, tasking.task().is_confirmed) == (State.CANCELED, True)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.SCHEDULED, State.QUEUED),
        (State.OFFERED, State.QUEUED),
        (State.RUNNING, State.FAILED),
        (State.CANCELING, State.CANCELED),
        (State.FAILED, State.QUEUED),
    ],
)
def test_time_alone_moves_a_task_along_the_table(state: State, after: State) -> None:
    tasking = Tasking()
    tasking.bring_to(state)
    due_ms = tasking.model.next_deadline_ms()
    assert due_ms is not None
    tasking.tick(due_ms)
    assert tasking.task().state is after
    tasking.check_replay()


@pytest.mark.parametrize("state", [State.QUEUED, State.BLOCKED, *sorted(ENDED - {State.SKIPPED})])
def test_time_does_nothing_to_a_task_that_waits_for_others_or_has_ended(state: State) -> None:
    tasking = Tasking()
    tasking.bring_to(state)
    assert tasking.model.next_deadline_ms() is None
    assert not tasking.model.tick(10**12).events


def test_the_states_are_divided_by_who_has_the_task() -> None:
    assert WAITING | HELD == OPEN
    assert not WAITING & HELD
    assert set(State) == OPEN | ENDED


def test_every_input_has_its_event() -> None:
    assert sorted(INPUTS.values()) == sorted(Input)
    assert len(INPUTS) == 22


def test_a_task_that_is_due_later_waits_for_its_time() -> None:
    tasking = Tasking()
    assert tasking.submit(run_at_ms=LATER_MS).reply.state is State.SCHEDULED
    assert tasking.model.next_deadline_ms() == LATER_MS
    tasking.advance(LATER_MS)
    assert (tasking.task().state, tasking.task().queued_at_ms) == (State.QUEUED, LATER_MS)


def test_whoever_submitted_it_hears_of_every_way_to_end() -> None:
    for state in sorted(ENDED):
        tasking = Tasking()
        tasking.bring_to(state)
        pushes = [each for each in tasking.pushes("result") if each.body["task_id"] == "t"]
        assert [(each.agent, each.body["state"]) for each in pushes] == [(SUBMITTER, state)]
        assert [each["task_id"] for each in tasking.notices(state)] == ["t"]
