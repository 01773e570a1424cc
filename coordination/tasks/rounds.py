"""Who has passed on a task, and for how long that binds. Pure.

A round is what agents have answered since they were last asked anew. It is over when everybody who comes into
question has passed, and such rounds are counted; or it is broken off, because those that were not asked have
no free slot: then those that passed are asked again, after a pause, and nothing is counted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from coordination.tasks.events import ProposalsCalled, TaskOffered
from coordination.tasks.limits import MAX_KEPT_BIDS, MAX_REFUSALS, Policy
from coordination.tasks.record import NO_BID, Call, Refusal, Task
from coordination.tasks.roster import Roster


def binding(task: Task, roster: Roster) -> dict[str, str]:
    """Reason by agent, of those that have passed and are still the incarnation that did."""
    found: dict[str, str] = {}
    for each in task.refusals:
        view = roster.get(each.agent)
        if not each.incarnation or view is None or view.incarnation <= each.incarnation:
            found[each.agent] = each.reason
    return found


def resumes_ms(task: Task, policy: Policy) -> int:
    """End of the pause before those that have passed are asked anew (Unix ms)."""
    pause_ms = min(policy.round_pause_last_ms, policy.round_pause_ms << min(task.pauses, 40))
    return max(each.at_ms for each in task.refusals) + pause_ms


def begin(new: Any, task: Task, event: TaskOffered | ProposalsCalled) -> None:
    """Let those that have passed be asked anew.

    Args:
        new: The record in the making.
        task: The record before.
        event: Which begins a new round.
    """
    new.refusals = ()
    new.pauses = task.pauses + 1
    if event.counts_round:
        new.rounds = task.rounds + 1


def forget(new: Any) -> None:
    """Somebody works on the task, or it is as new: what was before that counts no more."""
    new.refusals = ()
    new.rounds = 0
    new.pauses = 0


def kept_call(task: Task) -> Call | None:
    """What is kept of the call for proposals of a task that ends: nothing if nobody was chosen by it."""
    call, holder = task.call, task.holder
    if call is None or holder is None or len(call.agents) <= MAX_KEPT_BIDS:
        return call if holder is not None else None
    agents = [holder.agent, *(each.agent for each in call.bids), *call.agents]
    kept = {agent: call.agents[agent] for agent in [*dict.fromkeys(agents)][:MAX_KEPT_BIDS]}
    return replace(call, agents=kept, bids=tuple(each for each in call.bids if each.agent in kept))


def with_declined(task: Task, at_ms: int) -> tuple[Refusal, ...]:
    """Refusals with those of the agents called that have declined, or have not answered."""
    call = task.call
    assert call is not None, "an announced task has a call"
    answers = {bid.agent: bid for bid in call.bids}
    passed = {each.agent: each for each in task.refusals}
    for agent, incarnation in call.agents.items():
        answer = answers.get(agent)
        if answer is None:
            passed[agent] = Refusal(agent=agent, reason=NO_BID, at_ms=at_ms, incarnation=incarnation)
        elif answer.is_refusal:
            passed[agent] = Refusal(
                agent=agent, reason=answer.reason, at_ms=answer.at_ms, incarnation=incarnation
            )
    return tuple(passed.values())[-MAX_REFUSALS:]
