"""One pass over what waits: see `coordination.tasks.dispatching`. Pure and deterministic."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from coordination.runtime.fast_init import maker
from coordination.tasks import fairness, limiting
from coordination.tasks.draft import Draft
from coordination.tasks.events import ProposalsCalled, TaskDeadLettered, TaskOffered
from coordination.tasks.lanes import Queue
from coordination.tasks.limits import MAX_OFFER_BYTES, MAX_OFFERS, MAX_SCANNED_TASKS
from coordination.tasks.lines import Line, Manner, Tags, Waiting
from coordination.tasks.placing import DEFAULTS, Choice, Placing, sticky_key, why_chosen
from coordination.tasks.queues import QueueSettings
from coordination.tasks.record import Task
from coordination.tasks.roster import Eligible
from coordination.tasks.spec import Strategy, TaskSpec
from coordination.tasks.strategies import Pool
from coordination.tasks.view import View

_new_offer: Final = maker(TaskOffered)

Head = tuple[int, int, int, Waiting]
"""Priority (negative), tag, sequence, task: what is served first."""
_SOON_MS: Final = 1
"""Until the next pass goes on where one stopped that had looked at enough."""


class _Tags:
    """What keys have been served, with what this pass has added."""

    __slots__ = ("_base", "added")

    def __init__(self, base: dict[str, int]) -> None:
        self._base = base
        self.added: dict[str, int] = {}

    def get(self, key: str, default: int, /) -> int:
        found = self.added.get(key)
        return self._base.get(key, default) if found is None else found


class _Desk:
    """What one queue can still be served of in this pass."""

    __slots__ = (
        *("_served", "choice", "head", "is_shared", "lines", "looked_at"),
        *("name", "pool", "settings", "tags", "task"),
    )

    def __init__(self, queue: Queue, settings: QueueSettings, pool: Pool, base: dict[str, int]) -> None:
        self.name = queue.name
        self.settings = settings
        self.pool = pool
        self.tags = _Tags(base)
        self.is_shared = len(queue.by_key) > 1
        """Whether several fairness keys wait."""
        self._served: Tags = self.tags if self.is_shared else base
        """What keys have been served; where there is only one, it need not pay."""
        self.head: tuple[Head, Line, Eligible] | None = None
        """What is served first; None: nothing more."""
        self.task: Task | None = None
        """Its record, once it was looked at."""
        self.choice: Choice | None = None
        """What is to be done about that."""
        self.looked_at = -1
        """What had been noted of agents then (`Holdings.touched`)."""
        self.lines: list[tuple[int, int, int, int, Line, Eligible]] = []
        """By what is served first in each; the fourth tells them apart."""

    def add(self, line: Line, eligible: Eligible) -> None:
        """Serve a line, too."""
        head = line.first(self._served)
        if head is not None:
            heapq.heappush(self.lines, (head[0], head[1], head[2], len(self.lines), line, eligible))

    def advance(self) -> None:
        """Find what is served first now."""
        self.head = None
        while self.lines:
            priority, tag, sequence, number, line, eligible = self.lines[0]
            head = line.first(self._served)
            if head is None:
                heapq.heappop(self.lines)
                continue
            if len(self.lines) == 1:  # what there is nothing to compare with need not be kept in order
                self.head = head, line, eligible
                return
            if head[2] != sequence or head[1] != tag or head[0] != priority:
                heapq.heapreplace(self.lines, (head[0], head[1], head[2], number, line, eligible))
                if self.lines[0][3] != number:
                    continue
            self.head = head, line, eligible
            return

    def close_line(self) -> None:
        """Serve no more of the line whose turn it is."""
        heapq.heappop(self.lines)


class Pass:
    """Offers and calls until the agents, the tasks or the bounds are used up.

    Args:
        view: What is decided on.
        draft: Takes the events; empty.
        everybody: Agents that could take one task more.
        pool: Those of a queue with such settings.
    """

    def __init__(
        self,
        view: View,
        draft: Draft,
        *,
        everybody: Pool,
        pool: Callable[[View, str, QueueSettings], Pool],
    ) -> None:
        self._view = view
        self._draft = draft
        self._everybody = everybody
        self._pool = pool
        self._lanes = view.lanes
        self._agents = view.roster.agents
        self._now_ms = draft.now_ms
        self.until_ms: int | None = None
        """When time could change what this pass could not do."""
        self._sticky: dict[str, str] = {}
        self._taken: dict[str, int] = {}
        """Offers made, by capability's bucket."""
        self._held: list[tuple[TaskSpec, str]] = []
        self._called: list[tuple[TaskSpec, tuple[str, ...]]] = []
        self._out: list[Waiting] = []
        self._desks: list[_Desk] = []
        self._pools: dict[int, Pool] = {}
        """Of the desks, each once."""
        self._bytes = 0
        self._count = 0
        self._scanned = 0

    def run(self) -> None:
        """Make the offers."""
        lanes = self._lanes
        if not lanes.age(self._now_ms):
            self._come_back_ms(self._now_ms + _SOON_MS)
        try:
            queues: list[tuple[int, int, int]] = []
            for queue in [*lanes.queues.values()]:
                desk = self._open(queue)
                if desk is not None:
                    self._desks.append(desk)
                    self._pools[id(desk.pool)] = desk.pool
            if len(self._desks) == 1:
                self._serve_plainly(self._desks[0], queues)
            for number in range(len(self._desks)):
                self._line_up(queues, number)
            while queues and not self._is_enough():
                number = heapq.heappop(queues)[2]
                desk = self._desks[number]
                if desk.looked_at == self._lanes.holdings.touched.end:
                    self._serve(desk)
                    self._serve_plainly(desk, queues)
                self._line_up(queues, number)
            if self._scanned >= MAX_SCANNED_TASKS:
                self._come_back_ms(self._now_ms + _SOON_MS)
        finally:
            self._take_back()

    def _is_enough(self) -> bool:
        return (
            self._count >= MAX_OFFERS
            or self._bytes >= MAX_OFFER_BYTES
            or self._scanned >= MAX_SCANNED_TASKS
            or self._draft.is_full
        )

    def _line_up(self, queues: list[tuple[int, int, int]], number: int) -> None:
        """Let a queue stand in the row with the first of its tasks that can be served now."""
        desk = self._desks[number]
        while self._everybody.sync(self._now_ms):
            desk.advance()
            if desk.head is None:
                return
            desk.choice = self._look(desk)
            if desk.choice is not None:
                desk.looked_at = self._lanes.holdings.touched.end
                (priority, _, sequence, _), _, _ = desk.head
                heapq.heappush(queues, (priority, sequence, number))
                return
            if self._is_enough():
                return

    def _open(self, queue: Queue) -> _Desk | None:
        """What can be served of a queue; None: nothing."""
        view = self._view
        settings = view.state.allocation.settings.get(queue.name, DEFAULTS)
        if settings.is_paused or self._is_full(queue.name, settings):
            return None
        pool = self._pool(view, queue.name, settings)
        pool.sync(self._now_ms)
        if pool.wakes_ms is not None:
            self._come_back_ms(pool.wakes_ms)
        desk = _Desk(queue, settings, pool, self._lanes.tags(queue.name))
        for line in queue.lines.values():
            eligible = line.eligible
            if eligible is None or eligible.roster is not view.roster:
                _, requirement, capability, is_approved, _ = line.key
                eligible = view.roster.eligible_for(requirement, capability, is_approved=is_approved)
                line.eligible = eligible
            if pool.has_free(eligible):
                self._unpark(line, eligible)
                desk.add(line, eligible)
        return desk if desk.lines else None

    def _is_full(self, queue: str, settings: QueueSettings) -> bool:
        most = settings.max_held
        if most is None:
            return False
        holdings = self._lanes.holdings
        return holdings.of_queue(queue) + holdings.calls_in(queue) >= most

    def _look(self, desk: _Desk) -> Choice | None:
        """What is to be done about what is first in a queue; None: nothing, and it is out of the way now."""
        assert desk.head is not None, "one looks at something"
        (_, _, _, waiting), line, eligible = desk.head
        task = desk.task = self._view.state.open[waiting.task_id]
        settings = desk.settings
        if settings.max_held is not None and self._is_full(desk.name, settings):
            desk.lines.clear()
            return None
        if settings.rate_limits and not self._has_rate(desk, task.spec):
            desk.close_line()
            return None
        if desk.pool is not self._everybody:
            desk.pool.sync(self._now_ms)
        choice = self._choose(desk, line, eligible, task)
        if choice is None:
            desk.close_line()
            return None
        if not choice.agents and not choice.give_up:
            self._park(line, waiting, choice.until_ms)
            return None
        return choice

    def _serve(self, desk: _Desk) -> None:
        """Do what is to be done about what is first in a queue."""
        assert desk.head is not None, "who stands in the row has something to be served"
        task, choice = desk.task, desk.choice
        assert task is not None, "it was looked at"
        assert choice is not None, "and it is known what it gets"
        self._take_out(desk)
        if choice.give_up:
            event = TaskDeadLettered(task_id=task.task_id, reason=choice.give_up, at_ms=self._now_ms)
            self._draft.add(task, event)
            return
        self._charge(desk, task.spec)
        if choice.is_call:
            self._call(task, choice)
        else:
            new_round, counts_round = choice.new_round, choice.counts_round
            self._offer(
                desk, task, choice.agents[0], choice.why, new_round=new_round, counts_round=counts_round
            )

    def _serve_plainly(self, desk: _Desk, queues: list[tuple[int, int, int]]) -> None:
        """Offer the tasks of a queue as long as its turn lasts and nothing but slots decides.

        Args:
            desk: The queue.
            queues: The others, as `_line_up` lets them stand.

        This is what `_look` and `_serve` do together, without what most tasks have no need of.
        """
        settings, open_tasks = desk.settings, self._view.state.open
        if settings.rate_limits or settings.max_held is not None or desk.pool is not self._everybody:
            return
        while self._everybody.sync(self._now_ms) and not self._is_enough():
            desk.advance()
            if desk.head is None:
                return
            (priority, _, sequence, waiting), line, eligible = desk.head
            if queues and queues[0] < (priority, sequence):
                return
            task = open_tasks[waiting.task_id]
            strategy = task.spec.strategy or settings.strategy
            if strategy is Strategy.CONTRACT_NET or line.key[4] is Manner.PARTICULAR:
                return
            best = desk.pool.best(eligible, strategy)
            if best is None:
                desk.close_line()
                continue
            agent, count = best
            self._take_out(desk)
            if desk.is_shared:
                self._charge(desk, task.spec)
            why = why_chosen(desk.pool, self._lanes.holdings, agent, eligible, strategy, count)
            self._offer(desk, task, agent, why)

    def _take_out(self, desk: _Desk) -> None:
        """Let nobody else be given what is first in a queue."""
        assert desk.head is not None
        (_, _, _, waiting), line, _ = desk.head
        line.take(waiting)
        self._out.append(waiting)

    def _choose(self, desk: _Desk, line: Line, eligible: Eligible, task: Task) -> Choice | None:
        """What is to be done about a task; None: nobody can be asked for any of its line."""
        pool = desk.pool
        strategy = task.spec.strategy or desk.settings.strategy
        manner = line.key[4]
        if manner is not Manner.PARTICULAR and strategy is not Strategy.CONTRACT_NET:
            best = pool.best(eligible, strategy)
            if best is None:
                return None
            agent, count = best
            why = why_chosen(pool, self._lanes.holdings, agent, eligible, strategy, count)
            return Choice(agents=(agent,), why=why)
        if not pool.has_free(eligible):
            return None
        placing = Placing(
            task,
            eligible=eligible,
            pool=pool,
            holdings=self._lanes.holdings,
            allocation=self._view.state.allocation,
            find=self._draft.task,
            sticky=self._sticky,
        )
        choice = placing.choose(self._view.policy, self._now_ms)
        is_alike = manner is not Manner.PARTICULAR
        return None if is_alike and not choice.agents and not choice.give_up else choice

    def _call(self, task: Task, choice: Choice) -> None:
        """Call agents for proposals."""
        spec = task.spec
        self._bytes += len(choice.agents) * spec.size_bytes
        self._count += len(choice.agents)
        called = ProposalsCalled(
            task_id=task.task_id,
            agents=choice.agents,
            incarnations=tuple(self._agents[each].incarnation for each in choice.agents),
            call=self._draft.last_token + 1,
            bids_until_ms=self._now_ms + spec.bidding.bid_ms,
            new_round=choice.new_round,
            counts_round=choice.counts_round,
        )
        self._draft.add(task, called)
        self._lanes.holdings.call(spec, choice.agents)
        self._called.append((spec, choice.agents))

    def _offer(
        self,
        desk: _Desk,
        task: Task,
        agent: str,
        why: str,
        *,
        new_round: bool = False,
        counts_round: bool = True,
    ) -> None:
        """Offer a task to one agent."""
        view, now_ms = self._view, self._now_ms
        self._bytes += task.spec.size_bytes
        self._count += 1
        token = self._draft.last_token + 1
        offered = _new_offer(
            task_id=task.task_id,
            agent=agent,
            incarnation=self._agents[agent].incarnation,
            fencing_token=token,
            at_ms=now_ms,
            expires_ms=now_ms + view.policy.offer_timeout_ms,
            new_round=new_round,
            counts_round=counts_round,
            why=why,
        )
        self._draft.add(task, offered)
        self._note(desk, task, agent, token)

    def _note(self, desk: _Desk, task: Task, agent: str, token: int) -> None:
        """Let an offer count at once."""
        if task.spec.placement.sticky_key:
            self._sticky[sticky_key(task)] = agent
        for pool in self._pools.values():
            pool.asked[agent] = token
        if desk.settings.agent_rate_limit is not None:
            desk.pool.taken[agent] = desk.pool.taken.get(agent, 0) + 1
        self._lanes.holdings.take(task.spec, agent)
        self._held.append((task.spec, agent))

    def _has_rate(self, desk: _Desk, spec: TaskSpec) -> bool:
        """Whether the rate of the task's capability lets one offer more be made."""
        limit = limiting.of_capability(desk.settings, spec)
        if limit is None:
            return True
        key = limiting.capability_key(spec)
        bucket = self._view.state.allocation.buckets.get(key)
        taken = self._taken.get(key, 0)
        ready_ms = limiting.ready_ms(bucket, limit, self._now_ms, taken=taken)
        if ready_ms > self._now_ms:
            self._come_back_ms(ready_ms)
        return ready_ms <= self._now_ms

    def _charge(self, desk: _Desk, spec: TaskSpec) -> None:
        """Let fairness and rates count an offer or a call at once."""
        allocation = self._view.state.allocation
        key = spec.fairness_key
        if desk.is_shared:
            desk.tags.added[key] = desk.tags.get(key, 0) + fairness.price(allocation, spec)
        if desk.settings.rate_limits:
            bucket = limiting.capability_key(spec)
            self._taken[bucket] = self._taken.get(bucket, 0) + 1

    def _park(self, line: Line, waiting: Waiting, until_ms: int | None) -> None:
        """Look past a task that no free agent can be asked for, until something changes that."""
        self._scanned += 1
        if not line.parked:
            line.seen = self._stamp()
            line.parked_until_ms = None
            line.is_moving = False
        near = self._view.state.open[waiting.task_id].spec.placement.near
        line.is_moving = line.is_moving or any(each.is_required for each in near)
        self._lanes.park(waiting)
        if until_ms is not None:
            self._come_back_ms(until_ms)
            if line.parked_until_ms is None or until_ms < line.parked_until_ms:
                line.parked_until_ms = until_ms

    def _unpark(self, line: Line, eligible: Eligible) -> None:
        """Look again at what was looked past, if something has changed since.

        Where more was looked past than one pass can look at, only when nothing else is left: so that each
        gets its look, however often something changes.
        """
        if not line.parked:
            return
        until_ms = line.parked_until_ms
        is_due = until_ms is not None and until_ms <= self._now_ms
        if not is_due and not line.is_moving and not self._has_changed(line, eligible):
            if until_ms is not None:
                self._come_back_ms(until_ms)
        elif len(line.parked) >= MAX_SCANNED_TASKS and line.is_standing:
            self._come_back_ms(self._now_ms + _SOON_MS)
        else:
            self._lanes.unpark(line)

    def _stamp(self) -> tuple[int, int, object]:
        view = self._view
        return view.roster.version, self._lanes.holdings.touched.end, view.state.allocation.settings

    def _has_changed(self, line: Line, eligible: Eligible) -> bool:
        assert line.seen is not None, "who parks says what is known"
        version, place, settings = line.seen
        view = self._view
        if version != view.roster.version or settings is not view.state.allocation.settings:
            return True
        touched = self._lanes.holdings.touched.since(place)
        return touched is None or any(agent in eligible for agent in touched)

    def _come_back_ms(self, at_ms: int) -> None:
        if self.until_ms is None or at_ms < self.until_ms:
            self.until_ms = at_ms

    def _take_back(self) -> None:
        """Leave everything as it was: only events change it."""
        lanes = self._lanes
        for desk in self._desks:
            desk.pool.asked.clear()
            desk.pool.taken.clear()
        lanes.holdings.give_back_all(self._held)
        for spec, agents in self._called:
            lanes.holdings.call_off(spec, agents)
        lanes.put_back(self._out)
        for desk in self._desks:
            if desk.tags.added:
                lanes.retag(desk.name, desk.tags.added)
