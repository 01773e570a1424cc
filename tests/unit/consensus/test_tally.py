"""Counting, by example; the brute-force twin is in tests/property."""

from __future__ import annotations

import pytest

from consensus.tally import Quorum, Result, Tally, count, open_tally, outlook, verdict

LOST, PENDING, WON = Result.LOST, Result.PENDING, Result.WON


@pytest.mark.parametrize(
    ("quorum", "eligible_votes", "votes"),
    [
        (Quorum(numerator=3), 10, 3),
        (Quorum(numerator=0), 10, 0),
        (Quorum(numerator=10, denominator=100), 100, 10),
        (Quorum(numerator=1, denominator=2), 5, 3),
        (Quorum(numerator=1, denominator=2), 4, 2),
        (Quorum(numerator=2, denominator=3), 10, 7),
        (Quorum(numerator=1, denominator=1), 7, 7),
        (Quorum(numerator=0, denominator=7), 7, 0),
        (Quorum(numerator=2**53 - 2, denominator=2**53 - 1), 2_000, 2_000),
    ],
)
def test_a_fraction_is_rounded_up_exactly(quorum: Quorum, eligible_votes: int, votes: int) -> None:
    assert quorum.votes(eligible_votes) == votes


def tally(votes: tuple[int, int, int], *, eligible: int = 10, quorum: int = 0) -> Tally:
    against, for_, abstain = votes
    return Tally(
        eligible_votes=eligible,
        quorum_votes=quorum,
        for_votes=for_,
        against_votes=against,
        abstain_votes=abstain,
    )


@pytest.mark.parametrize(
    ("counted", "at_close"),
    [
        (tally((0, 0, 0)), LOST),
        (tally((0, 1, 0)), WON),
        (tally((1, 1, 0)), LOST),
        (tally((1, 2, 0)), WON),
        (tally((2, 3, 0), quorum=4), LOST),
        (tally((2, 3, 1), quorum=4), WON),
        (tally((2, 0, 4), quorum=4), LOST),
    ],
    ids=[
        "no votes",
        "one",
        "tie fails",
        "majority",
        "against counts for no quorum",
        "abstain does",
        "none for",
    ],
)
def test_at_the_close_success_needs_a_majority_and_a_quorum(counted: Tally, at_close: Result) -> None:
    assert verdict(counted) is at_close


@pytest.mark.parametrize(
    ("counted", "while_open"),
    [
        (tally((0, 0, 0)), PENDING),
        (tally((0, 5, 0)), PENDING),
        (tally((0, 6, 0)), WON),
        (tally((0, 6, 0), quorum=7), PENDING),
        (tally((3, 6, 1), quorum=7), WON),
        (tally((5, 0, 0)), LOST),
        (tally((4, 0, 1)), PENDING),
        (tally((4, 0, 2)), LOST),
        (tally((4, 5, 0), quorum=7), LOST),
        (tally((5, 5, 0)), LOST),
        (tally((0, 0, 10)), LOST),
        (tally((4, 5, 1)), WON),
    ],
)
def test_while_open_only_the_certain_is_said(counted: Tally, while_open: Result) -> None:
    assert outlook(counted) is while_open


def test_weights_count() -> None:
    weights = {"ada": 5, "bob": 2, "cy": 0}
    counted = count(
        weights, {"ada": "against", "bob": "for", "cy": "abstain"}, Quorum(numerator=1, denominator=4)
    )
    assert counted == Tally(eligible_votes=7, quorum_votes=2, for_votes=2, against_votes=5)
    assert outlook(counted) is LOST
    assert not open_tally(weights, Quorum(numerator=1)).is_quorum_reached


def test_more_votes_than_there_are_is_our_own_mistake() -> None:
    with pytest.raises(AssertionError, match="more votes"):
        tally((3, 3, 3)).with_vote("for", 2)
