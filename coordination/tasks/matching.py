"""Which waiting task is offered to which agent. Pure and deterministic.

Tasks come in their order (priority, then first come); each gets the online agent with a free slot that
is least loaded by what it holds here, then by what it reports; of equally loaded ones the one that meets
more of the requirement's preferences, then the first by id. An agent that passed on
a task is not asked again before all others were; then the task pauses and a new round begins.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from coordination.tasks.commands import Candidate
from coordination.tasks.limits import MAX_OFFERS, MAX_REFUSALS, MAX_SCANNED_TASKS
from coordination.tasks.record import Task

Entry = tuple[float, float, float, str, Candidate]
"""A free slot, least first: use, load, score (negative), id. The id is unique, so candidates themselves
are never compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """`task` goes to `candidate`."""

    task: Task
    candidate: Candidate
    new_round: bool


class Slots:
    """The free slots of the agents that are online, fullest use last.

    Args:
        candidates: Agents that meet the requirement.
        held: Tasks that each agent was offered or works on already.
    """

    def __init__(self, candidates: Iterable[Candidate], held: Mapping[str, int]) -> None:
        online = {each.agent: each for each in candidates if each.status == "online" and each.max_tasks > 0}
        self.online = online.keys()
        self._held = {agent: held.get(agent, 0) for agent in online}
        self._free = [self._entry(each) for each in online.values() if self._has_room(each)]
        heapq.heapify(self._free)

    def __bool__(self) -> bool:
        return bool(self._free)

    def take(self, avoid: Iterable[str]) -> Candidate | None:
        """Use a slot of the least loaded agent that is not to be avoided; None if there is none."""
        avoided = set(avoid)
        skipped = []
        chosen: Candidate | None = None
        while self._free and chosen is None:
            entry = heapq.heappop(self._free)
            if entry[-1].agent in avoided:
                skipped.append(entry)
            else:
                chosen = entry[-1]
        for entry in skipped:
            heapq.heappush(self._free, entry)
        if chosen is not None:
            self._held[chosen.agent] += 1
            if self._has_room(chosen):
                heapq.heappush(self._free, self._entry(chosen))
        return chosen

    def _has_room(self, candidate: Candidate) -> bool:
        return self._held[candidate.agent] < candidate.max_tasks

    def _entry(self, candidate: Candidate) -> Entry:
        used = self._held[candidate.agent] / candidate.max_tasks
        return used, candidate.load, -candidate.score, candidate.agent, candidate


def plan(
    waiting: Iterable[Task],
    candidates: Iterable[Candidate],
    held: Mapping[str, int],
    *,
    now_ms: int,
    round_pause_ms: int,
) -> Iterator[Match]:
    """The offers to make now, at most `MAX_OFFERS`.

    Args:
        waiting: Queued tasks in the order in which they are to be served.
        candidates: Agents that meet the requirement of all of them.
        held: Tasks that each agent was offered or works on already.
        now_ms: The time.
        round_pause_ms: Pause of a task that everybody passed on.
    """
    slots = Slots(candidates, held)
    made = 0
    for task in islice(waiting, MAX_SCANNED_TASKS):
        if not slots or made == MAX_OFFERS:
            return
        passed = {refusal.agent for refusal in task.refusals}
        round_over = len(passed) >= MAX_REFUSALS or passed >= slots.online
        if round_over and passed and now_ms < task.refusals[-1].at_ms + round_pause_ms:
            continue
        candidate = slots.take(() if round_over else passed)
        if candidate is not None:
            made += 1
            yield Match(task=task, candidate=candidate, new_round=round_over)
