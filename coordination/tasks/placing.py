"""Which agents a task that waits goes to: now, later, or never. Pure and deterministic.

`coordination.tasks.dispatching` acts on what is found here, `coordination.tasks.explaining` says it in words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from coordination.runtime.fast_init import fast_init
from coordination.tasks import rounds
from coordination.tasks.holdings import Holdings
from coordination.tasks.limits import MAX_REFUSALS, Policy
from coordination.tasks.preferring import Precedence, why_first
from coordination.tasks.queues import AllocationState, QueueSettings
from coordination.tasks.record import ReceivedBid, Task
from coordination.tasks.roster import Eligible
from coordination.tasks.rounds import resumes_ms
from coordination.tasks.spec import Criterion, Nearness, Strategy
from coordination.tasks.strategies import Pool
from coordination.tasks.transitions import bid_of

DEFAULTS: Final = QueueSettings()
"""Of a queue that nobody set up."""
BETWEEN_BIDS: Final = "between equal bids the better match decides, then the earlier bid"
"""The order of `ranked_bidders`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """Why an agent that meets the requirement does not come into question for a task."""

    verdict: str
    text: str


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What is to be done about a task."""

    agents: tuple[str, ...] = ()
    """Whom to ask; several are called for proposals."""
    is_call: bool = False
    new_round: bool = False
    """Those that had passed on it are asked again."""
    counts_round: bool = True
    """Whether everybody had; else those that had not have no free slot."""
    why: str = ""
    give_up: str = ""
    """Why nobody is to be asked any more; empty: somebody is."""
    until_ms: int | None = None
    """When time may change that nobody is to be asked; None: only agents can."""


def sticky_key(task: Task) -> str:
    """Under which the agent is remembered that the last task of the same key went to."""
    return f"{task.spec.queue}:{task.spec.placement.sticky_key}"


def strategy_of(allocation: AllocationState, task: Task) -> Strategy:
    """The task's own word, else that of its queue."""
    return task.spec.strategy or allocation.settings.get(task.spec.queue, DEFAULTS).strategy


class Placing:
    """One task among the agents.

    Args:
        task: That waits.
        eligible: Agents that are online and meet its requirement.
        pool: Those of them that could take one task more.
        holdings: What agents hold.
        allocation: Settings, and what stickiness remembers.
        find: Looks up a task by its id.
        sticky: What stickiness is as good as remembering, beyond `allocation`.
    """

    def __init__(
        self,
        task: Task,
        *,
        eligible: Eligible,
        pool: Pool,
        holdings: Holdings,
        allocation: AllocationState,
        find: Callable[[str], Task | None],
        sticky: Mapping[str, str],
    ) -> None:
        self.task = task
        self.strategy = strategy_of(allocation, task)
        self._eligible = eligible
        self._pool = pool
        self._holdings = holdings
        near = task.spec.placement.near
        self._required = tuple(each for each in near if each.is_required)
        self._preferred = tuple(each for each in near if not each.is_required)
        self._above = {} if task.spec.may_return else _holders_above(task, find)
        self.bound = rounds.binding(task, pool.roster) if task.refusals else {}
        """Reason by agent, of those that have passed on it in this round."""
        self.sticky = ""
        """The agent that the last task of the same sticky key went to; empty: none."""
        if task.spec.placement.sticky_key:
            key = sticky_key(task)
            self.sticky = sticky.get(key) or allocation.sticky.get(key, "")

    def bar(self, agent: str) -> Bar | None:
        """Why `agent` does not come into question, whatever its slots; None: it does."""
        held = self._above.get(agent)
        if held is not None:
            return Bar(verdict="in_chain", text=f"holds {held}, which this task was delegated from")
        for each in self._required:
            holds = agent in self._holdings.with_mark(each.mark)
            if holds and each.is_apart:
                return Bar(verdict="apart", text=f"holds a task with the mark '{each.mark}'")
            if not holds and not each.is_apart:
                return Bar(verdict="near", text=f"holds no task with the mark '{each.mark}'")
        return None

    def passed(self) -> dict[str, str]:
        """Reason by agent, of those that come into question and have passed on it in this round."""
        return {
            agent: reason
            for agent, reason in self.bound.items()
            if agent in self._eligible and self.bar(agent) is None
        }

    def is_round_over(self) -> bool:
        """Whether everybody that comes into question has passed on it."""
        if not self.task.refusals:
            return False
        if len(self.task.refusals) >= MAX_REFUSALS:
            return True
        passed = len(self.passed())
        return passed > 0 and passed >= self._count()

    def choose(self, policy: Policy, now_ms: int) -> Choice:
        """What is to be done about the task now."""
        task = self.task
        if self.is_round_over():
            if task.rounds + 1 >= task.spec.max_rounds:
                return Choice(give_up=_nobody(task))
            until_ms = resumes_ms(task, policy)
            return Choice(until_ms=until_ms) if now_ms < until_ms else self._ask({}, new_round=True)
        if task.call is not None:
            bidder = self.next_bidder(self.bound)
            if bidder is not None:
                return Choice(agents=(bidder,), why=won(task, bidder))
        choice = self._ask(self.bound)
        return choice if choice.agents or not self.bound else self._ask_again(policy, now_ms)

    def _ask_again(self, policy: Policy, now_ms: int) -> Choice:
        """Those that have passed, after a pause: nobody else can take it now."""
        choice = self._ask({}, new_round=True, counts_round=False)
        if not choice.agents:
            return Choice()
        until_ms = resumes_ms(self.task, policy)
        return Choice(until_ms=until_ms, counts_round=False) if now_ms < until_ms else choice

    def next_bidder(self, passed: Iterable[str]) -> str | None:
        """The best of those that have bid, have not passed, and could take it; None if there is none."""
        ranked = ranked_bidders(self.task, self._eligible)
        barred = set(passed)
        for agent in ranked:
            if agent not in barred and self._pool.is_free(agent) and self.bar(agent) is None:
                return agent
        return None

    def waits_for_sticky(self, passed: Iterable[str]) -> bool:
        """Whether the task waits for a slot of the agent that it sticks to."""
        return (
            self.task.spec.placement.waits_for_sticky
            and self._sticks(passed)
            and not self._pool.is_free(self.sticky)
        )

    def _sticks(self, passed: Iterable[str]) -> bool:
        agent = self.sticky
        return agent != "" and agent in self._eligible and agent not in passed and self.bar(agent) is None

    def _ask(
        self, passed: Mapping[str, str], *, new_round: bool = False, counts_round: bool = True
    ) -> Choice:
        if self._sticks(passed):
            if self._may_ask(self.sticky):
                return Choice(
                    agents=(self.sticky,),
                    is_call=self.strategy is Strategy.CONTRACT_NET,
                    new_round=new_round,
                    counts_round=counts_round,
                    why=f"sticky: had the last task of '{self.task.spec.placement.sticky_key}'",
                )
            if self.task.spec.placement.waits_for_sticky:
                return Choice(new_round=new_round)
        is_call = self.strategy is Strategy.CONTRACT_NET
        agents = self._pick(passed, self.task.spec.bidding.max_bidders if is_call else 1)
        if not agents:
            return Choice(new_round=new_round)
        why = "" if is_call else self._why(agents[0], is_restricted=bool(passed))
        return Choice(
            agents=tuple(agents), is_call=is_call, new_round=new_round, counts_round=counts_round, why=why
        )

    def _may_ask(self, agent: str) -> bool:
        return self._pool.is_free(agent) and (
            self.strategy is not Strategy.CONTRACT_NET or self.may_call(agent)
        )

    def may_call(self, agent: str) -> bool:
        """Whether a free agent has a slot for each call that is not decided, and for one more."""
        view = self._pool.roster.get(agent)
        calls = self._holdings.calls_to(agent)
        return view is not None and self._holdings.of_agent(agent) + calls < view.max_tasks

    def _pick(self, passed: Mapping[str, str], count: int) -> list[str]:
        is_call = self.strategy is Strategy.CONTRACT_NET

        def allows(agent: str) -> bool:
            return agent not in passed and self.bar(agent) is None and (not is_call or self.may_call(agent))

        near = [each for each in self._required if not each.is_apart]
        if near:
            fewest = min((self._holdings.with_mark(each.mark) for each in near), key=len)
            return self._among(fewest, allows)[:count]
        if not self._preferred:
            return self._pool.pick(self._eligible, self.strategy, count, allows)
        special: dict[str, int] = {}
        for each in self._preferred:
            special.update(self._holdings.with_mark(each.mark))
        others = self._pool.pick(
            self._eligible, self.strategy, count, lambda agent: agent not in special and allows(agent)
        )
        return self._among([*special, *others], allows)[:count]

    def _among(self, agents: Iterable[str], allows: Callable[[str], bool]) -> list[str]:
        """Those of `agents` that could be asked, the preferred ones first."""
        pool, eligible = self._pool, self._eligible
        free = [each for each in agents if pool.is_free(each) and each in eligible and allows(each)]
        return sorted(free, key=lambda each: (-self._kept(each), pool.rank(each, eligible, self.strategy)))

    def _kept(self, agent: str) -> int:
        """How many of its preferences for being near or apart `agent` keeps."""
        return sum(self._keeps(agent, each) for each in self._preferred)

    def _keeps(self, agent: str, near: Nearness) -> bool:
        return (agent in self._holdings.with_mark(near.mark)) is not near.is_apart

    def _count(self) -> int:
        """How many agents come into question."""
        near = [each for each in self._required if not each.is_apart]
        if near:
            fewest = min((self._holdings.with_mark(each.mark) for each in near), key=len)
            return sum(agent in self._eligible and self.bar(agent) is None for agent in fewest)
        out = set(self._above)
        for each in self._required:
            out.update(self._holdings.with_mark(each.mark))
        return len(self._eligible) - sum(agent in self._eligible for agent in out)

    def _why(self, agent: str, *, is_restricted: bool) -> str:
        """Why `agent` is asked before all others; `is_restricted`: not all that are free may be."""
        count = self._pool.free_count(self._eligible)
        of = len(self._preferred)
        if count == 1:
            crowd = ""
        elif of:
            crowd = "of those that keep as many"
        elif is_restricted or self._required or self._above:
            crowd = "of those that may be asked"
        else:
            crowd = f"of {count} free agents"
        why = why_first(self._pool, self._holdings, self._eligible, self.strategy, agent, crowd)
        return f"{why}; keeps {self._kept(agent)} of {of} preferences for marks" if of else why

    def beaten(self, agent: str, choice: Choice) -> str:
        """Why a free agent that may be asked is not, while those of `choice` are."""
        first = choice.agents[0]
        if choice.is_call:
            last = choice.agents[-1]
            return f"as many as are called at a time go first, the last '{last}': {self._before(last, agent)}"
        if not choice.new_round and self.next_bidder(self.bound) == first:
            return f"'{first}' goes first: {self._outbid(first, agent)}"
        return f"'{first}' goes first: {self._before(first, agent)}"

    def _before(self, first: str, agent: str) -> str:
        ours, theirs = self._kept(first), self._kept(agent)
        if ours > theirs:
            return f"it keeps {ours} of {len(self._preferred)} preferences for marks, this one {theirs}"
        return self._precedence().before(first, agent)

    def _outbid(self, winner: str, agent: str) -> str:
        best, bid = bid_of(self.task, winner), bid_of(self.task, agent)
        if best is None or bid is None or agent not in ranked_bidders(self.task, self._eligible):
            return "it has bid, this one has not"
        if value_of(self.task, best) != value_of(self.task, bid):
            return f"it has bid {bid_text(self.task, best)}, this one {bid_text(self.task, bid)}"
        is_better = self._eligible[winner] > self._eligible[agent]
        rule = "the better match" if is_better else "the earlier bid"
        return f"both have bid {bid_text(self.task, bid)}; {rule} decides"

    def _precedence(self) -> Precedence:
        return Precedence(self._pool, self._holdings, self._eligible, self.strategy)


def why_chosen(
    pool: Pool, holdings: Holdings, agent: str, eligible: Eligible, strategy: Strategy, count: int
) -> str:
    """Why a strategy prefers a free agent to all others of `count`, in a few words."""
    crowd = f"of {count} free agents" if count > 1 else ""
    return why_first(pool, holdings, eligible, strategy, agent, crowd)


def ranked_bidders(task: Task, eligible: Eligible) -> list[str]:
    """Those that have bid and are still there as the same incarnation, best bid first."""
    call = task.call
    if call is None:
        return []
    ranked: list[tuple[float, float, int, str]] = []
    for arrival, bid in enumerate(call.bids):
        view = eligible.view(bid.agent)
        if not bid.is_refusal and view is not None and view.incarnation == bid.incarnation:
            ranked.append((float(value_of(task, bid)), -eligible[bid.agent], arrival, bid.agent))
    return [agent for _, _, _, agent in sorted(ranked)]


def won(task: Task, agent: str) -> str:
    """Why the bid of `agent` is taken, in a few words; true as well for those that have bid as much."""
    bid = bid_of(task, agent)
    assert bid is not None, "who wins has bid"
    assert task.call is not None
    value, told = value_of(task, bid), f"bid {bid_text(task, bid)}"
    values = [value_of(task, each) for each in task.call.bids if not each.is_refusal]
    if len(values) == 1:
        return f"{told}, the only one"
    by_cost = task.spec.bidding.criterion is Criterion.COST
    others = values.count(value) - 1
    equal = f"as {'low' if by_cost else 'soon'} as {others} other{'s' if others > 1 else ''}"
    if value > min(values):
        told += f", of {len(values)} the {'lowest' if by_cost else 'soonest'} that could take it"
    elif not others:
        return f"{told}, the {'lowest' if by_cost else 'soonest'} of {len(values)}"
    return f"{told}, {equal}; {BETWEEN_BIDS}" if others else told


def value_of(task: Task, bid: ReceivedBid) -> float:
    """What of a bid counts, by the criterion of the task; the smallest is the best."""
    return bid.cost if task.spec.bidding.criterion is Criterion.COST else bid.eta_ms


def bid_text(task: Task, bid: ReceivedBid) -> str:
    """What of a bid counts, in words: all digits, so that different ones look different."""
    by_cost = task.spec.bidding.criterion is Criterion.COST
    return f"{bid.cost:.15g}" if by_cost else f"{bid.eta_ms} ms"


def _nobody(task: Task) -> str:
    last = task.refusals[-1]
    count = task.rounds + 1
    return f"nobody took it in {count} round{'s' if count > 1 else ''}; last: {last.agent}: {last.reason}"


def _holders_above(task: Task, find: Callable[[str], Task | None]) -> dict[str, str]:
    """Task id by agent, of the tasks that this one was delegated from and that agents hold."""
    above: dict[str, str] = {}
    for task_id in task.chain:
        found = find(task_id)
        if found is not None and found.holder is not None:
            above[found.holder.agent] = task_id
    return above
