"""Exact sums of square roots: what quadratic voting adds up. Pure, no floats.

A sum of square roots cannot be compared by computing it: two sums may agree in any number of digits and yet
differ, or be equal without looking so (√2 + √8 = √18). Here, intervals of integers decide as long as they
can. When they cannot, the radicands are put into square classes (x and y are in one if x·y is a perfect
square). Roots of different classes are linearly independent over the rationals (Besicovitch 1940), so the
difference is zero if and only if the coefficients of each class cancel; if they do not, more precision ends
the matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import total_ordering
from itertools import count
from math import isqrt
from typing import Final

_SMALL_PRIMES: Final = (2, 3, 5, 7, 11, 13)
_WITNESSES: Final = tuple(2**61 - offset for offset in (1, 31, 45, 229, 259, 283, 339, 391, 403, 465))
"""Primes. Numbers of one square class have the same quadratic characters modulo each that divides neither."""
_FIRST_BITS: Final = 64
_CLASSES_AT_BITS: Final = 512
"""When intervals of this precision cannot decide, square classes are tried first."""
_ENOUGH_BITS: Final = 4_096
"""A rounding that is still open at this precision is that of a number that ends there."""


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class RootSum:
    """The sum of coefficient · √radicand over `terms`. Radicands are positive integers, each there once."""

    terms: tuple[tuple[int, Fraction], ...] = ()
    _near: tuple[int, int] = field(init=False, repr=False)
    """The interval that decides most comparisons, computed once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_near", self.interval(_FIRST_BITS))

    @staticmethod
    def of(parts: Iterable[tuple[int, Fraction]]) -> RootSum:
        """The sum of coefficient · √radicand; radicands at least 0, in any order and as often as wanted."""
        terms: dict[int, Fraction] = {}
        for radicand, coefficient in parts:
            if radicand == 0:
                continue
            outside, inside = _extracted(radicand)
            terms[inside] = terms.get(inside, Fraction(0)) + coefficient * outside
        return RootSum(tuple(sorted((inside, each) for inside, each in terms.items() if each)))

    def __add__(self, other: RootSum) -> RootSum:
        return _joined(self.terms, other.terms)

    def __sub__(self, other: RootSum) -> RootSum:
        return _joined(self.terms, [(inside, -each) for inside, each in other.terms])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, RootSum) or self._is_apart(other):
            return False
        return (self - other).sign() == 0

    def __lt__(self, other: RootSum) -> bool:
        if self._is_apart(other):
            return self._near[1] < other._near[0]
        return (self - other).sign() < 0

    def _is_apart(self, other: RootSum) -> bool:
        """Whether the intervals do not touch, so that there is nothing to compute."""
        return self._near[1] < other._near[0] or other._near[1] < self._near[0]

    def __hash__(self) -> int:
        return hash(sum(round(coefficient**2 * radicand) for radicand, coefficient in _classes(self.terms)))

    def interval(self, bits: int) -> tuple[int, int]:
        """Integers below and above the value times 2**bits, at most the number of terms and some apart."""
        lower = upper = 0
        for radicand, coefficient in self.terms:
            root = isqrt(radicand << 2 * bits)
            exact = root * root == radicand << 2 * bits
            numerator, denominator = coefficient.numerator, coefficient.denominator
            near, far = numerator * root, numerator * (root if exact else root + 1)
            lower += min(near, far) // denominator
            upper -= -max(near, far) // denominator
        return lower, upper

    def sign(self) -> int:
        """-1, 0 or 1, exactly."""
        if all(coefficient > 0 for _, coefficient in self.terms):
            return 1 if self.terms else 0
        for step in count():
            bits = _FIRST_BITS << step
            lower, upper = self.interval(bits)
            if lower > 0:
                return 1
            if upper < 0:
                return -1
            if bits == _CLASSES_AT_BITS and _is_zero(self.terms):
                return 0
        raise AssertionError("unreachable: intervals shrink to a number that is not zero")

    def rational(self) -> Fraction | None:
        """The value squared, if that is rational because all roots are of one square class."""
        if not self.terms:
            return Fraction(0)
        classes = _classes(self.terms)
        if len(classes) != 1:
            return None
        ((radicand, coefficient),) = classes
        return coefficient * coefficient * radicand

    def __str__(self) -> str:
        if not self.terms:
            return "0"
        return " + ".join(
            str(each) if inside == 1 else f"√{inside}" if each == 1 else f"{each}·√{inside}"
            for inside, each in self.terms
        )


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class QuadraticScore:
    """root², or, where `whole` is given, the share of root² in the sum of whole² times `total`.

    Scores are compared by their roots, so only those of one count can be.
    """

    root: RootSum
    whole: tuple[RootSum, ...] = ()
    total: Fraction = Fraction(1)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, QuadraticScore) and self._comparable(other) and self.root == other.root

    def __lt__(self, other: QuadraticScore) -> bool:
        assert self._comparable(other), "scores of different counts"
        return self.root < other.root

    def _comparable(self, other: QuadraticScore) -> bool:
        return self.whole == other.whole and self.total == other.total

    def __hash__(self) -> int:
        return hash(self.root)

    def __bool__(self) -> bool:
        return bool(self.root.terms)

    def __str__(self) -> str:
        return f"({self.root})²" if not self.whole else f"{self.total} · ({self.root})² / Σ(…)²"

    def bounds(self, bits: int) -> tuple[Fraction, Fraction]:
        """Numbers at most and at least the score; they meet as `bits` grows."""
        lower, upper = (Fraction(each**2, 1 << 2 * bits) for each in self._positive(self.root, bits))
        if not self.whole:
            return lower, upper
        squares = [self._positive(each, bits) for each in self.whole]
        least = Fraction(sum(low * low for low, _ in squares), 1 << 2 * bits)
        most = Fraction(sum(high * high for _, high in squares), 1 << 2 * bits)
        if not least:
            return Fraction(0), self.total
        return lower * self.total / most, upper * self.total / least

    @staticmethod
    def _positive(root: RootSum, bits: int) -> tuple[int, int]:
        lower, upper = root.interval(bits)
        return max(lower, 0), upper

    def exact(self) -> Fraction | None:
        """The score as a fraction, if it is known to be one."""
        if not self.root.terms:
            return Fraction(0)
        if not self.whole:
            return self.root.rational()
        ratios = [_squared_ratio(each, self.root) for each in self.whole]
        known = [each for each in ratios if each is not None]
        return self.total / sum(known) if len(known) == len(ratios) else None

    def decimal(self, places: int) -> str:
        """The score, rounded half to even to that many decimal places."""
        return rounded(self.nearest(places), places)

    def nearest(self, places: int) -> Fraction:
        """A fraction that is rounded to `places` decimals as the score is."""
        exact = self.exact()
        if exact is not None:
            return exact
        bits = _FIRST_BITS + 4 * places
        while True:
            lower, upper = self.bounds(bits)
            if bits >= _ENOUGH_BITS + 4 * places or rounded(lower, places) == rounded(upper, places):
                return (lower + upper) / 2
            bits *= 2


def rounded(value: int | Fraction, places: int) -> str:
    """Decimal notation, rounded half to even to `places` digits behind the point, without floats."""
    scaled = round(Fraction(value) * 10**places)
    digits = str(abs(scaled)).rjust(places + 1, "0")
    sign = "-" if scaled < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


def _joined(one: Iterable[tuple[int, Fraction]], other: Iterable[tuple[int, Fraction]]) -> RootSum:
    """The sum of terms whose radicands are extracted already."""
    terms = dict(one)
    for inside, coefficient in other:
        terms[inside] = terms.get(inside, Fraction(0)) + coefficient
    return RootSum(tuple(sorted((inside, each) for inside, each in terms.items() if each)))


def _squared_ratio(one: RootSum, other: RootSum) -> Fraction | None:
    """(one / other)², where it is plain to see that it is rational; else None. `other` is not 0."""
    if not one.terms:
        return Fraction(0)
    (inside, coefficient), (inside_other, coefficient_other) = one.terms[0], other.terms[0]
    ratio = coefficient / coefficient_other
    if len(one.terms) == len(other.terms) == 1:
        return ratio * ratio * Fraction(inside, inside_other)
    if [each for each, _ in one.terms] != [each for each, _ in other.terms]:
        return None
    pairs = zip(one.terms, other.terms, strict=True)
    return ratio * ratio if all(mine == ratio * theirs for (_, mine), (_, theirs) in pairs) else None


def _extracted(radicand: int) -> tuple[int, int]:
    """(a, b) with a²·b = radicand; b has no square of a small prime in it and is 1 if it is a square."""
    whole = isqrt(radicand)
    if whole * whole == radicand:
        return whole, 1
    outside = 1
    for prime in _SMALL_PRIMES:
        square = prime * prime
        while radicand % square == 0:
            radicand //= square
            outside *= prime
    return outside, radicand


def _is_zero(terms: Sequence[tuple[int, Fraction]]) -> bool:
    return all(coefficient == 0 for _, coefficient in _classes(terms))


def _classes(terms: Iterable[tuple[int, Fraction]]) -> list[tuple[int, Fraction]]:
    """One (radicand, coefficient) for each square class; the coefficient may be 0."""
    buckets: dict[tuple[int, ...], list[list[int | Fraction]]] = {}
    for radicand, coefficient in terms:
        bucket = buckets.setdefault(_characters(radicand), [])
        for entry in bucket:
            product = int(entry[0]) * radicand
            root = isqrt(product)
            if root * root == product:  # √radicand = root / entry[0] · √entry[0]
                entry[1] += coefficient * Fraction(root, int(entry[0]))
                break
        else:
            bucket.append([radicand, coefficient])
    return [(int(radicand), Fraction(each)) for bucket in buckets.values() for radicand, each in bucket]


def _characters(radicand: int) -> tuple[int, ...]:
    """The quadratic characters of a radicand, equal within a square class.

    The square of a witness is divided out first. A witness that still divides one radicand of a class divides
    all of them, and its character is 0 for each.
    """
    characters = []
    for prime in _WITNESSES:
        rest = radicand
        while rest % (prime * prime) == 0:
            rest //= prime * prime
        characters.append(pow(rest % prime, (prime - 1) // 2, prime))
    return tuple(characters)
