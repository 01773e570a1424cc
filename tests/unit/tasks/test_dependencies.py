"""Tasks that wait for others: released, deferred, skipped or given up, as their edges say."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.model import Rejected
from coordination.tasks.events import DependencyEnded
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_TICK_TASKS, Policy
from coordination.tasks.spec import OnParentEnd
from tests.support.families import Kin


def _end(kin: Kin, task_id: str, end: str) -> None:
    """Let a task that waits end: completed, dead_lettered, canceled or expired (at 9,000 ms)."""
    if end == "canceled":
        kin.cancel(task_id)
    elif end == "expired":
        kin.tick(9_000)
    else:
        kin.run(task_id)
        (kin.complete if end == "completed" else kin.fail)(task_id)
    assert kin.state(task_id) == end


ENDS = ["completed", "dead_lettered", "canceled", "expired"]
OUTCOMES = {"fail": "dead_lettered", "skip": "skipped", "run": "queued"}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("policy", OUTCOMES)
@pytest.mark.parametrize("is_late", [False, True], ids=["submitted before", "submitted after"])
def test_the_edge_says_what_the_end_of_a_dependency_means(end: str, policy: str, *, is_late: bool) -> None:
    kin = Kin()
    kin.submit("first", deadline_ms=9_000 if end == "expired" else None)
    if not is_late:
        assert kin.submit("then", after={"first": policy}).state is State.BLOCKED
    _end(kin, "first", end)
    kin.settle()
    if is_late:
        kin.submit("then", after={"first": policy})
    expected = "queued" if end == "completed" else OUTCOMES[policy]
    then = kin.task("then")
    assert then.state == expected
    if then.is_ended:
        reason = kin.task("first").reason
        assert then.reason == f"task first, which it waits for, is {end}: {reason}"
        assert kin.pushes("result")[-1].body["task_id"] == "then"
    else:
        assert then.waits_for == ()
        assert then.queued_at_ms == kin.now_ms
    kin.check()


def test_a_task_waits_for_all_of_its_dependencies() -> None:
    kin = Kin()
    for task_id in ("a", "b"):
        kin.submit(task_id)
    kin.submit("then", after=["a", "b"])
    _end(kin, "a", "completed")
    kin.settle()
    assert kin.task("then").waits_for == ("b",)
    _end(kin, "b", "completed")
    kin.settle()
    assert kin.state("then") is State.QUEUED
    kin.check()


def test_dependencies_that_end_at_once_release_a_task_once() -> None:
    kin = Kin()
    for task_id in ("a", "b"):
        kin.submit(task_id)
    kin.submit("then", after=["a", "b"])
    for task_id in ("a", "b"):
        _end(kin, task_id, "completed")
    assert list(kin.model.state.unsettled) == ["a", "b"]
    assert kin.settle() == 1
    assert kin.state("then") is State.QUEUED
    assert [each.dependency for each in kin.events if isinstance(each, DependencyEnded)] == ["a", "b"]
    kin.check()


def test_the_first_edge_that_fails_decides_and_the_second_finds_it_done() -> None:
    kin = Kin()
    for task_id in ("a", "b"):
        kin.submit(task_id)
    kin.submit("then", after={"a": "skip", "b": "fail"})
    for task_id in ("a", "b"):
        _end(kin, task_id, "dead_lettered")
    kin.settle()
    assert kin.state("then") is State.SKIPPED
    kin.submit("late", after={"a": "skip", "b": "fail"})
    assert kin.state("late") is State.DEAD_LETTERED  # both are known to have failed: the sterner edge decides
    kin.check()


def test_a_skipped_task_has_not_completed_for_those_that_wait_for_it() -> None:
    kin = Kin()
    kin.submit("a")
    kin.submit("b", after={"a": "skip"})
    kin.submit("c", after={"b": "skip"})
    kin.submit("d", after={"c": "run"})
    kin.submit("e", after=["b"])
    _end(kin, "a", "dead_lettered")
    kin.settle()
    assert kin.states("b", "c", "d", "e") == ["skipped", "skipped", "queued", "dead_lettered"]
    assert kin.task("e").reason.startswith(
        "task b, which it waits for, is skipped: task a, which it waits for"
    )
    kin.check()


def test_a_task_whose_time_has_not_come_is_deferred_until_then() -> None:
    kin = Kin()
    kin.submit("a")
    kin.submit("then", after=["a"], run_at_ms=50_000)
    assert kin.state("then") is State.BLOCKED
    _end(kin, "a", "completed")
    kin.settle()
    assert kin.state("then") is State.SCHEDULED
    kin.advance(50_000)
    assert kin.state("then") is State.QUEUED
    kin.check()


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"after": ["nobody"]}, "unknown_dependency"),
        ({"after": ["t"]}, "dependency_cycle"),
        ({"after": ["root"], "parent": "root"}, "dependency_cycle"),
    ],
    ids=["unknown", "itself", "its parent"],
)
def test_what_cannot_be_waited_for_is_refused(fields: dict[str, Any], code: str) -> None:
    kin = Kin()
    kin.submit("root")
    kin.run("root")
    assert kin.refuse(kin.command("t", **fields)) == code


def test_a_kept_child_may_wait_for_its_parent() -> None:
    kin = Kin()
    kin.submit("root")
    kin.run("root")
    kin.submit("later", parent="root", after=["root"], on_parent_end=OnParentEnd.KEEP)
    kin.complete("root")
    kin.settle()
    assert kin.state("later") is State.QUEUED
    kin.check()


def test_tasks_submitted_together_may_wait_for_those_before_them() -> None:
    kin = Kin()
    kin.submit("dead")
    _end(kin, "dead", "dead_lettered")
    answers = kin.submit_many(
        kin.command("early", after=["late"]),
        kin.command("gone", after=["dead"]),
        kin.command("late"),
        kin.command("waits", after=["late"]),
        kin.command("skips", after={"gone": "skip"}),
    )
    found = [getattr(each, "code", None) or each.state.value for each in answers]
    assert found == ["unknown_dependency", "dead_lettered", "queued", "blocked", "skipped"]
    kin.settle()
    kin.check()


def test_a_redriven_dead_letter_does_not_bring_back_what_ended_because_of_it() -> None:
    kin = Kin()
    kin.submit("a")
    kin.submit("then", after=["a"])
    _end(kin, "a", "dead_lettered")
    kin.settle()
    kin.redrive("a")
    _end(kin, "a", "completed")
    kin.settle()
    assert kin.states("a", "then") == ["completed", "dead_lettered"]
    kin.check()


def test_a_dead_letter_redriven_before_anything_followed_keeps_the_others_waiting() -> None:
    kin = Kin()
    kin.submit("a")
    kin.submit("then", after=["a"])
    _end(kin, "a", "dead_lettered")
    kin.redrive("a")
    kin.settle()
    assert kin.states("a", "then") == ["queued", "blocked"]
    _end(kin, "a", "completed")
    kin.settle()
    assert kin.state("then") is State.QUEUED
    kin.check()


def test_a_dependency_is_not_forgotten_before_those_that_wait_have_heard() -> None:
    kin = Kin(Policy(max_finished_tasks=1))
    kin.submit("a")
    kin.submit("then", after=["a"])
    _end(kin, "a", "completed")
    for number in range(5):
        kin.submit(f"x{number}")
        kin.run(f"x{number}")
        kin.complete(f"x{number}")
    assert kin.model.find("a") is not None
    kin.settle()
    assert kin.state("then") is State.QUEUED
    kin.check()


def test_thousands_that_wait_for_one_are_released_in_order_in_bounded_steps() -> None:
    kin = Kin()
    kin.submit("a")
    for first in range(0, 2_000, 250):
        kin.submit_many(*(kin.command(f"t{first + each}", after=["a"]) for each in range(250)))
    _end(kin, "a", "completed")
    kin.tick(kin.now_ms)
    kin.restart()
    kin.settle()
    assert kin.largest_tick <= MAX_TICK_TASKS
    released = [each.task_id for each in kin.events if isinstance(each, DependencyEnded)]
    assert released == [f"t{number}" for number in range(2_000)]
    assert {task.state for task in kin.model.state.open.values()} == {State.QUEUED}
    kin.check()


def test_waiting_for_a_forgotten_task_is_refused() -> None:
    kin = Kin(Policy(max_finished_tasks=1))
    for task_id in ("a", "b"):
        kin.submit(task_id)
        _end(kin, task_id, "completed")
    outcome = kin.send(kin.command("then", after=["a"]))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "unknown_dependency"
    assert outcome.details == {"task_id": "a"}


def test_even_a_dependency_whose_record_is_gone_leaves_nobody_waiting() -> None:
    kin = Kin()
    kin.submit("a")
    kin.submit("fails", after=["a"])
    kin.submit("runs", after={"a": "run"})
    _end(kin, "a", "dead_lettered")
    kin.model.view.families.forget(kin.model.state.dead_letters.pop("a"))  # nothing of ours would do it
    while kin.model.state.unsettled:
        kin.tick(kin.now_ms)
    assert kin.states("fails", "runs") == ["dead_lettered", "queued"]
    assert kin.task("fails").reason == "task a, which it waits for, is gone"
