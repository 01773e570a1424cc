"""What agents say of the tasks that they were offered: each counts only under the token that stands. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from coordination.runtime.fast_init import maker
from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import bidding, budgets
from coordination.tasks.commands import (
    AcceptOffer,
    Bid,
    CompleteTask,
    ConfirmCancel,
    FailTask,
    Refused,
    RefuseOffer,
    Report,
    Reported,
    ReportProgress,
    Standing,
    TakeBack,
    TakenBack,
    WorkerCommand,
)
from coordination.tasks.draft import Draft
from coordination.tasks.events import (
    AttemptFailed,
    CancelConfirmed,
    OfferAccepted,
    OfferRefused,
    ProgressReported,
    TaskCompleted,
    TaskDeadLettered,
    WorkerLost,
)
from coordination.tasks.lifecycle import TRANSITIONS, Input, State
from coordination.tasks.limits import MAX_BATCH, MAX_LOST_TASKS, MAX_REASON_CHARS, MAX_REPORT_BYTES
from coordination.tasks.record import WORKER_LEFT, WORKER_RESTARTED, Task
from coordination.tasks.standing import standing, unknown_task, wrong_state
from coordination.tasks.submitting import as_refused
from coordination.tasks.timing import give_up_if_spent, retry_at_ms
from coordination.tasks.view import View

_new_accepted: Final = maker(OfferAccepted)
_new_completed: Final = maker(TaskCompleted)

_INPUTS: Final[dict[type, tuple[Input, str]]] = {
    AcceptOffer: (Input.ACCEPT, "accepted"),
    RefuseOffer: (Input.REFUSE, "refused"),
    ReportProgress: (Input.PROGRESS, "reported on"),
    CompleteTask: (Input.COMPLETE, "completed"),
    FailTask: (Input.FAIL, "failed"),
    ConfirmCancel: (Input.CONFIRM, "confirmed as stopped"),
}
"""What each command does to the task, and in words."""


def work(view: View, command: WorkerCommand, now_ms: int) -> Outcome | Rejected:
    """What a worker's command leads to."""
    draft = Draft(view, now_ms)
    answer = _said(draft, command)
    return answer if isinstance(answer, Rejected) else draft.outcome(standing(answer))


def _said(draft: Draft, command: WorkerCommand) -> Task | Rejected:
    """The record after what a worker says; or why that does not count."""
    task = draft.view.state.find(command.task_id)
    if task is None:
        return unknown_task(command.task_id)
    refused = _not_entitled(task, command, draft.now_ms)
    if refused is not None:
        return refused
    return _WORK[type(command)](draft, task, command)


def report(view: View, command: Report, now_ms: int) -> Outcome | Rejected:
    """What several things lead to that an agent says of different tasks; each is judged by itself."""
    if len(command.items) > MAX_BATCH:
        message = (
            f"{len(command.items)} items are more than the {MAX_BATCH} that one report may have; split it"
        )
        return Rejected(code="too_many_items", message=message)
    draft = Draft(view, now_ms)
    results: list[Standing | Refused] = []
    seen: set[str] = set()
    for item in command.items:
        task_id, mark = item.task_id, draft.mark()
        answer = _item(draft, item) if task_id not in seen else _said_before(task_id)
        seen.add(task_id)
        if draft.size_bytes > MAX_REPORT_BYTES:
            draft.undo(mark, task_id)
            answer = _too_much(task_id)
        if isinstance(answer, Rejected):
            results.append(as_refused(task_id, answer))
        else:
            _charge(draft, answer)
            results.append(standing(answer))
    return draft.outcome(Reported(results=tuple(results)))


def _charge(draft: Draft, after: Task) -> None:
    """Let what was said of a task count against budgets for the items after it."""
    if after.chain or after.spec.budget:
        before = draft.view.state.find(after.task_id)
        assert before is not None, "a report submits nothing"
        budgets.note(draft.charged, before, after)


def take_back(view: View, command: TakeBack, now_ms: int) -> Outcome:
    """Take back what incarnations hold that are no more."""
    reasons: dict[str, str] = {}
    for each in command.sightings:
        first_valid = each.incarnation + 1 if each.is_gone else each.incarnation
        for task_id in view.index.held_before(each.agent, first_valid):
            if len(reasons) >= MAX_LOST_TASKS:
                break
            reasons.setdefault(task_id, WORKER_LEFT if each.is_gone else WORKER_RESTARTED)
    draft = Draft(view, now_ms)
    for task_id, reason in reasons.items():
        _lose(draft, view.state.open[task_id], reason)
    return draft.outcome(TakenBack(count=len(reasons)))


def _item(draft: Draft, item: WorkerCommand | Bid) -> Task | Rejected:
    return bidding.answered(draft, item) if isinstance(item, Bid) else _said(draft, item)


def _said_before(task_id: str) -> Rejected:
    return Rejected(
        code="duplicate_task",
        message=f"the report says something of task {task_id} before; say one thing of each task, "
        "and the next in another report",
    )


def _too_much(task_id: str) -> Rejected:
    return Rejected(
        code="overloaded",
        message=f"what the report says of task {task_id} is too much to be written with the items before it; "
        "say it again in another report",
        retryable=True,
    )


def _not_entitled(task: Task, command: WorkerCommand, now_ms: int) -> Rejected | None:
    """Why the command's sender may not speak for this task; None if it may."""
    holder = task.holder
    if holder is None or command.fencing_token != task.fencing_token or holder.expires_ms <= now_ms:
        return Rejected(
            code="stale_token",
            message=f"fencing token {command.fencing_token} of task {task.task_id} is not, or no longer, "
            f"valid; the task is {task.state}: drop the work",
            details={"state": task.state.value},
        )
    if holder.agent != command.agent:
        message = (
            f"task {task.task_id} is {task.state} with another agent than {command.agent}: drop the work"
        )
        return Rejected(code="not_holder", message=message)
    happened, words = _INPUTS[type(command)]
    if TRANSITIONS[task.state, happened] is not None:
        return None
    if task.state is State.CANCELING and happened in {Input.PROGRESS, Input.COMPLETE, Input.FAIL}:
        return Rejected(
            code="being_canceled",
            message=f"task {task.task_id} is being canceled: {task.reason}; stop the work and confirm it",
            details={"state": task.state.value, "reason": task.reason},
        )
    return wrong_state(task, words)


def _lease_end_ms(draft: Draft, task: Task) -> int:
    lease_ms = task.spec.lease_ms
    return draft.now_ms + (draft.view.policy.lease_ms if lease_ms is None else lease_ms)


def _renewed_end_ms(draft: Draft, task: Task) -> int:
    """When the lease ends that a report renews: never before it would have ended without it.

    After an outage leases last for a while more (`timing.resume`), which may be longer than their own length.
    """
    ends_ms = _lease_end_ms(draft, task)
    return max(ends_ms, task.holder.expires_ms) if task.state is State.RUNNING and task.holder else ends_ms


def _accept(draft: Draft, task: Task, _: AcceptOffer) -> Task:
    lease_ms = _lease_end_ms(draft, task)
    return draft.add(task, _new_accepted(task_id=task.task_id, at_ms=draft.now_ms, lease_expires_ms=lease_ms))


def _refuse(draft: Draft, task: Task, command: RefuseOffer) -> Task:
    return draft.add(task, OfferRefused(task_id=task.task_id, reason=command.reason, at_ms=draft.now_ms))


def _progress(draft: Draft, task: Task, command: ReportProgress) -> Task:
    overrun = _overrun(draft, task, command.spent)
    event = ProgressReported(
        task_id=task.task_id,
        at_ms=draft.now_ms,
        share=command.share,
        note=command.note,
        lease_expires_ms=_renewed_end_ms(draft, task),
        spent=command.spent,
    )
    if overrun is None:
        return draft.add(task, event)
    return _fail_for_good(draft, task, overrun, command.spent)


def _complete(draft: Draft, task: Task, command: CompleteTask) -> Task:
    overrun = _overrun(draft, task, command.spent)
    if overrun is not None:
        return _fail_for_good(draft, task, overrun, command.spent)
    event = _new_completed(
        task_id=task.task_id,
        fencing_token=command.fencing_token,
        result=command.result,
        result_bytes=command.result_bytes,
        at_ms=draft.now_ms,
        result_reference=command.result_reference,
        spent=command.spent,
    )
    return draft.add(task, event)


def _fail(draft: Draft, task: Task, command: FailTask) -> Task:
    overrun = _overrun(draft, task, command.spent)
    if overrun is not None:
        reason = f"{overrun}; and the attempt failed: {command.reason}"[:MAX_REASON_CHARS]
        return _fail_for_good(draft, task, reason, command.spent)
    if not command.retryable:
        return _fail_for_good(draft, task, command.reason, command.spent)
    if command.retry_after_ms is not None:
        retry_ms = draft.now_ms + command.retry_after_ms
    else:
        retry_ms = retry_at_ms(task, draft.now_ms)
    failed = AttemptFailed(
        task_id=task.task_id,
        reason=command.reason,
        at_ms=draft.now_ms,
        retry_at_ms=retry_ms,
        spent=command.spent,
    )
    return give_up_if_spent(draft, draft.add(task, failed), command.reason)


def _confirm(draft: Draft, task: Task, _: ConfirmCancel) -> Task:
    return draft.add(task, CancelConfirmed(task_id=task.task_id, at_ms=draft.now_ms))


def _overrun(draft: Draft, task: Task, spent: int | None) -> str | None:
    return None if spent is None else budgets.overrun(draft.view, task, spent, draft.charged)


def _fail_for_good(draft: Draft, task: Task, reason: str, spent: int | None) -> Task:
    """Fail the attempt, and with it the task: no other attempt would mend it."""
    now_ms, task_id = draft.now_ms, task.task_id
    return draft.add(
        task,
        AttemptFailed(task_id=task_id, reason=reason, at_ms=now_ms, retry_at_ms=now_ms, spent=spent),
        TaskDeadLettered(task_id=task_id, reason=reason, at_ms=now_ms),
    )


def _lose(draft: Draft, task: Task, reason: str) -> None:
    if task.state is not State.RUNNING:
        lost = WorkerLost(task_id=task.task_id, reason=reason, at_ms=draft.now_ms, retry_at_ms=None)
        draft.add(task, lost)
        return
    retry_ms = retry_at_ms(task, draft.now_ms)
    lost = WorkerLost(task_id=task.task_id, reason=reason, at_ms=draft.now_ms, retry_at_ms=retry_ms)
    give_up_if_spent(draft, draft.add(task, lost), reason)


_WORK: Final[dict[type, Callable[[Draft, Task, Any], Task]]] = {
    AcceptOffer: _accept,
    RefuseOffer: _refuse,
    ReportProgress: _progress,
    CompleteTask: _complete,
    FailTask: _fail,
    ConfirmCancel: _confirm,
}
