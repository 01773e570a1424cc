"""The second count: it follows the definitions, and says what the poll says by its own way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from consensus.audit import recount
from consensus.ballot import Ballot
from consensus.rules import Level, Rules, Threshold
from tests.support.drawn_polls import BINARIES, Vote, act_on, votes

CHAIN = {"a": "b", "b": "c"}
"""a delegates to b, and b to c."""
WEIGHTS = {"a": 1, "b": 2, "c": 4}


def ballot(voter: str, choice: Any = "for", scope: Any = "all") -> Ballot:
    return Ballot(voter=voter, choice=choice, scope=scope)


@pytest.mark.parametrize(
    ("ballots", "sides"),
    [
        ([], (0, 0, 0)),
        ([ballot("c")], (7, 0, 0)),
        ([ballot("c"), ballot("b", "against")], (4, 3, 0)),
        ([ballot("b", "against"), ballot("c")], (4, 3, 0)),
        ([ballot("c"), ballot("b", "against", "own")], (5, 2, 0)),
        ([ballot("c", "abstain", "own")], (0, 0, 4)),
        ([ballot("c", "against", "delegated"), ballot("c", "for", "own")], (4, 3, 0)),
        ([ballot("a"), ballot("c", "against", "delegated")], (1, 2, 0)),
    ],
)
def test_weight_follows_the_chain_to_the_nearest_that_voted(
    ballots: list[Ballot], sides: tuple[int, int, int]
) -> None:
    assert recount.sides(recount.attributed(Rules(), WEIGHTS, CHAIN, ballots)) == sides


def test_split_weight_is_that_of_the_last_delegate_until_it_is_spent() -> None:
    rules = Rules(is_fractional=True)
    cast = [ballot("c", {"for": 3, "abstain": 1}), ballot("c", "against")]
    assert recount.sides(recount.attributed(rules, WEIGHTS, CHAIN, cast)) == (3, 3, 1)


@pytest.mark.parametrize(
    ("level", "eligible", "needed"),
    [
        (Level(numerator=1, denominator=2), 5, 3),
        (Level(numerator=1, denominator=2), 4, 2),
        (Level(numerator=0, denominator=3), 4, 0),
        (Level(numerator=3), 100, 3),
    ],
)
def test_a_quorum_is_rounded_up(level: Level, eligible: int, needed: int) -> None:
    assert recount.quorum_needed(level, eligible) == needed


TWO_THIRDS = Threshold(numerator=2, denominator=3)
MORE = Threshold(numerator=2, denominator=3, is_inclusive=False)
OF_ALL = Threshold(numerator=1, denominator=2, of="eligible")


@pytest.mark.parametrize(
    ("rules", "for_votes", "against_votes", "is_carried"),
    [
        (Rules(), 2, 1, True),
        (Rules(), 1, 1, False),
        (Rules(), 0, 0, False),
        (Rules(protocol="unanimous"), 1, 0, True),
        (Rules(protocol="unanimous"), 9, 1, False),
        (Rules(protocol="qualified_majority", threshold=TWO_THIRDS), 2, 1, True),
        (Rules(protocol="qualified_majority", threshold=MORE), 2, 1, False),
        (Rules(protocol="qualified_majority", threshold=MORE), 3, 1, True),
        (Rules(protocol="qualified_majority", threshold=OF_ALL), 4, 0, False),
        (Rules(protocol="qualified_majority", threshold=OF_ALL), 5, 5, True),
    ],
)
def test_what_is_carried_is_what_the_protocol_says(
    rules: Rules, for_votes: int, against_votes: int, *, is_carried: bool
) -> None:
    assert recount.is_carried(rules, for_votes, against_votes, 10) is is_carried


@given(votes(BINARIES))
def test_the_second_count_comes_to_what_the_poll_comes_to(vote: Vote) -> None:
    poll = vote.poll()
    ballots = [cast for act in vote.acts if (cast := act_on(poll, act)) is not None]
    tally, rules = poll.tally(), vote.rules
    sides = recount.sides(recount.attributed(rules, vote.weights, vote.delegations, ballots))
    assert sides == (tally.for_votes, tally.against_votes, tally.abstain_votes)
    assert recount.quorum_counted(rules, *sides) == tally.counted_votes
    present_votes = sum(vote.weights.values()) - tally.released_votes
    assert recount.quorum_needed(rules.quorum, present_votes) == tally.quorum_votes
    is_carried = recount.is_carried(rules, sides[0], sides[1], present_votes)
    assert poll.verdict().is_won is (is_carried and tally.is_quorum_reached)
