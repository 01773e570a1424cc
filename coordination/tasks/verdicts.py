"""What speaks for and against one agent with regard to one task, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from coordination.requirements import Facts
from coordination.tasks import eligibility
from coordination.tasks.hindsight import Hindsight
from coordination.tasks.lifecycle import State
from coordination.tasks.placing import Choice, Placing
from coordination.tasks.record import Task
from coordination.tasks.roster import ONLINE, AgentView
from coordination.tasks.spec import Strategy
from coordination.tasks.strategies import Pool
from coordination.tasks.transitions import bid_of
from coordination.tasks.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentVerdict:
    """What is true of one agent with regard to a task."""

    agent: str
    verdict: str
    text: str
    reasons: tuple[str, ...] = ()
    """Of a requirement that it does not meet: each term that it lacks."""


class Judge:
    """Judges agents with regard to one task.

    Args:
        view: What is known.
        task: An open one.
        placing: The task among the agents.
        pool: Those with a free slot.
        choice: What would be done about the task now, if its turn came.
        now_ms: The time, in Unix ms.
    """

    def __init__(
        self, view: View, task: Task, placing: Placing, pool: Pool, choice: Choice, now_ms: int
    ) -> None:
        self._view = view
        self._task = task
        self._placing = placing
        self._pool = pool
        self._choice = choice
        self._now_ms = now_ms
        # Those that a new round asks again have not refused any more.
        self._refused = {} if choice.new_round else placing.bound
        self._hindsight = Hindsight(task) if task.holder is not None or task.is_ended else None
        self._lacking: dict[int, tuple[str, ...]] = {}

    def verdicts(self) -> list[AgentVerdict]:
        """What is true of every agent that is known, or was when it was asked.

        Of a task that was canceled or skipped before anybody had it, only what the agents said that were
        asked.
        """
        agents, hindsight = self._view.roster.agents, self._hindsight
        if hindsight is None:
            return [self.verdict(agent) for agent in agents.values()]
        # A dead letter lacked an agent, so all of them are of interest.
        seen = agents if hindsight.winner or self._task.state is State.DEAD_LETTERED else {}
        found = [self.verdict(agent) for agent in seen.values()]
        for agent in hindsight.named:
            told = hindsight.told(agent) if agent not in seen else None
            if told is not None:
                found.append(AgentVerdict(agent=agent, verdict=told[0], text=told[1]))
        return found

    def verdict(self, agent: AgentView) -> AgentVerdict:
        """What is true of `agent`."""
        verdict, text, reasons = self._judge(agent)
        return AgentVerdict(agent=agent.agent, verdict=verdict, text=text, reasons=reasons)

    def _judge(self, agent: AgentView) -> tuple[str, str, tuple[str, ...]]:
        task, spec = self._task, self._task.spec
        told = self._hindsight.told(agent.agent) if self._hindsight is not None else None
        if told is not None:
            return *told, ()
        # The call of a task that waits again after its award is over: only the bids still stand.
        if task.state is State.ANNOUNCED and task.call is not None and agent.agent in task.call.agents:
            return "chosen", self._called(agent.agent), ()
        lacking = self._lacks(self._view.roster.profile(agent.agent).facts)
        if lacking:
            return "lacks", lacking[0], lacking
        insisting = eligibility.insists_on_approval(spec.requirement, spec.capability, agent.facts)
        if insisting and not spec.approved_by:
            return "needs_approval", f"does '{insisting}' only for tasks that a vote has approved", ()
        if agent.status != ONLINE:
            return "offline", f"is {agent.status}", ()
        verdict, text = self._judge_eligible(agent)
        return verdict, text, ()

    def _judge_eligible(self, agent: AgentView) -> tuple[str, str]:
        """Of an agent that is online and meets the requirement."""
        bar = self._placing.bar(agent.agent)
        if self._hindsight is not None:
            # Marks and slots are as they are now: what they were then is not known any more.
            is_above = bar is not None and bar.verdict == "in_chain" and not self._task.is_ended
            passed_over = "not_chosen", self._hindsight.passed_over()
            return (bar.verdict, bar.text) if bar is not None and is_above else passed_over
        if bar is not None:
            return bar.verdict, bar.text
        if agent.agent in self._refused:
            return "refused", f"passed on it: {self._refused[agent.agent]}"
        if not self._pool.is_free(agent.agent):
            return self._full(agent)
        if agent.agent in self._choice.agents:
            return "free", self._choice.why or "would be called for proposals"
        return self._beaten(agent)

    def _full(self, agent: AgentView) -> tuple[str, str]:
        holdings, queue = self._view.lanes.holdings, self._task.spec.queue
        held = holdings.of_agent(agent.agent)
        if held >= agent.max_tasks:
            return "busy", f"holds {number(held, 'task')}, and has {number(agent.max_tasks, 'slot')}"
        ready_ms = self._pool.ready_ms(agent.agent, self._now_ms)
        if ready_ms > self._now_ms:
            return "rate_limited", f"at the rate limit of queue '{queue}' until {ready_ms}"
        count = holdings.of_queue_by(queue, agent.agent)
        return "queue_limit", f"holds {number(count, 'task')} of queue '{queue}', the bound for one agent"

    def _beaten(self, agent: AgentView) -> tuple[str, str]:
        placing, choice = self._placing, self._choice
        if self._task.state is State.ANNOUNCED:
            return "not_chosen", "was not called for proposals"
        if placing.sticky and (choice.agents == (placing.sticky,) or placing.waits_for_sticky(self._refused)):
            return "sticky_elsewhere", f"the task stays with '{placing.sticky}'"
        if placing.strategy is Strategy.CONTRACT_NET and not placing.may_call(agent.agent):
            return "busy", "was called for proposals for as many tasks as it has free slots"
        if choice.agents:
            return "outranked", placing.beaten(agent.agent, choice)
        return "not_chosen", "free, but the task is not to be had now"

    def _called(self, agent: str) -> str:
        bid = bid_of(self._task, agent)
        if bid is not None:
            return "was called for proposals, and has bid"  # sealed until the award: not how much
        call = self._task.call
        declined = call is not None and any(each.agent == agent for each in call.bids)
        return "was called for proposals, and " + ("declined" if declined else "has not answered")

    def _lacks(self, facts: Facts) -> tuple[str, ...]:
        """Why the facts do not meet the requirement; remembered, because agents of one profile share them."""
        found = self._lacking.get(id(facts))
        if found is None:
            requirement = eligibility.compiled(self._task.spec.requirement)
            found = ()
            if not requirement.evaluate(facts).matches:
                found = tuple(
                    each.reason for each in requirement.explain(facts) if not each.met and not each.preferred
                )
            self._lacking[id(facts)] = found
        return found


def number(count: int, thing: str) -> str:
    """``1 task``, ``2 tasks``."""
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
