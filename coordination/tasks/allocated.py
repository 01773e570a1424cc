"""What allocation remembers of offers, beyond fairness: rates, stickiness and whose turn it is. Pure."""

from __future__ import annotations

from typing import Final

from coordination.tasks import limiting
from coordination.tasks.events import ProposalsCalled, TaskOffered
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_AGENTS, MAX_STICKY_KEYS
from coordination.tasks.placing import sticky_key
from coordination.tasks.queues import AllocationState
from coordination.tasks.record import Task, TasksState

_KEPT_OFFERS: Final = 2 * MAX_AGENTS
"""Agents whose last offer is remembered; beyond, the half that was asked longest ago is forgotten."""


def on_transition(state: TasksState, before: Task, event: TaskOffered | ProposalsCalled) -> None:
    """Take over the side effects of `event`, which happened to `before`.

    The tags of fairness keys follow in `coordination.tasks.lanes`.
    """
    allocation = state.allocation
    if isinstance(event, TaskOffered):
        _offered(allocation, before, event)
    elif allocation.settings:
        _use_rate(allocation, before, event.bids_until_ms - before.spec.bidding.bid_ms)


def _offered(allocation: AllocationState, before: Task, event: TaskOffered) -> None:
    last = allocation.last_offers
    last[event.agent] = event.fencing_token
    if len(last) > _KEPT_OFFERS:
        for agent in sorted(last, key=last.__getitem__)[: len(last) // 2]:
            del last[agent]
    spec = before.spec
    if spec.placement.sticky_key:
        key = sticky_key(before)
        allocation.sticky[key] = event.agent
        allocation.sticky.move_to_end(key)
        while len(allocation.sticky) > MAX_STICKY_KEYS:
            allocation.sticky.popitem(last=False)
    settings = allocation.settings.get(spec.queue)
    if settings is None:
        return
    if settings.agent_rate_limit is not None:
        key = limiting.agent_key(spec.queue, event.agent)
        limiting.take(allocation, key, settings.agent_rate_limit, event.at_ms)
    if before.state is State.QUEUED:  # an award was paid for by its call
        _use_rate(allocation, before, event.at_ms)


def _use_rate(allocation: AllocationState, task: Task, at_ms: int) -> None:
    settings = allocation.settings.get(task.spec.queue)
    limit = limiting.of_capability(settings, task.spec) if settings is not None else None
    if limit is not None:
        limiting.take(allocation, limiting.capability_key(task.spec), limit, at_ms)
