"""Children: who may have them, how deep, and what becomes of them when their parent ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from coordination.runtime.model import Rejected
from coordination.tasks.commands import RetryTask, SubmitTask
from coordination.tasks.events import TaskCanceled
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_CHILDREN, MAX_DEPTH, MAX_TICK_TASKS, Policy
from coordination.tasks.spec import OnParentEnd
from tests.support.families import LEASE_MS, Kin

KEEP = OnParentEnd.KEEP


def _refused(kin: Kin, task_id: str, **fields: Any) -> Rejected:
    command = kin.command(task_id, **fields)
    outcome = kin.send(command)
    assert isinstance(outcome, Rejected)
    assert kin.model.find(task_id) is None
    return outcome


@pytest.fixture
def kin() -> Kin:
    kin = Kin()
    kin.submit("root")
    kin.run("root", "bob")
    return kin


def test_a_child_knows_its_chain_and_the_attempt_that_delegated_it(kin: Kin) -> None:
    child = kin.submit("child", parent="root")
    assert (child.chain, child.parent_attempt, child.submitter) == (("root",), 1, "bob")
    kin.run("child")
    assert kin.submit("grandchild", parent="child").chain == ("root", "child")
    assert kin.model.view.families.children("root") == ("child",)
    kin.check()


def _late(kin: Kin) -> SubmitTask:
    kin.now_ms += LEASE_MS
    return kin.command("c", parent="root")


def _after(kin: Kin, happened: str) -> SubmitTask:
    getattr(kin, happened)("root")
    return kin.command("c", parent="root")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda kin: kin.command("c", parent="nobody"), "unknown_task"),
        (lambda kin: kin.command("c", parent="root", submitter="eve"), "not_holder"),
        (lambda kin: replace(kin.command("c", parent="root"), parent_token=77), "stale_token"),
        (lambda kin: _after(kin, "complete"), "stale_token"),
        (lambda kin: _after(kin, "cancel"), "being_canceled"),
        (_late, "stale_token"),
    ],
    ids=["unknown", "somebody else's", "wrong token", "ended", "being canceled", "lease over"],
)
def test_only_who_works_on_a_task_delegates_from_it(
    kin: Kin, spoil: Callable[[Kin], SubmitTask], code: str
) -> None:
    assert kin.refuse(spoil(kin)) == code


def test_delegating_from_an_offer_accepts_it_once(kin: Kin) -> None:
    kin.submit("eager")
    kin.offer("eager", "bob")
    answers = kin.submit_many(kin.command("one", parent="eager"), kin.command("two", parent="eager"))
    assert [each.state for each in answers] == [State.QUEUED, State.QUEUED]
    eager = kin.task("eager")
    assert (eager.state, len(eager.attempts)) == (State.RUNNING, 1)
    assert [kin.task(each).parent_attempt for each in ("one", "two")] == [1, 1]
    kin.check()


def test_a_child_is_never_deeper_than_any_task_above_it_allows() -> None:
    kin = Kin()
    kin.submit("t0", max_depth=3)
    for level in range(1, 4):
        kin.run(f"t{level - 1}")
        kin.submit(f"t{level}", parent=f"t{level - 1}", max_depth=30)
    kin.run("t3")
    refused = _refused(kin, "t4", parent="t3", max_depth=30)
    assert refused.code == "too_deep_delegation"
    assert refused.details == {"task_id": "t0", "depth": 4, "limit": 3}


def test_no_chain_is_deeper_than_the_bound() -> None:
    kin = Kin()
    kin.submit("t0", max_depth=MAX_DEPTH)
    for level in range(1, MAX_DEPTH + 1):
        kin.run(f"t{level - 1}")
        kin.submit(f"t{level}", parent=f"t{level - 1}", max_depth=MAX_DEPTH)
    kin.run(f"t{MAX_DEPTH}")
    assert _refused(kin, "deeper", parent=f"t{MAX_DEPTH}").code == "too_deep_delegation"
    kin.check()


def test_the_same_work_below_itself_is_a_cycle_that_names_the_chain(kin: Kin) -> None:
    kin.submit("child", parent="root")
    kin.run("child")
    refused = _refused(kin, "again", parent="child", payload={"do": "root"}, payload_bytes=13)
    assert refused.code == "delegation_cycle"
    assert "root -> child -> again" in refused.message
    assert refused.details["chain"] == ["root", "child"]
    kin.submit("other", parent="child", payload={"do": "root"}, payload_bytes=13, requirement="ruby")


def test_a_task_has_a_bounded_number_of_open_children(kin: Kin) -> None:
    for first in range(0, MAX_CHILDREN, 128):
        kin.submit_many(*(kin.command(f"c{first + each}", parent="root") for each in range(128)))
    refused = _refused(kin, "one-more", parent="root")
    assert (refused.code, refused.retryable) == ("too_many_children", True)
    kin.cancel("c7", "bob")
    kin.submit("one-more", parent="root")
    assert _refused(kin, "two-more", parent="root").code == "too_many_children"


def test_children_submitted_together_count_together(kin: Kin) -> None:
    for first in range(0, MAX_CHILDREN - 128, 128):
        kin.submit_many(*(kin.command(f"c{first + each}", parent="root") for each in range(128)))
    answers = kin.submit_many(*(kin.command(f"d{each}", parent="root") for each in range(130)))
    assert [each.code for each in answers[128:]] == ["too_many_children"] * 2
    assert all(each.state is State.QUEUED for each in answers[:128])


@pytest.mark.parametrize("end", ["complete", "fail", "expire"])
def test_children_end_with_their_parent_unless_they_are_to_be_kept(end: str) -> None:
    kin = Kin()
    kin.submit("root", deadline_ms=5_000)
    kin.run("root", "bob")
    kin.submit("child", parent="root")
    kin.submit("kept", parent="root", on_parent_end=KEEP)
    kin.run("kept")
    kin.submit("below-kept", parent="kept")
    if end == "expire":
        kin.tick(5_000)
    else:
        getattr(kin, end)("root")
    kin.settle()
    assert kin.states("child", "kept", "below-kept") == ["canceled", "running", "queued"]
    child = kin.task("child")
    assert child.canceled_by == "tasks"
    assert child.reason.startswith(f"task root, which delegated it, is {kin.state('root')}")
    kin.check()


def test_a_retry_of_the_parent_ends_the_children_of_the_old_attempt_only(kin: Kin) -> None:
    kin.submit("old", parent="root")
    kin.fail("root", retryable=True)
    kin.settle()
    assert kin.states("root", "old") == ["failed", "canceled"]
    assert kin.task("old").reason == "attempt 1 of task root, which delegated it, has failed: broken"
    retry_at_ms = kin.task("root").retry_at_ms
    assert retry_at_ms is not None
    kin.tick(retry_at_ms)
    kin.run("root", "cleo")
    new = kin.submit("new", parent="root")
    assert (new.parent_attempt, new.submitter) == (2, "cleo")
    kin.settle()
    assert kin.state("new") is State.QUEUED
    kin.check()


def test_an_attempt_that_began_before_anything_followed_keeps_its_own_children_only(kin: Kin) -> None:
    kin.submit("old", parent="root")
    kin.fail("root", retryable=True)
    kin.accept(RetryTask(task_id="root", caller="ada"))
    kin.run("root", "cleo")
    kin.submit("new", parent="root")
    kin.settle()
    assert kin.states("old", "new") == ["canceled", "queued"]
    kin.check()


def test_what_is_canceled_while_something_else_of_it_is_unsettled_is_still_heard_of(kin: Kin) -> None:
    kin.submit("mid", parent="root")
    kin.run("mid")
    kin.submit("leaf", parent="mid")
    kin.submit("waits", after={"mid": "run"})
    kin.complete("root")
    kin.fail("mid", retryable=True)
    assert list(kin.model.state.unsettled) == ["root", "mid"]
    kin.settle()
    assert kin.states("mid", "leaf", "waits") == ["canceled", "canceled", "queued"]
    kin.check()


def test_a_lost_attempt_ends_its_children_too(kin: Kin) -> None:
    kin.submit("child", parent="root")
    kin.advance(kin.now_ms + LEASE_MS)
    assert kin.state("child") is State.CANCELED
    assert "silent" in kin.task("child").reason
    kin.check()


def test_canceling_a_tree_tells_every_worker_at_once_and_each_confirms(kin: Kin) -> None:
    kin.submit("runs", parent="root")
    kin.submit("waits", parent="root")
    kin.run("runs")
    kin.submit("deep", parent="runs")
    kin.run("deep")
    kin.messages.clear()
    kin.cancel("root")
    kin.settle()
    assert kin.states("root", "runs", "deep", "waits") == ["canceling"] * 3 + ["canceled"]
    assert [each.agent for each in kin.pushes("cancel")] == ["bob", "on-runs", "on-deep"]
    for task_id in ("deep", "root"):
        kin.confirm(task_id)
        kin.settle()
    kin.advance(kin.now_ms + LEASE_MS)  # the one between does not answer
    found = {each: kin.task(each).is_confirmed for each in ("root", "runs", "deep")}
    assert found == {"root": True, "runs": False, "deep": True}
    assert kin.states("root", "runs", "deep") == ["canceled"] * 3
    kin.check()


def test_ten_thousand_descendants_are_canceled_in_steps_that_fit_into_records() -> None:
    kin = Kin()
    kin.submit("root")
    kin.run("root", "bob")
    parents = []
    for number in range(20):
        kin.submit(f"p{number}", parent="root")
        kin.run(f"p{number}")
        parents.append(f"p{number}")
    for parent in parents:
        for first in range(0, 500, 250):
            kin.submit_many(*(kin.command(f"{parent}-{first + each}", parent=parent) for each in range(250)))
    assert kin.task("root").used_tasks == 10_020
    before = len(kin.events)
    kin.cancel("root")
    ticks = kin.settle()
    canceled = [each.task_id for each in kin.events[before:] if isinstance(each, TaskCanceled)]
    assert len(canceled) == len(set(canceled)) == 10_021
    assert kin.largest_tick <= MAX_TICK_TASKS
    assert ticks > 10_021 // MAX_TICK_TASKS
    for parent in parents:
        kin.confirm(parent)
    kin.confirm("root")
    kin.settle()
    assert not kin.model.state.open
    kin.check_snapshot()


def test_a_new_leader_goes_on_in_the_middle_of_a_cascade(kin: Kin) -> None:
    for first in range(0, 1000, 250):
        kin.submit_many(*(kin.command(f"c{first + each}", parent="root") for each in range(250)))
    kin.complete("root")
    kin.tick(kin.now_ms)
    assert 0 < len(kin.model.state.open) < 1000
    kin.restart()
    kin.settle()
    assert not kin.model.state.open
    kin.check()


def test_a_parent_with_open_tasks_below_it_is_not_forgotten() -> None:
    kin = Kin(Policy(max_finished_tasks=2))
    kin.submit("root", max_depth=2)
    kin.run("root")
    kin.submit("kept", parent="root", on_parent_end=KEEP)
    kin.complete("root")
    kin.settle()
    for number in range(4):
        kin.submit(f"x{number}")
        kin.run(f"x{number}")
        kin.complete(f"x{number}")
    assert kin.model.find("root") is not None
    kin.run("kept")
    kin.submit("deep", parent="kept")
    kin.run("deep")
    assert _refused(kin, "deeper", parent="deep").code == "too_deep_delegation"
    for task_id in ("deep", "kept"):
        kin.complete(task_id)
    for number in range(4, 9):
        kin.submit(f"x{number}")
        kin.run(f"x{number}")
        kin.complete(f"x{number}")
    kin.settle()
    assert kin.model.find("root") is None
    assert kin.model.view.families.children("root") == ()
    kin.check()
