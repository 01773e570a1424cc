"""Pairs of options: who is preferred to whom, and Copeland's points for it. Pure, exact."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from consensus.counting.ballots import Number
from consensus.counting.marks import Marks, plain


def preferences(marks: Marks, standing: Sequence[int], options_count: int) -> list[list[int]]:
    """[a][b]: integer weight of the ballots that rank a above b. What is not ranked is below what is.

    A ballot is for a and against each b, unless it ranks b at a's rank or above. So a ballot costs the square
    of what it ranks, not of all options.
    """
    for_option = [0] * options_count
    but_not_over = [[0] * options_count for _ in range(options_count)]
    for ranks, weight in marks.weights.items():
        above: list[int] = []
        for rank in ranks:
            members = list(rank)
            for option in members:
                for_option[option] += weight
                row = but_not_over[option]
                for other in above:
                    row[other] += weight
                if len(members) > 1:
                    for other in members:
                        row[other] += weight
            above += members
    matrix = [[0] * options_count for _ in range(options_count)]
    for one in standing:
        for other in standing:
            if one != other:
                matrix[one][other] = for_option[one] - but_not_over[one][other]
    return matrix


def copeland_scores(matrix: Sequence[Sequence[int]], standing: Sequence[int]) -> list[Number]:
    """1 for each option that one beats, 1/2 for each draw."""
    halves = [0] * len(matrix)
    for one in standing:
        for other in standing:
            if one != other:
                halves[one] += 2 * (matrix[one][other] > matrix[other][one])
                halves[one] += matrix[one][other] == matrix[other][one]
    return [plain(each, 2) for each in halves]


def snapshot_scores(matrix: Sequence[Sequence[int]], total: int, denominator: int) -> list[Number]:
    """Copeland as snapshot.js has it: the voting power, divided by victories and a little by support.

    Two points for a victory and one for a draw (each pair is looked at from both sides there), and half of
    the average part of the voting power that prefers the option to another; all of it scaled to add up to the
    voting power.
    """
    count = len(matrix)
    if not total or count < 2:
        return [plain(total, denominator * count)] * count
    points = [
        2 * Fraction(each) + Fraction(sum(row), 2 * (count - 1) * total)
        for each, row in zip(copeland_scores(matrix, range(count)), matrix, strict=True)
    ]
    scale = Fraction(total, denominator) / sum(points)
    scaled = (each * scale for each in points)
    return [plain(each.numerator, each.denominator) for each in scaled]
