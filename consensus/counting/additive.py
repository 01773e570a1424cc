"""Methods that only add up: plurality, approval, weighted split, quadratic. Pure, exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import lcm

from consensus.counting.ballots import Number
from consensus.counting.choices import Quadratic
from consensus.counting.marks import Marks, plain
from consensus.counting.roots import QuadraticScore, RootSum


def single_scores(marks: Marks, options_count: int) -> list[Number]:
    """Weight of the ballots for each option."""
    sums = [0] * options_count
    for option, weight in marks.weights.items():
        sums[option] += weight
    return [marks.weight(each) for each in sums]


def approval_scores(marks: Marks, options_count: int) -> list[Number]:
    """Weight of the ballots that approve of each option."""
    sums = [0] * options_count
    for approved, weight in marks.weights.items():
        for option in approved:
            sums[option] += weight
    return [marks.weight(each) for each in sums]


def split_scores(marks: Marks, options_count: int) -> list[Number]:
    """Each ballot's weight, divided in proportion to its points."""
    by_total: list[dict[int, int]] = [{} for _ in range(options_count)]
    for shares, weight in marks.weights.items():
        whole, points = _whole(shares)
        for (option, _), share in zip(shares, points, strict=True):
            sums = by_total[option]
            sums[whole] = sums.get(whole, 0) + weight * share
    return [_sum_of(sums, marks.denominator) for sums in by_total]


def quadratic_scores(
    marks: Marks, options_count: int, form: Quadratic
) -> list[Number] | list[QuadraticScore]:
    """Bought votes added up, or the squares of the sums of the roots of what each ballot spends."""
    if form is Quadratic.SHARED:
        return [QuadraticScore(root) for root in root_sums(marks, options_count)]
    by_denominator: list[dict[int, int]] = [{} for _ in range(options_count)]
    for shares, weight in marks.weights.items():
        for option, votes in shares:
            sums = by_denominator[option]
            sums[votes.denominator] = sums.get(votes.denominator, 0) + weight * votes.numerator
    return [_sum_of(sums, marks.denominator) for sums in by_denominator]


def root_sums(marks: Marks, options_count: int) -> list[RootSum]:
    """For each option the sum over ballots of √(weight · points / all points).

    Ballots are not joined here (`Reading.is_each_apart`): two voters of weight 1 have more influence than one
    of 2.
    """
    counts: list[dict[tuple[int, int], int]] = [{} for _ in range(options_count)]
    for (shares, each), ballots_count in marks.weights.items():
        whole, points = _whole(shares)
        scaled = each.numerator * whole
        under = whole * each.denominator
        radix = scaled * each.denominator
        for (option, _), share in zip(shares, points, strict=True):
            key = (radix * share, under)
            sums = counts[option]
            sums[key] = sums.get(key, 0) + ballots_count
    return [
        RootSum.of((radicand, Fraction(times, under)) for (radicand, under), times in sums.items())
        for sums in counts
    ]


def _whole(shares: Sequence[tuple[int, Number]]) -> tuple[int, list[int]]:
    """The points as integers in the same proportion, and their sum."""
    points = [each for _, each in shares]
    if all(type(each) is int for each in points):
        whole = [int(each) for each in points]
    else:
        scale = lcm(*(each.denominator for each in points))
        whole = [each.numerator * (scale // each.denominator) for each in points]
    return sum(whole), whole


def _sum_of(numerators: dict[int, int], denominator: int) -> Number:
    """The sum of numerator / (its key · denominator), by halves so that numbers grow slowly."""
    terms = list(numerators.items())
    while len(terms) > 1:
        terms = [_added(terms[index : index + 2]) for index in range(0, len(terms), 2)]
    if not terms:
        return 0
    ((under, numerator),) = terms
    return plain(numerator, under * denominator)


def _added(pair: list[tuple[int, int]]) -> tuple[int, int]:
    if len(pair) == 1:
        return pair[0]
    (one, above), (other, beyond) = pair
    under = lcm(one, other)
    return under, above * (under // one) + beyond * (under // other)
