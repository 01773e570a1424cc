"""The agents with a free slot, and which of them a strategy prefers. Pure and deterministic.

Agents of one profile meet a requirement equally well, so they are kept in order by profile, and a choice
compares the first ones of the profiles that qualify: its cost does not depend on the number of agents.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any, Final

from coordination.tasks import limiting
from coordination.tasks.holdings import Holdings
from coordination.tasks.queues import AllocationState, QueueSettings
from coordination.tasks.roster import AgentView, Eligible, Roster
from coordination.tasks.spec import Strategy

_MIN_HEAP_COUNT: Final = 64
"""Below this size a heap is not worth rebuilding."""

Rank = tuple[float | str, ...]
"""Smallest first; never equal for two agents."""
Rule = Callable[[str], bool]


class _Group:
    """Agents of one profile that have a free slot."""

    __slots__ = ("by_load", "by_turn", "turns", "uses")

    def __init__(self) -> None:
        self.uses: dict[str, tuple[float, float, str]] = {}
        """Share of the slots in use, load, id; by agent."""
        self.turns: dict[str, tuple[int, str]] = {}
        """Token of the last offer, id; by agent."""
        self.by_load: list[tuple[float, float, str]] = []
        self.by_turn: list[tuple[int, str]] | None = None
        """None as long as nobody has asked whose turn it is: most queues go by load."""

    def put(self, agent: str, use: tuple[float, float, str], turn: tuple[int, str]) -> None:
        if self.uses.get(agent) != use:
            self.uses[agent] = use
            heapq.heappush(self.by_load, use)
            if len(self.by_load) > _MIN_HEAP_COUNT and len(self.by_load) > 2 * len(self.uses):
                self.by_load = sorted(self.uses.values())
        if self.turns.get(agent) != turn:
            self.turns[agent] = turn
            if self.by_turn is not None:
                heapq.heappush(self.by_turn, turn)
                if len(self.by_turn) > _MIN_HEAP_COUNT and len(self.by_turn) > 2 * len(self.turns):
                    self.by_turn = sorted(self.turns.values())

    def drop(self, agent: str) -> None:
        if self.uses.pop(agent, None) is not None:
            del self.turns[agent]

    def first_by_load(self) -> tuple[float, float, str] | None:
        heap = self.by_load
        while heap and self.uses.get(heap[0][2]) != heap[0]:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def first_by_turn(self) -> tuple[int, str] | None:
        heap = self.turn_heap()
        while heap and self.turns.get(heap[0][1]) != heap[0]:
            heapq.heappop(heap)
        return heap[0] if heap else None

    def turn_heap(self) -> list[tuple[int, str]]:
        heap = self.by_turn
        if heap is None:
            heap = self.by_turn = sorted(self.turns.values())
        return heap


class Pool:
    """Agents that are online and could take one task more, of any queue or of one that bounds its agents.

    Args:
        roster: The agents.
        holdings: What they hold.
        allocation: When they were asked last, and their rates.
        queue: Whose bounds count; empty: only the slots do.
        settings: Those bounds.
    """

    def __init__(
        self,
        roster: Roster,
        holdings: Holdings,
        allocation: AllocationState,
        queue: str = "",
        settings: QueueSettings | None = None,
    ) -> None:
        self.roster = roster
        self.settings = settings
        self._holdings = holdings
        self._allocation = allocation
        self._queue = queue
        self.views = roster.agents
        """What is known of each agent."""
        self._online = roster.serials_online
        self._groups: dict[int, _Group] = {}
        self._serials: dict[str, int] = {}
        """Profile of each agent that is free."""
        self._sleepers: list[tuple[int, str]] = []
        """Agents at their rate limit, by the time when that ends."""
        self._roster_place = -1
        self._holdings_place = -1
        self.asked: dict[str, int] = {}
        """Tokens of offers that are as good as made, by agent."""
        self.taken: dict[str, int] = {}
        """How many offers are, by agent."""

    def sync(self, now_ms: int) -> bool:
        """Take over what has changed; whether anybody is free now."""
        roster, holdings = self.roster.touched, self._holdings.touched
        is_roster_new = self._roster_place != roster.end
        if is_roster_new or self._holdings_place != holdings.end:
            if is_roster_new or self._holdings_place != holdings.end - 1:
                self._take_over(now_ms)
            else:  # one offer was made: by far the most frequent
                self._refresh(holdings.last, now_ms)
            self._roster_place, self._holdings_place = roster.end, holdings.end
        while self._sleepers and self._sleepers[0][0] <= now_ms:
            self._refresh(heapq.heappop(self._sleepers)[1], now_ms)
        return bool(self._serials)

    @property
    def wakes_ms(self) -> int | None:
        """When the first agent that is at its rate limit may be asked again."""
        return self._sleepers[0][0] if self._sleepers else None

    def is_free(self, agent: str) -> bool:
        """Whether it could take one task more."""
        return agent in self._serials

    def free_count(self, eligible: Eligible) -> int:
        """How many of the agents that qualify are free."""
        groups, count = self._groups, 0
        for serial in self._matching(eligible):
            count += len(groups[serial].uses)
        return count

    def has_free(self, eligible: Eligible) -> bool:
        """Whether any agent that qualifies is free."""
        return not self._groups.keys().isdisjoint(eligible.scores)

    def rank(self, agent: str, eligible: Eligible, strategy: Strategy) -> Rank:
        """Where `strategy` puts a free agent that qualifies."""
        serial = self._serials[agent]
        group = self._groups[serial]
        if strategy is Strategy.ROUND_ROBIN:
            return group.turns[agent]
        return _rank(group.uses[agent], eligible.scores[serial], strategy)

    def best(self, eligible: Eligible, strategy: Strategy) -> tuple[str, int] | None:
        """The free agent that qualifies and that `strategy` prefers, and of how many; None: there is none."""
        least: Rank | None = None
        by_turn = strategy is Strategy.ROUND_ROBIN
        scores, groups = eligible.scores, self._groups
        if len(groups) == 1:  # all free agents alike: no ranks need be compared across profiles
            for serial, group in groups.items():
                first = group.first_by_turn() if by_turn else group.first_by_load()
                return None if first is None or serial not in scores else (str(first[-1]), len(group.uses))
        count = 0
        for serial in self._matching(eligible):
            count += len(groups[serial].uses)
            rank = self._first(serial, scores[serial], strategy, by_turn=by_turn)
            if rank is not None and (least is None or rank < least):
                least = rank
        return None if least is None else (str(least[-1]), count)

    def pick(self, eligible: Eligible, strategy: Strategy, count: int, allows: Rule) -> list[str]:
        """Up to `count` free agents that qualify and that `allows` allows, those that are preferred first.

        Complexity: O(log n) for each that is picked or not allowed.
        """
        by_turn = strategy is Strategy.ROUND_ROBIN
        scores = eligible.scores
        heads: list[tuple[Rank, int]] = []
        for serial in self._matching(eligible):
            rank = self._first(serial, scores[serial], strategy, by_turn=by_turn)
            if rank is not None:
                heads.append((rank, serial))
        heapq.heapify(heads)
        picked: list[str] = []
        aside: list[tuple[list[Any], Any]] = []
        while heads and len(picked) < count:
            rank, serial = heads[0]
            agent = str(rank[-1])
            # One that was put back where it had been before stands in the heap twice.
            if agent not in picked and allows(agent):
                picked.append(agent)
            group = self._groups[serial]
            heap: list[Any] = group.turn_heap() if by_turn else group.by_load
            aside.append((heap, _pop(heap)))
            following = self._first(serial, scores[serial], strategy, by_turn=by_turn)
            if following is None:
                heapq.heappop(heads)
            else:
                heapq.heapreplace(heads, (following, serial))
        for heap, entry in aside:
            heapq.heappush(heap, entry)
        return picked

    def _matching(self, eligible: Eligible) -> list[int]:
        scores, groups = eligible.scores, self._groups
        fewer, others = (scores, groups) if len(scores) <= len(groups) else (groups, scores)
        return [serial for serial in fewer if serial in others]

    def _first(self, serial: int, score: float, strategy: Strategy, *, by_turn: bool) -> Rank | None:
        group = self._groups[serial]
        if by_turn:
            return group.first_by_turn()
        use = group.first_by_load()
        return None if use is None else _rank(use, score, strategy)

    def _take_over(self, now_ms: int) -> None:
        if self._roster_place >= 0:
            of_roster = self.roster.touched.since(self._roster_place)
            of_holdings = self._holdings.touched.since(self._holdings_place)
            if of_roster is not None and of_holdings is not None:
                changed = of_holdings + of_roster
                for agent in changed if len(changed) == 1 else dict.fromkeys(changed):
                    self._refresh(agent, now_ms)
                return
        # Who is free here, and known to the roster no more, is looked at as well.
        for agent in dict.fromkeys((*self.roster.agents, *self._serials)):
            self._refresh(agent, now_ms)

    def _refresh(self, agent: str, now_ms: int) -> None:
        view = self.views.get(agent)
        serial = self._online.get(agent)
        held = self._holdings.of_agent(agent)
        if view is None or serial is None or held >= view.max_tasks:
            serial = None
        elif self.settings is not None:
            serial = serial if self._has_room(view, now_ms) else None
        known = self._serials.get(agent)
        if known is not None and known != serial:
            del self._serials[agent]
            group = self._groups[known]
            group.drop(agent)
            if not group.uses:
                del self._groups[known]
        if serial is None or view is None:
            return
        self._serials[agent] = serial
        found = self._groups.get(serial)
        if found is None:
            found = self._groups[serial] = _Group()
        turn = self.asked.get(agent) or self._allocation.last_offers.get(agent, 0)
        found.put(agent, (held / view.max_tasks, view.load, agent), (turn, agent))

    def _has_room(self, view: AgentView, now_ms: int) -> bool:
        """Whether the bounds of the queue leave an agent with a free slot one task more."""
        agent, settings = view.agent, self.settings
        assert settings is not None
        most = settings.max_held_per_agent
        if most is not None and self._holdings.of_queue_by(self._queue, agent) >= most:
            return False
        ready_ms = self.ready_ms(agent, now_ms)
        if ready_ms > now_ms:
            heapq.heappush(self._sleepers, (ready_ms, agent))
        return ready_ms <= now_ms

    def ready_ms(self, agent: str, now_ms: int) -> int:
        """When the queue's rate lets `agent` be asked again; `now_ms`, or later."""
        limit = self.settings.agent_rate_limit if self.settings is not None else None
        if limit is None:
            return now_ms
        bucket = self._allocation.buckets.get(limiting.agent_key(self._queue, agent))
        return limiting.ready_ms(bucket, limit, now_ms, taken=self.taken.get(agent, 0))


def _pop(heap: list[Any]) -> Any:
    return heapq.heappop(heap)


def _rank(use: tuple[float, float, str], score: float, strategy: Strategy) -> Rank:
    used, load, agent = use
    if strategy is Strategy.LEAST_LOADED:
        return used, load, -score, agent
    return -score, used, load, agent
