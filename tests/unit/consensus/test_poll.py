"""Votes for and against: whose weight counts on which side, what is refused, what is certain."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from consensus.ballot import Scope
from consensus.delegations import DelegationError
from consensus.poll import PollError
from consensus.rules import Level, Rules, Threshold, Verdict
from tests.support.polls import FRACTIONAL, GOVERNOR, TO_V2, WON, ballot, lost, percent, poll_of, sides


def test_a_ballot_says_beforehand_what_it_would_cast() -> None:
    poll = poll_of(delegations=TO_V2)
    assert [poll.weight_of("v2", scope) for scope in ("all", "own", "delegated")] == [19, 7, 12]
    poll.cast(ballot("v1", "against"))
    assert poll.weight_cast_by(ballot("v2", "for")) == 9
    assert poll.weight_of("stranger") == 0
    split = poll_of(FRACTIONAL)
    assert split.weight_cast_by(ballot("v2", {"for": 2, "against": 1})) == 3
    split.cast(ballot("v2", {"for": 2, "against": 1}))
    assert split.weight_cast_by(ballot("v2", "for")) == 4


DEEP = {"a": "b", "b": "c", "c": "d"}
ONES = {"a": 1, "b": 10, "c": 100, "d": 1_000}


@pytest.mark.parametrize(
    ("ballots", "expected"),
    [
        ([("d", "for", "all")], (0, 1111, 0)),
        ([("d", "for", "own")], (0, 1000, 0)),
        ([("d", "for", "delegated")], (0, 111, 0)),
        ([("d", "for", "all"), ("b", "against", "all")], (11, 1100, 0)),
        ([("b", "against", "all"), ("d", "for", "all")], (11, 1100, 0)),
        ([("d", "for", "all"), ("b", "against", "own")], (10, 1101, 0)),
        ([("d", "for", "all"), ("b", "against", "delegated")], (1, 1110, 0)),
        ([("b", "against", "delegated"), ("a", "abstain", "own"), ("c", "for", "all")], (0, 110, 1)),
        ([("d", "for", "all"), ("c", "against", "all"), ("b", "abstain", "all")], (100, 1000, 11)),
    ],
)
def test_weight_follows_its_chain_to_the_nearest_that_has_voted_for_others(
    ballots: list[tuple[str, str, Scope]], expected: tuple[int, int, int]
) -> None:
    poll = poll_of(weights=ONES, delegations=DEEP)
    for voter, choice, scope in ballots:
        poll.cast(ballot(voter, choice, scope))
    assert sides(poll) == expected


def test_a_chain_of_a_thousand_is_voted_on_from_both_ends() -> None:
    names = [f"a{index}" for index in range(1_000)]
    delegations = dict(pairwise(names))
    for order in (names, names[::-1]):
        poll = poll_of(weights=dict.fromkeys(names, 1), delegations=delegations)
        for voter in order[:999]:
            poll.cast(ballot(voter, "for"))
        tally = poll.tally()
        assert (tally.for_votes, tally.remaining_votes) == ((999, 1) if order is names else (1_000, 0))


@pytest.mark.parametrize(
    ("cast", "refused", "code", "message"),
    [
        ([], ("x", "for", "all"), "not_in_electorate", "x does not vote on this proposal"),
        ([("v3", "for", "all")], ("v3", "for", "own"), "already_voted", "v3 has cast all its weight already"),
        (
            [("v2", "for", "own")],
            ("v2", "for", "all"),
            "already_voted",
            (
                "v2 has cast its own weight already; what others delegated to it may still be cast"
                " (scope delegated)"
            ),
        ),
        (
            [("v2", "for", "delegated")],
            ("v2", "for", "delegated"),
            "already_voted",
            "v2 has cast what was delegated to it already; its own weight may still be cast (scope own)",
        ),
        ([], ("none", "for", "own"), "nothing_to_cast", "none has no weight of its own in this vote"),
        ([], ("none", "for", "all"), "nothing_to_cast", "none has no weight in this vote"),
        (
            [("v1", "for", "own"), ("v4", "for", "own")],
            ("v2", "for", "delegated"),
            "nothing_to_cast",
            "no weight is delegated to v2 that its owner or a nearer delegate has not cast",
        ),
    ],
)
def test_what_cannot_be_cast_is_refused_and_changes_nothing(
    cast: list[tuple[str, str, Scope]], refused: tuple[str, str, Scope], code: str, message: str
) -> None:
    poll = poll_of(weights=GOVERNOR | {"none": 0}, delegations=TO_V2)
    for each in cast:
        poll.cast(ballot(*each))
    before = poll.tally()
    assert poll.problem(ballot(*refused)) == (code, message)
    with pytest.raises(PollError, match=code):
        poll.cast(ballot(*refused))
    assert poll.tally() == before


@pytest.mark.parametrize(
    ("cast", "refused", "code", "message"),
    [
        (
            [],
            ("v1", "for", "all"),
            "delegated_away",
            "v1 has delegated its weight to v2, for good in this vote",
        ),
        (
            [],
            ("v2", {"for": 1_000}, "all"),
            "overspent",
            "the vote spends 1000, but v2 has only 19 left",
        ),
        (
            [("v2", {"for": 18}, "all")],
            ("v2", {"for": 1, "against": 1}, "all"),
            "overspent",
            "the vote spends 2, but v2 has only 1 left",
        ),
        ([("v2", "for", "all")], ("v2", "for", "all"), "already_voted", "v2 has cast all its weight already"),
        (
            [],
            ("v2", "for", "own"),
            "invalid_choice",
            "a fractional vote is cast from all weight at hand: its scope is all",
        ),
        ([], ("none", "for", "all"), "nothing_to_cast", "none has no weight in this vote"),
    ],
)
def test_split_votes_end_with_the_weight_at_hand(
    cast: list[tuple[str, Any, Scope]], refused: tuple[str, Any, Scope], code: str, message: str
) -> None:
    poll = poll_of(FRACTIONAL, GOVERNOR | {"none": 0}, TO_V2)
    for each in cast:
        poll.cast(ballot(*each))
    assert poll.problem(ballot(*refused)) == (code, message)


def test_a_vote_that_may_be_changed_moves_its_weight() -> None:
    poll = poll_of(Rules(may_change_vote=True), delegations=TO_V2)
    for choice, expected in (("for", (0, 19, 0)), ("against", (19, 0, 0)), ("abstain", (0, 0, 19))):
        poll.cast(ballot("v2", choice))
        assert sides(poll) == expected
    poll.cast(ballot("v1", "for"))
    poll.cast(ballot("v2", "against", "delegated"))
    assert sides(poll) == (2, 10, 7)
    poll.cast(ballot("v1", "against"))
    assert sides(poll) == (12, 0, 7)


def test_a_split_vote_that_may_be_changed_is_replaced() -> None:
    poll = poll_of(Rules(may_change_vote=True, is_fractional=True))
    poll.cast(ballot("v2", {"for": 3, "against": 2}))
    poll.cast(ballot("v2", {"against": 6}))
    assert sides(poll) == (6, 0, 0)
    assert poll.weight_of("v2") == 7


def test_what_counts_in_favour_is_known_by_scope() -> None:
    poll = poll_of(delegations=TO_V2)
    assert not poll.favours("v2")
    poll.cast(ballot("v2", "for", "delegated"))
    poll.cast(ballot("v2", "against", "own"))
    assert (poll.favours("v2"), poll.favours("v2", "own"), poll.favours("v2", "delegated")) == (
        True,
        False,
        True,
    )
    poll.cast(ballot("v1", "abstain", "own"))
    poll.cast(ballot("v4", "for", "own"))
    assert not poll.favours("v2"), "nothing is left of what it cast in favour"
    assert poll.favours("v4")
    assert not poll.favours("v1")
    split = poll_of(FRACTIONAL)
    split.cast(ballot("v2", {"against": 6, "for": 1}))
    assert split.favours("v2")
    assert not split.favours("v1")


@pytest.mark.parametrize(
    ("rules", "cast", "outcome"),
    [
        (Rules(), {"a": "for", "b": "for"}, WON),
        (Rules(), {"a": "for", "b": "against"}, lost("no_quorum")),
        (Rules(quorum_counts="all"), {"a": "for", "b": "against"}, lost("tie")),
        (Rules(quorum_counts="for"), {"a": "for", "b": "abstain"}, lost("no_quorum")),
        (Rules(quorum=percent(0)), {}, lost("below_threshold")),
        (Rules(quorum=percent(0)), {"a": "against"}, lost("below_threshold")),
        (Rules(protocol="unanimous"), {"a": "for", "b": "for", "c": "against"}, lost("not_unanimous")),
        (Rules(protocol="unanimous"), {"a": "for", "b": "abstain"}, WON),
        (Rules(protocol="unanimous"), {"a": "abstain", "b": "abstain"}, lost("not_unanimous")),
        (Rules(protocol="weighted"), {"a": "for", "b": "for", "c": "against"}, WON),
    ],
)
def test_each_protocol_asks_for_its_majority(rules: Rules, cast: dict[str, str], outcome: Verdict) -> None:
    poll = poll_of(rules, dict.fromkeys("abcd", 1))
    for voter, choice in cast.items():
        poll.cast(ballot(voter, choice))
    assert poll.verdict() == outcome


TWO_THIRDS = partial(Threshold, numerator=2, denominator=3)


@pytest.mark.parametrize(
    ("threshold", "for_votes", "against_votes", "is_won"),
    [
        (TWO_THIRDS(), 2, 1, True),
        (TWO_THIRDS(is_inclusive=False), 2, 1, False),
        (TWO_THIRDS(is_inclusive=False), 3, 1, True),
        (TWO_THIRDS(), 3, 2, False),
        (TWO_THIRDS(), 0, 0, False),
        (TWO_THIRDS(of="eligible"), 5, 0, False),
        (TWO_THIRDS(of="eligible"), 6, 3, True),
        (TWO_THIRDS(of="eligible", is_inclusive=False), 6, 0, False),
        (Threshold(numerator=0, denominator=1), 0, 3, False),
        (Threshold(numerator=1, denominator=1), 3, 0, True),
    ],
)
def test_a_threshold_is_exact(
    threshold: Threshold, for_votes: int, against_votes: int, *, is_won: bool
) -> None:
    rules = Rules(protocol="qualified_majority", threshold=threshold, quorum=percent(0))
    poll = poll_of(rules, {f"a{index}": 1 for index in range(9)})
    for index in range(for_votes + against_votes):
        poll.cast(ballot(f"a{index}", "for" if index < for_votes else "against"))
    assert poll.verdict() == (WON if is_won else lost("below_threshold"))


@pytest.mark.parametrize(
    ("weights", "delegations", "error", "message"),
    [
        ({"a": -1}, {}, PollError, "the weight of a is -1; it must be at least 0"),
        ({"a": 1}, {"a": "b"}, PollError, "a delegates to b: both must be electors"),
        ({"a": 1}, {"b": "a"}, PollError, "b delegates to a: both must be electors"),
        ({"a": 1, "b": 1}, {"a": "b", "b": "a"}, DelegationError, "comes back to it"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused(
    weights: dict[str, int], delegations: dict[str, str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        poll_of(weights=weights, delegations=delegations)


def test_a_delegate_s_vote_is_not_certain_as_long_as_its_owners_may_take_it_back() -> None:
    poll = poll_of(Rules(), {"a": 2, "b": 2, "c": 1}, {"a": "b"})
    poll.cast(ballot("b", "for"))
    assert poll.outlook() is None
    poll.cast(ballot("c", "for"))
    assert poll.outlook() == WON
    final = poll_of(Rules(is_fractional=True), {"a": 2, "b": 2, "c": 1}, {"a": "b"})
    final.cast(ballot("b", "for"))
    assert final.outlook() == WON


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        (Rules(quorum=Level(numerator=99)), "no_quorum"),
        (Rules(quorum=percent(0)), "below_threshold"),
        (Rules(protocol="unanimous", quorum=percent(0)), "not_unanimous"),
    ],
)
def test_a_vote_that_cannot_be_won_by_anybody_is_lost_before_it_begins(rules: Rules, reason: str) -> None:
    assert poll_of(rules, {"a": 0}).outlook() == lost(reason)


def test_a_majority_is_not_certain_before_enough_have_taken_part() -> None:
    """Where votes against count toward the quorum, too few votes are the danger, not votes against."""
    poll = poll_of(Rules(quorum=percent(80), quorum_counts="all"), {f"a{index}": 1 for index in range(10)})
    for index in range(6):
        poll.cast(ballot(f"a{index}", "for"))
    assert poll.outlook() is None
    for index in (6, 7):
        assert poll.outlook() is None
        poll.cast(ballot(f"a{index}", "against"))
    assert poll.outlook() == WON


def test_what_a_delegate_has_cast_counts_toward_a_quorum_of_all_for_good() -> None:
    rules = Rules(quorum=percent(80), quorum_counts="all")
    poll = poll_of(rules, {"a": 6, "b": 1, "c": 1, "d": 2}, {"c": "b"})
    poll.cast(ballot("a", "for"))
    poll.cast(ballot("b", "against"))
    assert poll.outlook() == WON, "c may take its weight elsewhere, but not back"
