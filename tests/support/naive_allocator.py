"""A slow allocator that is plainly right: every choice looks at every task and every agent.

Reads the records of the model, and keeps accounts of its own of everything else: tags of fairness keys,
offers by bucket, stickiness, turns. Knows none of the heaps, pools, lines and memories of the real one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

from coordination.requirements import parse
from coordination.tasks.events import ProposalsCalled, TaskOffered
from coordination.tasks.lifecycle import State
from coordination.tasks.limits import MAX_REFUSALS, Policy
from coordination.tasks.queues import ANY, QueueSettings, RateLimit
from coordination.tasks.record import Refusal, Task, TasksState
from coordination.tasks.roster import AgentView, Roster
from coordination.tasks.spec import Criterion, Strategy

UNIT = 720_720_000
Planned = tuple[str, str, tuple[str, ...]]
"""What happens (offer, call, dead), to which task, with which agents."""
_DISPATCHED = (State.ANNOUNCED, State.OFFERED)


@dataclass
class Accounts:
    """What is remembered between passes, or changed for the rest of one."""

    tags: dict[tuple[str, str], int] = field(default_factory=dict)
    offers: dict[tuple[str, str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    sticky: dict[tuple[str, str], str] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    held: list[tuple[str, Task]] = field(default_factory=list)
    """Agent and task, of this pass."""
    called: list[tuple[str, Task]] = field(default_factory=list)
    """Likewise, of calls."""

    def copy(self) -> Accounts:
        return Accounts(
            tags=dict(self.tags),
            offers=defaultdict(list, {key: [*times] for key, times in self.offers.items()}),
            sticky=dict(self.sticky),
            turns=dict(self.turns),
        )


class NaiveAllocator:
    """Says what a pass would do, and follows what happens."""

    def __init__(self, state: TasksState, roster: Roster, policy: Policy) -> None:
        self.state = state
        self.roster = roster
        self.policy = policy
        self.kept = Accounts()
        self.virtual: Counter[str] = Counter()
        self.waiting: dict[str, Task] = {}

    def plan(self, now_ms: int) -> list[Planned]:
        """What one pass would do now."""
        self.now = self.kept.copy()
        self.now_ms = now_ms
        self.left = {task.task_id: task for task in self.state.open.values() if task.state is State.QUEUED}
        planned: list[Planned] = []
        row = {queue: self._first(queue) for queue in sorted({t.spec.queue for t in self.left.values()})}
        while True:
            found = [(task, choice) for task, choice in row.values() if task is not None]
            if not found:
                return planned
            task, _ = min(found, key=lambda each: (-self.level(each[0]), each[0].sequence))
            again, choice = self._first(task.spec.queue)
            if again is not task:
                row[task.spec.queue] = again, choice
                continue
            del self.left[task.task_id]
            planned.append((choice[0], task.task_id, choice[1]))
            self._note(task, choice, len(planned))
            row[task.spec.queue] = self._first(task.spec.queue)

    def _first(self, queue: str) -> tuple[Task | None, tuple[str, tuple[str, ...]]]:
        """The first task of a queue that can be served; those before it are out of this pass."""
        rest = [task for task in self.left.values() if task.spec.queue == queue]
        rest.sort(key=lambda task: (-self.level(task), self.tag(task), task.sequence))
        for task in rest:
            choice = self.choose(task)
            if choice is not None:
                return task, choice
            del self.left[task.task_id]
        return None, ("", ())

    def line(self, task: Task) -> tuple[str, str, str, bool]:
        return task.spec.queue, task.spec.requirement, task.spec.capability, bool(task.spec.approved_by)

    def level(self, task: Task) -> int:
        settings = self.settings(task.spec.queue)
        lifted = 0
        if settings.aging_ms:
            lifted = task.spec.priority + (self.now_ms - task.queued_at_ms) // settings.aging_ms
        return max(task.spec.priority, min(8, lifted))

    def tag(self, task: Task) -> int:
        return self.now.tags.get((task.spec.queue, task.spec.fairness_key), 0)

    def settings(self, queue: str) -> QueueSettings:
        return self.state.allocation.settings.get(queue, QueueSettings())

    def price(self, task: Task) -> int:
        own = 1 if task.spec.fairness_weight is None else task.spec.fairness_weight
        return UNIT // self.settings(task.spec.queue).weights.get(task.spec.fairness_key, own)

    def held(self) -> Iterator[tuple[str, Task]]:
        for task in self.state.open.values():
            if task.holder is not None:
                yield task.holder.agent, task
        yield from self.now.held

    def calls(self) -> Iterator[tuple[str, Task]]:
        for task in self.state.open.values():
            if task.state is State.ANNOUNCED and task.call is not None:
                for agent in task.call.agents:
                    yield agent, task
        yield from self.now.called

    def is_closed(self, task: Task) -> bool:
        """Whether nothing of its queue, or of its capability there, is offered now."""
        settings = self.settings(task.spec.queue)
        if settings.is_paused or not self._has_rate(task, settings):
            return True
        count = sum(each.spec.queue == task.spec.queue for _, each in self.held())
        count += len({each.task_id for _, each in self.calls() if each.spec.queue == task.spec.queue})
        return settings.max_held is not None and count >= settings.max_held

    def choose(self, task: Task) -> tuple[str, tuple[str, ...]] | None:
        if self.is_closed(task):
            return None
        eligible = {agent: view for agent, view in self.roster.agents.items() if self.meets(task, view)}
        if not any(self.has_room(view, task.spec.queue) for view in eligible.values()):
            return None
        allowed = [agent for agent in eligible if not self.is_barred(task, agent)]
        passed = {each.agent for each in task.refusals if self.binds(each)}
        round_over = bool(passed & {*allowed}) and passed >= {*allowed}
        if task.refusals and (round_over or len(task.refusals) >= MAX_REFUSALS):
            if task.rounds + 1 >= task.spec.max_rounds:
                return "dead", ()
            return None if self.is_pausing(task) else self._ask(task, allowed)
        if task.call is not None:
            bidder = self.best_bidder(task, [each for each in allowed if each not in passed])
            if bidder is not None:
                return "offer", (bidder,)
        asked = self._ask(task, [agent for agent in allowed if agent not in passed])
        is_again = asked is None and bool(passed) and not self.is_pausing(task)
        return self._ask(task, allowed) if is_again else asked

    def binds(self, refusal: Refusal) -> bool:
        view = self.roster.agents.get(refusal.agent)
        return view is None or view.incarnation <= refusal.incarnation

    def is_pausing(self, task: Task) -> bool:
        pause_ms = min(self.policy.round_pause_ms * 2**task.pauses, self.policy.round_pause_last_ms)
        until_ms: int = max(each.at_ms for each in task.refusals) + pause_ms
        return self.now_ms < until_ms

    def best_bidder(self, task: Task, allowed: list[str]) -> str | None:
        assert task.call is not None
        by_cost = task.spec.bidding.criterion is Criterion.COST
        bids = [
            (
                bid.cost if by_cost else bid.eta_ms,
                -self.score(task, self.roster.agents[bid.agent]),
                number,
                bid.agent,
            )
            for number, bid in enumerate(task.call.bids)
            if not bid.is_refusal
            and bid.agent in allowed
            and self.roster.agents[bid.agent].incarnation == bid.incarnation
            and self.has_room(self.roster.agents[bid.agent], task.spec.queue)
        ]
        return min(bids)[-1] if bids else None

    def _ask(self, task: Task, allowed: list[str]) -> tuple[str, tuple[str, ...]] | None:
        strategy = task.spec.strategy or self.settings(task.spec.queue).strategy
        is_call = strategy is Strategy.CONTRACT_NET
        free = [
            agent
            for agent in allowed
            if self.has_room(self.roster.agents[agent], task.spec.queue)
            and (not is_call or self.may_call(self.roster.agents[agent]))
        ]
        kind = "call" if is_call else "offer"
        placement = task.spec.placement
        if placement.sticky_key:
            sticky = self.now.sticky.get((task.spec.queue, placement.sticky_key), "")
            if sticky in free:
                return kind, (sticky,)
            if sticky in allowed and placement.waits_for_sticky:
                return None
        if not free:
            return None
        free.sort(key=lambda agent: (-self.kept_wishes(task, agent), self.rank(task, agent, strategy)))
        return kind, tuple(free[: task.spec.bidding.max_bidders if is_call else 1])

    def rank(self, task: Task, agent: str, strategy: Strategy) -> tuple[float | str, ...]:
        view = self.roster.agents[agent]
        used = sum(each == agent for each, _ in self.held()) / view.max_tasks
        score = self.score(task, view)
        if strategy is Strategy.ROUND_ROBIN:
            return self.now.turns.get(agent, 0), agent
        if strategy is Strategy.LEAST_LOADED:
            return used, view.load, -score, agent
        return -score, used, view.load, agent

    def score(self, task: Task, view: AgentView) -> float:
        return parse(task.spec.requirement).evaluate(view.facts).score

    def meets(self, task: Task, view: AgentView) -> bool:
        if view.status != "online" or not parse(task.spec.requirement).evaluate(view.facts).matches:
            return False
        capability = view.facts.capabilities.get(task.spec.capability)
        insists = capability is not None and capability.attributes.get("requires_approval") is True
        return bool(task.spec.approved_by) or not insists

    def has_room(self, view: AgentView, queue: str) -> bool:
        settings = self.settings(queue)
        held = [task for agent, task in self.held() if agent == view.agent]
        if len(held) >= view.max_tasks:
            return False
        most = settings.max_held_per_agent
        if most is not None and sum(task.spec.queue == queue for task in held) >= most:
            return False
        limit = settings.agent_rate_limit
        return limit is None or self._has_token(("agent", queue, view.agent), limit)

    def may_call(self, view: AgentView) -> bool:
        held = sum(agent == view.agent for agent, _ in self.held())
        return held + sum(agent == view.agent for agent, _ in self.calls()) < view.max_tasks

    def is_barred(self, task: Task, agent: str) -> bool:
        if not task.spec.may_return:
            above = [self.state.find(task_id) for task_id in task.chain]
            if any(
                each is not None and each.holder is not None and each.holder.agent == agent for each in above
            ):
                return True
        return any(
            self.holds_mark(agent, near.mark) is near.is_apart
            for near in task.spec.placement.near
            if near.is_required
        )

    def kept_wishes(self, task: Task, agent: str) -> int:
        return sum(
            self.holds_mark(agent, near.mark) is not near.is_apart
            for near in task.spec.placement.near
            if not near.is_required
        )

    def holds_mark(self, agent: str, mark: str) -> bool:
        return any(each == agent and mark in task.spec.placement.marks for each, task in self.held())

    def _has_rate(self, task: Task, settings: QueueSettings) -> bool:
        limits, name = settings.rate_limits, task.spec.capability
        limit = limits.get(name) or limits.get(ANY)
        return limit is None or self._has_token(("capability", task.spec.queue, name), limit)

    def _has_token(self, bucket: tuple[str, str, str], limit: RateLimit) -> bool:
        """Every offer from the first one on is counted again."""
        burst = Fraction(limit.count if limit.burst is None else limit.burst)
        tokens, last_ms = burst, 0
        for at_ms in self.now.offers[bucket]:
            tokens = min(burst, tokens + Fraction((at_ms - last_ms) * limit.count, limit.per_ms)) - 1
            last_ms = at_ms
        return min(burst, tokens + Fraction((self.now_ms - last_ms) * limit.count, limit.per_ms)) >= 1

    def _note(self, task: Task, choice: tuple[str, tuple[str, ...]], number: int) -> None:
        kind, agents = choice
        queue = task.spec.queue
        if kind == "dead":
            return
        key = queue, task.spec.fairness_key
        self.now.tags[key] = self.now.tags.get(key, 0) + self.price(task)
        self.now.offers["capability", queue, task.spec.capability].append(self.now_ms)
        if kind == "call":
            self.now.called += [(agent, task) for agent in agents]
            return
        self._offered(self.now, task, agents[0], self.state.last_fencing_token + number, self.now_ms)
        self.now.held.append((agents[0], task))

    def _offered(self, accounts: Accounts, task: Task, agent: str, token: int, at_ms: int) -> None:
        queue, placement = task.spec.queue, task.spec.placement
        accounts.turns[agent] = token
        accounts.offers["agent", queue, agent].append(at_ms)
        if placement.sticky_key:
            accounts.sticky[queue, placement.sticky_key] = agent

    def follow(self, before: Task | None, event: object, after: Task | None, at_ms: int) -> None:
        """Take over one event that has happened."""
        if before is not None and before.state is State.QUEUED:
            was_dispatched = after is not None and after.state in _DISPATCHED
            del self.waiting[before.task_id]
            if was_dispatched:
                self.kept.offers["capability", before.spec.queue, before.spec.capability].append(at_ms)
            self._pay(before, was_dispatched=was_dispatched)
        if before is not None and isinstance(event, TaskOffered):
            self._offered(self.kept, before, event.agent, event.fencing_token, at_ms)
        if after is not None and after.state is State.QUEUED:
            self._join(after, is_paid_back=before is not None and before.state in _DISPATCHED)
            self.waiting[after.task_id] = after
        assert not isinstance(event, ProposalsCalled) or after is not None

    def _alike(self, task: Task) -> list[int]:
        """Tags of those that wait where `task` does."""
        return [
            self.kept.tags[each.spec.queue, each.spec.fairness_key]
            for each in self.waiting.values()
            if self.line(each) == self.line(task)
        ]

    def _join(self, task: Task, *, is_paid_back: bool) -> None:
        queue, key = task.spec.queue, task.spec.fairness_key
        there = [each for each in self.waiting.values() if each.spec.queue == queue]
        if all(each.spec.fairness_key != key for each in there):
            least = min(self._alike(task), default=self.virtual[queue])
            self.kept.tags[queue, key] = max(self.kept.tags.get((queue, key), 0), least)
        if is_paid_back and (queue, key) in self.kept.tags:
            self.kept.tags[queue, key] -= self.price(task)

    def _pay(self, task: Task, *, was_dispatched: bool) -> None:
        queue, key = task.spec.queue, task.spec.fairness_key
        there = [each for each in self.waiting.values() if each.spec.queue == queue]
        if not there:
            self.virtual[queue] = 0
            for each in [each for each in self.kept.tags if each[0] == queue]:
                del self.kept.tags[each]
        elif was_dispatched:
            start = self.kept.tags.get((queue, key), self.virtual[queue])
            self.kept.tags[queue, key] = start + self.price(task)
            only = {each.spec.fairness_key for each in there} == {key}
            floors = [] if only else self._alike_after(task, start)
            self.virtual[queue] = max(self.virtual[queue], min(floors, default=start))

    def _alike_after(self, task: Task, start: int) -> list[int]:
        """As it was when the task left: its key had not paid yet."""
        own = task.spec.fairness_key
        return [
            start
            if each.spec.fairness_key == own
            else self.kept.tags[each.spec.queue, each.spec.fairness_key]
            for each in self.waiting.values()
            if self.line(each) == self.line(task)
        ]
