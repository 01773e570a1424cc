"""The task service's state machine: what a command, the passing of time or a free agent leads to.

Decisions live in modules by concern and read a `View`; this one knows which is asked, and applies what they
decided. Every worker's word is fenced: it counts only under the token of the offer or lease that stands.
Offers and leases belong to one incarnation of their agent, and end with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from coordination.runtime.model import NOTHING, Outcome, Rejected
from coordination.tasks import (
    allocated,
    bidding,
    budgets,
    canceling,
    deadletters,
    dispatching,
    queueing,
    sagas,
    scheduling,
    settling,
    submitting,
    timing,
    working,
)
from coordination.tasks.commands import (
    AcceptOffer,
    Bid,
    CancelDag,
    CancelTask,
    CompleteTask,
    ConfigureQueue,
    ConfirmCancel,
    FailTask,
    PauseQueue,
    PauseSchedule,
    PurgeDeadLetters,
    RedriveDeadLetters,
    RefuseOffer,
    RemoveSchedule,
    Report,
    ReportProgress,
    RetryTask,
    SetSchedule,
    SubmitDag,
    SubmitTask,
    SubmitTasks,
    TakeBack,
)
from coordination.tasks.draft import Draft
from coordination.tasks.encoding import ENCODERS
from coordination.tasks.events import (
    INPUTS,
    DagEnded,
    DagFailed,
    DagSubmitted,
    DeadLettersPurged,
    DependencyEnded,
    ProposalsCalled,
    QueueConfigured,
    ScheduleFired,
    ScheduleRemoved,
    ScheduleSet,
    ServiceResumed,
    TaskCompensated,
    TaskOffered,
    TaskSettled,
    TaskSubmitted,
    Transition,
)
from coordination.tasks.families import Families
from coordination.tasks.index import Index
from coordination.tasks.lanes import Lanes
from coordination.tasks.lifecycle import ENDED, State
from coordination.tasks.limits import Policy
from coordination.tasks.record import SpentApproval, Task, TasksState
from coordination.tasks.roster import Roster
from coordination.tasks.transitions import evolve, held_until, submitted
from coordination.tasks.view import View

_DECISIONS: Final[dict[type, Callable[[View, Any, int], Outcome | Rejected]]] = {
    SubmitTask: submitting.submit,
    SubmitTasks: submitting.submit_many,
    SubmitDag: sagas.submit_dag,
    AcceptOffer: working.work,
    RefuseOffer: working.work,
    ReportProgress: working.work,
    CompleteTask: working.work,
    FailTask: working.work,
    ConfirmCancel: working.work,
    Bid: bidding.bid,
    Report: working.report,
    CancelTask: canceling.cancel,
    CancelDag: sagas.cancel_dag,
    RetryTask: deadletters.retry,
    RedriveDeadLetters: deadletters.redrive,
    PurgeDeadLetters: deadletters.purge,
    ConfigureQueue: queueing.decide,
    PauseQueue: queueing.decide,
    SetSchedule: scheduling.decide,
    PauseSchedule: scheduling.decide,
    RemoveSchedule: scheduling.decide,
    TakeBack: working.take_back,
}
"""Who decides each command."""
_STEPS: Final[tuple[tuple[Callable[[View], int | None], Callable[[View, Draft], None]], ...]] = (
    (timing.next_ms, timing.time_out),
    (settling.next_ms, settling.settle),
    (scheduling.next_ms, scheduling.fire),
    (dispatching.next_ms, dispatching.dispatch),
)
"""What a tick does: the first of these that is due and has something to do. Each reads the state as it is, so
what one leads to is seen by the next only when it has been applied."""
_APPLIED: Final[dict[type, Callable[[TasksState, Any], None]]] = {
    DagSubmitted: sagas.apply,
    DagFailed: sagas.apply,
    TaskCompensated: sagas.apply,
    DagEnded: sagas.apply,
    QueueConfigured: queueing.apply,
    ScheduleSet: scheduling.apply,
    ScheduleRemoved: scheduling.apply,
    ScheduleFired: scheduling.apply,
}
"""Who applies events that are of no task."""
_TRANSITIONS: Final = frozenset({*INPUTS, DependencyEnded})
_MAX_KEPT_LOOKED_AT: Final = 8
"""Finished tasks that must be kept, passed over at one time when one is to be forgotten."""
_UNKNOWN: Final = -2
"""Nobody has looked for the next deadline since something changed."""


class TasksModel:
    """Decides the life of every task.

    Args:
        policy: Time-outs and bounds.
        roster: The agents, kept current by whoever runs the model; none: nobody is there.

    Invariants: at most one agent holds a valid fencing token of a task; tokens only grow; a task
    ends once, and only a dead letter comes back.
    """

    event_types: ClassVar[tuple[type, ...]] = (
        TaskSubmitted,
        *INPUTS,
        DependencyEnded,
        TaskSettled,
        ServiceResumed,
        DeadLettersPurged,
        *_APPLIED,
    )
    encoders: ClassVar[Mapping[type, Callable[[Any], bytes]]] = ENCODERS

    def __init__(self, policy: Policy | None = None, roster: Roster | None = None) -> None:
        state = TasksState()
        self.view = View(
            policy=policy or Policy(),
            state=state,
            index=Index(state),
            families=Families(state),
            lanes=Lanes(state),
            roster=roster or Roster(),
        )
        self._next_ms: int | None = None
        """What `next_deadline_ms` found last."""
        self._next_of = _UNKNOWN
        """As of which change of the roster that is (`Roster.touched`); -1: of one that was not current."""

    @property
    def state(self) -> TasksState:
        """All that survives a restart."""
        return self.view.state

    @property
    def index(self) -> Index:
        """What is looked up about tasks."""
        return self.view.index

    @property
    def policy(self) -> Policy:
        """What the deployment tuned."""
        return self.view.policy

    def decide(self, command: Any, now_ms: int) -> Outcome | Rejected:
        """What a command leads to."""
        self.view.foreseen.begin()
        decision = _DECISIONS.get(type(command))
        assert decision is not None, f"not a task command: {type(command).__name__}"
        return decision(self.view, command, now_ms)

    def apply(self, event: Any) -> None:
        """Take over what happened."""
        self._next_of = _UNKNOWN
        kind = type(event)
        if kind in _TRANSITIONS:
            self._change(event)
        elif kind is TaskSubmitted:
            self._add(event)
        elif kind is TaskSettled:
            self.view.state.unsettled.pop(event.task_id, None)
        elif kind is DeadLettersPurged:
            self._purge(event)
        elif kind is ServiceResumed:
            self._prolong(event)
        else:
            _APPLIED[kind](self.view.state, event)

    def next_deadline_ms(self) -> int | None:
        """When `tick` has something to do at the earliest; 0: now.

        Asked many times for one change: what was found is kept until an event or the roster changes it.
        """
        roster = self.view.roster
        roster_end = roster.touched.end if roster.is_current else -1
        if self._next_of != roster_end:
            first_ms: int | None = None
            for next_ms, _ in _STEPS:
                due_ms = next_ms(self.view)
                if due_ms is not None and (first_ms is None or due_ms < first_ms):
                    first_ms = due_ms
            self._next_ms, self._next_of = first_ms, roster_end
        return self._next_ms

    def tick(self, now_ms: int) -> Outcome:
        """What time, the ends of other tasks and free agents lead to: the first of these that is due."""
        view = self.view
        view.foreseen.begin()
        for next_ms, step in _STEPS:
            due_ms = next_ms(view)
            if due_ms is None or due_ms > now_ms:
                continue
            draft = Draft(view, now_ms)
            step(view, draft)
            if not draft.is_empty:
                return draft.outcome()
        self._next_of = _UNKNOWN  # that there is nothing to offer is known only now
        return NOTHING

    def resume(self, now_ms: int) -> Outcome:
        """Nobody could be heard for a while: see `coordination.runtime.model.Model`."""
        return timing.resume(self.view, now_ms)

    def snapshot(self) -> TasksState:
        """The whole state."""
        return self.view.state

    def restore(self, state: TasksState) -> None:
        """Replace the whole state."""
        view = self.view
        view.state = state
        view.index = Index(state)
        view.families = Families(state)
        view.lanes = Lanes(state)
        self._next_of = _UNKNOWN

    def find(self, task_id: str) -> Task | None:
        """A task that is open or dead, or ended and not yet forgotten."""
        return self.view.state.find(task_id)

    def _add(self, event: TaskSubmitted) -> None:
        view, state, spec = self.view, self.view.state, event.spec
        # Under tighter bounds than today's the old task of this id may have been forgotten earlier.
        earlier = state.finished.pop(event.task_id, None)
        if earlier is not None:
            self._forget(earlier)
        state.last_sequence += 1
        if spec.approved_by:
            self._spend(event)
        if spec.idempotency_key:
            key = submitting.key_of(event.submitter, spec.idempotency_key)
            state.idempotency_keys[key] = event.task_id
        task = view.foreseen.take(event, None)
        if task is None or task.sequence != state.last_sequence:
            task = submitted(event, state.last_sequence)
        state.open[task.task_id] = task
        view.index.replace(None, task)
        if _is_related(task):
            view.families.replace(None, task)
        view.lanes.replace(None, task)
        if task.chain:
            budgets.on_submitted(state, task)
        if spec.dag or spec.compensates:
            sagas.on_change(state, None, task)

    def _spend(self, event: TaskSubmitted) -> None:
        spent = self.view.state.spent_approvals
        for proposal_id in [each for each, one in spent.items() if one.expires_ms < event.at_ms]:
            del spent[proposal_id]
        spent[event.spec.approved_by] = SpentApproval(
            task_id=event.task_id, expires_ms=event.spec.approval_expires_ms
        )

    def _change(self, event: Transition) -> None:
        view, state = self.view, self.view.state
        before = state.open.get(event.task_id)
        was_open = before is not None
        if before is None:  # only a redrive happens to a task that is not open
            before = state.dead_letters.pop(event.task_id)
            view.index.exhume(before)
        after = view.foreseen.take(event, before) or evolve(before, event)
        token = event.call if isinstance(event, ProposalsCalled) else after.fencing_token
        state.last_fencing_token = max(state.last_fencing_token, token)
        has_ended = after.state in ENDED
        if not has_ended:
            state.open[after.task_id] = after
        else:
            del state.open[after.task_id]
            self._keep(after)
        was, now = before if was_open else None, None if has_ended else after
        view.index.replace(was, now)
        if _is_related(after) or before.waits_for is not after.waits_for:
            view.families.replace(was, now)
        view.lanes.replace(was, now)
        if after.chain or before.attempts is not after.attempts:
            budgets.on_change(state, before, after)
        if isinstance(event, (TaskOffered, ProposalsCalled)):
            allocated.on_transition(state, before, event)
        if after.spec.dag or after.spec.compensates:
            sagas.on_change(state, before, after)
        if (has_ended or before.state is State.RUNNING) and view.families.unsettles(before, after):
            state.unsettled[after.task_id] = None
        if has_ended:
            self._retain(after.task_id)

    def _prolong(self, event: ServiceResumed) -> None:
        view = self.view
        for before in timing.held_shorter(view, event.until_ms):
            view.state.open[before.task_id] = after = held_until(before, event.until_ms)
            view.index.replace(before, after)
            view.families.replace(before, after)
            view.lanes.replace(before, after)

    def _keep(self, task: Task) -> None:
        """Keep the record of a task that has just ended."""
        if task.state is State.DEAD_LETTERED:
            self.view.state.dead_letters[task.task_id] = task
            self.view.index.bury(task)
        else:
            self.view.state.finished[task.task_id] = task
            self.view.index.finished_bytes += task.size_bytes

    def _retain(self, newest: str) -> None:
        """Forget the oldest finished tasks beyond the bounds, but not the newest, which just ended.

        Those that must be kept have their turn again later; a few are passed over at a time, so that many of
        them do not make the end of every task slow.
        """
        view, finished = self.view, self.view.state.finished
        index, most, most_bytes = view.index, view.policy.max_finished_tasks, view.policy.max_finished_bytes
        kept = 0
        while kept < _MAX_KEPT_LOOKED_AT and (len(finished) > most or index.finished_bytes > most_bytes):
            task_id = next(iter(finished))
            if task_id == newest:
                return
            if view.families.is_pinned(task_id):
                finished.move_to_end(task_id)
                kept += 1
            else:
                self._forget(finished.pop(task_id))

    def _forget(self, task: Task) -> None:
        """Take a finished task, which is not in the state any more, out of all that follows from it."""
        self.view.index.finished_bytes -= task.size_bytes
        self._let_go(task)

    def _let_go(self, task: Task) -> None:
        state = self.view.state
        if task.spec.parent:
            self.view.families.forget(task)
        if task.spec.idempotency_key:
            key = submitting.key_of(task.submitter, task.spec.idempotency_key)
            if state.idempotency_keys.get(key) == task.task_id:
                del state.idempotency_keys[key]

    def _purge(self, event: DeadLettersPurged) -> None:
        state = self.view.state
        for task_id in event.task_ids:
            task = state.dead_letters.pop(task_id)
            self.view.index.exhume(task)
            self._let_go(task)
        state.purged_count += len(event.task_ids)


def _is_related(task: Task) -> bool:
    """Whether an open task stands in some relation that `Families` keeps; most do not."""
    return bool(task.spec.parent or task.chain or task.waits_for)
