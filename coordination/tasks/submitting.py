"""Submitting tasks: what is taken, what is the same as before, and what is refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from coordination.runtime.fast_init import maker
from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import relations
from coordination.tasks.commands import Refused, SubmitTask, SubmitTasks, Submitted, SubmittedTasks
from coordination.tasks.draft import Draft
from coordination.tasks.events import TaskDeadLettered, TaskSkipped, TaskSubmitted
from coordination.tasks.limits import (
    MAX_BATCH,
    MAX_IDEMPOTENCY_KEYS,
    MAX_SPENT_APPROVALS,
    MAX_WAITING_REQUIREMENTS,
)
from coordination.tasks.record import Task, TasksState
from coordination.tasks.relations import Beginning, Together
from coordination.tasks.shares import FREE_BYTES, Share, is_scarce, is_too_much, room
from coordination.tasks.spec import OnFailure, TaskSpec
from coordination.tasks.transitions import first_state
from coordination.tasks.view import View

_new_answer: Final = maker(Submitted)
_new_event: Final = maker(TaskSubmitted)

_NO_RELATIONS: Final = Beginning()


@dataclass(slots=True)
class _Room:
    """What a command of several tasks may take up before any bound on open tasks can refuse one of them."""

    submitter: str
    tasks: int
    size_bytes: int
    dead_full: str
    """See `_dead_full`, which is the same for all of its tasks."""


class Batch(Together):
    """Tasks that one command has submitted so far, and what they take up together.

    With it, bounds, ids, keys, approvals and budgets hold for a command as a whole.
    """

    __slots__ = ("_room", "approvals", "keys", "requirements", "size_bytes")

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0
        self.requirements: set[tuple[str, str]] = set()
        """Queues and requirements."""
        self.approvals: dict[str, str] = {}
        """Task id by proposal."""
        self.keys: dict[str, str] = {}
        """Task id by `key_of` the idempotency key."""
        self._room: _Room | None = None

    def room(self, view: View, submitter: str) -> _Room:
        """What the command may take up; found once, because deciding changes no state."""
        if self._room is None or self._room.submitter != submitter:
            self._room = _room(view, submitter)
        return self._room

    def add(self, task: Task) -> None:
        """Take note of a task, as the command leaves it."""
        is_new = task.task_id not in self.tasks
        super().add(task)
        if not is_new:
            return
        spec = task.spec
        self.size_bytes += spec.size_bytes
        self.requirements.add((spec.queue, spec.requirement))
        if spec.approved_by:
            self.approvals[spec.approved_by] = task.task_id
        if spec.idempotency_key:
            self.keys[key_of(task.submitter, spec.idempotency_key)] = task.task_id


def key_of(submitter: str, idempotency_key: str) -> str:
    """Under which a submitter's key is remembered; ids of agents have no space in them."""
    return f"{submitter} {idempotency_key}"


def submit(view: View, command: SubmitTask, now_ms: int) -> Outcome | Rejected:
    """What the submission of one task leads to."""
    event = submitted_event(view, command, now_ms)
    if isinstance(event, Rejected):
        return event
    if isinstance(event, Submitted):
        return Outcome(reply=event)
    if not (event.spec.after or event.spec.parent):  # most: no other task has to do with it
        reply = _new_answer(task_id=event.task_id, state=first_state(event), duplicate=False)
        return Outcome(events=(event,), reply=reply)
    draft = Draft(view, now_ms)
    task = begin(draft, command, event)
    return draft.outcome(_new_answer(task_id=task.task_id, state=task.state, duplicate=False))


def submit_many(view: View, command: SubmitTasks, now_ms: int) -> Outcome | Rejected:
    """What the submission of several tasks leads to; each is taken or refused by itself."""
    if len(command.tasks) > MAX_BATCH:
        message = (
            f"{len(command.tasks)} tasks are more than the {MAX_BATCH} that one request may submit; split it"
        )
        return Rejected(code="too_many_tasks", message=message)
    draft = Draft(view, now_ms)
    batch = Batch()
    answers: list[Submitted | Refused] = []
    for each in command.tasks:
        event = submitted_event(view, each, now_ms, batch)
        if isinstance(event, Rejected):
            answers.append(as_refused(each.task_id, event))
        elif isinstance(event, Submitted):
            answers.append(event)
        else:
            task = begin(draft, each, event, batch)
            answers.append(_new_answer(task_id=task.task_id, state=task.state, duplicate=False))
    return draft.outcome(SubmittedTasks(tasks=tuple(answers)))


def as_refused(task_id: str, rejected: Rejected) -> Refused:
    """A refusal as one of several answers."""
    return Refused(
        task_id=task_id,
        code=rejected.code,
        message=rejected.message,
        retryable=rejected.retryable,
        details=rejected.details,
    )


def begin(draft: Draft, command: SubmitTask, event: TaskSubmitted, batch: Batch | None = None) -> Task:
    """Submit a task, and let happen to it at once what a task that it waits for and that has ended leads to.

    Args:
        draft: Of the decision.
        command: The submission.
        event: What `submitted_event` made of it.
        batch: What else the command submits; the task is added.

    Returns:
        The record afterwards.
    """
    if event.spec.parent:
        relations.take_offer(draft, command)
    task = draft.submit(event)
    if event.spec.after:
        verdict = relations.beginning(draft.view, command, draft.now_ms, batch).verdict
        if verdict is not None:
            edge, reason = verdict
            ending = TaskSkipped if edge is OnFailure.SKIP else TaskDeadLettered
            task = draft.add(task, ending(task_id=task.task_id, reason=reason, at_ms=draft.now_ms))
    if batch is not None:
        batch.add(task)
    return task


def submitted_event(
    view: View, command: SubmitTask, now_ms: int, batch: Batch | None = None
) -> TaskSubmitted | Submitted | Rejected:
    """Whether a task is taken.

    Args:
        view: What is decided on.
        command: The submission.
        now_ms: Unix ms.
        batch: What the same command has submitted before.

    Returns:
        The submission to persist, with `begin`; or the answer that the same one was given before; or why not.
    """
    spec = command.spec
    known = _known(view.state, command, batch)
    if known is not None:
        return _again(command, known)
    refused = _times_problem(spec, now_ms)
    if refused is None and spec.approved_by:
        refused = _approval_problem(view.state, spec, now_ms, batch)
    if refused is None:
        refused = _no_room(view, command, batch)
    if refused is not None:
        return refused
    beginning = _NO_RELATIONS
    if spec.parent or spec.after or spec.budget is not None:
        refused = relations.problem(view, command, now_ms, batch)
        if refused is not None:
            return refused
        beginning = relations.beginning(view, command, now_ms, batch)
    return _new_event(
        task_id=command.task_id,
        submitter=command.submitter,
        spec=spec,
        seed=command.seed,
        at_ms=now_ms,
        waits_for=beginning.waits_for,
        chain=beginning.chain,
        parent_attempt=beginning.parent_attempt,
    )


def _known(state: TasksState, command: SubmitTask, batch: Batch | None) -> Task | None:
    """The task that the submission means, by its id or its idempotency key, if that exists."""
    task_id = command.task_id
    known = state.find(task_id)
    if known is None and batch is not None:
        known = batch.tasks.get(task_id)
    if known is not None or not command.spec.idempotency_key:
        return known
    key = key_of(command.submitter, command.spec.idempotency_key)
    named = state.idempotency_keys.get(key)
    if named is None and batch is not None:
        named = batch.keys.get(key)
    if named is None:
        return None
    return state.find(named) or (batch.tasks.get(named) if batch is not None else None)


def _again(command: SubmitTask, known: Task) -> Submitted | Rejected:
    """The answer to a submission whose id or idempotency key exists: the same task, or a mistake."""
    if command.submitter == known.submitter and _same(command.spec, known):
        return _new_answer(task_id=known.task_id, state=known.state, duplicate=True)
    spec = command.spec
    if spec.approved_by and spec.approved_by == known.spec.approved_by:
        # By default both have the proposal's id: another id would not help, the approval is used.
        return _used(spec.approved_by, known.task_id)
    key = spec.idempotency_key
    if key and key == known.spec.idempotency_key and command.submitter == known.submitter:
        return Rejected(
            code="idempotency_conflict",
            message=f"idempotency_key {key!r} was used for task {known.task_id}, which has other "
            "content; give another task a key of its own, or submit exactly the same",
            details={"task_id": known.task_id},
        )
    return Rejected(
        code="task_id_taken",
        message=f"another task has the id {known.task_id}; choose another task_id, or leave it out",
        details={"task_id": known.task_id},
    )


def _same(spec: TaskSpec, known: Task) -> bool:
    """Whether a task was submitted with this content; where the submission was traced does not matter."""
    there = known.spec
    if spec is there or spec == there:
        return True
    # A redrive takes times away that have passed.
    times = {
        name: getattr(there, name)
        for name in ("deadline_ms", "start_by_ms")
        if known.redrives and getattr(there, name) is None
    }
    return replace(spec, traceparent=there.traceparent, **times) == there


def _times_problem(spec: TaskSpec, now_ms: int) -> Rejected | None:
    """Why a task with these times could never be done; None if it could."""
    if spec.deadline_ms is None and spec.start_by_ms is None:
        return None
    for name, at_ms in (("deadline_ms", spec.deadline_ms), ("start_by_ms", spec.start_by_ms)):
        if at_ms is not None and at_ms <= now_ms:
            return Rejected(
                code="deadline_passed",
                message=f"{name} {at_ms} (Unix ms) has passed, now is {now_ms} (Unix ms); give a later one",
                details={name: at_ms, "now_ms": now_ms},
            )
    if spec.start_by_ms is not None and spec.deadline_ms is not None and spec.start_by_ms > spec.deadline_ms:
        return _invalid_times("start_by_ms", spec.start_by_ms, "is after", "deadline_ms", spec.deadline_ms)
    for name, at_ms in (("deadline_ms", spec.deadline_ms), ("start_by_ms", spec.start_by_ms)):
        if at_ms is not None and spec.run_at_ms is not None and spec.run_at_ms >= at_ms:
            return _invalid_times("run_at_ms", spec.run_at_ms, "is not before", name, at_ms)
    return None


def _invalid_times(name: str, at_ms: int, relation: str, other: str, other_ms: int) -> Rejected:
    times = f"{name} {at_ms} (Unix ms) {relation} {other} {other_ms} (Unix ms)"
    message = f"{times}: the task could never be done; mend one of them"
    return Rejected(code="invalid_times", message=message, details={name: at_ms, other: other_ms})


def _approval_problem(state: TasksState, spec: TaskSpec, now_ms: int, batch: Batch | None) -> Rejected | None:
    """Why the approval that a new task claims does not count; None if it does."""
    spent = state.spent_approvals.get(spec.approved_by)
    if spent is not None:
        return _used(spec.approved_by, spent.task_id)
    if batch is not None and spec.approved_by in batch.approvals:
        return _used(spec.approved_by, batch.approvals[spec.approved_by])
    if spec.approval_expires_ms < now_ms:
        expired_ms = spec.approval_expires_ms
        message = (
            f"the approval of proposal {spec.approved_by} expired at {expired_ms} (Unix ms); propose anew"
        )
        return Rejected(code="approval_expired", message=message, details={"expires_at_ms": expired_ms})
    return None


def _used(proposal_id: str, task_id: str) -> Rejected:
    """The approval of a proposal was redeemed for a task, and is good for no other."""
    return Rejected(
        code="already_executed",
        message=f"the approval of proposal {proposal_id} was used for task {task_id}; an approval is good "
        "for one task: follow that one, or propose anew",
        details={"task_id": task_id},
    )


def _no_room(view: View, command: SubmitTask, batch: Batch | None) -> Rejected | None:
    """Which bound one more task would break; None if there is room."""
    spec = command.spec
    if batch is None:
        own = view.index.shares.of(command.submitter)
        full = _open_full(view, command, own, None) or _wants_too_much(view, command, None)
        full = full or _dead_full(view, command.submitter, own)
    else:
        left = batch.room(view, command.submitter)
        full = ""
        if len(batch.tasks) >= left.tasks or batch.size_bytes + spec.size_bytes >= left.size_bytes:
            full = _open_full(view, command, view.index.shares.of(command.submitter), batch)
        full = full or _wants_too_much(view, command, batch) or left.dead_full
    if not full and (spec.idempotency_key or spec.approved_by):
        full = _memory_full(view, command, batch)
    return overloaded(full) if full else None


def _room(view: View, submitter: str) -> _Room:
    """What a command may take up for certain; beyond that each task is held against every bound."""
    policy, own = view.policy, view.index.shares.of(submitter)
    open_count, open_bytes = len(view.state.open), view.index.open_bytes
    tasks = min(policy.max_open_tasks - open_count, room(own.open_tasks, open_count, policy.max_open_tasks))
    own_bytes, most_bytes = own.open_bytes, policy.max_open_bytes
    size_bytes = min(most_bytes - open_bytes, room(own_bytes, open_bytes, most_bytes, free=FREE_BYTES))
    return _Room(submitter, tasks, size_bytes, _dead_full(view, submitter, own))


def _open_full(view: View, command: SubmitTask, own: Share, batch: Batch | None) -> str:
    """Why no further task may be open; empty if one may."""
    policy, index, spec = view.policy, view.index, command.spec
    count, size_bytes = (len(batch.tasks), batch.size_bytes) if batch is not None else (0, 0)
    open_count, open_bytes = len(view.state.open) + count, index.open_bytes + size_bytes
    if open_count >= policy.max_open_tasks:
        return f"{policy.max_open_tasks} tasks are open"
    if open_bytes + spec.size_bytes > policy.max_open_bytes:
        return f"payloads of open tasks reach {policy.max_open_bytes} bytes"
    if is_too_much(own.open_tasks + count, open_count, policy.max_open_tasks):
        return f"{open_count} tasks are open, too many of them of {command.submitter} to take more of it"
    own_bytes = own.open_bytes + size_bytes
    if is_too_much(own_bytes, open_bytes, policy.max_open_bytes, free=FREE_BYTES):
        return f"payloads of open tasks have {open_bytes} bytes, too many of them of {command.submitter}"
    return ""


def _wants_too_much(view: View, command: SubmitTask, batch: Batch | None) -> str:
    """Why no task may wait with a requirement that no other has in its queue; empty if it may."""
    known, wanted = view.index.requirements, (command.spec.queue, command.spec.requirement)
    if wanted in known or (batch is not None and wanted in batch.requirements):
        return ""
    added = batch.requirements.difference(known) if batch is not None else frozenset()
    used = len(known) + len(added)
    if used >= MAX_WAITING_REQUIREMENTS:
        return f"open tasks have {MAX_WAITING_REQUIREMENTS} different requirements and queues"
    if is_scarce(used, MAX_WAITING_REQUIREMENTS):
        mine = (each.spec for each in view.state.open.values() if each.submitter == command.submitter)
        own = len({(each.queue, each.requirement) for each in mine}) + len(added)
        if is_too_much(own, used, MAX_WAITING_REQUIREMENTS):
            return f"open tasks of {command.submitter} have {own} different requirements and queues"
    return ""


def _dead_full(view: View, submitter: str, share: Share) -> str:
    """Why no further task may end as a dead letter; empty if one may.

    Where there are too many, who has none of them is still served, until all that is open could be dead, too.
    """
    policy, count, size_bytes = view.policy, len(view.state.dead_letters), view.index.dead_letter_bytes
    own = share.dead_letters
    if count >= policy.max_dead_letters + (0 if own else policy.max_open_tasks):
        return f"there are {count} dead letters, redrive or purge some"
    if size_bytes >= policy.max_dead_letter_bytes + (0 if own else policy.max_open_bytes):
        return f"payloads of dead letters have {size_bytes} bytes, redrive or purge some"
    if is_too_much(own, count, policy.max_dead_letters):
        return f"{own} dead letters are of {submitter}, redrive or purge some"
    return ""


def _memory_full(view: View, command: SubmitTask, batch: Batch | None) -> str:
    """Why no further key or approval may be remembered; empty if they may, or the task has none."""
    state, spec = view.state, command.spec
    keys, approvals = (len(batch.keys), len(batch.approvals)) if batch is not None else (0, 0)
    if spec.idempotency_key:
        used = len(state.idempotency_keys) + keys
        if used >= MAX_IDEMPOTENCY_KEYS:
            return f"{MAX_IDEMPOTENCY_KEYS} idempotency keys are remembered"
        own = view.index.shares.of(command.submitter).open_keys + keys
        if is_too_much(own, used, MAX_IDEMPOTENCY_KEYS):
            return f"{used} idempotency keys are remembered, too many of them of {command.submitter}"
    if spec.approved_by and len(state.spent_approvals) + approvals >= MAX_SPENT_APPROVALS:
        return f"{MAX_SPENT_APPROVALS} approvals were used and have not expired"
    return ""


def overloaded(full: str) -> Rejected:
    """There is no room, for a reason that passes."""
    return Rejected(code="overloaded", message=f"{full}; try again later", retryable=True)
