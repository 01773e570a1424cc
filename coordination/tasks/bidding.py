"""Calls for proposals: bids and the award (FIPA contract net, SC00029H). Pure."""

from __future__ import annotations

from coordination.runtime.model import Outcome, Rejected
from coordination.tasks import dispatching
from coordination.tasks.commands import Bid
from coordination.tasks.draft import Draft
from coordination.tasks.events import BidMade, NoBids, TaskOffered
from coordination.tasks.lifecycle import State
from coordination.tasks.placing import DEFAULTS, Placing, won
from coordination.tasks.record import ReceivedBid, Task
from coordination.tasks.standing import standing, unknown_task
from coordination.tasks.view import View


def bid(view: View, command: Bid, now_ms: int) -> Outcome | Rejected:
    """What an answer to a call for proposals leads to; the reply is a `Standing`."""
    draft = Draft(view, now_ms)
    answer = answered(draft, command)
    return answer if isinstance(answer, Rejected) else draft.outcome(standing(answer))


def answered(draft: Draft, command: Bid) -> Task | Rejected:
    """Let an agent answer a call for proposals; the record after that.

    The same answer again is answered alike; another one is refused, because a bid binds.
    """
    task = draft.view.state.find(command.task_id)
    if task is None:
        return unknown_task(command.task_id)
    made = BidMade(
        task_id=task.task_id,
        agent=command.agent,
        at_ms=draft.now_ms,
        is_refusal=command.is_refusal,
        reason=command.reason,
        cost=command.cost,
        eta_ms=command.eta_ms,
    )
    refused = _refuse(task, command, made)
    if refused is not None:
        return refused
    assert task.call is not None, "a bid that is not refused has a call"
    if any(each.agent == command.agent for each in task.call.bids):
        return task
    return draft.add(task, made)


def _refuse(task: Task, command: Bid, made: BidMade) -> Rejected | None:
    """Why an answer does not count; None if it does, or did before."""
    call = task.call
    if call is None or call.call != command.call:
        return _closed(task, f"call {command.call} is decided")
    if command.agent not in call.agents:
        return Rejected(
            code="not_called",
            message=f"'{command.agent}' was not called for proposals for task {task.task_id}",
        )
    earlier = next((each for each in call.bids if each.agent == command.agent), None)
    if earlier is not None:
        return None if _says(earlier) == _says(made) else _second(task, command)
    if task.state is not State.ANNOUNCED:
        return _closed(task, f"call {call.call} is decided")
    if made.at_ms >= call.bids_until_ms:
        return _closed(task, f"bids were taken until {call.bids_until_ms}, and now it is {made.at_ms}")
    return None


def _second(task: Task, command: Bid) -> Rejected:
    return Rejected(
        code="already_bid",
        message=f"'{command.agent}' has answered call {command.call} for task {task.task_id}, and that binds",
    )


def award(view: View, task: Task, draft: Draft) -> None:
    """End the time for bids of an announced task.

    It is offered to the best bidder that is still there and free; else it is queued again, and those that
    declined or did not answer have passed on it.
    """
    spec, now_ms = task.spec, draft.now_ms
    allocation = view.state.allocation
    pool = dispatching.pool_of(view, spec.queue, now_ms)
    eligible = view.roster.eligible_for(spec.requirement, spec.capability, is_approved=bool(spec.approved_by))
    placing = Placing(
        task,
        eligible=eligible,
        pool=pool,
        holdings=view.lanes.holdings,
        allocation=allocation,
        find=draft.task,
        sticky={},
    )
    passed = placing.bound.keys()
    is_paused = allocation.settings.get(spec.queue, DEFAULTS).is_paused
    bidder = None if is_paused else placing.next_bidder(passed | draft.offered_to)
    if bidder is None and not is_paused and placing.next_bidder(passed) is not None:
        return  # it was offered something in this very draft; when that has happened, one knows more
    if bidder is None:
        draft.add(task, NoBids(task_id=task.task_id, at_ms=now_ms))
        return
    offered = TaskOffered(
        task_id=task.task_id,
        agent=bidder,
        incarnation=view.roster.agents[bidder].incarnation,
        fencing_token=draft.last_token + 1,
        at_ms=now_ms,
        expires_ms=now_ms + view.policy.offer_timeout_ms,
        new_round=False,
        why=won(task, bidder),
    )
    draft.add(task, offered)


def _says(answer: ReceivedBid | BidMade) -> tuple[object, ...]:
    return answer.is_refusal, answer.reason, answer.cost, answer.eta_ms


def _closed(task: Task, why: str) -> Rejected:
    return Rejected(
        code="bid_closed",
        message=f"{why}: task {task.task_id} is {task.state}",
        details={"state": task.state.value},
    )
