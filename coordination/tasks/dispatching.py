"""Which waiting tasks are offered to which agents now. Pure and deterministic.

One pass serves what can be served in order: by priority as lifted by waiting; within a queue by fairness,
then first come; between queues first come. What cannot be served stands in nobody's way. What an offer
changes (slots, rates, tags) counts at once for the following ones, and is taken back at the end: what really
happens is up to the events.

A pass that finds nothing is remembered with what it depended on, so that the next one costs next to nothing
as long as no task, agent or setting has changed and no time has come that could make a difference.
"""

from __future__ import annotations

from coordination.tasks.draft import Draft
from coordination.tasks.lanes import Lanes
from coordination.tasks.passes import Pass
from coordination.tasks.queues import QueueSettings
from coordination.tasks.strategies import Pool
from coordination.tasks.view import View


class Memory:
    """What is remembered between passes; all of it follows from the state and the roster."""

    __slots__ = ("_bounded", "_lanes_version", "_roster_version", "_settings", "everybody", "until_ms")

    def __init__(self, view: View) -> None:
        self.everybody = Pool(view.roster, view.lanes.holdings, view.state.allocation)
        self._bounded: dict[str, Pool] = {}
        """Of queues that bound their agents."""
        self.until_ms: int | None = None
        """When time could make a difference to the last pass that found nothing."""
        # What that pass depended on:
        self._lanes_version = -1
        self._roster_version = -1
        self._settings: object = None

    def pool(self, view: View, queue: str, settings: QueueSettings) -> Pool:
        """Agents that could take one task more of `queue`."""
        if settings.max_held_per_agent is None and settings.agent_rate_limit is None:
            self._bounded.pop(queue, None)
            return self.everybody
        found = self._bounded.get(queue)
        if found is None or found.settings is not settings:
            allocation = view.state.allocation
            found = Pool(view.roster, view.lanes.holdings, allocation, queue, settings)
            self._bounded[queue] = found
        return found

    def note_fruitless(self, view: View, until_ms: int | None) -> None:
        """A pass found nothing; before `until_ms` only a change could make a difference."""
        self._lanes_version = view.lanes.version
        self._roster_version = view.roster.version
        self._settings = view.state.allocation.settings
        self.until_ms = until_ms

    def is_fruitless(self, view: View) -> bool:
        """Whether nothing has changed since a pass found nothing."""
        return (
            self._lanes_version == view.lanes.version
            and self._roster_version == view.roster.version
            and self._settings is view.state.allocation.settings
        )


def dispatch(view: View, draft: Draft) -> None:
    """Make as many offers and calls for proposals as possible now, within the bounds.

    Also gives up tasks that everybody has passed on in their last round.

    Ordering: only when `next_ms` says so; the draft is empty, and `Draft.add` numbers the offers.
    """
    memory = _memory(view)
    if not memory.everybody.sync(draft.now_ms):
        return
    one = Pass(view, draft, everybody=memory.everybody, pool=memory.pool)
    one.run()
    if draft.is_empty:
        memory.note_fruitless(view, one.until_ms)


def next_ms(view: View) -> int | None:
    """When `dispatch` could find something; None: not before something changes.

    0 as long as it has not looked since the last change, while tasks wait and somebody has a free slot.
    """
    if not (view.lanes.waiting_count and view.roster.is_current):
        return None
    memory = _memory(view)
    if memory.is_fruitless(view):
        return memory.until_ms
    return 0 if memory.everybody.sync(0) else None


def pool_of(view: View, queue: str, now_ms: int) -> Pool:
    """Agents that could take one task more of `queue` now."""
    settings = view.state.allocation.settings.get(queue)
    memory = _memory(view)
    pool = memory.everybody if settings is None else memory.pool(view, queue, settings)
    pool.sync(now_ms)
    return pool


def _memory(view: View) -> Memory:
    lanes: Lanes = view.lanes
    memory = lanes.memory
    if not isinstance(memory, Memory) or memory.everybody.roster is not view.roster:
        lanes.memory = memory = Memory(view)
    return memory
