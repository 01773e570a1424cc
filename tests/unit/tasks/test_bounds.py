"""Nothing grows beyond its bound, and the caller learns of it."""

from __future__ import annotations

from unittest import mock

import pytest

from coordination.requirements.terms import MAX_TEXT_CHARS
from coordination.runtime.errors import RejectedError
from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import MAX_COMMAND_EVENTS_BYTES, MAX_RECORD_BYTES, MAX_REPLY_BYTES
from coordination.runtime.model import Rejected
from coordination.tasks import model, wire
from coordination.tasks.commands import CancelTask, FailTask
from coordination.tasks.lifecycle import Input
from coordination.tasks.limits import (
    MAX_ATTEMPTS,
    MAX_NOTE_CHARS,
    MAX_PAYLOAD_BYTES,
    MAX_REASON_CHARS,
    MAX_REFUSALS,
    MAX_RESULT_BYTES,
    MAX_TICK_TASKS,
    Policy,
)
from coordination.tasks.record import Attempt, Refusal, Task
from coordination.tasks.size import MAX_DEPTH, require_json_bytes
from tests.support.tasking import AGENT, CAPABILITY, SUBMITTER, Tasking

LONG = "x" * 63


def overloaded(outcome: object) -> bool:
    return isinstance(outcome, Rejected) and outcome.code == "overloaded" and outcome.retryable


def test_open_tasks_are_bounded_in_number_until_one_ends() -> None:
    tasking = Tasking(policy=Policy(max_open_tasks=2))
    tasking.submit("a")
    tasking.submit("b")
    assert overloaded(tasking.submit("c"))
    tasking.accept(CancelTask(task_id="a", caller=SUBMITTER))
    assert not overloaded(tasking.submit("c"))


def test_open_tasks_are_bounded_in_bytes() -> None:
    tasking = Tasking(policy=Policy(max_open_bytes=44))
    tasking.submit("a")
    tasking.submit("b")
    assert overloaded(tasking.submit("c"))
    assert not overloaded(tasking.submit("c", payload_bytes=5))


def test_requirements_that_tasks_wait_with_are_bounded() -> None:
    with mock.patch.object(model, "MAX_WAITING_REQUIREMENTS", 2):
        tasking = Tasking()
        tasking.submit("a", capability="a")
        tasking.submit("b", capability="b")
        assert overloaded(tasking.submit("c", capability="c"))
        assert not overloaded(tasking.submit("c", capability="b"))


def test_finished_tasks_are_forgotten_oldest_first() -> None:
    tasking = Tasking(policy=Policy(max_finished_tasks=2))
    for task_id in "abc":
        tasking.submit(task_id)
        tasking.accept(CancelTask(task_id=task_id, caller=SUBMITTER))
    assert list(tasking.model.state.finished) == ["b", "c"]
    assert tasking.model.find("a") is None
    tasking.check_replay()


def test_finished_tasks_are_bounded_in_bytes() -> None:
    tasking = Tasking(policy=Policy(max_finished_bytes=40))
    for task_id in "abc":
        tasking.submit(task_id)
        tasking.offer(AGENT)
        tasking.work(Input.ACCEPT, task_id)
        tasking.work(Input.COMPLETE, task_id)
    assert list(tasking.model.state.finished) == ["c"]
    assert tasking.model.index.finished_bytes == 10 + 12 + len(CAPABILITY)


def test_a_forgotten_id_may_be_used_again_under_new_tokens() -> None:
    tasking = Tasking(policy=Policy(max_finished_tasks=1))
    tasking.submit()
    tasking.offer(AGENT)
    old = tasking.task().fencing_token
    tasking.accept(CancelTask(task_id="t", caller=SUBMITTER))
    tasking.submit("other")
    tasking.accept(CancelTask(task_id="other", caller=SUBMITTER))
    tasking.submit()
    tasking.offer(AGENT)
    assert tasking.task().fencing_token > old


def test_a_journal_written_under_tighter_bounds_can_be_read() -> None:
    tight = Tasking(policy=Policy(max_finished_tasks=1))
    for task_id in ("a", "b", "a"):
        tight.submit(task_id)
        tight.accept(CancelTask(task_id=task_id, caller=SUBMITTER))
    loose = Tasking()
    for event in tight.events:
        loose.model.apply(event)
    assert list(loose.model.state.finished) == ["b", "a"]
    assert loose.model.index.finished_bytes == 2 * (10 + len(CAPABILITY))


def test_agents_that_passed_are_remembered_up_to_a_bound() -> None:
    tasking = Tasking(policy=Policy(round_pause_ms=0))
    tasking.submit()
    agents = [f"a{index}" for index in range(MAX_REFUSALS + 5)]
    for _ in range(MAX_REFUSALS + 3):
        assert tasking.offer(*agents) == 1
        tasking.work(Input.REFUSE)
        assert len(tasking.task().refusals) <= MAX_REFUSALS


def test_the_largest_tick_fits_into_one_record() -> None:
    tasking = Tasking(policy=Policy(lease_ms=1))
    for index in range(MAX_TICK_TASKS):
        task_id = f"{index:063}"
        tasking.submit(task_id, submitter=LONG, max_attempts=1)
        tasking.offer(LONG[:-4] + f"{index:04}")
        tasking.work(Input.ACCEPT, task_id)
    outcome = tasking.model.tick(10**12)
    codec = EventCodec(tasking.model.event_types)
    assert len(outcome.events) == 2 * MAX_TICK_TASKS
    size_bytes = sum(len(codec.encode(event)) + 1 for event in outcome.events)
    assert size_bytes < MAX_RECORD_BYTES - MAX_COMMAND_EVENTS_BYTES, "commands must find room beside a tick"


def test_the_largest_record_fits_into_one_reply() -> None:
    worst = "\x01"
    attempt = Attempt(
        agent=LONG, fencing_token=2**62, started_ms=2**52, ended_ms=2**52, error=worst * MAX_REASON_CHARS
    )
    task = Task(
        task_id=LONG,
        sequence=2**62,
        submitter=LONG,
        capability=LONG,
        requirement='"' * MAX_TEXT_CHARS,
        payload={"x": "y" * MAX_PAYLOAD_BYTES},
        payload_bytes=MAX_PAYLOAD_BYTES,
        priority=9,
        deadline_ms=2**52,
        max_attempts=MAX_ATTEMPTS,
        submitted_at_ms=2**52,
        attempts=(attempt,) * MAX_ATTEMPTS,
        refusals=(Refusal(agent=LONG, reason=worst * MAX_NOTE_CHARS, at_ms=2**52),) * MAX_REFUSALS,
        note=worst * MAX_NOTE_CHARS,
        result="z" * MAX_RESULT_BYTES,
        reason=worst * MAX_REASON_CHARS,
    )
    record = wire.TaskRecord.model_validate(task, from_attributes=True)
    assert len(record.model_dump_json()) < MAX_REPLY_BYTES


def test_backoff_doubles_up_to_its_limit() -> None:
    policy = Policy(retry_first_ms=100, retry_last_ms=500)
    assert [policy.backoff_ms(attempt) for attempt in (1, 2, 3, 4, 10**6)] == [100, 200, 400, 500, 500]


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("x" * 200, "too_large"),
        (float("nan"), "invalid_request"),
        ("\ud800", "invalid_request"),
        (nested(MAX_DEPTH + 1), "too_deep"),
    ],
)
def test_what_could_not_be_stored_and_read_again_is_refused(value: object, code: str) -> None:
    with pytest.raises(RejectedError) as caught:
        require_json_bytes(value, what="payload", max_bytes=150)
    assert caught.value.code == code


@pytest.mark.parametrize("value", [nested(MAX_DEPTH), ["[" * 70], {"ä": [1.5, None, True]}, None])
def test_what_json_can_carry_is_weighed(value: object) -> None:
    assert require_json_bytes(value, what="result", max_bytes=1_000) > 0


def test_a_worker_may_not_fail_with_a_novel() -> None:
    with pytest.raises(ValueError, match="1024"):
        wire.FailRequest(task_id="t", fencing_token=1, reason="x" * (MAX_REASON_CHARS + 1))
    assert FailTask(task_id="t", agent=AGENT, fencing_token=1, reason="x").retryable
