"""What a command or the passing of time leads to: state, command, expected outcome."""

from __future__ import annotations

from typing import Any

import pytest

from coordination.runtime.model import Notice, Outcome, Rejected
from coordination.tasks.commands import AcceptOffer, CancelTask, CompleteTask, FailTask, Submitted
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_OFFERS, MAX_TICK_TASKS, Policy
from coordination.tasks.record import LEASE_EXPIRED, OFFER_TIMED_OUT
from coordination.tasks.wire import TaskOffer, TaskResult, TaskTakenAway
from tests.support.tasking import AGENT, SUBMITTER, Tasking, candidate

POLICY = Policy()


def accept(agent: str, token: int) -> AcceptOffer:
    return AcceptOffer(task_id="t", agent=agent, fencing_token=token)


def complete(agent: str, token: int) -> CompleteTask:
    return CompleteTask(task_id="t", agent=agent, fencing_token=token, result=1, result_bytes=1)


def test_a_task_runs_and_its_result_reaches_the_submitter_once() -> None:
    tasking = Tasking()
    tasking.submit()
    assert tasking.offer(AGENT) == 1
    offer = TaskOffer.model_validate(tasking.pushes("task")[0].body)
    assert (offer.payload, offer.attempt, offer.lease_ms) == ({"do": "t"}, 1, POLICY.lease_ms)
    assert offer.offer_expires_ms == tasking.now_ms + POLICY.offer_timeout_ms
    assert tasking.accept(accept(AGENT, offer.fencing_token)).lease_expires_ms == 1_000 + POLICY.lease_ms
    assert tasking.accept(complete(AGENT, offer.fencing_token)).state is State.COMPLETED
    assert tasking.refuse(complete(AGENT, offer.fencing_token)) == "stale_token"
    (push,) = tasking.pushes("result")
    assert push.agent == SUBMITTER
    result = TaskResult.model_validate(push.body)
    assert (result.state, result.result, result.attempts) == ("completed", 1, 1)
    (notice,) = (each for each in tasking.messages if isinstance(each, Notice))
    assert (notice.event, notice.aggregate) == ("completed", "t")
    assert "result" not in notice.body
    tasking.check_replay()
    tasking.check_snapshot()


def test_a_worker_that_comes_back_after_its_lease_changes_nothing() -> None:
    tasking = Tasking()
    old = tasking.bring_to(State.RUNNING).fencing_token
    tasking.advance(1_000 + POLICY.lease_ms + POLICY.retry_first_ms)
    assert tasking.offer("cy") == 1
    new = tasking.task().fencing_token
    assert new > old
    for stale in (accept(AGENT, old), complete(AGENT, old), complete("cy", old), complete(AGENT, new + 1)):
        assert tasking.refuse(stale) == "stale_token"
    assert tasking.refuse(accept(AGENT, new)) == "not_holder"
    tasking.accept(accept("cy", new))
    assert tasking.refuse(complete(AGENT, old)) == "stale_token"
    tasking.accept(complete("cy", new))
    assert [attempt.error for attempt in tasking.task().attempts] == [LEASE_EXPIRED, ""]


def test_a_lease_that_is_over_is_refused_even_before_the_tick() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.RUNNING).fencing_token
    tasking.now_ms = 1_000 + POLICY.lease_ms
    assert tasking.refuse(complete(AGENT, token)) == "stale_token"


def test_progress_extends_the_lease() -> None:
    tasking = Tasking()
    tasking.bring_to(State.RUNNING)
    for _ in range(20):
        tasking.advance(tasking.now_ms + POLICY.lease_ms - 1)
        assert tasking.work(Input.PROGRESS).lease_expires_ms == tasking.now_ms + POLICY.lease_ms
    assert (tasking.task().share, tasking.task().note) == (0.5, "half")
    assert len(tasking.task().attempts) == 1


def test_failed_attempts_back_off_and_end_in_a_dead_letter() -> None:
    tasking = Tasking()
    tasking.submit(max_attempts=3)
    for expected_ms in (1_000, 2_000):
        tasking.offer(AGENT)
        tasking.work(Input.ACCEPT)
        assert tasking.work(Input.FAIL).state is State.FAILED
        assert tasking.offer(AGENT) == 0
        assert tasking.model.next_deadline_ms() == tasking.now_ms + expected_ms
        tasking.advance(tasking.now_ms + expected_ms)
    tasking.offer(AGENT)
    tasking.work(Input.ACCEPT)
    assert tasking.work(Input.FAIL).state is State.DEAD_LETTERED
    assert [attempt.error for attempt in tasking.task().attempts] == ["broken"] * 3
    (push,) = tasking.pushes("result")
    result = TaskResult.model_validate(push.body)
    assert (result.state, result.reason, result.attempts) == ("dead_lettered", "broken", 3)


def test_a_failure_that_no_retry_mends_goes_to_the_dead_letters_at_once() -> None:
    tasking = Tasking()
    task = tasking.bring_to(State.DEAD_LETTERED)
    assert (task.reason, len(task.attempts)) == ("no", 1)
    assert tasking.pushes("cancel") == []


def test_silent_workers_use_up_the_attempts() -> None:
    tasking = Tasking()
    tasking.submit(max_attempts=2)
    for _ in range(2):
        tasking.offer(AGENT)
        tasking.work(Input.ACCEPT)
        tasking.advance(tasking.now_ms + POLICY.lease_ms + POLICY.retry_first_ms)
    assert tasking.task().state is State.DEAD_LETTERED
    assert tasking.task().reason == LEASE_EXPIRED
    assert len(tasking.pushes("result")) == 1


def test_offers_that_are_refused_or_unanswered_use_up_no_attempt() -> None:
    tasking = Tasking()
    tasking.submit(max_attempts=1)
    tasking.offer(AGENT)
    tasking.work(Input.REFUSE)
    assert tasking.offer(AGENT, "cy") == 1
    tasking.advance(tasking.now_ms + POLICY.offer_timeout_ms)
    assert [each.reason for each in tasking.task().refusals] == ["busy", OFFER_TIMED_OUT]
    assert tasking.task().attempts == ()
    tasking.offer(AGENT, "cy", "dan")
    tasking.work(Input.ACCEPT)
    assert tasking.task().refusals == ()


def test_an_agent_that_passed_is_asked_again_only_after_all_others_and_a_pause() -> None:
    tasking = Tasking()
    tasking.submit()
    asked = []
    for _ in range(3):
        assert tasking.offer("b", "a", "c") == 1
        asked.append(tasking.pushes("task")[-1].agent)
        tasking.work(Input.REFUSE)
    assert asked == ["a", "b", "c"]
    assert tasking.offer("a", "b", "c") == 0
    tasking.advance(tasking.now_ms + POLICY.round_pause_ms)
    assert tasking.offer("a", "b", "c") == 1
    assert tasking.task().refusals == ()
    tasking.check_replay()


def test_higher_priority_goes_first_then_first_come() -> None:
    tasking = Tasking()
    for task_id, priority in (("a", 0), ("b", 9), ("c", 9), ("d", 5)):
        tasking.submit(task_id, priority=priority)
    assert tasking.offer(candidate(AGENT, max_tasks=9)) == 4
    assert [push.body["task_id"] for push in tasking.pushes("task")] == ["b", "c", "d", "a"]


def test_a_retried_task_keeps_its_place() -> None:
    tasking = Tasking()
    tasking.bring_to(State.FAILED)
    tasking.submit("later")
    tasking.advance(tasking.now_ms + POLICY.retry_first_ms)
    tasking.offer(AGENT)
    assert tasking.task().state is State.OFFERED
    assert tasking.model.wanted() == ("python",)


def test_slots_in_use_are_not_offered_again() -> None:
    tasking = Tasking()
    for task_id in "abcde":
        tasking.submit(task_id)
    two = candidate(AGENT, max_tasks=2)
    assert tasking.offer(two) == 2
    assert tasking.offer(two) == 0
    tasking.work(Input.ACCEPT, "a")
    tasking.work(Input.COMPLETE, "a")
    assert tasking.offer(two) == 1


def test_submitting_the_same_task_again_adds_nothing() -> None:
    tasking = Tasking()
    tasking.submit()
    again = tasking.submit()
    assert isinstance(again, Outcome)
    assert (again.events, again.reply) == ((), Submitted(task_id="t", state=State.QUEUED, duplicate=True))


@pytest.mark.parametrize(
    "changed",
    [{"submitter": "eve"}, {"payload": {}}, {"priority": 1}, {"capability": "go"}, {"max_attempts": 9}],
)
def test_another_task_under_a_used_id_is_refused(changed: dict[str, Any]) -> None:
    tasking = Tasking()
    tasking.submit()
    refused = tasking.submit(**changed)
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.events) == ("task_id_taken", ())


def test_a_deadline_in_the_past_is_refused() -> None:
    tasking = Tasking(deadline_ms=1_000)
    refused = tasking.submit()
    assert isinstance(refused, Rejected)
    assert refused.code == "deadline_passed"


def test_only_the_submitter_cancels_and_the_worker_hears_of_it() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.RUNNING).fencing_token
    assert tasking.refuse(CancelTask(task_id="t", caller="eve")) == "not_submitter"
    assert tasking.refuse(CancelTask(task_id="no", caller=SUBMITTER)) == "unknown_task"
    tasking.accept(CancelTask(task_id="t", caller=SUBMITTER, reason="changed my mind"))
    (told,) = tasking.pushes("cancel")
    assert told.agent == AGENT
    taken = TaskTakenAway.model_validate(told.body)
    assert (taken.fencing_token, taken.state, taken.reason) == (token, "canceled", "changed my mind")
    assert tasking.refuse(complete(AGENT, token)) == "stale_token"
    assert tasking.offer(AGENT) == 0


def test_a_worker_command_on_an_unknown_task_is_refused() -> None:
    command = FailTask(task_id="no", agent=AGENT, fencing_token=1, reason="x")
    assert Tasking().refuse(command) == "unknown_task"


def test_a_foreign_command_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError):
        Tasking().send(object())


def test_a_tick_is_bounded_and_goes_on_until_all_is_done() -> None:
    tasking = Tasking(deadline_ms=9_000)
    for index in range(MAX_TICK_TASKS + 5):
        tasking.submit(f"t{index}")
    tasking.tick(9_000)
    assert len(tasking.model.state.open) == 5
    tasking.tick(9_000)
    assert not tasking.model.state.open
    assert tasking.model.next_deadline_ms() is None
    assert tasking.model.wanted() == ()


def test_one_command_makes_a_bounded_number_of_offers() -> None:
    tasking = Tasking()
    for index in range(MAX_OFFERS + 3):
        tasking.submit(f"t{index}")
    many = candidate(AGENT, max_tasks=1000)
    assert tasking.offer(many) == MAX_OFFERS
    assert tasking.offer(many) == 3
    tokens = [push.body["fencing_token"] for push in tasking.pushes("task")]
    assert tokens == sorted(set(tokens))
