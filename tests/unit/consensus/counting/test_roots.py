"""Sums of square roots are compared exactly, however close."""

from __future__ import annotations

from fractions import Fraction

from consensus.counting import QuadraticScore, RootSum
from consensus.counting.roots import rounded

LARGE_PRIME = 2**89 - 1
OTHER_PRIME = 2**107 - 1


def roots(*radicands: int) -> RootSum:
    return RootSum.of((each, Fraction(1)) for each in radicands)


def test_square_factors_make_no_difference() -> None:
    assert roots(2, 8) == roots(18)
    assert roots(4, 9) == roots(25)
    assert roots(0) == RootSum()
    assert hash(roots(2, 8)) == hash(roots(18))


def test_sums_that_differ_in_the_fourteenth_digit_are_told_apart() -> None:
    """A close pair from the literature on sums of square roots."""
    one = roots(10, 11)
    other = roots(5, 18)
    assert one != other
    assert (one > other) is (one.interval(200) > other.interval(200))
    assert roots(10**40 + 1, 10**40 + 3) < roots(10**40 + 2, 10**40 + 2)


def test_large_factors_that_nobody_can_find_do_not_hinder() -> None:
    product = LARGE_PRIME * OTHER_PRIME
    one = RootSum.of([(LARGE_PRIME**2 * product, Fraction(1)), (3, Fraction(1))])
    other = RootSum.of([(product, Fraction(LARGE_PRIME)), (3, Fraction(1))])
    assert one == other
    assert one < other + RootSum.of([(1, Fraction(1, 10**200))])


def test_radicands_with_a_witness_in_them_are_still_told_apart() -> None:
    witness = 2**61 - 1
    assert roots(witness) != roots(witness * 4 + 1)
    assert RootSum.of([(witness**3, Fraction(1))]) == RootSum.of([(witness, Fraction(witness))])
    assert RootSum.of([(witness**2 * 7, Fraction(1))]) == RootSum.of([(7, Fraction(witness))])


def test_scores_are_squares_and_shares() -> None:
    half, other = roots(2), roots(8)
    assert QuadraticScore(half).exact() == 2
    assert QuadraticScore(other, (half, other), Fraction(10)).exact() == 8
    assert QuadraticScore(roots(2, 3)).exact() is None
    assert QuadraticScore(roots(2, 3)).decimal(12) == "9.898979485566"  # 5 + 2·√6
    assert QuadraticScore(roots(2)) < QuadraticScore(roots(2, 3))
    assert QuadraticScore(roots(2)) != QuadraticScore(roots(2), (roots(2),))
    assert str(QuadraticScore(roots(2, 3))) == "(√2 + √3)²"
    assert not QuadraticScore(RootSum())


def test_equal_shares_of_irrational_scores_are_rounded_without_end() -> None:
    both = roots(2, 3)
    assert QuadraticScore(both, (both, both), Fraction(1)).decimal(0) == "0"
    assert QuadraticScore(both, (both, both), Fraction(3)).decimal(3) == "1.500"


def test_decimals_are_rounded_half_to_even() -> None:
    assert [rounded(Fraction(each, 8), 2) for each in (1, 3, -1)] == ["0.12", "0.38", "-0.12"]
    assert [rounded(each, 0) for each in (Fraction(1, 2), Fraction(3, 2), 7)] == ["0", "2", "7"]
