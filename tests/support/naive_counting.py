"""Counting as literally as it can be said: slow, with names and fractions, from the definitions alone.

A twin for `consensus.counting`, and nothing else. It shares no code and no data structure with it: ballots
are repeated one by one, rankings are lists of lists of names, weights and scores are fractions, and
everything is counted afresh wherever it is needed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import permutations

Ranking = list[list[str]]
Paper = tuple[Ranking, Fraction]
"""A ranking without empty ranks and repetitions, and its weight."""

NEARLY = Decimal(10) ** -60
"""Sums of a few square roots of small numbers that differ, differ by more."""


def winners_by_score(scores: dict[str, Fraction]) -> set[str]:
    return {name for name in scores if scores[name] == max(scores.values())}


def plurality(names: list[str], papers: list[tuple[str, Fraction]]) -> dict[str, Fraction]:
    return {name: sum((weight for choice, weight in papers if choice == name), Fraction(0)) for name in names}


def approval(names: list[str], papers: list[tuple[set[str], Fraction]]) -> dict[str, Fraction]:
    return {name: sum((weight for chosen, weight in papers if name in chosen), Fraction(0)) for name in names}


def weighted_split(
    names: list[str], papers: list[tuple[dict[str, Fraction], Fraction]]
) -> dict[str, Fraction]:
    scores = dict.fromkeys(names, Fraction(0))
    for points, weight in papers:
        for name in names:
            if sum(points.values()) > 0:
                scores[name] += weight * points.get(name, Fraction(0)) / sum(points.values())
    return scores


def quadratic_bought(
    names: list[str], papers: list[tuple[dict[str, Fraction], Fraction]], credits_each: Fraction
) -> dict[str, Fraction]:
    scores = dict.fromkeys(names, Fraction(0))
    for votes, weight in papers:
        if sum(each**2 for each in votes.values()) <= credits_each:
            for name in names:
                scores[name] += weight * votes.get(name, Fraction(0))
    return scores


def quadratic_shared(
    names: list[str], papers: list[tuple[dict[str, Fraction], Fraction]]
) -> dict[str, Decimal]:
    """To 80 digits: enough to tell apart the small cases of tests."""
    scores = {}
    with localcontext() as context:
        context.prec = 80
        for name in names:
            root = Decimal(0)
            for points, weight in papers:
                if sum(points.values()) > 0:
                    spent = weight * points.get(name, Fraction(0)) / sum(points.values())
                    root += (Decimal(spent.numerator) / Decimal(spent.denominator)).sqrt()
            scores[name] = root * root
    return scores


def place_of(ranking: Ranking, name: str) -> int | None:
    for position, rank in enumerate(ranking):
        if name in rank:
            return position
    return None


def prefers(ranking: Ranking, one: str, other: str) -> bool:
    """A ranked option is above one that is not."""
    first, second = place_of(ranking, one), place_of(ranking, other)
    if first is None:
        return False
    return second is None or first < second


def pairwise(names: list[str], papers: list[Paper]) -> dict[tuple[str, str], Fraction]:
    return {
        (one, other): sum((weight for ranking, weight in papers if prefers(ranking, one, other)), Fraction(0))
        for one, other in permutations(names, 2)
    }


def copeland(names: list[str], papers: list[Paper]) -> dict[str, Fraction]:
    table = pairwise(names, papers)
    scores = dict.fromkeys(names, Fraction(0))
    for one, other in permutations(names, 2):
        if table[one, other] > table[other, one]:
            scores[one] += 1
        elif table[one, other] == table[other, one]:
            scores[one] += Fraction(1, 2)
    return scores


def borda(names: list[str], papers: list[Paper], form: str) -> dict[str, Fraction]:
    """Each ballot on its own: write down the points of all places, hand them out, average within a rank."""
    scores = dict.fromkeys(names, Fraction(0))
    for ranking, weight in papers:
        ranked = [name for rank in ranking for name in rank]
        size = len(names)
        ranks = list(ranking)
        if form == "standard":
            points = [Fraction(size - 1 - place) for place in range(size)]
            rest = [name for name in names if name not in ranked]
            ranks += [rest] if rest else []
        elif form == "dowdall":
            points = [Fraction(1, place + 1) for place in range(size)]
        else:
            points = [Fraction(len(ranked) - place) for place in range(len(ranked))]
        for rank in ranks:
            mine, points = points[: len(rank)], points[len(rank) :]
            for name in rank:
                scores[name] += weight * sum(mine) / len(rank)
    return scores


@dataclass
class Runoff:
    """What came of an instant runoff."""

    rounds: list[dict[str, Fraction]] = field(default_factory=list)
    eliminated: list[set[str]] = field(default_factory=list)
    leaders: set[str] = field(default_factory=set)
    """Empty if a tied elimination could not be decided."""


def tops(names: set[str], papers: list[Paper]) -> dict[str, Fraction]:
    """Who holds what if just these are in: a ballot goes to its best of them, in equal parts if several."""
    scores = dict.fromkeys(sorted(names), Fraction(0))
    for ranking, weight in papers:
        for rank in ranking:
            left = [name for name in rank if name in names]
            if left:
                for name in left:
                    scores[name] += weight / len(left)
                break
    return scores


def level_at_top(scores: dict[str, Fraction]) -> set[str]:
    """Those who have won or tied: more than half of all that is held, or all level."""
    most = max(scores.values())
    leaders = {name for name in scores if scores[name] == most}
    if most > sum(scores.values()) / 2 or leaders == set(scores):
        return leaders
    return set()


def all_ends(names: set[str], papers: list[Paper]) -> set[str]:
    """Everybody who wins or ties in some order of breaking ties."""
    scores = tops(names, papers)
    leaders = level_at_top(scores)
    if leaders:
        return leaders
    least = min(scores.values())
    return {end for name in names if scores[name] == least for end in all_ends(names - {name}, papers)}


def worst_by(order: str, names: list[str], seed: str) -> Callable[[set[str]], str] | None:
    """The least favoured under a rule that orders all options."""
    if order == "first_listed":
        return lambda tied: max(tied, key=names.index)
    if order == "last_listed":
        return lambda tied: min(tied, key=names.index)
    if order == "lot":
        return lambda tied: max(tied, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).hexdigest())
    return None


def by_history(order: str, tied: set[str], rounds: list[dict[str, Fraction]]) -> set[str]:
    """Fewest in the latest (first) earlier round where they differ; of those again, in the rounds that
    follow.
    """
    for scores in rounds[::-1] if order == "backward" else rounds:
        fewest = min(scores[name] for name in tied)
        tied = {name for name in tied if scores[name] == fewest}
    return tied


def instant_runoff(
    names: list[str], papers: list[Paper], elimination_rule: str, tie_rule: str, seed: str = ""
) -> Runoff:
    runoff = Runoff()
    left = set(names)
    while True:
        scores = tops(left, papers)
        earlier = list(runoff.rounds)
        runoff.rounds.append(scores)
        runoff.leaders = level_at_top(scores)
        if runoff.leaders:
            return runoff
        tied = {name for name in left if scores[name] == min(scores.values())}
        out = set(tied)
        if len(tied) > 1 and elimination_rule != "all":
            for rule in (elimination_rule, tie_rule):
                if rule in ("backward", "forward"):
                    out = by_history(rule, out, earlier)
                chosen = worst_by(rule, names, seed)
                if len(out) > 1 and chosen is not None:
                    out = {chosen(out)}
            if len(out) > 1:
                ends = {end for name in out for end in all_ends(left - {name}, papers)}
                if len(ends) > 1:
                    return runoff
                out = {max(out, key=names.index)}
        runoff.eliminated.append(out)
        left -= out
