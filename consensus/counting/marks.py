"""From ballots to marks: what a method makes of each ballot, equal ones together, weights as integers. Pure.

A mark is what a method counts: an index for a single choice, a set for approval, a tuple of sets (a cleaned
ranking) or a tuple of (option, points).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import lcm
from typing import Any, Final, TypeAlias

from consensus.counting.ballots import Approval, Ballot, Number, Points, Ranking, Spoilt, Weighted, is_exact
from consensus.counting.bounds import MAX_BALLOTS_DISTINCT, MAX_DENOMINATOR_BITS
from consensus.counting.choices import Duplicates, Equal, Method, Quadratic, Rules, Skipped
from consensus.counting.faults import CountingError
from consensus.counting.outcome import Papers

Ranks: TypeAlias = tuple[frozenset[int], ...]
Shares: TypeAlias = tuple[tuple[int, Number], ...]

_RANKED: Final = frozenset({Method.RANKED_CHOICE, Method.BORDA, Method.COPELAND})
_POINTED: Final = frozenset({Method.QUADRATIC, Method.WEIGHTED_SPLIT})


class _InvalidError(Exception):
    """This paper is invalid under the rules. Expected, and counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How ballots are read."""

    method: Method
    options_count: int
    rules: Rules = Rules.STANDARD
    skipped: Skipped = Skipped.CLOSE
    duplicates: Duplicates = Duplicates.FIRST
    equal: Equal = Equal.SPLIT
    quadratic: Quadratic = Quadratic.BOUGHT
    credits: Number = 100
    withdrawn: frozenset[int] = frozenset()

    @property
    def is_each_apart(self) -> bool:
        """Whether two voters count for more than one of twice the weight."""
        return self.method is Method.QUADRATIC and self.quadratic is Quadratic.SHARED

    def mark(self, ballot: Ballot) -> Any:
        """What counts on this ballot; None if it is blank.

        Raises:
            _InvalidError: The voter made it invalid.
            CountingError: The method cannot count ballots of this kind, or an index is out of range.
        """
        match ballot:
            case Spoilt():
                raise _InvalidError
            case Ranking(ranks):
                return self._of_ranking(ranks)
            case Approval(options):
                return self._of_approval(options)
            case Points(points):
                return self._of_points(points)

    def _of_ranking(self, ranks: Ranks) -> Any:
        if self.method in _POINTED:
            raise _mismatch(self.method, "rankings", "points or approvals")
        cleaned = self._cleaned(ranks)
        if self.method is Method.APPROVAL:
            return frozenset().union(*cleaned) or None
        if self.method is Method.PLURALITY:
            return self._single(cleaned[0]) if cleaned else None
        return cleaned or None

    def _of_approval(self, options: frozenset[int]) -> Any:
        self._check(options)
        standing = options - self.withdrawn
        if self.method in _POINTED:
            return self._of_points(dict.fromkeys(sorted(options), 1))
        if self.method is Method.APPROVAL:
            return standing or None
        if self.method is Method.PLURALITY:
            return self._single(standing) if standing else None
        if self.rules is Rules.SNAPSHOT:
            raise _InvalidError
        return (standing,) if standing else None

    def _of_points(self, points: Mapping[int, Number]) -> Shares | None:
        if self.method not in _POINTED:
            raise _mismatch(self.method, "points", "rankings or approvals")
        self._check(points)
        is_snapshot = self.rules is Rules.SNAPSHOT
        for each in points.values():
            if not is_exact(each):
                raise CountingError("bad_points", f"points are {each!r}; give ints or Fractions")
            if each < 0 or (is_snapshot and each == 0):
                raise _InvalidError
        if is_snapshot and not points:
            raise _InvalidError
        if self.method is Method.QUADRATIC and self.quadratic is Quadratic.BOUGHT:
            self._check_cost(points)
        left = tuple(
            sorted((key, each) for key, each in points.items() if each and key not in self.withdrawn)
        )
        return left or None

    def _check_cost(self, points: Mapping[int, Number]) -> None:
        if sum(each * each for each in points.values()) > self.credits:
            raise _InvalidError

    def _single(self, options: frozenset[int]) -> int:
        if len(options) > 1:
            raise _InvalidError
        return next(iter(options))

    def _check(self, options: Iterable[int]) -> None:
        for option in options:
            if type(option) is not int or not 0 <= option < self.options_count:
                raise CountingError(
                    "unknown_option",
                    f"a ballot names option {option!r}; there are {self.options_count}, counted from 0",
                )

    def _cleaned(self, ranks: Ranks) -> Ranks:
        """The ranks that count: no empty ones, nobody twice, nobody who has withdrawn."""
        named = frozenset().union(*ranks)
        self._check(named)
        if self.rules is Rules.SNAPSHOT and self.method is not Method.PLURALITY:
            self._check_complete(ranks)
        if all(ranks) and len(named) == sum(map(len, ranks)) and named.isdisjoint(self.withdrawn):
            return ranks  # nearly all ballots are tidy
        seen: set[int] = set()
        cleaned: list[frozenset[int]] = []
        empty_count = 0
        for rank in ranks:
            if not rank:
                empty_count += 1
                continue
            if self.skipped is Skipped.EXHAUST and empty_count:
                break
            if self.skipped is Skipped.EXHAUST_TWO and empty_count > 1:
                break
            empty_count = 0
            again = rank & seen
            if again and self.duplicates is Duplicates.INVALID:
                raise _InvalidError
            seen |= rank
            if new := rank - again - self.withdrawn:
                cleaned.append(new)
            if again and self.duplicates is Duplicates.EXHAUST:
                break
        return tuple(cleaned)

    def _check_complete(self, ranks: Ranks) -> None:
        """snapshot.js counts a ranking if it has every option once."""
        if self.method is Method.APPROVAL:
            return
        if len(ranks) != self.options_count or any(len(rank) != 1 for rank in ranks):
            raise _InvalidError
        if len(frozenset().union(*ranks)) != self.options_count:
            raise _InvalidError


def _mismatch(method: Method, given: str, wanted: str) -> CountingError:
    return CountingError(
        "method_mismatch", f"{method} cannot count {given}, only {wanted}; choose another --method"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Marks:
    """What a method counts. True weight = integer weight / denominator."""

    weights: dict[Any, int]
    """Mark -> weight of all ballots with that mark; (mark, weight of one) -> how many, if each counts
    apart.
    """
    denominator: int
    papers: Papers

    def weight(self, scaled: int) -> Number:
        """The true weight of a sum of integer weights."""
        return plain(scaled, self.denominator)


def plain(numerator: int, denominator: int) -> Number:
    """An int if it is one, else a Fraction."""
    whole, rest = divmod(numerator, denominator)
    return Fraction(numerator, denominator) if rest else whole


@dataclass(slots=True)
class _Sums:
    """Of the papers of one sort."""

    count: int = 0
    weight: dict[int, int] = field(default_factory=dict)
    """By denominator."""

    def add(self, count: int, weight: Number) -> None:
        self.count += count
        total = weight * count
        self.weight[total.denominator] = self.weight.get(total.denominator, 0) + total.numerator

    def total(self) -> Number:
        denominator = lcm(*self.weight)
        return plain(sum(each * (denominator // under) for under, each in self.weight.items()), denominator)


def read_marks(ballots: Iterable[Weighted], reading: Reading) -> Marks:
    """All ballots read.

    Raises:
        CountingError: A ballot cannot be counted by this method, or there are too many different ones.
    """
    together = _together(ballots)
    denominator = 1
    for weight in {weight for by_weight in together.values() for weight in by_weight}:
        denominator = lcm(denominator, weight.denominator)
        if denominator.bit_length() > MAX_DENOMINATOR_BITS:
            raise CountingError("bad_weight", "the weights have no common denominator of reasonable size")
    weights: dict[Any, int] = {}
    valid, blank, invalid = _Sums(), _Sums(), _Sums()
    for ballot, by_weight in together.items():
        mark = _marked(reading, ballot)
        sums = blank if mark is None else invalid if mark is _InvalidError else valid
        for weight, ballots_count in by_weight.items():
            sums.add(ballots_count, weight)
            if sums is valid and reading.is_each_apart:
                weights[mark, weight] = weights.get((mark, weight), 0) + ballots_count
            elif sums is valid:
                scaled = weight.numerator * (denominator // weight.denominator) * ballots_count
                weights[mark] = weights.get(mark, 0) + scaled
    papers = Papers(
        valid_count=valid.count,
        blank_count=blank.count,
        invalid_count=invalid.count,
        valid_weight=valid.total(),
        blank_weight=blank.total(),
        invalid_weight=invalid.total(),
    )
    return Marks(weights=weights, denominator=denominator, papers=papers)


def _together(ballots: Iterable[Weighted]) -> dict[Ballot, dict[Number, int]]:
    """How many of each ballot, by weight. Hashing a ballot is dear, so it is done as rarely as can be."""
    together: dict[Ballot, dict[Number, int]] = {}
    distinct_count = 0
    for each in ballots:
        by_weight = together.get(each.ballot)
        if by_weight is None:
            by_weight = together[each.ballot] = {}
        if each.weight in by_weight:
            by_weight[each.weight] += each.count
            continue
        distinct_count += 1
        if distinct_count > MAX_BALLOTS_DISTINCT:
            raise CountingError("too_many", f"more than {MAX_BALLOTS_DISTINCT} different ballots")
        by_weight[each.weight] = each.count
    return together


def _marked(reading: Reading, ballot: Ballot) -> Any:
    try:
        return reading.mark(ballot)
    except _InvalidError:
        return _InvalidError
