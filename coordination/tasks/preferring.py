"""Why one free agent goes before another, in words. Pure.

What is said of the agent that was chosen is kept with the task, and must be true for those that read it as
the ones that were not. To these a tie is called one, with the rule that broke it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coordination.tasks.holdings import Holdings
from coordination.tasks.roster import Eligible
from coordination.tasks.spec import Strategy
from coordination.tasks.strategies import Pool

ONLY_ONE: Final = "the only free agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """How to speak of a strategy. ``{ours}`` and ``{theirs}`` are what it looks at before all else."""

    ahead: str
    """Of the one that goes first, said to one that it goes before."""
    level: str
    """Of both, said to one that has as much a claim."""
    rules: tuple[str, ...]
    """What decides between equals, as it follows in the ranks."""


_LOADED: Final = _Words(
    ahead="it holds {ours}, this one {theirs}",
    level="both hold the same share ({ours}, {theirs})",
    rules=("the lower load", "the better match", "the smaller id"),
)
_MATCHED: Final = _Words(
    ahead="it meets {ours} of the preferences, this one {theirs}",
    level="both meet {ours} of the preferences",
    rules=("the smaller share of slots", "the lower load", "the smaller id"),
)
_TURNED: Final = _Words(
    ahead="it has been longer without an offer",
    level="both have been as long without an offer",
    rules=("the smaller id",),
)
_WORDS: Final = {
    Strategy.LEAST_LOADED: _LOADED,
    Strategy.BEST_MATCH: _MATCHED,
    Strategy.ROUND_ROBIN: _TURNED,
    # Of more agents than are called for proposals, the better matches are.
    Strategy.CONTRACT_NET: _MATCHED,
}


def why_first(
    pool: Pool, holdings: Holdings, eligible: Eligible, strategy: Strategy, first: str, crowd: str
) -> str:
    """Why a strategy prefers `first` to all of a crowd, in words that are true of a tie as well.

    Said with every offer, so nobody looks who comes second: that would take half as long as the choice.

    Args:
        pool: With the agents of the crowd.
        holdings: What agents hold.
        eligible: Those that qualify.
        strategy: That prefers some.
        first: The agent.
        crowd: All that it was chosen from, itself included: ``of 3 free agents``; empty if nobody else was.
    """
    if strategy is Strategy.ROUND_ROBIN:
        return (
            f"round_robin: as long without an offer as any {crowd}" if crowd else f"round_robin: {ONLY_ONE}"
        )
    if strategy is Strategy.BEST_MATCH:
        share = f"best_match: meets {eligible[first]:.0%} of the preferences"
        return f"{share}, as many as any {crowd}" if crowd else f"{share}, {ONLY_ONE}"
    slots = pool.views[first].max_tasks
    use = f"least_loaded: {holdings.of_agent(first)} of {slots} slot{'s' if slots != 1 else ''}"
    return f"{use}, as small a share as any {crowd}" if crowd else f"{use}, {ONLY_ONE}"


class Precedence:
    """Says of free agents that qualify why a strategy puts one before the other.

    Args:
        pool: With those agents.
        holdings: What agents hold.
        eligible: Those that qualify.
        strategy: That prefers some.
    """

    def __init__(self, pool: Pool, holdings: Holdings, eligible: Eligible, strategy: Strategy) -> None:
        self._pool = pool
        self._holdings = holdings
        self._eligible = eligible
        self._strategy = strategy
        self._words = _WORDS[strategy]

    def before(self, first: str, agent: str) -> str:
        """Why `first` goes before `agent`, said to the latter."""
        rule = self._rule(first, agent)
        ours, theirs = self._measure(first), self._measure(agent)
        if rule is None:
            return self._words.ahead.format(ours=ours, theirs=theirs)
        return f"{self._words.level.format(ours=ours, theirs=theirs)}; {rule} decides"

    def _rule(self, first: str, second: str) -> str | None:
        """What decides between the two; None: what the strategy looks at before all else."""
        pool, eligible, strategy = self._pool, self._eligible, self._strategy
        ours, theirs = (pool.rank(each, eligible, strategy) for each in (first, second))
        place = next(place for place, value in enumerate(ours) if value != theirs[place])
        return self._words.rules[place - 1] if place else None

    def _measure(self, agent: str) -> str:
        if self._words is _LOADED:
            slots = self._pool.views[agent].max_tasks
            return f"{self._holdings.of_agent(agent)} of {slots} slot{'s' if slots != 1 else ''}"
        return f"{self._eligible[agent]:.0%}"
