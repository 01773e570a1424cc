"""Instant runoff. Pure, exact.

Ballots lie in piles, one for each option that is in. A ballot that ranks several equally lies in the piles of
all of them, with an equal part of its weight in each. When an option goes out, only the ballots of its pile
move.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import lcm

from consensus.counting.ballots import Number
from consensus.counting.bounds import MAX_POSSIBILITIES
from consensus.counting.choices import ROUND_RULES, Equal, Rules, TieRule
from consensus.counting.marks import Marks, Ranks, plain
from consensus.counting.outcome import IMMATERIAL, Round, Tie
from consensus.counting.ties import by_rounds, in_order


@dataclass(frozen=True, slots=True, kw_only=True)
class Runoff:
    """What a runoff ended with."""

    rounds: tuple[Round, ...]
    ties: tuple[Tie, ...]
    leaders: tuple[int, ...]
    """Who would win: one, or several that are level. Empty if a tied elimination could not be decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaking:
    """How ties are broken."""

    tie_rule: TieRule
    elimination_tie_rule: TieRule
    seed: str
    options: tuple[str, ...]


def run(marks: Marks, standing: Sequence[int], equal: Equal, rules: Rules, breaking: Breaking) -> Runoff:
    """Eliminate until one has more than half of what is not exhausted, or those left are level.

    With Snapshot's rules the count ends when two are left, level or not, and the first listed of the last
    goes out, also if all are the last.
    """
    piles = _Piles(marks, standing, equal)
    rounds: list[Round] = []
    ties: list[Tie] = []
    while True:
        current = piles.round()
        leaders = _leaders(piles, rules)
        if leaders:
            return Runoff(rounds=(*rounds, current), ties=tuple(ties), leaders=leaders)
        least = min(piles.totals[option] for option in piles.standing)
        last = [option for option in piles.standing if piles.totals[option] == least]
        out: tuple[int, ...] = tuple(last)
        if len(last) > 1:
            tie = _broken(last, rounds, piles, rules, breaking)
            ties.append(tie)
            out = tie.chosen
        rounds.append(replace(current, eliminated=out))
        if not out:
            return Runoff(rounds=tuple(rounds), ties=tuple(ties), leaders=())
        piles.eliminate(out)


def _leaders(piles: _Piles, rules: Rules) -> tuple[int, ...]:
    most = max(piles.totals[option] for option in piles.standing)
    leaders = tuple(option for option in piles.standing if piles.totals[option] == most)
    if rules is Rules.SNAPSHOT:
        is_decided = 2 * most > piles.active or len(piles.standing) < 3
    else:
        is_decided = 2 * most > piles.active or len(leaders) == len(piles.standing)
    return leaders if is_decided else ()


def _broken(last: list[int], rounds: list[Round], piles: _Piles, rules: Rules, breaking: Breaking) -> Tie:
    """Who of the last goes out."""
    tie = Tie(
        purpose="elimination",
        options=tuple(last),
        rule=breaking.elimination_tie_rule,
        chosen=(),
        round_number=len(rounds) + 1,
    )
    if rules is Rules.SNAPSHOT:
        return replace(tie, rule=TieRule.LAST_LISTED, chosen=(min(last),))
    if breaking.elimination_tie_rule is TieRule.ALL:
        return replace(tie, chosen=tuple(last))
    for rule in (breaking.elimination_tie_rule, breaking.tie_rule):
        if rule in ROUND_RULES:
            worst = by_rounds(last, rule, rounds, best=False)
            if len(worst) == 1:
                return replace(tie, rule=rule, chosen=tuple(worst))
            last = worst
        ordered = in_order(last, rule, options=breaking.options, seed=breaking.seed)
        if ordered is not None:
            return replace(tie, rule=rule, chosen=(ordered[-1],))
    if _is_immaterial(last, piles):
        return replace(tie, rule=IMMATERIAL, chosen=(max(last),))
    return replace(tie, rule=TieRule.FAILS)


class _Piles:
    """The ballots, by who holds them."""

    def __init__(self, marks: Marks, standing: Sequence[int], equal: Equal) -> None:
        self._equal = equal
        ballots = [
            (_strict(ranks) if equal is Equal.EXHAUST else ranks, weight)
            for ranks, weight in marks.weights.items()
        ]
        widest = {len(rank) for ranks, _ in ballots for rank in ranks}
        scale = lcm(*range(1, max(widest, default=1) + 1))
        self._denominator = marks.denominator * scale
        self.ballots: list[tuple[Ranks, int]] = [(ranks, weight * scale) for ranks, weight in ballots]
        self.standing: list[int] = sorted(standing)
        self.totals: dict[int, int] = dict.fromkeys(self.standing, 0)
        self.active = 0
        self._all = sum(weight for _, weight in self.ballots)
        self._piles: dict[int, list[int]] = {option: [] for option in self.standing}
        self._held: list[frozenset[int]] = [frozenset()] * len(self.ballots)
        self._rank = [0] * len(self.ballots)
        self._pass_on(range(len(self.ballots)), frozenset(self.standing))

    def round(self) -> Round:
        """The totals as they stand."""
        size = max(self.totals) + 1
        scores: list[Number | None] = [None] * size
        for option in self.standing:
            scores[option] = plain(self.totals[option], self._denominator)
        return Round(scores=tuple(scores), exhausted=plain(self._all - self.active, self._denominator))

    def eliminate(self, out: Iterable[int]) -> None:
        """Pass on what these hold."""
        gone = frozenset(out)
        moved = {ballot for option in gone for ballot in self._piles.pop(option)}
        self.standing = [option for option in self.standing if option not in gone]
        for ballot in moved:
            held = self._held[ballot]
            weight = self.ballots[ballot][1]
            for option in held:
                self.totals[option] -= weight // len(held)
            self.active -= weight
        self._pass_on(sorted(moved), frozenset(self.standing))

    def _pass_on(self, moved: Iterable[int], standing: frozenset[int]) -> None:
        """Give ballots that nobody holds to the best that are left on each."""
        for ballot in moved:
            ranks, weight = self.ballots[ballot]
            before = self._held[ballot]
            position = self._rank[ballot]
            held: frozenset[int] = frozenset()
            while position < len(ranks) and not (held := ranks[position] & standing):
                position += 1
            self._rank[ballot] = position
            self._held[ballot] = held
            if not held:
                continue
            self.active += weight
            for option in held:
                self.totals[option] += weight // len(held)
                if option not in before:
                    self._piles[option].append(ballot)


def _strict(ranks: Ranks) -> Ranks:
    """The ranks before the first with several options."""
    for position, rank in enumerate(ranks):
        if len(rank) > 1:
            return ranks[:position]
    return ranks


def _is_immaterial(last: Sequence[int], piles: _Piles) -> bool:
    """Whether the same option wins whoever of the tied goes out first, and however later ties end.

    Looks at no more than MAX_POSSIBILITIES sets of options; beyond that the tie counts as material.
    """
    standing = frozenset(piles.standing)
    waiting = [standing - {option} for option in last]
    seen = set(waiting)
    winners: set[int] = set()
    while waiting and len(winners) < 2:
        left = waiting.pop()
        totals = _totals(piles.ballots, left)
        most, least = max(totals.values()), min(totals.values())
        if 2 * most > sum(totals.values()) or most == least:
            winners |= {option for option in left if totals[option] == most}
            continue
        following = {left - {option} for option in left if totals[option] == least} - seen
        if len(seen) + len(following) > MAX_POSSIBILITIES:
            return False
        seen |= following
        waiting += sorted(following, key=sorted)
    return len(winners) == 1


def _totals(ballots: Iterable[tuple[Ranks, int]], standing: frozenset[int]) -> dict[int, int]:
    """Counted afresh: who holds what if just these are in."""
    totals = dict.fromkeys(standing, 0)
    for ranks, weight in ballots:
        for rank in ranks:
            if held := rank & standing:
                for option in held:
                    totals[option] += weight // len(held)
                break
    return totals
