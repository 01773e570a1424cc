"""What voters may hand in. Pure, exact: weights and points are integers or fractions, never floats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from consensus.counting.bounds import MAX_BALLOT_COUNT
from consensus.counting.faults import CountingError

Number: TypeAlias = int | Fraction
"""Exact. A bool is not one, nor a float."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Options from best to worst, by their index in the list of options."""

    ranks: tuple[frozenset[int], ...]
    """Best first. Several options in one are ranked equally; an empty one was skipped by the voter.

    An option may, by the voter's mistake, stand in several ranks. Options in none are below all others.
    """

    @staticmethod
    def of(*options: int) -> Ranking:
        """A ranking without equals: the best first."""
        return Ranking(tuple(frozenset((option,)) for option in options))


@dataclass(frozen=True, slots=True)
class Approval:
    """The options a voter agrees with. A single choice is an approval of one; none is a blank ballot."""

    options: frozenset[int]

    @staticmethod
    def of(*options: int) -> Approval:
        """Approval of these."""
        return Approval(frozenset(options))


@dataclass(frozen=True, slots=True)
class Points:
    """Points for options. Options that are not mentioned have none."""

    points: Mapping[int, Number]
    """Each at least 0; must not be changed afterwards."""

    def __hash__(self) -> int:
        return hash(frozenset(self.points.items()))


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A paper that is no ballot. It is counted among the invalid ones and decides nothing."""


Ballot: TypeAlias = Ranking | Approval | Points | Spoilt


@dataclass(frozen=True, slots=True)
class Weighted:
    """Equal ballots, and what each of them weighs."""

    ballot: Ballot
    weight: Number = 1
    """Of one ballot; at least 0."""
    count: int = 1
    """How many such ballots there are."""

    def __post_init__(self) -> None:
        if not is_exact(self.weight) or self.weight < 0:
            raise CountingError(
                "bad_weight", f"a weight is {self.weight!r}; give an int or Fraction, at least 0"
            )
        if type(self.count) is not int or not 0 <= self.count <= MAX_BALLOT_COUNT:
            raise CountingError(
                "bad_count", f"{self.count!r} equal ballots; give an int from 0 to {MAX_BALLOT_COUNT}"
            )


def is_exact(value: object) -> bool:
    """Whether `value` is an int or a Fraction; a bool is neither."""
    return type(value) is int or type(value) is Fraction
