"""What agents and listeners are told of what happens to a task. Pure; the bodies are the wire's.

Pushes go to whom it concerns: an offer to the agent asked, the end to the submitter, a word to a worker whose
work is taken away. Notices go to whoever watches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from operator import attrgetter
from typing import Any, Final

from coordination.runtime.fast_init import maker
from coordination.runtime.model import Notice, Push
from coordination.tasks.events import (
    AttemptFailed,
    AttemptTimedOut,
    CancelConfirmed,
    LeaseExpired,
    OfferAccepted,
    ProgressReported,
    ProposalsCalled,
    TaskCanceled,
    TaskCompleted,
    TaskDeadLettered,
    TaskExpired,
    TaskOffered,
    TaskRedriven,
    TaskSkipped,
    Transition,
    WorkerLost,
)
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import Policy
from coordination.tasks.record import Holder, ReceivedBid, Task
from coordination.tasks.spec import Criterion, TaskSpec
from coordination.tasks.transitions import bid_of

_new_push: Final = maker(Push)
_new_notice: Final = maker(Notice)

Told = list[Push | Notice]
_OPTIONAL: Final = ("timeout_ms", "deadline_ms", "dag", "name", "compensates", "cost")
"""Of a spec: what an offer says if there is anything to say."""
_optional: Final[Callable[[TaskSpec], tuple[Any, ...]]] = attrgetter(*_OPTIONAL)


def tell(told: Told, before: Task, event: Transition, after: Task, policy: Policy) -> None:
    """Append to `told` whom one event concerns, and what each is told.

    Args:
        told: What is to be sent so far.
        before: The record before `event`.
        event: What happens to it.
        after: The record after `event`.
        policy: The lease of tasks that do not say.
    """
    telling = _TELLING.get(type(event))
    if telling is not None:
        telling(told, before, event, after, policy)


def _offer(told: Told, before: Task, event: TaskOffered, after: Task, policy: Policy) -> None:
    """To the agent that is to do the task (kind ``task``); and to those who bid in vain (``reject``)."""
    spec = after.spec
    body: dict[str, Any] = {
        "task_id": after.task_id,
        "fencing_token": event.fencing_token,
        "capability": spec.capability,
        "requirement": spec.requirement,
        "payload": spec.payload,
        "submitter": after.submitter,
        "priority": spec.priority,
        "attempt": len(after.attempts) - after.first_attempt + 1,
        "max_attempts": spec.max_attempts,
        "lease_ms": policy.lease_ms if spec.lease_ms is None else spec.lease_ms,
        "offer_expires_ms": event.expires_ms,
        "queue": spec.queue,
    }
    # What most tasks do not have is left out: it would be half of what is written and read.
    values = _optional(spec)
    if any(values):
        body |= {name: value for name, value in zip(_OPTIONAL, values, strict=True) if value}
    if spec.traceparent:
        body["traceparent"] = spec.traceparent
    if spec.approved_by:
        body["approved_by"] = spec.approved_by
    if after.chain:
        body["chain"] = after.chain
    if spec.after:
        body["after"] = [each.task_id for each in spec.after]
    if spec.payload_reference is not None:
        body["payload_reference"] = asdict(spec.payload_reference)
    told.append(_new_push(agent=event.agent, kind="task", body=body))
    bid = bid_of(after, event.agent) if after.call is not None else None
    if bid is None or after.call is None:
        return
    body["award"] = {"call": after.call.call, "cost": bid.cost, "eta_ms": bid.eta_ms}
    if before.state is State.ANNOUNCED:  # else this one was told so before, and is the next best
        why = f"{_bid_words(after, bid)} was better"
        told += [
            _rejection(after, after.call.call, each.agent, why)
            for each in after.call.bids
            if each.agent != event.agent and not each.is_refusal
        ]


def _bid_words(task: Task, bid: ReceivedBid) -> str:
    if task.spec.bidding.criterion is Criterion.COST:
        return f"a bid with a cost of {bid.cost:g}"
    return f"a bid to take {bid.eta_ms} ms"


def _rejection(task: Task, call: int, agent: str, reason: str) -> Push:
    body = {"task_id": task.task_id, "call": call, "reason": reason}
    return _new_push(agent=agent, kind="reject", body=body)


def _call(told: Told, _: Task, event: ProposalsCalled, after: Task, __: Policy) -> None:
    """To every agent that may bid (kind ``cfp``)."""
    spec = after.spec
    body = {
        "task_id": after.task_id,
        "call": event.call,
        "capability": spec.capability,
        "requirement": spec.requirement,
        "payload": spec.payload,
        "payload_reference": None if spec.payload_reference is None else asdict(spec.payload_reference),
        "submitter": after.submitter,
        "priority": spec.priority,
        "bid_until_ms": event.bids_until_ms,
        "deadline_ms": spec.deadline_ms,
        "criterion": spec.bidding.criterion.value,
        "traceparent": spec.traceparent,
        "approved_by": spec.approved_by,
    }
    told += [_new_push(agent=agent, kind="cfp", body=body) for agent in event.agents]


def _accepted(told: Told, _: Task, event: OfferAccepted, after: Task, __: Policy) -> None:
    assert after.holder is not None
    body = {
        "task_id": after.task_id,
        "state": after.state.value,
        "agent": after.holder.agent,
        "attempt": len(after.attempts) - after.first_attempt,
        "max_attempts": after.spec.max_attempts,
        "fencing_token": after.fencing_token,
        "lease_expires_ms": event.lease_expires_ms,
    }
    told.append(_new_notice(event="running", aggregate=after.task_id, body=body))


def _progress(told: Told, _: Task, event: ProgressReported, after: Task, __: Policy) -> None:
    body = {
        "task_id": after.task_id,
        "state": after.state.value,
        "share": event.share,
        "note": event.note,
    }
    told.append(_new_notice(event="progress", aggregate=after.task_id, body=body))


def _attempt_ended(
    told: Told,
    before: Task,
    event: AttemptFailed | AttemptTimedOut | LeaseExpired | WorkerLost,
    after: Task,
    policy: Policy,
) -> None:
    """An attempt failed, another may follow; or a task that is being canceled has lost its worker."""
    if after.state is State.CANCELED:
        _ended(told, before, event, after, policy)
        return
    if after.state is not State.FAILED:  # an offer is void: there was no attempt
        return
    error = after.attempts[-1].error
    body = {
        "task_id": after.task_id,
        "state": after.state.value,
        "attempt": len(after.attempts) - after.first_attempt,
        "max_attempts": after.spec.max_attempts,
        "reason": error,
        "retry_at_ms": event.retry_at_ms,
    }
    told.append(_new_notice(event="failed", aggregate=after.task_id, body=body))
    if isinstance(event, AttemptTimedOut) and before.holder is not None:
        told.append(_taken_away(after, before.holder, error))


def _taken_away(task: Task, holder: Holder, reason: str) -> Push:
    """To a worker (kind ``cancel``): stop, and if the task is being canceled, confirm that you did."""
    body = {
        "task_id": task.task_id,
        "fencing_token": task.fencing_token,
        "state": task.state.value,
        "reason": reason,
    }
    return _new_push(agent=holder.agent, kind="cancel", body=body)


def _canceled(told: Told, before: Task, event: TaskCanceled, after: Task, policy: Policy) -> None:
    if before.holder is not None:
        told.append(_taken_away(after, before.holder, event.reason))
    if after.state is State.CANCELED:
        _ended(told, before, event, after, policy)


def _expired(told: Told, before: Task, event: TaskExpired, after: Task, policy: Policy) -> None:
    if before.holder is not None:
        told.append(_taken_away(after, before.holder, event.reason))
    _ended(told, before, event, after, policy)


def _called_off(told: Told, before: Task, reason: str) -> None:
    """To those who have bid for a task that was announced and that nobody will be given any more."""
    assert before.call is not None, "an announced task has a call"
    told += [
        _rejection(before, before.call.call, bid.agent, reason)
        for bid in before.call.bids
        if not bid.is_refusal
    ]


def _ended(told: Told, before: Task, _: Transition, after: Task, __: Policy) -> None:
    """The end of the task, with its result, to the submitter; a notice without it to whoever watches."""
    state = after.state.value
    body: dict[str, Any] = {
        "task_id": after.task_id,
        "state": state,
        "reason": after.reason,
        "attempts": len(after.attempts),
        "fencing_token": after.fencing_token,
        "finished_at_ms": after.finished_at_ms,
    }
    if after.spec.dag:
        body |= {"dag": after.spec.dag, "name": after.spec.name}
    with_result = {**body, "result": after.result}
    if after.result_reference is not None:
        with_result["result_reference"] = asdict(after.result_reference)
    told.append(_new_push(agent=after.submitter, kind="result", body=with_result))
    told.append(_new_notice(event=state, aggregate=after.task_id, body=body))
    if before.state is State.ANNOUNCED:
        _called_off(told, before, f"the task is {state}: {after.reason}")


def _redriven(told: Told, _: Task, event: TaskRedriven, after: Task, __: Policy) -> None:
    body = {"task_id": after.task_id, "by": event.by, "redrives": after.redrives}
    told.append(_new_notice(event="redriven", aggregate=after.task_id, body=body))


_TELLING: Final[dict[type, Callable[[Told, Task, Any, Task, Policy], None]]] = {
    TaskOffered: _offer,
    ProposalsCalled: _call,
    OfferAccepted: _accepted,
    ProgressReported: _progress,
    AttemptFailed: _attempt_ended,
    AttemptTimedOut: _attempt_ended,
    LeaseExpired: _attempt_ended,
    WorkerLost: _attempt_ended,
    TaskCompleted: _ended,
    TaskDeadLettered: _ended,
    TaskSkipped: _ended,
    TaskCanceled: _canceled,
    CancelConfirmed: _ended,
    TaskExpired: _expired,
    TaskRedriven: _redriven,
}
"""Who tells of what; of any other event nobody is told."""
