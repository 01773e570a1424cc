"""Why the agent that got a task got it, and the others did not, as far as that is still known. Pure."""

from __future__ import annotations

from coordination.tasks.placing import BETWEEN_BIDS, bid_text, value_of
from coordination.tasks.record import Call, Task
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

    def passed_over(self) -> str:
        """What is true of an agent of which the record says nothing: its slots and marks are not kept."""
        if not self.winner:
            return "was not chosen, nor was anybody else; more is not recorded"
        return f"'{self.winner}' was chosen then: {self.why}; of this one no more is recorded"

    def _called(self, agent: str, call: Call) -> tuple[str, str]:
        answer = next((each for each in call.bids if each.agent == agent), None)
        if answer is None:
            return "refused", "was called for proposals, and did not answer"
        if answer.is_refusal:
            return "refused", "declined to bid" + (f": {answer.reason}" if answer.reason else "")
        task, best = self._task, bid_of(self._task, self.winner)
        bid = bid_text(task, answer)
        if best is None:
            return "not_chosen", f"bid {bid}"
        ours, theirs, more = value_of(task, answer), value_of(task, best), bid_text(task, best)
        if ours == theirs:
            return "outranked", f"bid {bid}, as much as the winner; {BETWEEN_BIDS}"
        if ours < theirs:
            return "not_chosen", f"bid {bid}, less than the winner's {more}, and was not to be had then"
        return "outranked", f"bid {bid}, the winner {more}"
