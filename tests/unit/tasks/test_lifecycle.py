"""Every pair of state and input, through the table and through the model."""

from __future__ import annotations

import itertools

import pytest

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks.commands import CancelTask
from coordination.tasks.events import INPUTS
from coordination.tasks.lifecycle import FINISHED, TRANSITIONS, IllegalTransitionError, Input, State, step
from tests.support.tasking import AGENT, SUBMITTER, WORKER_COMMANDS, Tasking

PAIRS = tuple(itertools.product(State, Input))


@pytest.mark.parametrize(("state", "happened"), PAIRS)
def test_the_table_decides_every_pair(state: State, happened: Input) -> None:
    if (state, happened) in TRANSITIONS:
        assert step(state, happened) is TRANSITIONS[state, happened]
    else:
        with pytest.raises(IllegalTransitionError):
            step(state, happened)


@pytest.mark.parametrize(("state", "happened"), tuple(itertools.product(State, WORKER_COMMANDS)))
def test_a_worker_command_is_taken_exactly_where_the_table_has_it(state: State, happened: Input) -> None:
    tasking = Tasking()
    task = tasking.bring_to(state)
    outcome = tasking.send(WORKER_COMMANDS[happened](task.task_id, AGENT, task.fencing_token or 1))
    if (state, happened) in TRANSITIONS:
        assert isinstance(outcome, Outcome)
        assert tasking.task().state is TRANSITIONS[state, happened]
    else:
        assert isinstance(outcome, Rejected)
        holds_it = state in (State.OFFERED, State.RUNNING)
        assert outcome.code == ("wrong_state" if holds_it else "stale_token")
        assert tasking.task() == task


@pytest.mark.parametrize("state", State)
def test_cancel_ends_every_open_task_and_no_other(state: State) -> None:
    tasking = Tasking()
    task = tasking.bring_to(state)
    outcome = tasking.send(CancelTask(task_id=task.task_id, caller=SUBMITTER))
    if state in FINISHED:
        assert isinstance(outcome, Rejected)
        assert outcome.code == "wrong_state"
    else:
        assert isinstance(outcome, Outcome)
        assert tasking.task().state is State.CANCELED


@pytest.mark.parametrize("state", [state for state in State if state not in FINISHED])
def test_the_deadline_ends_every_open_task(state: State) -> None:
    tasking = Tasking(deadline_ms=1_000_000)
    tasking.bring_to(state)
    tasking.tick(1_000_000)
    assert tasking.task().state is State.EXPIRED
    assert tasking.model.next_deadline_ms() is None


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (State.OFFERED, State.QUEUED),
        (State.RUNNING, State.FAILED),
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


@pytest.mark.parametrize("state", [State.QUEUED, *sorted(FINISHED)])
def test_time_does_nothing_to_a_task_that_waits_for_an_agent_or_has_ended(state: State) -> None:
    tasking = Tasking()
    tasking.bring_to(state)
    assert tasking.model.next_deadline_ms() is None
    assert not tasking.model.tick(10**12).events


def test_every_input_has_its_event() -> None:
    assert sorted(INPUTS.values()) == sorted(Input)
