"""What is taken, what is the same as before, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.model import Outcome
from coordination.tasks.commands import CancelTask, Refused, SubmitTasks, Submitted
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_BATCH, Policy
from coordination.tasks.spec import Backoff, Budget
from tests.support.tasking import SUBMITTER, Tasking

CHANGES: list[dict[str, Any]] = [
    {"payload": {}},
    {"priority": 1},
    {"capability": "go"},
    {"max_attempts": 9},
    {"deadline_ms": 9_000},
    {"queue": "slow"},
    {"backoff": Backoff(first_ms=7)},
    {"budget": Budget(tasks=1)},
]


def test_submitting_the_same_task_again_adds_nothing() -> None:
    tasking = Tasking()
    tasking.submit(traceparent="here")
    again = tasking.submit(traceparent="there")
    assert isinstance(again, Outcome)
    assert (again.events, again.reply) == ((), Submitted(task_id="t", state=State.QUEUED, duplicate=True))


@pytest.mark.parametrize("changed", [{"submitter": "eve"}, *CHANGES])
def test_another_task_under_a_used_id_is_refused(changed: dict[str, Any]) -> None:
    tasking = Tasking()
    tasking.submit()
    refused = tasking.refused(**changed)
    assert (refused.code, refused.details) == ("task_id_taken", {"task_id": "t"})


def test_the_same_idempotency_key_is_the_same_task_as_long_as_that_is_known() -> None:
    tasking = Tasking(policy=Policy(max_finished_tasks=1), idempotency_key="once")
    tasking.submit("a", payload={})
    again = tasking.submit("b", payload={})
    assert again.reply == Submitted(task_id="a", state=State.QUEUED, duplicate=True)
    tasking.check_replay()
    tasking.restart()
    assert tasking.submit("b", payload={}).reply.duplicate
    tasking.accept(CancelTask(task_id="a", caller=SUBMITTER))
    assert tasking.submit("b", payload={}).reply.state is State.CANCELED
    tasking.submit("other", idempotency_key="")
    tasking.accept(CancelTask(task_id="other", caller=SUBMITTER))
    assert tasking.model.find("a") is None
    assert tasking.model.state.idempotency_keys == {}
    assert not tasking.submit("b", payload={}).reply.duplicate


@pytest.mark.parametrize("changed", CHANGES)
def test_other_content_under_a_used_idempotency_key_is_a_conflict_that_names_the_task(
    changed: dict[str, Any],
) -> None:
    tasking = Tasking(idempotency_key="once")
    tasking.submit("a")
    refused = tasking.refused("b", **({"payload": {"do": "a"}} | changed))
    assert (refused.code, refused.details) == ("idempotency_conflict", {"task_id": "a"})
    assert "'once'" in refused.message


def test_an_idempotency_key_belongs_to_its_submitter() -> None:
    tasking = Tasking(idempotency_key="once")
    tasking.submit("a")
    assert not tasking.submit("b", submitter="eve").reply.duplicate


@pytest.mark.parametrize("name", ["deadline_ms", "start_by_ms"])
def test_a_time_that_has_passed_is_refused(name: str) -> None:
    passed: dict[str, Any] = {name: 1_000}
    refused = Tasking(**passed).refused()
    assert refused.code == "deadline_passed"
    assert name in refused.message
    ahead: dict[str, Any] = {name: 1_001}
    assert not Tasking(**ahead).submit().reply.duplicate


@pytest.mark.parametrize(
    "times",
    [
        {"start_by_ms": 3_000, "deadline_ms": 2_000},
        {"run_at_ms": 2_000, "deadline_ms": 2_000},
        {"run_at_ms": 2_000, "start_by_ms": 2_000},
    ],
)
def test_times_at_which_nothing_could_be_done_are_refused(times: dict[str, Any]) -> None:
    assert Tasking(**times).refused().code == "invalid_times"


def test_a_start_by_the_deadline_is_possible() -> None:
    assert Tasking().submit(start_by_ms=2_000, deadline_ms=2_000, run_at_ms=1_999).reply.task_id == "t"


def test_several_tasks_are_taken_or_refused_each_by_itself() -> None:
    tasking = Tasking()
    tasking.submit("old")
    commands = (
        tasking.command("a"),
        tasking.command("old"),
        tasking.command("old", priority=3),
        tasking.command("a"),
        tasking.command("a", priority=3),
        tasking.command("late", deadline_ms=1),
        tasking.command("k1", payload={}, idempotency_key="k"),
        tasking.command("k2", payload={}, idempotency_key="k"),
        tasking.command("b", run_at_ms=5_000),
    )
    answers = tasking.accept(SubmitTasks(tasks=commands)).tasks
    told = [
        each.code if isinstance(each, Refused) else (each.task_id, each.state, each.duplicate)
        for each in answers
    ]
    assert told == [
        ("a", State.QUEUED, False),
        ("old", State.QUEUED, True),
        "task_id_taken",
        ("a", State.QUEUED, True),
        "task_id_taken",
        "deadline_passed",
        ("k1", State.QUEUED, False),
        ("k1", State.QUEUED, True),
        ("b", State.SCHEDULED, False),
    ]
    assert list(tasking.model.state.open) == ["old", "a", "k1", "b"]
    tasking.check_replay()


def test_an_approval_is_good_for_one_task_of_a_request() -> None:
    tasking = Tasking(approved_by="p", approval_expires_ms=9_000)
    commands = (tasking.command("a"), tasking.command("b"))
    first, second = tasking.accept(SubmitTasks(tasks=commands)).tasks
    assert (first.task_id, second.code) == ("a", "already_executed")


def test_a_request_of_too_many_tasks_is_refused_as_a_whole() -> None:
    tasking = Tasking()
    commands = tuple(tasking.command(f"t{index}") for index in range(MAX_BATCH + 1))
    assert tasking.refuse(SubmitTasks(tasks=commands)) == "too_many_tasks"
    tasking.accept(SubmitTasks(tasks=commands[:-1]))
    assert len(tasking.model.state.open) == MAX_BATCH
