"""Borda: points for places. Pure, exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from math import lcm

from consensus.counting.ballots import Number
from consensus.counting.choices import Borda
from consensus.counting.marks import Marks, plain


def borda_scores(marks: Marks, standing: Sequence[int], options_count: int, form: Borda) -> list[Number]:
    """The points of all ballots, by option.

    Points are looked up by (place, how many share it, how many are ranked) and added up by that first, so
    that there is one multiplication with a fraction for each kind of place and none for each ballot.
    """
    held: dict[tuple[int, int, int], list[int]] = {}
    for ranks, weight in marks.weights.items():
        place = 0
        ranked_count = sum(map(len, ranks)) if form is Borda.MODIFIED else 0
        for rank in (*ranks, *_unranked(ranks, standing, form)):
            key = (place, len(rank), ranked_count)
            sums = held.get(key)
            if sums is None:
                sums = held[key] = [0] * options_count
            for option in rank:
                sums[option] += weight
            place += len(rank)
    worth = {key: _points(form, len(standing), *key) for key in held}
    scale = lcm(*(each.denominator for each in worth.values()))
    scores = [0] * options_count
    for key, sums in held.items():
        points = int(worth[key] * scale)
        for option, weight in enumerate(sums):
            scores[option] += weight * points
    return [plain(each, marks.denominator * scale) for each in scores]


def _unranked(
    ranks: Sequence[frozenset[int]], standing: Sequence[int], form: Borda
) -> tuple[frozenset[int], ...]:
    """The options below all others, where they get something for it."""
    if form is not Borda.STANDARD:
        return ()
    left = frozenset(standing).difference(*ranks)
    return (left,) if left else ()


@cache
def _harmonic(places_count: int) -> Fraction:
    return Fraction(0) if not places_count else _harmonic(places_count - 1) + Fraction(1, places_count)


def _points(form: Borda, standing_count: int, place: int, sharing_count: int, ranked_count: int) -> Fraction:
    """For each of `sharing_count` options at the places from `place` (counted from 0) on: the average."""
    if form is Borda.DOWDALL:
        for step in range(0, place + sharing_count, 200):  # the recursion of a cached sum stays shallow
            _harmonic(step)
        return (_harmonic(place + sharing_count) - _harmonic(place)) / sharing_count
    first = standing_count - 1 - place if form is Borda.STANDARD else ranked_count - place
    return first - Fraction(sharing_count - 1, 2)
