"""What a command or the passing of time leads to: state, command, expected outcome."""

from __future__ import annotations

import pytest

from coordination.runtime.model import Notice, Push
from coordination.tasks.commands import AcceptOffer, CompleteTask, FailTask
from coordination.tasks.events import AttemptFailed
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_TICK_TASKS, Policy
from coordination.tasks.pushes import TaskNotice, TaskOffer, TaskResult
from coordination.tasks.record import ATTEMPT_TIMED_OUT, LEASE_EXPIRED, OFFER_TIMED_OUT
from coordination.tasks.spec import Backoff
from tests.support.tasking import AGENT, SUBMITTER, Tasking

POLICY = Policy()
STEADY = Backoff(first_ms=1_000, factor=2.0, jitter=0.0)


def accept(agent: str, token: int) -> AcceptOffer:
    return AcceptOffer(task_id="t", agent=agent, fencing_token=token)


def complete(agent: str, token: int) -> CompleteTask:
    return CompleteTask(task_id="t", agent=agent, fencing_token=token, result=1, result_bytes=1)


def test_a_task_runs_and_its_result_reaches_the_submitter_once() -> None:
    tasking = Tasking()
    tasking.submit()
    tasking.offer()
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
    (notice,) = tasking.notices("completed")
    assert "result" not in notice
    tasking.check_replay()
    tasking.check_snapshot()


def test_what_a_life_costs_in_messages_is_counted() -> None:
    tasking = Tasking()
    tasking.bring_to(State.COMPLETED)
    kinds = [each.kind if isinstance(each, Push) else each.event for each in tasking.messages]
    assert kinds == ["task", "running", "result", "completed"]
    for each in tasking.messages:
        if isinstance(each, Notice):
            assert TaskNotice.model_validate(each.body).state == each.event


def test_a_worker_that_comes_back_after_its_lease_changes_nothing() -> None:
    tasking = Tasking(backoff=STEADY)
    old = tasking.bring_to(State.RUNNING).fencing_token
    tasking.advance(1_000 + POLICY.lease_ms + STEADY.first_ms)
    new = tasking.offer("cy").fencing_token
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


def test_a_task_may_have_a_lease_of_its_own() -> None:
    tasking = Tasking(lease_ms=2_000)
    tasking.submit()
    tasking.offer()
    assert tasking.pushes("task")[0].body["lease_ms"] == 2_000
    assert tasking.work(Input.ACCEPT).lease_expires_ms == 3_000
    tasking.now_ms = 2_500
    assert tasking.work(Input.PROGRESS).lease_expires_ms == 4_500


def test_failed_attempts_back_off_and_end_in_a_dead_letter() -> None:
    tasking = Tasking(backoff=STEADY, max_attempts=3)
    tasking.submit()
    for expected_ms in (1_000, 2_000):
        tasking.offer()
        tasking.work(Input.ACCEPT)
        assert tasking.work(Input.FAIL).state is State.FAILED
        assert tasking.model.next_deadline_ms() == tasking.now_ms + expected_ms
        tasking.advance(tasking.now_ms + expected_ms)
    tasking.offer()
    tasking.work(Input.ACCEPT)
    assert tasking.work(Input.FAIL).state is State.DEAD_LETTERED
    assert [attempt.error for attempt in tasking.task().attempts] == ["broken"] * 3
    assert [(each["attempt"], each["reason"]) for each in tasking.notices("failed")] == [
        (1, "broken"), (2, "broken"), (3, "broken"),
    ]  # fmt: skip
    (push,) = tasking.pushes("result")
    result = TaskResult.model_validate(push.body)
    assert (result.state, result.reason, result.attempts) == ("dead_lettered", "broken", 3)


def test_a_worker_says_itself_when_the_next_attempt_makes_sense() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.RUNNING).fencing_token
    later = FailTask(task_id="t", agent=AGENT, fencing_token=token, reason="busy", retry_after_ms=77_000)
    assert tasking.accept(later).state is State.FAILED
    assert tasking.task().retry_at_ms == tasking.now_ms + 77_000


def test_a_failure_that_no_retry_mends_goes_to_the_dead_letters_at_once() -> None:
    tasking = Tasking()
    task = tasking.bring_to(State.DEAD_LETTERED)
    assert (task.reason, len(task.attempts)) == ("no", 1)
    assert tasking.pushes("cancel") == []
    assert list(tasking.model.state.dead_letters) == ["t"]


def test_silent_workers_use_up_the_attempts() -> None:
    tasking = Tasking(backoff=STEADY, max_attempts=2)
    tasking.submit()
    for _ in range(2):
        tasking.offer()
        tasking.work(Input.ACCEPT)
        tasking.advance(tasking.now_ms + POLICY.lease_ms + STEADY.first_ms)
    assert tasking.task().state is State.DEAD_LETTERED
    assert tasking.task().reason == LEASE_EXPIRED
    assert len(tasking.pushes("result")) == 1


def test_offers_that_are_refused_or_unanswered_use_up_no_attempt() -> None:
    tasking = Tasking(max_attempts=1)
    tasking.submit()
    tasking.offer()
    tasking.work(Input.REFUSE)
    tasking.offer("cy")
    tasking.advance(tasking.now_ms + POLICY.offer_timeout_ms)
    assert [each.reason for each in tasking.task().refusals] == ["busy", OFFER_TIMED_OUT]
    assert tasking.task().attempts == ()
    assert tasking.task().queued_at_ms == 1_000, "it has waited all along"
    tasking.offer("dan")
    tasking.work(Input.ACCEPT)
    assert tasking.task().refusals == ()


def test_a_new_round_forgets_who_had_passed_and_is_counted_until_somebody_begins() -> None:
    tasking = Tasking()
    tasking.submit()
    tasking.offer()
    tasking.work(Input.REFUSE)
    assert (tasking.offer(new_round=True).rounds, tasking.task().refusals) == (1, ())
    tasking.work(Input.ACCEPT)
    assert tasking.task().rounds == 0


def test_a_report_on_an_offer_is_its_acceptance_too() -> None:
    for happened, state in ((Input.COMPLETE, State.COMPLETED), (Input.FAIL, State.FAILED)):
        tasking = Tasking()
        tasking.submit()
        tasking.offer()
        tasking.now_ms += 400
        assert tasking.work(happened).state is state
        (attempt,) = tasking.task().attempts
        assert (attempt.started_ms, attempt.ended_ms) == (1_000, 1_400)
        tasking.check_replay()


def test_progress_of_an_offer_begins_the_attempt_when_it_was_offered() -> None:
    tasking = Tasking(timeout_ms=10_000)
    tasking.submit()
    tasking.offer()
    tasking.now_ms += 400
    assert tasking.work(Input.PROGRESS).state is State.RUNNING
    (attempt,) = tasking.task().attempts
    assert (attempt.started_ms, attempt.ended_ms) == (1_000, None)
    assert tasking.model.next_deadline_ms() == 11_000


def test_a_last_attempt_that_fails_without_being_accepted_is_the_last() -> None:
    tasking = Tasking(max_attempts=1)
    tasking.submit()
    tasking.offer()
    assert tasking.work(Input.FAIL).state is State.DEAD_LETTERED


def test_an_attempt_takes_no_longer_than_it_may_however_alive_its_worker_is() -> None:
    tasking = Tasking(timeout_ms=45_000, max_attempts=1)
    tasking.bring_to(State.RUNNING)
    tasking.advance(30_000)
    tasking.work(Input.PROGRESS)
    tasking.advance(45_999)
    assert tasking.task().state is State.RUNNING
    tasking.advance(46_000)
    assert (tasking.task().state, tasking.task().reason) == (State.DEAD_LETTERED, ATTEMPT_TIMED_OUT)
    (told,) = tasking.pushes("cancel")
    assert (told.agent, told.body["reason"]) == (AGENT, ATTEMPT_TIMED_OUT)


def test_a_silent_worker_is_called_silent_even_if_its_attempt_would_have_taken_too_long_later() -> None:
    tasking = Tasking(timeout_ms=45_000)
    tasking.bring_to(State.RUNNING)
    tasking.tick(50_000)
    assert tasking.task().attempts[-1].error == LEASE_EXPIRED


def test_a_worker_command_on_an_unknown_task_is_refused() -> None:
    command = FailTask(task_id="no", agent=AGENT, fencing_token=1, reason="x")
    assert Tasking().refuse(command) == "unknown_task"


def test_a_foreign_command_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="object"):
        Tasking().send(object())


def test_an_event_of_a_task_that_is_not_open_is_our_own_mistake() -> None:
    tasking = Tasking()
    tasking.bring_to(State.COMPLETED)
    with pytest.raises(KeyError):
        tasking.model.apply(AttemptFailed(task_id="t", reason="x", at_ms=1, retry_at_ms=2))


def test_a_tick_is_bounded_and_goes_on_until_all_is_done() -> None:
    tasking = Tasking(deadline_ms=9_000)
    for index in range(MAX_TICK_TASKS + 5):
        tasking.submit(f"t{index}")
    tasking.tick(9_000)
    assert len(tasking.model.state.open) == 5
    tasking.tick(9_000)
    assert not tasking.model.state.open
    assert tasking.model.next_deadline_ms() is None
