"""The record of a task after what happened to it. Total over every event of `Transition`. Pure.

Each event makes a new record, by way of `coordination.tasks.editing`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from coordination.runtime.fast_init import maker
from coordination.tasks import rounds
from coordination.tasks.editing import edit, sealed
from coordination.tasks.events import (
    INPUTS,
    AttemptFailed,
    AttemptTimedOut,
    BidMade,
    CancelConfirmed,
    DependencyEnded,
    LeaseExpired,
    NoBids,
    OfferAccepted,
    OfferRefused,
    OfferTimedOut,
    ProgressReported,
    ProposalsCalled,
    TaskCanceled,
    TaskCompleted,
    TaskDeadLettered,
    TaskDeferred,
    TaskExpired,
    TaskOffered,
    TaskRedriven,
    TaskReleased,
    TaskRequeued,
    TaskSkipped,
    TaskSubmitted,
    Transition,
    WorkerLost,
)
from coordination.tasks.lifecycle import TRANSITIONS, State, step
from coordination.tasks.limits import MAX_EARLIER_ATTEMPTS, MAX_REFUSALS
from coordination.tasks.record import (
    ATTEMPT_TIMED_OUT,
    LEASE_EXPIRED,
    OFFER_TIMED_OUT,
    Attempt,
    Call,
    Holder,
    ReceivedBid,
    Refusal,
    Task,
)

_new_task: Final = maker(Task)
_new_holder: Final = maker(Holder)
_new_attempt: Final = maker(Attempt)


def first_state(event: TaskSubmitted) -> State:
    """Where a new task stands: blocked while others must end, else scheduled while its time is ahead."""
    if event.waits_for:
        return State.BLOCKED
    run_at_ms = event.spec.run_at_ms
    return State.SCHEDULED if run_at_ms is not None and run_at_ms > event.at_ms else State.QUEUED


def submitted(event: TaskSubmitted, sequence: int) -> Task:
    """The record of a new task.

    Args:
        event: The submission.
        sequence: Its position among all submissions, from 1.
    """
    state = first_state(event)
    return _new_task(
        task_id=event.task_id,
        sequence=sequence,
        submitter=event.submitter,
        spec=event.spec,
        seed=event.seed,
        submitted_at_ms=event.at_ms,
        state=state,
        waits_for=event.waits_for,
        chain=event.chain,
        parent_attempt=event.parent_attempt,
        queued_at_ms=event.at_ms if state is State.QUEUED else 0,
    )


def evolve(task: Task, event: Transition) -> Task:
    """The record after `event`.

    Raises:
        IllegalTransitionError: The lifecycle has no such step.
    """
    known = _STEPS.get(type(event))
    if known is None:
        assert isinstance(event, DependencyEnded)
        return _dependency_ended(task, event)
    happen, states = known
    state = states[task.state]
    if state is None:
        state = step(task.state, INPUTS[type(event)])  # says what is wrong
    return happen(task, event, state)


def due_ms(task: Task) -> int | None:
    """When the passing of time next does something to an open task (Unix ms); None: never.

    A call for proposals that everybody has answered is due at once, which is 0.
    """
    spec = task.spec
    state = task.state
    due: int | None = None
    if task.holder is not None:
        due = task.holder.expires_ms
        if state is State.CANCELING:
            return due
        if spec.timeout_ms is not None and state is State.RUNNING:
            due = min(due, task.attempts[-1].started_ms + spec.timeout_ms)
    elif state is State.FAILED:
        due = task.retry_at_ms
    elif state is State.SCHEDULED:
        due = spec.run_at_ms
    elif state is State.ANNOUNCED:
        assert task.call is not None
        due = 0 if len(task.call.bids) >= len(task.call.agents) else task.call.bids_until_ms
    if spec.deadline_ms is not None:
        due = spec.deadline_ms if due is None else min(due, spec.deadline_ms)
    if spec.start_by_ms is not None and not has_begun(task):
        due = spec.start_by_ms if due is None else min(due, spec.start_by_ms)
    return due


def has_begun(task: Task) -> bool:
    """Whether somebody has taken it up since it was submitted or redriven."""
    return len(task.attempts) > task.first_attempt


def bid_of(task: Task, agent: str) -> ReceivedBid | None:
    """What `agent` has bid in the task's last call; None: it declined, did not answer, or was not asked."""
    if task.call is None:
        return None
    return next((bid for bid in task.call.bids if bid.agent == agent and not bid.is_refusal), None)


def with_use(task: Task, *, used_tasks: int, used_cost: int) -> Task:
    """The record with another account of what was used of its budget."""
    new = edit(task)
    new.used_tasks = used_tasks
    new.used_cost = used_cost
    return sealed(new)


def _dependency_ended(task: Task, event: DependencyEnded) -> Task:
    assert task.state is State.BLOCKED, "only a blocked task waits for others"
    new = edit(task)
    new.waits_for = tuple(each for each in task.waits_for if each != event.dependency)
    return sealed(new)


def _waiting(task: Task, event: TaskReleased | TaskRequeued, state: State) -> Task:
    """It waits for an agent, from now on."""
    new = edit(task)
    new.state = state
    new.queued_at_ms = event.at_ms
    new.waits_for = ()
    new.retry_at_ms = None
    return sealed(new)


def _deferred(task: Task, _: TaskDeferred, state: State) -> Task:
    new = edit(task)
    new.state = state
    new.waits_for = ()
    return sealed(new)


def _announced(task: Task, event: ProposalsCalled, state: State) -> Task:
    called = dict(zip(event.agents, event.incarnations, strict=True))
    new = edit(task)
    new.state = state
    new.call = Call(call=event.call, agents=called, bids_until_ms=event.bids_until_ms)
    if event.new_round:
        rounds.begin(new, task, event)
    return sealed(new)


def _bid(task: Task, event: BidMade, state: State) -> Task:
    call = task.call
    assert call is not None, "an announced task has a call"
    bid = ReceivedBid(
        agent=event.agent,
        incarnation=call.agents[event.agent],
        at_ms=event.at_ms,
        is_refusal=event.is_refusal,
        reason=event.reason,
        cost=event.cost,
        eta_ms=event.eta_ms,
    )
    new = edit(task)
    new.state = state
    new.call = replace(call, bids=(*call.bids, bid))
    return sealed(new)


def _no_bids(task: Task, event: NoBids, state: State) -> Task:
    new = edit(task)
    new.state = state
    new.refusals = rounds.with_declined(task, event.at_ms)
    new.call = None
    return sealed(new)


def _offered(task: Task, event: TaskOffered, state: State) -> Task:
    assert event.fencing_token > task.fencing_token, "fencing tokens only grow"
    new = edit(task)
    new.state = state
    new.fencing_token = event.fencing_token
    new.holder = _new_holder(
        agent=event.agent,
        incarnation=event.incarnation,
        since_ms=event.at_ms,
        expires_ms=event.expires_ms,
        why=event.why,
    )
    if task.call is not None:
        if task.state is State.ANNOUNCED:
            new.refusals = rounds.with_declined(task, event.at_ms)
        if bid_of(task, event.agent) is None:
            new.call = None
    if event.new_round:
        rounds.begin(new, task, event)
    return sealed(new)


def _holder(task: Task) -> Holder:
    assert task.holder is not None, f"a {task.state} task has a holder"
    return task.holder


def _held_until(holder: Holder, expires_ms: int) -> Holder:
    return _new_holder(
        agent=holder.agent,
        incarnation=holder.incarnation,
        since_ms=holder.since_ms,
        expires_ms=expires_ms,
        why=holder.why,
    )


def _begin(new: Any, task: Task, holder: Holder, started_ms: int) -> None:
    """Let the holder's attempt begin: what was before it, refusals and rounds, counts no more."""
    attempt = _new_attempt(
        agent=holder.agent,
        fencing_token=task.fencing_token,
        started_ms=started_ms,
        incarnation=holder.incarnation,
        why=holder.why,
    )
    new.attempts = (*task.attempts, attempt)
    rounds.forget(new)
    new.share = None
    new.note = ""


def _end_attempt(new: Any, task: Task, at_ms: int, error: str, spent: int | None) -> None:
    """End the attempt under way, if there is one; the report that ends it also begins one of an offer."""
    new.holder = None
    if task.state is State.OFFERED:
        holder = _holder(task)
        rounds.forget(new)
        new.share = None
        new.note = ""
        agent, token, incarnation = holder.agent, task.fencing_token, holder.incarnation
        started_ms, known, why = holder.since_ms, 0, holder.why
        earlier = task.attempts
    else:
        last = task.attempts[-1]
        agent, token, incarnation = last.agent, last.fencing_token, last.incarnation
        started_ms, known, why = last.started_ms, last.spent, last.why
        earlier = task.attempts[:-1]
    ended = _new_attempt(
        agent=agent,
        fencing_token=token,
        started_ms=started_ms,
        ended_ms=at_ms,
        error=error,
        incarnation=incarnation,
        spent=known if spent is None else max(spent, known),
        why=why,
    )
    new.attempts = (*earlier, ended)


def _accepted(task: Task, event: OfferAccepted, state: State) -> Task:
    holder = _holder(task)
    new = edit(task)
    new.state = state
    _begin(new, task, holder, event.at_ms)
    new.holder = _held_until(holder, event.lease_expires_ms)
    return sealed(new)


def _passed_on(task: Task, event: OfferRefused | OfferTimedOut, state: State) -> Task:
    holder = _holder(task)
    agent, incarnation = holder.agent, holder.incarnation
    reason = event.reason if isinstance(event, OfferRefused) else OFFER_TIMED_OUT
    others = [refusal for refusal in task.refusals if refusal.agent != agent]
    new = edit(task)
    new.state = state
    new.holder = None
    passed = Refusal(agent=agent, reason=reason, at_ms=event.at_ms, incarnation=incarnation)
    new.refusals = (*others, passed)[-MAX_REFUSALS:]
    return sealed(new)


def held_until(task: Task, expires_ms: int) -> Task:
    """The record of a task whose offer or lease lasts until `expires_ms`."""
    new = edit(task)
    new.holder = _held_until(_holder(task), expires_ms)
    return sealed(new)


def _progressed(task: Task, event: ProgressReported, state: State) -> Task:
    holder = _holder(task)
    new = edit(task)
    new.state = state
    if task.state is State.OFFERED:
        _begin(new, task, holder, holder.since_ms)
    new.holder = _held_until(holder, event.lease_expires_ms)
    new.share = event.share
    new.note = event.note
    if event.spent is not None:
        last = new.attempts[-1]
        new.attempts = (*new.attempts[:-1], replace(last, spent=max(event.spent, last.spent)))
    return sealed(new)


def _completed(task: Task, event: TaskCompleted, state: State) -> Task:
    assert event.fencing_token == task.fencing_token, "a result counts under the token that stands"
    new = edit(task)
    new.state = state
    _end_attempt(new, task, event.at_ms, "", event.spent)
    new.call = rounds.kept_call(task)
    new.result = event.result
    new.result_bytes = event.result_bytes
    new.result_reference = event.result_reference
    new.finished_at_ms = event.at_ms
    return sealed(new)


def _attempt_failed(task: Task, event: AttemptFailed, state: State) -> Task:
    return _failed(task, state, event.at_ms, event.reason, event.retry_at_ms, event.spent)


def _timed_out(task: Task, event: AttemptTimedOut, state: State) -> Task:
    return _failed(task, state, event.at_ms, ATTEMPT_TIMED_OUT, event.retry_at_ms)


def _lease_expired(task: Task, event: LeaseExpired, state: State) -> Task:
    if state is State.CANCELED:
        return _ended(task, state, event.at_ms, task.reason, error=LEASE_EXPIRED)
    return _failed(task, state, event.at_ms, LEASE_EXPIRED, event.retry_at_ms)


def _lost(task: Task, event: WorkerLost, state: State) -> Task:
    if state is State.CANCELED:
        return _ended(task, state, event.at_ms, task.reason, error=event.reason)
    if state is State.FAILED:
        assert event.retry_at_ms is not None, "an attempt that failed has a backoff"
        return _failed(task, state, event.at_ms, event.reason, event.retry_at_ms)
    # The agent did not pass on it, so its next incarnation may be asked at once.
    new = edit(task)
    new.state = state
    new.holder = None
    return sealed(new)


def _failed(
    task: Task, state: State, at_ms: int, reason: str, retry_at_ms: int, spent: int | None = None
) -> Task:
    new = edit(task)
    new.state = state
    _end_attempt(new, task, at_ms, reason, spent)
    new.call = None
    new.retry_at_ms = retry_at_ms
    return sealed(new)


def _finished(
    task: Task, event: TaskSkipped | TaskDeadLettered | TaskExpired | TaskCanceled, state: State
) -> Task:
    """It ends without a result, for the reason that the event gives."""
    return _ended(task, state, event.at_ms, event.reason, error=event.reason)


def _canceled(task: Task, event: TaskCanceled, state: State) -> Task:
    new = edit(_finished(task, event, state) if state is State.CANCELED else task)
    new.state = state
    new.reason = event.reason
    new.canceled_by = event.by
    return sealed(new)


def _confirmed(task: Task, event: CancelConfirmed, state: State) -> Task:
    ended = edit(_ended(task, state, event.at_ms, task.reason, error=task.reason))
    ended.is_confirmed = True
    return sealed(ended)


def _ended(task: Task, state: State, at_ms: int, reason: str, *, error: str) -> Task:
    """It ends without a result.

    Args:
        task: The record before.
        state: One of `ENDED`.
        at_ms: When.
        reason: Why the task ended.
        error: Why the attempt under way ended, if there is one.
    """
    new = edit(task)
    new.state = state
    if task.holder is not None and task.state is not State.OFFERED:
        _end_attempt(new, task, at_ms, error, None)
    new.holder = None
    new.call = rounds.kept_call(task)
    new.waits_for = ()
    new.retry_at_ms = None
    new.reason = reason
    new.finished_at_ms = at_ms
    return sealed(new)


def _redriven(task: Task, event: TaskRedriven, state: State) -> Task:
    """It waits for an agent as if it were new, with its history; times that have passed bind it no more."""
    spec = task.spec
    if spec.deadline_ms is not None and spec.deadline_ms <= event.at_ms:
        spec = replace(spec, deadline_ms=None)
    if spec.start_by_ms is not None and spec.start_by_ms <= event.at_ms:
        spec = replace(spec, start_by_ms=None)
    attempts = task.attempts[-MAX_EARLIER_ATTEMPTS:]
    new = edit(task)
    new.state = state
    new.spec = spec
    new.queued_at_ms = event.at_ms
    new.call = None
    new.attempts = attempts
    new.first_attempt = len(attempts)
    rounds.forget(new)
    new.share = None
    new.note = ""
    new.reason = ""
    new.finished_at_ms = None
    new.redrives = task.redrives + 1
    return sealed(new)


_HAPPENINGS: Final[dict[type, Callable[[Task, Any, State], Task]]] = {
    TaskReleased: _waiting,
    TaskDeferred: _deferred,
    TaskSkipped: _finished,
    ProposalsCalled: _announced,
    BidMade: _bid,
    NoBids: _no_bids,
    TaskOffered: _offered,
    OfferAccepted: _accepted,
    OfferRefused: _passed_on,
    OfferTimedOut: _passed_on,
    ProgressReported: _progressed,
    TaskCompleted: _completed,
    AttemptFailed: _attempt_failed,
    LeaseExpired: _lease_expired,
    AttemptTimedOut: _timed_out,
    WorkerLost: _lost,
    TaskRequeued: _waiting,
    TaskDeadLettered: _finished,
    TaskCanceled: _canceled,
    CancelConfirmed: _confirmed,
    TaskExpired: _finished,
    TaskRedriven: _redriven,
}
assert set(_HAPPENINGS) == set(INPUTS)
_STEPS: Final = {
    kind: (happen, {state: TRANSITIONS[state, INPUTS[kind]] for state in State})
    for kind, happen in _HAPPENINGS.items()
}
"""How each event changes a record, and into which state from each; None: it cannot happen there."""
