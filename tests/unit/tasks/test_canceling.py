"""Canceling: at once where nobody works, else when the worker has stopped or is gone."""

from __future__ import annotations

import pytest

from coordination.tasks.commands import OPERATOR, CancelTask, CompleteTask, ConfirmCancel
from coordination.tasks.lifecycle import HELD, WAITING, Input, State
from coordination.tasks.limits import Policy
from coordination.tasks.pushes import TaskTakenAway
from coordination.tasks.record import LEASE_EXPIRED
from tests.support.tasking import AGENT, SUBMITTER, Tasking

POLICY = Policy()


def cancel(caller: str = SUBMITTER, task_id: str = "t") -> CancelTask:
    return CancelTask(task_id=task_id, caller=caller, reason="changed my mind")


def confirm(token: int, agent: str = AGENT) -> ConfirmCancel:
    return ConfirmCancel(task_id="t", agent=agent, fencing_token=token)


@pytest.mark.parametrize("state", sorted(WAITING))
def test_what_nobody_has_is_canceled_at_once(state: State) -> None:
    tasking = Tasking()
    tasking.bring_to(state)
    assert tasking.accept(cancel()).state is State.CANCELED
    task = tasking.task()
    assert (task.reason, task.canceled_by, task.is_confirmed) == ("changed my mind", SUBMITTER, False)
    assert tasking.pushes("cancel") == []
    tasking.check_replay()
    tasking.check_snapshot()


def test_an_agent_that_thinks_about_an_offer_is_told_and_not_waited_for() -> None:
    tasking = Tasking()
    tasking.bring_to(State.OFFERED)
    assert tasking.accept(cancel()).state is State.CANCELED
    (told,) = tasking.pushes("cancel")
    assert (told.agent, told.body["state"]) == (AGENT, "canceled")
    assert tasking.task().attempts == ()


def test_a_worker_is_told_to_stop_and_its_confirmation_ends_the_task() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.RUNNING).fencing_token
    assert tasking.accept(cancel()).state is State.CANCELING
    (told,) = tasking.pushes("cancel")
    taken = TaskTakenAway.model_validate(told.body)
    assert (told.agent, taken.fencing_token, taken.state) == (AGENT, token, "canceling")
    assert tasking.pushes("result") == []
    assert tasking.model.index.holders() == {AGENT: 1}, "its slot stays taken"
    assert tasking.accept(confirm(token)).state is State.CANCELED
    task = tasking.task()
    assert (task.is_confirmed, task.reason, task.canceled_by) == (True, "changed my mind", SUBMITTER)
    assert task.attempts[-1].error == "changed my mind"
    assert [each.body["reason"] for each in tasking.pushes("result")] == ["changed my mind"]
    assert tasking.model.index.holders() == {}
    tasking.check_replay()
    tasking.check_snapshot()


def test_a_worker_that_goes_on_is_told_that_its_work_is_being_canceled() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.CANCELING).fencing_token
    done = CompleteTask(task_id="t", agent=AGENT, fencing_token=token, result=1, result_bytes=1)
    outcome = tasking.send(done)
    assert outcome.code == "being_canceled"  # type: ignore[union-attr]
    assert "confirm" in outcome.message  # type: ignore[union-attr]
    assert tasking.task().result is None


def test_a_worker_that_does_not_confirm_is_waited_for_until_its_lease_ends() -> None:
    tasking = Tasking()
    tasking.bring_to(State.CANCELING)
    assert tasking.model.next_deadline_ms() == 1_000 + POLICY.lease_ms
    tasking.advance(1_000 + POLICY.lease_ms)
    task = tasking.task()
    assert (task.state, task.is_confirmed, task.attempts[-1].error) == (State.CANCELED, False, LEASE_EXPIRED)
    assert task.reason == f"canceled by {SUBMITTER}"
    assert len(tasking.pushes("result")) == 1
    tasking.check_replay()


def test_a_time_out_of_the_attempt_does_not_end_what_is_being_canceled() -> None:
    tasking = Tasking(timeout_ms=5_000)
    tasking.bring_to(State.CANCELING)
    tasking.tick(10_000)
    assert tasking.task().state is State.CANCELING


def test_canceling_what_is_being_canceled_is_answered_as_before() -> None:
    tasking = Tasking()
    tasking.bring_to(State.RUNNING)
    first = tasking.accept(cancel())
    outcome = tasking.send(cancel())
    assert (outcome.reply, outcome.events) == (first, ())  # type: ignore[union-attr]
    assert len(tasking.pushes("cancel")) == 1


def test_only_who_holds_it_confirms_and_only_while_it_is_being_canceled() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.RUNNING).fencing_token
    assert tasking.refuse(confirm(token)) == "wrong_state"
    tasking.accept(cancel())
    assert tasking.refuse(confirm(token, "cy")) == "not_holder"
    assert tasking.refuse(confirm(token + 1)) == "stale_token"
    tasking.accept(confirm(token))
    assert tasking.refuse(confirm(token)) == "stale_token"


def test_the_submitter_and_the_operator_cancel_and_nobody_else() -> None:
    tasking = Tasking()
    tasking.bring_to(State.RUNNING)
    assert tasking.refuse(cancel("eve")) == "not_submitter"
    assert tasking.refuse(cancel(AGENT)) == "not_submitter", "its worker fails it instead"
    assert tasking.refuse(cancel(task_id="no")) == "unknown_task"
    tasking.accept(cancel(OPERATOR))
    assert tasking.task().canceled_by == OPERATOR


def test_who_holds_a_task_above_may_cancel_and_who_held_it_before_may_not() -> None:
    tasking = Tasking()
    tasking.submit("parent")
    tasking.offer(task_id="parent")
    tasking.work(Input.ACCEPT, "parent")
    child = tasking.command("child", submitter=AGENT, parent="parent")
    token = tasking.task("parent").fencing_token
    tasking.accept(type(child)(task_id="child", submitter=AGENT, spec=child.spec, parent_token=token))
    grandchild = tasking.command("grandchild", submitter="cy", parent="child")
    tasking.offer("cy", "child")
    tasking.work(Input.ACCEPT, "child")
    tasking.accept(
        type(child)(
            task_id="grandchild",
            submitter="cy",
            spec=grandchild.spec,
            parent_token=tasking.task("child").fencing_token,
        )
    )
    assert tasking.task("grandchild").chain == ("parent", "child")
    assert tasking.refuse(cancel("dan", "grandchild")) == "not_submitter"
    assert tasking.accept(cancel(SUBMITTER, "grandchild")).state is State.CANCELED
    assert tasking.task("child").state is State.RUNNING
    tasking.accept(cancel(AGENT, "child"))
    assert tasking.task("child").state is State.CANCELING
    assert {State.OFFERED, State.RUNNING, State.CANCELING} == HELD
