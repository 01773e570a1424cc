"""Nothing grows beyond its bound, and the caller learns of it."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest

from coordination.requirements.terms import MAX_TEXT_CHARS
from coordination.runtime.errors import RejectedError
from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import MAX_COMMAND_EVENTS_BYTES, MAX_RECORD_BYTES, MAX_REPLY_BYTES
from coordination.runtime.model import Rejected
from coordination.tasks import submitting, wire
from coordination.tasks.commands import (
    OPERATOR,
    CancelTask,
    DeadLetterFilter,
    FailTask,
    PurgeDeadLetters,
    RefuseOffer,
    SubmitTasks,
)
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import (
    MAX_ATTEMPTS,
    MAX_BIDDERS,
    MAX_DEPENDENCIES,
    MAX_EARLIER_ATTEMPTS,
    MAX_KEY_CHARS,
    MAX_NOTE_CHARS,
    MAX_PAYLOAD_BYTES,
    MAX_REASON_CHARS,
    MAX_REFUSALS,
    MAX_RESULT_BYTES,
    MAX_TICK_BYTES,
    MAX_TICK_TASKS,
    Policy,
)
from coordination.tasks.limits import MAX_DEPTH as MAX_DEPTH_OF_CHAINS
from coordination.tasks.record import Attempt, Call, ReceivedBid, Refusal, Task
from coordination.tasks.size import MAX_DEPTH, require_json_bytes
from coordination.tasks.spec import Dependency, TaskSpec
from coordination.tasks.views import record_view
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


def test_requirements_of_open_tasks_and_their_queues_are_bounded() -> None:
    with mock.patch.object(submitting, "MAX_WAITING_REQUIREMENTS", 2):
        tasking = Tasking()
        tasking.submit("a", capability="a")
        tasking.submit("b", capability="b")
        assert overloaded(tasking.submit("c", capability="c"))
        assert overloaded(tasking.submit("c", capability="b", queue="slow"))
        assert not overloaded(tasking.submit("c", capability="b"))
        tasking.accept(CancelTask(task_id="a", caller=SUBMITTER))
        assert not overloaded(tasking.submit("d", capability="d"))


def test_idempotency_keys_that_are_remembered_are_bounded() -> None:
    with mock.patch.object(submitting, "MAX_IDEMPOTENCY_KEYS", 1):
        tasking = Tasking()
        tasking.submit("a", idempotency_key="a")
        assert overloaded(tasking.submit("b", idempotency_key="b"))
        assert not overloaded(tasking.submit("b"))


@pytest.mark.parametrize("policy", [Policy(max_dead_letters=1), Policy(max_dead_letter_bytes=16)])
def test_dead_letters_are_bounded_by_taking_nothing_more_until_some_are_gone(policy: Policy) -> None:
    tasking = Tasking(policy=policy)
    tasking.bring_to(State.DEAD_LETTERED)
    refused = tasking.refused("more")
    assert overloaded(refused)
    assert "redrive or purge" in refused.message
    every = DeadLetterFilter()
    tasking.accept(PurgeDeadLetters(caller=OPERATOR, which=every, limit=9))
    assert not overloaded(tasking.submit("more"))
    assert tasking.model.index.dead_letter_bytes == 0


def test_the_bounds_hold_for_the_tasks_of_one_request_together() -> None:
    every_kind: list[tuple[Policy, dict[str, Any]]] = [
        (Policy(max_open_tasks=2), {}),
        (Policy(max_open_bytes=40), {}),
    ]
    for policy, fields in every_kind:
        tasking = Tasking(policy=policy, **fields)
        commands = tuple(tasking.command(task_id) for task_id in "abc")
        answers = tasking.accept(SubmitTasks(tasks=commands)).tasks
        assert [getattr(each, "code", "") for each in answers] == ["", "", "overloaded"]
        assert answers[2].retryable
    with mock.patch.object(submitting, "MAX_WAITING_REQUIREMENTS", 2):
        tasking = Tasking()
        commands = tuple(tasking.command(each, capability=each) for each in ("a", "b", "c", "a2"))
        answers = tasking.accept(SubmitTasks(tasks=commands)).tasks
        assert [getattr(each, "code", "") for each in answers] == ["", "", "overloaded", "overloaded"]
    with mock.patch.object(submitting, "MAX_IDEMPOTENCY_KEYS", 1):
        tasking = Tasking()
        commands = tuple(tasking.command(each, idempotency_key=each) for each in ("a", "b"))
        answers = tasking.accept(SubmitTasks(tasks=commands)).tasks
        assert [getattr(each, "code", "") for each in answers] == ["", "overloaded"]
    with mock.patch.object(submitting, "MAX_SPENT_APPROVALS", 1):
        tasking = Tasking(approval_expires_ms=9_000)
        commands = tuple(tasking.command(each, approved_by=each) for each in ("a", "b"))
        answers = tasking.accept(SubmitTasks(tasks=commands)).tasks
        assert [getattr(each, "code", "") for each in answers] == ["", "overloaded"]


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
        tasking.offer(task_id=task_id)
        tasking.work(Input.ACCEPT, task_id)
        tasking.work(Input.COMPLETE, task_id)
    assert list(tasking.model.state.finished) == ["c"]
    assert tasking.model.index.finished_bytes == 10 + 12 + len(CAPABILITY)


def test_a_forgotten_id_may_be_used_again_under_new_tokens() -> None:
    tasking = Tasking(policy=Policy(max_finished_tasks=1))
    tasking.submit()
    tasking.offer()
    old = tasking.task().fencing_token
    tasking.accept(CancelTask(task_id="t", caller=SUBMITTER))
    tasking.submit("other")
    tasking.accept(CancelTask(task_id="other", caller=SUBMITTER))
    tasking.submit()
    tasking.offer()
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


def test_a_finished_task_that_others_still_rest_on_is_kept_beyond_the_bound() -> None:
    tasking = Tasking(policy=Policy(max_finished_tasks=1))
    tasking.submit("kept")
    tasking.submit("waits", after=(Dependency(task_id="kept"),))
    for task_id in ("kept", "b", "c"):
        if task_id != "kept":
            tasking.submit(task_id)
        tasking.accept(CancelTask(task_id=task_id, caller=SUBMITTER))
    assert set(tasking.model.state.finished) == {"kept", "c"}
    assert list(tasking.model.state.unsettled) == ["kept"]
    tasking.advance(tasking.now_ms)
    assert not tasking.model.state.unsettled
    tasking.submit("d")
    tasking.accept(CancelTask(task_id="d", caller=SUBMITTER))
    assert len(tasking.model.state.finished) == 1
    tasking.check_replay()
    tasking.check_snapshot()


def test_agents_that_passed_are_remembered_up_to_a_bound() -> None:
    tasking = Tasking()
    tasking.submit()
    for index in range(MAX_REFUSALS + 3):
        tasking.offer(f"a{index}")
        tasking.work(Input.REFUSE)
        assert len(tasking.task().refusals) <= MAX_REFUSALS
    assert tasking.task().refusals[-1].agent == f"a{MAX_REFUSALS + 2}"


def test_the_largest_tick_fits_into_one_record() -> None:
    tasking = Tasking(policy=Policy(lease_ms=1))
    for index in range(MAX_TICK_TASKS + 1):
        task_id = f"{index:063}"
        tasking.submit(task_id, submitter=LONG, max_attempts=1)
        tasking.offer(LONG[:-4] + f"{index:04}", task_id)
        tasking.work(Input.ACCEPT, task_id)
    outcome = tasking.model.tick(10**12)
    codec = EventCodec(tasking.model.event_types)
    assert MAX_TICK_TASKS <= len(outcome.events) <= MAX_TICK_TASKS + 1
    size_bytes = sum(len(codec.encode(event)) + 1 for event in outcome.events)
    assert size_bytes < MAX_RECORD_BYTES - MAX_COMMAND_EVENTS_BYTES, "commands must find room beside a tick"


def test_a_tick_whose_reasons_are_long_stops_earlier() -> None:
    tasking = Tasking(start_by_ms=9_000)
    reason = "\x01" * MAX_NOTE_CHARS
    for index in range(MAX_TICK_TASKS):
        tasking.submit(f"t{index}", payload_bytes=2)
        tasking.offer(LONG, f"t{index}", expires_ms=20_000)
        token = tasking.task(f"t{index}").fencing_token
        tasking.accept(RefuseOffer(task_id=f"t{index}", agent=LONG, fencing_token=token, reason=reason))
    outcome = tasking.model.tick(9_000)
    assert len(outcome.events) < MAX_TICK_TASKS
    codec = EventCodec(tasking.model.event_types)
    size_bytes = sum(len(codec.encode(event)) + 1 for event in outcome.events)
    assert MAX_TICK_BYTES <= size_bytes < MAX_RECORD_BYTES - 128 * 1024
    assert all(len(event.reason) <= MAX_REASON_CHARS for event in outcome.events)


def largest_call() -> Call:
    called = {f"{index:063}": 2**52 for index in range(MAX_BIDDERS)}
    return Call(
        call=2**52,
        agents=called,
        bids_until_ms=2**52,
        bids=tuple(
            ReceivedBid(agent=agent, incarnation=2**52, at_ms=2**52, reason="\x01" * MAX_NOTE_CHARS)
            for agent in called
        ),
    )


@pytest.mark.parametrize(
    "held",
    [
        {"state": State.COMPLETED, "result": "z" * MAX_RESULT_BYTES},
        {"state": State.ANNOUNCED, "call": largest_call()},
    ],
    ids=["completed", "announced"],
)
def test_the_largest_record_fits_into_one_reply(held: dict[str, Any]) -> None:
    worst = "\x01"
    attempt = Attempt(
        agent=LONG, fencing_token=2**62, started_ms=2**52, ended_ms=2**52, error=worst * MAX_REASON_CHARS
    )
    spec = TaskSpec(
        capability=LONG,
        requirement='"' * MAX_TEXT_CHARS,
        payload={"x": "y" * MAX_PAYLOAD_BYTES},
        payload_bytes=MAX_PAYLOAD_BYTES,
        priority=9,
        deadline_ms=2**52,
        max_attempts=MAX_ATTEMPTS,
        after=tuple(Dependency(task_id=f"{index:063}") for index in range(MAX_DEPENDENCIES)),
        idempotency_key=worst * MAX_KEY_CHARS,
        fairness_key=worst * MAX_KEY_CHARS,
    )
    task = Task(
        task_id=LONG,
        sequence=2**62,
        submitter=LONG,
        spec=spec,
        seed=2**32 - 1,
        submitted_at_ms=2**52,
        waits_for=tuple(each.task_id for each in spec.after),
        chain=(LONG,) * MAX_DEPTH_OF_CHAINS,
        **held,
        attempts=(attempt,) * (MAX_ATTEMPTS + MAX_EARLIER_ATTEMPTS),
        refusals=(Refusal(agent=LONG, reason=worst * MAX_NOTE_CHARS, at_ms=2**52),) * MAX_REFUSALS,
        note=worst * MAX_NOTE_CHARS,
        reason=worst * MAX_REASON_CHARS,
    )
    record = wire.TaskRecord.model_validate(record_view(task))
    assert len(record.model_dump_json()) < MAX_REPLY_BYTES


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
