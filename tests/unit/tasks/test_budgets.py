"""Budgets: what descendants reserve, spend and give back, once."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.model import Rejected
from coordination.tasks.commands import DeadLetterFilter, PurgeDeadLetters
from coordination.tasks.lifecycle import State
from coordination.tasks.spec import Budget, OnParentEnd
from tests.support.families import LEASE_MS, Kin


def _used(kin: Kin, task_id: str = "root") -> tuple[int, int]:
    task = kin.task(task_id)
    return task.used_tasks, task.used_cost


def _advice(kin: Kin, task_id: str, **fields: Any) -> str:
    outcome = kin.send(kin.command(task_id, parent="root", **fields))
    assert isinstance(outcome, Rejected)
    return outcome.message.partition("; ")[2]


def _refusal(kin: Kin, task_id: str, **fields: Any) -> dict[str, Any]:
    outcome = kin.send(kin.command(task_id, **fields))
    assert isinstance(outcome, Rejected)
    assert outcome.code == "budget_exceeded"
    return dict(outcome.details)


@pytest.fixture
def kin() -> Kin:
    kin = Kin()
    kin.submit("root", budget=Budget(tasks=4, cost=100))
    kin.run("root", "bob")
    return kin


def test_a_reservation_is_taken_from_every_task_above_and_given_back_once_at_the_end(kin: Kin) -> None:
    kin.submit("child", parent="root", cost=40)
    kin.run("child")
    kin.submit("deep", parent="child", cost=10)
    assert (_used(kin), _used(kin, "child")) == ((2, 50), (1, 10))
    kin.run("deep")
    kin.complete("deep", spent=4)
    kin.settle()
    assert (_used(kin), _used(kin, "child")) == ((2, 44), (1, 4))
    kin.cancel("child", "bob")
    kin.confirm("child")
    kin.settle()
    assert (_used(kin), _used(kin, "child")) == ((2, 4), (1, 4))
    kin.check()


@pytest.mark.parametrize("end", ["complete", "fail", "cancel", "expire", "lose"])
def test_however_a_child_ends_what_it_did_not_spend_is_given_back(kin: Kin, end: str) -> None:
    kin.submit(
        "child", parent="root", cost=40, deadline_ms=9_000 if end == "expire" else None, max_attempts=1
    )
    kin.run("child")
    kin.progress("child", spent=7)
    assert _used(kin) == (1, 40)
    if end == "cancel":
        kin.cancel("child")
        assert _used(kin) == (1, 40)  # it may still spend
        kin.confirm("child")
    elif end == "expire":
        kin.tick(9_000)
    elif end == "lose":
        kin.progress("root")
        kin.submit("witness", parent="root", on_parent_end=OnParentEnd.KEEP)
        kin.tick(kin.now_ms + LEASE_MS)
    else:
        getattr(kin, end)("child")
    kin.settle()
    assert kin.task("child").is_ended
    assert kin.task("root").used_cost == 7
    kin.check()


def test_a_retry_keeps_the_reservation_and_adds_what_earlier_attempts_spent_beyond_it(kin: Kin) -> None:
    kin.submit("child", parent="root", cost=10)
    kin.run("child")
    kin.fail("child", retryable=True, spent=8)
    assert _used(kin) == (1, 10)
    retry_at_ms = kin.task("child").retry_at_ms
    assert retry_at_ms is not None
    kin.tick(retry_at_ms)
    kin.run("child")
    kin.progress("child", spent=9)
    assert _used(kin) == (1, 17)
    kin.complete("child")
    assert _used(kin) == (1, 17)
    assert _used(kin, "child") == (0, 17)
    kin.check()


def test_no_child_is_taken_beyond_a_budget_anywhere_above_and_the_refusal_says_what_is_left(kin: Kin) -> None:
    kin.submit("child", parent="root", cost=60, budget=Budget(cost=30))
    kin.run("child")
    assert _refusal(kin, "big", parent="child", cost=31) == {
        "task_id": "child",
        "what": "cost",
        "left": 30,
        "limit": 30,
        "wanted": 31,
    }
    kin.submit("deep", parent="child", cost=30)
    assert _refusal(kin, "wide", parent="root", cost=11)["left"] == 10
    assert _advice(kin, "wide", cost=11) == "ask for less, or wait until others below it end"
    kin.submit("wide", parent="root", cost=10)
    kin.submit("last", parent="root")
    assert _refusal(kin, "fifth", parent="root") == {
        "task_id": "root",
        "what": "tasks",
        "left": 0,
        "limit": 4,
        "wanted": 1,
    }
    kin.complete("child")
    kin.settle()
    assert _refusal(kin, "fifth", parent="root")["what"] == "tasks"  # ended ones count as well
    assert _advice(kin, "fifth") == "ask for less, or do the rest without a task"
    kin.check()


def test_children_submitted_together_share_what_is_left(kin: Kin) -> None:
    costs = {"a": 60, "b": 60, "c": 40, "d": 1}
    answers = kin.submit_many(*(kin.command(each, parent="root", cost=cost) for each, cost in costs.items()))
    assert [getattr(each, "code", "taken") for each in answers] == [
        "taken",
        "budget_exceeded",
        "taken",
        "budget_exceeded",
    ]
    more = kin.submit_many(*(kin.command(each, parent="root") for each in ("e", "f", "g")))
    assert [getattr(each, "code", "taken") for each in more] == ["taken", "taken", "budget_exceeded"]
    assert _used(kin) == (4, 100)


def test_what_the_parent_has_spent_itself_is_not_left_for_its_children(kin: Kin) -> None:
    kin.progress("root", spent=30)
    assert _refusal(kin, "child", parent="root", cost=71)["left"] == 70
    kin.submit("child", parent="root", cost=70)
    kin.complete("root")
    kin.settle()
    assert _used(kin) == (1, 30)
    kin.check()


@pytest.mark.parametrize("how", ["progress", "complete"])
def test_a_report_beyond_a_budget_fails_the_attempt_for_good(kin: Kin, how: str) -> None:
    kin.submit("child", parent="root", cost=20)
    kin.run("child")
    assert not isinstance(kin.progress("child", spent=100), Rejected)
    assert _used(kin) == (1, 100)
    getattr(kin, how)("child", spent=101)
    child = kin.task("child")
    assert child.state is State.DEAD_LETTERED
    assert child.reason.startswith("budget_exceeded: 101 units would be used of the 100 that task root")
    assert child.attempts[-1].spent == 101  # spent is spent
    assert _used(kin) == (1, 101)
    assert _refusal(kin, "other", parent="root")["left"] == 0
    kin.check()


def test_a_task_is_bound_by_its_own_budget_over_all_its_attempts(kin: Kin) -> None:
    kin.submit("alone", budget=Budget(cost=10))
    kin.run("alone")
    kin.fail("alone", retryable=True, spent=6)
    retry_at_ms = kin.task("alone").retry_at_ms
    assert retry_at_ms is not None
    kin.tick(retry_at_ms)
    kin.run("alone")
    kin.progress("alone", spent=4)
    assert kin.state("alone") is State.RUNNING
    kin.progress("alone", spent=5)
    assert kin.state("alone") is State.DEAD_LETTERED
    assert "11 units would be used of the 10 that task alone" in kin.task("alone").reason
    kin.check()


def test_a_redriven_child_takes_its_reservation_again_if_there_is_room(kin: Kin) -> None:
    for task_id in ("one", "two"):
        kin.submit(task_id, parent="root", cost=40)
        kin.run(task_id)
        kin.fail(task_id, spent=10)
    assert _used(kin) == (2, 20)
    kin.submit("other", parent="root", cost=50)
    swept = kin.redrive("one", "two").reply
    assert swept.task_ids == ("one",)  # 30 units were left, and each takes 30 again
    assert swept.more
    assert _used(kin) == (2 + 1, 100)
    outcome = kin.redrive("two")
    assert isinstance(outcome, Rejected)
    assert outcome.code == "budget_exceeded"
    kin.cancel("other", "bob")
    assert kin.redrive("two").reply.task_ids == ("two",)
    assert _used(kin) == (3, 80)
    kin.check()


def test_an_id_used_again_does_not_inherit_children() -> None:
    kin = Kin()
    kin.submit("root", budget=Budget(cost=10))
    kin.run("root", "bob")
    kin.submit("child", parent="root", cost=5)
    kin.run("child")
    kin.fail("child")
    kin.fail("root")
    kin.settle()
    purge = PurgeDeadLetters(caller="operator", which=DeadLetterFilter(task_ids=("root",)), limit=10)
    assert kin.accept(purge).task_ids == ("root",)
    kin.submit("root", budget=Budget(cost=1))
    assert kin.redrive("child").reply.task_ids == ("child",)
    assert _used(kin) == (0, 0)
    kin.run("root", "bob")
    kin.complete("root")
    kin.settle()
    assert kin.state("child") is State.QUEUED
    assert kin.model.view.families.children("root") == ()
    kin.check()
