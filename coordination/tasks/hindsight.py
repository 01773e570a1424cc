"""Why the agent that got a task got it, and the others did not, as far as that is still known. Pure."""

from __future__ import annotations

from coordination.tasks.record import Call, ReceivedBid, Task
from coordination.tasks.spec import Criterion
from coordination.tasks.transitions import bid_of


class Hindsight:
    """What was said about a task that somebody holds, or that has ended.

    Args:
        task: Such a one.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self.winner = ""
        """Who has it, or had it last; empty: nobody."""
        self.why = ""
        holder = task.holder if task.holder is not None else next(iter(task.attempts[-1:]), None)
        if holder is not None:
            self.winner, self.why = holder.agent, holder.why or "was asked"
        self._refused = {each.agent: each.reason for each in task.refusals}
        self.named = tuple(
            dict.fromkeys(
                (
                    *((self.winner,) if self.winner else ()),
                    *self._refused,
                    *(task.call.agents if task.call is not None else ()),
                )
            )
        )
        """Agents of which the record says something."""

    def told(self, agent: str) -> tuple[str, str] | None:
        """Verdict and text, of an agent of which the record says something."""
        task = self._task
        if agent == self.winner:
            error = task.attempts[-1].error if task.is_ended and task.attempts else ""
            return "chosen", f"{self.why}; it ended with: {error}" if error else self.why
        if agent in self._refused:
            return "refused", f"passed on it: {self._refused[agent]}"
        if task.call is not None and agent in task.call.agents:
            return self._called(agent, task.call)
        return None

    def beaten(self) -> str:
        """What is true of an agent that could have had it."""
        return f"was not chosen then: '{self.winner}' was, {self.why}"

    def _called(self, agent: str, call: Call) -> tuple[str, str]:
        answer = next((each for each in call.bids if each.agent == agent), None)
        if answer is None:
            return "refused", "was called for proposals, and did not answer"
        if answer.is_refusal:
            return "refused", "declined to bid" + (f": {answer.reason}" if answer.reason else "")
        best = bid_of(self._task, self.winner)
        other = f", the winner {self._value(best)}" if best is not None else ""
        return "outranked", f"bid {self._value(answer)}{other}"

    def _value(self, bid: ReceivedBid) -> str:
        by_cost = self._task.spec.bidding.criterion is Criterion.COST
        return f"{bid.cost:g}" if by_cost else f"{bid.eta_ms} ms"
