"""Several things that one agent says of different tasks; and what it says of what it has spent."""

from __future__ import annotations

from coordination.runtime.framing import EventCodec
from coordination.runtime.limits import MAX_COMMAND_EVENTS_BYTES
from coordination.runtime.model import Outcome
from coordination.tasks.commands import (
    AcceptOffer,
    CompleteTask,
    ConfirmCancel,
    FailTask,
    Refused,
    RefuseOffer,
    Report,
    ReportProgress,
    Standing,
)
from coordination.tasks.lifecycle import Input, State
from coordination.tasks.limits import MAX_BATCH, MAX_REASON_CHARS, MAX_REPORT_BYTES
from coordination.tasks.spec import Budget
from tests.support.tasking import AGENT, WORKER_COMMANDS, Tasking


def offered(*task_ids: str) -> Tasking:
    tasking = Tasking()
    for task_id in task_ids:
        tasking.submit(task_id)
        tasking.offer(task_id=task_id)
    return tasking


def test_each_item_of_a_report_counts_or_is_refused_by_itself() -> None:
    tasking = offered(*"abcdef")
    token = {task_id: tasking.task(task_id).fencing_token for task_id in "abcdef"}
    said = {
        "a": Input.ACCEPT, "b": Input.REFUSE, "c": Input.COMPLETE, "d": Input.FAIL, "e": Input.PROGRESS,
        "f": Input.CONFIRM,
    }  # fmt: skip
    items = [WORKER_COMMANDS[what](task_id, AGENT, token[task_id]) for task_id, what in said.items()]
    items.append(AcceptOffer(task_id="no", agent=AGENT, fencing_token=1))
    reported = tasking.accept(Report(agent=AGENT, items=tuple(items)))
    told = [each.state if isinstance(each, Standing) else each.code for each in reported.results]
    assert told == [
        State.RUNNING, State.QUEUED, State.COMPLETED, State.FAILED, State.RUNNING, "wrong_state",
        "unknown_task",
    ]  # fmt: skip
    assert [each.task_id for each in reported.results] == [*"abcdef", "no"]
    assert len(tasking.pushes("result")) == 1
    tasking.check_replay()


def test_the_second_thing_of_one_task_is_refused_whatever_became_of_the_first() -> None:
    tasking = offered("a")
    token = tasking.task("a").fencing_token
    wrong = AcceptOffer(task_id="a", agent=AGENT, fencing_token=token + 1)
    right = AcceptOffer(task_id="a", agent=AGENT, fencing_token=token)
    first, second = tasking.accept(Report(agent=AGENT, items=(wrong, right))).results
    assert (first.code, second.code) == ("stale_token", "duplicate_task")
    assert isinstance(second, Refused)
    assert tasking.task("a").state is State.OFFERED


def test_a_report_of_too_many_items_is_refused_as_a_whole() -> None:
    items = tuple(
        AcceptOffer(task_id=f"t{index}", agent=AGENT, fencing_token=1) for index in range(MAX_BATCH + 1)
    )
    assert Tasking().refuse(Report(agent=AGENT, items=items)) == "too_many_items"
    assert len(Tasking().accept(Report(agent=AGENT, items=items[1:])).results) == MAX_BATCH


def test_a_report_that_would_not_fit_into_a_record_is_taken_as_far_as_it_does() -> None:
    task_ids = [f"t{index}" for index in range(80)]
    tasking = offered(*task_ids)
    worst = "\x01" * MAX_REASON_CHARS
    items = tuple(
        FailTask(
            task_id=task_id,
            agent=AGENT,
            fencing_token=tasking.task(task_id).fencing_token,
            reason=worst,
            retryable=False,
        )
        for task_id in task_ids
    )
    outcome = tasking.send(Report(agent=AGENT, items=items))
    assert isinstance(outcome, Outcome)
    codec = EventCodec(tasking.model.event_types)
    size_bytes = sum(len(codec.encode(event)) for event in outcome.events)
    assert MAX_REPORT_BYTES * 0.9 < size_bytes < MAX_COMMAND_EVENTS_BYTES
    late = [each for each in outcome.reply.results if isinstance(each, Refused)]
    assert {(each.code, each.retryable) for each in late} == {("overloaded", True)}
    assert len(late) + len(tasking.model.state.dead_letters) == len(task_ids)


def test_what_an_attempt_has_spent_is_on_record_and_never_shrinks() -> None:
    tasking = offered("t")
    token = tasking.task().fencing_token
    for spent in (3, 5, 4):
        tasking.accept(ReportProgress(task_id="t", agent=AGENT, fencing_token=token, spent=spent))
    assert tasking.task().attempts[-1].spent == 5
    tasking.work(Input.PROGRESS)
    assert tasking.task().attempts[-1].spent == 5
    done = CompleteTask(task_id="t", agent=AGENT, fencing_token=token, result=None, result_bytes=4, spent=9)
    tasking.accept(done)
    assert tasking.task().attempts[-1].spent == 9
    tasking.check_replay()


def test_an_attempt_that_spends_more_than_its_budget_fails_for_good() -> None:
    for happened in (Input.PROGRESS, Input.COMPLETE, Input.FAIL):
        tasking = Tasking(budget=Budget(cost=10))
        tasking.submit()
        tasking.offer()
        token = tasking.task().fencing_token
        command = {
            Input.PROGRESS: ReportProgress(task_id="t", agent=AGENT, fencing_token=token, spent=11),
            Input.COMPLETE: CompleteTask(
                task_id="t", agent=AGENT, fencing_token=token, result=1, result_bytes=1, spent=11
            ),
            Input.FAIL: FailTask(
                task_id="t", agent=AGENT, fencing_token=token, reason="x" * MAX_REASON_CHARS, spent=11
            ),
        }[happened]
        assert tasking.accept(command).state is State.DEAD_LETTERED
        task = tasking.task()
        assert task.reason.startswith("budget_exceeded: ")
        assert len(task.reason) <= MAX_REASON_CHARS
        assert (task.attempts[-1].spent, task.result) == (11, None)
        tasking.check_replay()


def test_items_of_a_report_may_be_confirmations_and_refusals() -> None:
    tasking = Tasking()
    token = tasking.bring_to(State.CANCELING).fencing_token
    tasking.submit("other")
    other = tasking.offer(task_id="other").fencing_token
    reported = tasking.accept(
        Report(
            agent=AGENT,
            items=(
                ConfirmCancel(task_id="t", agent=AGENT, fencing_token=token),
                RefuseOffer(task_id="other", agent=AGENT, fencing_token=other, reason="busy"),
            ),
        )
    )
    assert [each.state for each in reported.results] == [State.CANCELED, State.QUEUED]
