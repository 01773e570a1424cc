"""What Snapshot publishes, computed as it says it does: with floats, percentages and votes one by one.

A twin for `consensus.counting.snapshot`, from the description of its rules, sharing nothing with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Vote:
    choice: Any
    balance: float
    scores: list[float]


def is_choice(choice: Any, size: int) -> bool:
    return isinstance(choice, int) and not isinstance(choice, bool) and 1 <= choice <= size


def valid(kind: str, choice: Any, size: int) -> bool:
    if kind == "single-choice":
        return is_choice(choice, size)
    if kind in ("weighted", "quadratic"):
        return (
            isinstance(choice, dict)
            and len(choice) > 0
            and all(key.isdigit() and is_choice(int(key), size) for key in choice)
            and all(isinstance(value, (int, float)) and value > 0 for value in choice.values())
        )
    if not isinstance(choice, list) or not all(is_choice(each, size) for each in choice):
        return False
    if len(choice) != len(set(choice)):
        return False
    return kind == "approval" or len(choice) == size


def published(
    kind: str, size: int, votes: list[Vote], strategies: int
) -> tuple[list[float], list[list[float]], float]:
    """(scores, scores by strategy, total)"""
    good = [vote for vote in votes if valid(kind, vote.choice, size)]
    total = sum(vote.balance for vote in good)
    powers = [vote.balance for vote in good]
    columns = [[vote.scores[index] for vote in good] for index in range(strategies)]
    if kind in ("weighted", "quadratic"):
        own = spread(kind, size, good, powers)
        parts = [spread(kind, size, good, column) for column in columns]
        whole = sum(map(sum, parts))
        rows = [[part[option] / whole * total if whole else 0.0 for part in parts] for option in range(size)]
        return [each / sum(own) * total if sum(own) else 0.0 for each in own], rows, total
    if kind == "ranked-choice":
        left = runoff(size, good)
        return (
            firsts(size, good, powers, left),
            by_row([firsts(size, good, each, left) for each in columns], size),
            total,
        )
    score = copeland if kind == "copeland" else mentioned
    return score(size, good, powers), by_row([score(size, good, each) for each in columns], size), total


def by_row(columns: Sequence[list[float]], size: int) -> list[list[float]]:
    return [[column[option] for column in columns] for option in range(size)]


def spread(kind: str, size: int, votes: list[Vote], powers: list[float]) -> list[float]:
    sums = [0.0] * size
    for vote, power in zip(votes, powers, strict=True):
        for key, value in vote.choice.items():
            share = value / sum(vote.choice.values()) * power
            sums[int(key) - 1] += math.sqrt(share) if kind == "quadratic" else share
    return [each * each for each in sums] if kind == "quadratic" else sums


def mentioned(size: int, votes: list[Vote], powers: list[float]) -> list[float]:
    sums = [0.0] * size
    for vote, power in zip(votes, powers, strict=True):
        for option in vote.choice if isinstance(vote.choice, list) else [vote.choice]:
            sums[option - 1] += power
    return sums


def firsts(size: int, votes: list[Vote], powers: list[float], left: set[int]) -> list[float]:
    sums = [0.0] * size
    for vote, power in zip(votes, powers, strict=True):
        best = next(option for option in vote.choice if option in left)
        sums[best - 1] += power
    return sums


def runoff(size: int, votes: list[Vote]) -> set[int]:
    """Who is in at the end: at a majority or when two are left; of the last, the first listed goes."""
    left = set(range(1, size + 1))
    while votes:
        scores = firsts(size, votes, [vote.balance for vote in votes], left)
        if max(scores) > sum(scores) / 2 or len(left) < 3:
            break
        left.remove(min(sorted(left), key=lambda option: scores[option - 1]))
    return left


def copeland(size: int, votes: list[Vote], powers: list[float]) -> list[float]:
    total = sum(powers)
    if not total:
        return [0.0] * size
    points = [0.0] * size
    for one in range(1, size + 1):
        support = 0.0
        for other in range(1, size + 1):
            if one == other:
                continue
            above = sum(
                power
                for vote, power in zip(votes, powers, strict=True)
                if vote.choice.index(one) < vote.choice.index(other)
            )
            support += above
            points[one - 1] += 2 if 2 * above > total else 1 if 2 * above == total else 0
        if size > 1:
            points[one - 1] += 0.5 * support / ((size - 1) * total)
    whole = sum(points)
    return [each / whole * total for each in points] if whole else [total / size] * size
