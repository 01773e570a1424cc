"""The task service's state machine: what a command, an offer or the passing of time leads to.

It does not know the registry: `wanted` says with which requirements tasks wait, and `OfferTasks` brings
the agents that meet one. Every worker command is fenced: it counts only under the token of the offer
or lease that stands. Offers and leases belong to one incarnation of their agent, and end with it: from
`OfferTasks` and `TakeBack` the model learns which ones are no more.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable
from typing import Any, ClassVar

from coordination.runtime.model import NOTHING, Notice, Outcome, Push, Rejected
from coordination.tasks import messages
from coordination.tasks.commands import (
    AcceptOffer,
    CancelTask,
    CompleteTask,
    FailTask,
    OffersMade,
    OfferTasks,
    RefuseOffer,
    ReportProgress,
    Sighting,
    Standing,
    SubmitTask,
    Submitted,
    TakeBack,
    TakenBack,
    WorkerCommand,
)
from coordination.tasks.events import (
    INPUTS,
    AttemptFailed,
    LeaseExpired,
    OfferAccepted,
    OfferRefused,
    OfferTimedOut,
    ProgressReported,
    TaskCanceled,
    TaskCompleted,
    TaskDeadLettered,
    TaskExpired,
    TaskOffered,
    TaskRequeued,
    TaskSubmitted,
    Transition,
    WorkerLost,
)
from coordination.tasks.index import Index
from coordination.tasks.lifecycle import FINISHED, TRANSITIONS, Input, State
from coordination.tasks.limits import (
    MAX_LOST_TASKS,
    MAX_SPENT_APPROVALS,
    MAX_TICK_TASKS,
    MAX_WAITING_REQUIREMENTS,
    Policy,
)
from coordination.tasks.matching import plan
from coordination.tasks.record import (
    LEASE_EXPIRED,
    WORKER_LEFT,
    WORKER_RESTARTED,
    SpentApproval,
    Task,
    TasksState,
    evolve,
    submitted,
)

_WORKER_INPUTS = {
    AcceptOffer: Input.ACCEPT,
    RefuseOffer: Input.REFUSE,
    ReportProgress: Input.PROGRESS,
    CompleteTask: Input.COMPLETE,
    FailTask: Input.FAIL,
}
Chain = tuple[Transition, ...]
"""Events of one task that happen together, in order."""


class TasksModel:
    """Decides the life of every task.

    Args:
        policy: Time-outs, backoff and bounds.

    Invariants: at most one agent holds a valid fencing token of a task; tokens only grow; a task
    ends once.
    """

    event_types: ClassVar[tuple[type, ...]] = (TaskSubmitted, *INPUTS)

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = policy or Policy()
        self.state = TasksState()
        self.index = Index(self.state)

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What a command leads to."""
        match command:
            case SubmitTask():
                return self._submit(command, now_ms)
            case OfferTasks():
                return self._offer(command, now_ms)
            case TakeBack():
                return self._take_back(command, now_ms)
            case CancelTask():
                return self._cancel(command, now_ms)
            case AcceptOffer() | RefuseOffer() | ReportProgress() | CompleteTask() | FailTask():
                return self._work(command, now_ms)
            case _:
                raise AssertionError(f"not a task command: {type(command).__name__}")

    def apply(self, event: Any) -> None:
        """Take over what happened to one task."""
        if isinstance(event, TaskSubmitted):
            self._add(event)
            return
        before = self.state.open[event.task_id]
        after = evolve(before, event)
        self.state.last_fencing_token = max(self.state.last_fencing_token, after.fencing_token)
        if after.state in FINISHED:
            self._finish(before, after)
        else:
            self.state.open[after.task_id] = after
            self.index.replace(before, after)

    def next_deadline_ms(self) -> int | None:
        """The earliest end of an offer, lease, backoff or task deadline."""
        first = self.index.deadlines.first()
        return first[0][0] if first is not None else None

    def tick(self, now_ms: int) -> Outcome:
        """End the offers, leases, backoffs and tasks that are due, at most `MAX_TICK_TASKS` at a time."""
        events: list[Transition] = []
        told: list[Push | Notice] = []
        for task_id in self.index.due(now_ms, limit=MAX_TICK_TASKS):
            task = self.state.open[task_id]
            chain = self._time_out(task, now_ms)
            events += chain
            told += _foresee(task, chain)[1]
        return Outcome(events=tuple(events), messages=tuple(told)) if events else NOTHING

    def snapshot(self) -> TasksState:
        """The whole state."""
        return self.state

    def restore(self, state: TasksState) -> None:
        """Replace the whole state."""
        self.state = state
        self.index = Index(state)

    def find(self, task_id: str) -> Task | None:
        """A task that is open, or ended and not yet forgotten."""
        return self.state.open.get(task_id) or self.state.finished.get(task_id)

    def wanted(self) -> tuple[str, ...]:
        """Requirements of the tasks that wait, each once, ordered by their text."""
        return self.index.wanted()

    def _submit(self, command: SubmitTask, now_ms: int) -> Outcome | Rejected:
        known = self.find(command.task_id)
        if known is not None:
            return _again(command, known)
        refused = self._spent(command, now_ms) or self._no_room_for(command)
        if refused is not None:
            return refused
        if command.deadline_ms is not None and command.deadline_ms <= now_ms:
            return Rejected(
                code="deadline_passed",
                message=f"deadline_ms {command.deadline_ms} is not after now, {now_ms} ms since the epoch",
            )
        event = TaskSubmitted(
            task_id=command.task_id,
            submitter=command.submitter,
            capability=command.capability,
            requirement=command.requirement,
            payload=command.payload,
            payload_bytes=command.payload_bytes,
            priority=command.priority,
            deadline_ms=command.deadline_ms,
            max_attempts=command.max_attempts,
            at_ms=now_ms,
            traceparent=command.traceparent,
            approved_by=command.approved_by,
            approval_expires_ms=command.approval_expires_ms,
        )
        reply = Submitted(task_id=command.task_id, state=State.QUEUED, duplicate=False)
        return Outcome(events=(event,), reply=reply)

    def _spent(self, command: SubmitTask, now_ms: int) -> Rejected | None:
        """Why the approval of a new task does not count; None if it does, or none is claimed."""
        if not command.approved_by:
            return None
        spent = self.state.spent_approvals.get(command.approved_by)
        if spent is not None:
            return _used(command.approved_by, spent.task_id)
        if command.approval_expires_ms < now_ms:
            expired_ms = command.approval_expires_ms
            message = f"the approval of proposal {command.approved_by} expired at {expired_ms} (Unix ms)"
            return Rejected(code="approval_expired", message=message, details={"expires_at_ms": expired_ms})
        return None

    def _no_room_for(self, command: SubmitTask) -> Rejected | None:
        full = ""
        added_bytes = command.payload_bytes + len(command.requirement)
        if len(self.state.open) >= self.policy.max_open_tasks:
            full = f"{self.policy.max_open_tasks} tasks are open"
        elif self.index.open_bytes + added_bytes > self.policy.max_open_bytes:
            full = f"payloads of open tasks reach {self.policy.max_open_bytes} bytes"
        elif self.index.wanted_count_with(command.requirement) > MAX_WAITING_REQUIREMENTS:
            full = f"tasks wait with {MAX_WAITING_REQUIREMENTS} different requirements"
        elif command.approved_by and len(self.state.spent_approvals) >= MAX_SPENT_APPROVALS:
            full = f"{MAX_SPENT_APPROVALS} approvals were used and have not expired"
        if not full:
            return None
        return Rejected(code="overloaded", message=f"{full}; try again later", retryable=True)

    def _offer(self, command: OfferTasks, now_ms: int) -> Outcome:
        waiting = (self.state.open[task_id] for task_id in self.index.waiting(command.requirement))
        sightings = (Sighting(agent=each.agent, incarnation=each.incarnation) for each in command.candidates)
        events, told, freed = self._lost(sightings, now_ms)
        offers: list[TaskOffered] = []
        held = {agent: self.index.held[agent] - count for agent, count in freed.items()}
        matches = plan(
            (task for task in waiting if task.deadline_ms is None or task.deadline_ms > now_ms),
            command.candidates,
            ChainMap(held, self.index.held),
            now_ms=now_ms,
            round_pause_ms=self.policy.round_pause_ms,
        )
        for number, match in enumerate(matches, start=1):
            event = TaskOffered(
                task_id=match.task.task_id,
                agent=match.candidate.agent,
                incarnation=match.candidate.incarnation,
                fencing_token=self.state.last_fencing_token + number,
                expires_ms=now_ms + self.policy.offer_timeout_ms,
                new_round=match.new_round,
            )
            offers.append(event)
            told.append(messages.offer(match.task, event, lease_ms=self.policy.lease_ms))
        reply = OffersMade(count=len(offers), taken_back=freed.total())
        return Outcome(events=(*events, *offers), reply=reply, messages=tuple(told))

    def _take_back(self, command: TakeBack, now_ms: int) -> Outcome:
        events, told, freed = self._lost(command.sightings, now_ms)
        return Outcome(events=tuple(events), reply=TakenBack(count=freed.total()), messages=tuple(told))

    def _lost(
        self, sightings: Iterable[Sighting], now_ms: int
    ) -> tuple[list[Transition], list[Push | Notice], Counter[str]]:
        """What becomes of the tasks of incarnations that are no more, whom it is told, and slots freed."""
        reasons: dict[str, str] = {}
        for each in sightings:
            first_valid = each.incarnation + 1 if each.is_gone else each.incarnation
            for task_id in self.index.held_before(each.agent, first_valid):
                if len(reasons) < MAX_LOST_TASKS:
                    reasons.setdefault(task_id, WORKER_LEFT if each.is_gone else WORKER_RESTARTED)
        events: list[Transition] = []
        told: list[Push | Notice] = []
        freed: Counter[str] = Counter()
        for task_id, reason in reasons.items():
            task = self.state.open[task_id]
            assert task.holder is not None
            chain = self._lose(task, reason, now_ms)
            events += chain
            told += _foresee(task, chain)[1]
            freed[task.holder.agent] += 1
        return events, told, freed

    def _lose(self, task: Task, reason: str, now_ms: int) -> Chain:
        if task.state is State.OFFERED:
            return (WorkerLost(task_id=task.task_id, reason=reason, at_ms=now_ms, retry_at_ms=None),)
        retry_at_ms = self._retry_at_ms(task, now_ms)
        lost = WorkerLost(task_id=task.task_id, reason=reason, at_ms=now_ms, retry_at_ms=retry_at_ms)
        return (lost, *_given_up(task, reason, now_ms, retryable=True))

    def _work(self, command: WorkerCommand, now_ms: int) -> Outcome | Rejected:
        task = self.find(command.task_id)
        refused = _not_entitled(task, command, now_ms)
        if refused is not None:
            return refused
        assert task is not None
        chain: Chain
        match command:
            case AcceptOffer():
                lease_ms = now_ms + self.policy.lease_ms
                chain = (OfferAccepted(task_id=task.task_id, at_ms=now_ms, lease_expires_ms=lease_ms),)
            case RefuseOffer():
                chain = (OfferRefused(task_id=task.task_id, reason=command.reason, at_ms=now_ms),)
            case ReportProgress():
                chain = (
                    ProgressReported(
                        task_id=task.task_id,
                        share=command.share,
                        note=command.note,
                        lease_expires_ms=now_ms + self.policy.lease_ms,
                    ),
                )
            case CompleteTask():
                chain = (
                    TaskCompleted(
                        task_id=task.task_id,
                        fencing_token=command.fencing_token,
                        result=command.result,
                        result_bytes=command.result_bytes,
                        at_ms=now_ms,
                    ),
                )
            case FailTask():
                chain = self._fail(task, command, now_ms)
        return _outcome(task, chain)

    def _cancel(self, command: CancelTask, now_ms: int) -> Outcome | Rejected:
        task = self.find(command.task_id)
        if task is None:
            return _unknown(command.task_id)
        if task.submitter != command.caller:
            return Rejected(
                code="not_submitter", message=f"only {task.submitter}, who submitted it, may cancel it"
            )
        if task.state in FINISHED:
            return _wrong_state(task, Input.CANCEL)
        reason = command.reason or "canceled by its submitter"
        return _outcome(task, (TaskCanceled(task_id=task.task_id, reason=reason, at_ms=now_ms),))

    def _time_out(self, task: Task, now_ms: int) -> Chain:
        """What happens to a task that is due."""
        if task.deadline_ms is not None and task.deadline_ms <= now_ms:
            return (TaskExpired(task_id=task.task_id, at_ms=now_ms),)
        match task.state:
            case State.OFFERED:
                return (OfferTimedOut(task_id=task.task_id, at_ms=now_ms),)
            case State.RUNNING:
                silent = LeaseExpired(
                    task_id=task.task_id, at_ms=now_ms, retry_at_ms=self._retry_at_ms(task, now_ms)
                )
                return (silent, *_given_up(task, LEASE_EXPIRED, now_ms, retryable=True))
            case State.FAILED:
                return (TaskRequeued(task_id=task.task_id),)
            case _:
                raise AssertionError(f"time does nothing to a {task.state} task")

    def _fail(self, task: Task, command: FailTask, now_ms: int) -> Chain:
        failed = AttemptFailed(
            task_id=task.task_id,
            reason=command.reason,
            at_ms=now_ms,
            retry_at_ms=self._retry_at_ms(task, now_ms),
        )
        return (failed, *_given_up(task, command.reason, now_ms, retryable=command.retryable))

    def _retry_at_ms(self, task: Task, now_ms: int) -> int:
        return now_ms + self.policy.backoff_ms(len(task.attempts))

    def _add(self, event: TaskSubmitted) -> None:
        self.state.last_sequence += 1
        # Under tighter bounds than today's the old task of this id may have been forgotten earlier.
        forgotten = self.state.finished.pop(event.task_id, None)
        if forgotten is not None:
            self.index.finished_bytes -= forgotten.size_bytes
        if event.approved_by:
            self._spend(event)
        task = submitted(event, self.state.last_sequence)
        self.state.open[task.task_id] = task
        self.index.replace(None, task)

    def _spend(self, event: TaskSubmitted) -> None:
        spent = self.state.spent_approvals
        for proposal_id in [each for each, one in spent.items() if one.expires_ms < event.at_ms]:
            del spent[proposal_id]
        spent[event.approved_by] = SpentApproval(task_id=event.task_id, expires_ms=event.approval_expires_ms)

    def _finish(self, before: Task, after: Task) -> None:
        del self.state.open[after.task_id]
        self.index.replace(before, None)
        finished = self.state.finished
        finished[after.task_id] = after
        self.index.finished_bytes += after.size_bytes
        while len(finished) > self.policy.max_finished_tasks or (
            self.index.finished_bytes > self.policy.max_finished_bytes and len(finished) > 1
        ):
            _, forgotten = finished.popitem(last=False)
            self.index.finished_bytes -= forgotten.size_bytes


def _again(command: SubmitTask, known: Task) -> Outcome | Rejected:
    """The answer to a submission under an id that exists: the same task, or a mistake."""
    same = (
        command.submitter == known.submitter
        and command.requirement == known.requirement
        and command.payload == known.payload
        and command.priority == known.priority
        and command.deadline_ms == known.deadline_ms
        and command.max_attempts == known.max_attempts
        and command.approved_by == known.approved_by
    )
    if same:
        return Outcome(reply=Submitted(task_id=known.task_id, state=known.state, duplicate=True))
    if command.approved_by and command.approved_by == known.approved_by:
        # By default both have the proposal's id: another id would not help, the approval is used.
        return _used(known.approved_by, known.task_id)
    return Rejected(
        code="task_id_taken", message=f"another task has the id {known.task_id}; choose another id"
    )


def _used(proposal_id: str, task_id: str) -> Rejected:
    """The approval of a proposal was redeemed for a task, and is good for no other."""
    return Rejected(
        code="already_executed",
        message=f"the approval of proposal {proposal_id} was used for task {task_id}; an approval is good "
        "for one task: follow that one, or propose anew",
        details={"task_id": task_id},
    )


def _not_entitled(task: Task | None, command: WorkerCommand, now_ms: int) -> Rejected | None:
    """Why the command's sender may not speak for this task; None if it may."""
    if task is None:
        return _unknown(command.task_id)
    holder = task.holder
    if holder is None or command.fencing_token != task.fencing_token or holder.expires_ms <= now_ms:
        return Rejected(
            code="stale_token",
            message=(
                f"fencing token {command.fencing_token} of task {task.task_id} is not, or no longer, "
                f"valid; the task is {task.state}: drop the work"
            ),
            details={"state": task.state.value},
        )
    if holder.agent != command.agent:
        return Rejected(code="not_holder", message=f"task {task.task_id} is {task.state} with another agent")
    happened = _WORKER_INPUTS[type(command)]
    return None if (task.state, happened) in TRANSITIONS else _wrong_state(task, happened)


def _given_up(task: Task, reason: str, now_ms: int, *, retryable: bool) -> Chain:
    """The end of a task whose current attempt has just failed, if it is the end."""
    if retryable and len(task.attempts) < task.max_attempts:
        return ()
    return (TaskDeadLettered(task_id=task.task_id, reason=reason, at_ms=now_ms),)


def _outcome(task: Task, chain: Chain) -> Outcome:
    """Persist `chain`, tell whom it concerns, and answer where the task then stands."""
    after, told = _foresee(task, chain)
    holder = after.holder
    reply = Standing(
        task_id=after.task_id,
        state=after.state,
        fencing_token=after.fencing_token,
        lease_expires_ms=holder.expires_ms if holder is not None else None,
    )
    return Outcome(events=chain, reply=reply, messages=told)


def _foresee(task: Task, chain: Chain) -> tuple[Task, tuple[Push | Notice, ...]]:
    """The record after `chain`, and the messages about it."""
    told: list[Push | Notice] = []
    after = task
    for event in chain:
        match event:
            case ProgressReported():
                told.append(messages.progress(event))
            case AttemptFailed():
                told.append(messages.attempt_failed(task, event, event.reason))
            case LeaseExpired():
                told.append(messages.attempt_failed(task, event, LEASE_EXPIRED))
            case WorkerLost(retry_at_ms=int()):
                told.append(messages.attempt_failed(task, event, event.reason))
            case _:
                pass
        after = evolve(after, event)
    if after.state in FINISHED:
        told += messages.finished(task, after)
    return after, tuple(told)


def _unknown(task_id: str) -> Rejected:
    return Rejected(code="unknown_task", message=f"there is no task {task_id}, or it ended long ago")


def _wrong_state(task: Task, happened: Input) -> Rejected:
    return Rejected(
        code="wrong_state",
        message=f"task {task.task_id} is {task.state}; {happened} is not possible now",
        details={"state": task.state.value},
    )
