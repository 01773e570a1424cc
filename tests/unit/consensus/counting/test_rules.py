"""What each method makes of each ballot, and each named rule, by example."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import pytest

from consensus.counting import (
    Approval,
    Ballot,
    Borda,
    CountingError,
    Duplicates,
    Equal,
    Method,
    Points,
    Quadratic,
    Ranking,
    Rules,
    Skipped,
    Spoilt,
    TieRule,
    Weighted,
    count,
    method_named,
)

OPTIONS = ("a", "b", "c", "d")


def ranks(text: str) -> Ranking:
    """``a > bc > - > d``"""
    return Ranking(
        tuple(
            frozenset("abcd".index(each) for each in part.strip() if each != "-")
            for part in text.split(">")
            if part.strip()
        )
    )


def outcome(method: Method, *ballots: Ballot, **rules: Any) -> tuple[tuple[Any, ...], tuple[int, int, int]]:
    """(scores, (valid, blank, invalid))"""
    counted = count(method, OPTIONS, [Weighted(each) for each in ballots], **rules)
    papers = counted.papers
    return counted.scores, (papers.valid_count, papers.blank_count, papers.invalid_count)


VALID, BLANK, INVALID = (1, 0, 0), (0, 1, 0), (0, 0, 1)


@pytest.mark.parametrize(
    ("method", "ballot", "rules", "scores", "papers"),
    [
        (Method.PLURALITY, Approval.of(1), {}, (0, 1, 0, 0), VALID),
        (Method.PLURALITY, Approval.of(1, 2), {}, (0, 0, 0, 0), INVALID),
        (Method.PLURALITY, Approval.of(), {}, (0, 0, 0, 0), BLANK),
        (Method.PLURALITY, ranks("b > a"), {}, (0, 1, 0, 0), VALID),
        (Method.PLURALITY, ranks("ab > c"), {}, (0, 0, 0, 0), INVALID),
        (Method.PLURALITY, ranks("- > c"), {}, (0, 0, 1, 0), VALID),
        (Method.PLURALITY, ranks("- > c"), {"skipped": Skipped.EXHAUST}, (0, 0, 0, 0), BLANK),
        (Method.APPROVAL, Approval.of(0, 3), {}, (1, 0, 0, 1), VALID),
        (Method.APPROVAL, ranks("a > cd"), {}, (1, 0, 1, 1), VALID),
        (Method.RANKED_CHOICE, ranks("ab"), {}, (Fraction(1, 2), Fraction(1, 2), 0, 0), VALID),
        (Method.RANKED_CHOICE, Approval.of(2), {}, (0, 0, 1, 0), VALID),
        (Method.RANKED_CHOICE, ranks("-"), {}, (0, 0, 0, 0), BLANK),
        (Method.RANKED_CHOICE, ranks("b > b"), {"duplicates": Duplicates.INVALID}, (0, 0, 0, 0), INVALID),
        (Method.BORDA, ranks("a > b > c > d"), {}, (3, 2, 1, 0), VALID),
        (Method.BORDA, ranks("a"), {}, (3, 1, 1, 1), VALID),
        (Method.BORDA, ranks("ab > c"), {}, (Fraction(5, 2), Fraction(5, 2), 1, 0), VALID),
        (
            Method.BORDA,
            ranks("a > bc"),
            {"borda": Borda.DOWDALL},
            (1, Fraction(5, 12), Fraction(5, 12), 0),
            VALID,
        ),
        (Method.BORDA, ranks("a > b"), {"borda": Borda.MODIFIED}, (2, 1, 0, 0), VALID),
        (Method.BORDA, ranks("a > b > b > c"), {}, (3, 2, 1, 0), VALID),
        (
            Method.BORDA,
            ranks("a > b > b > c"),
            {"duplicates": Duplicates.EXHAUST},
            (3, 2, Fraction(1, 2), Fraction(1, 2)),
            VALID,
        ),
        (Method.BORDA, ranks("a > - > b"), {}, (3, 2, Fraction(1, 2), Fraction(1, 2)), VALID),
        (Method.BORDA, ranks("a > - > b"), {"skipped": Skipped.EXHAUST}, (3, 1, 1, 1), VALID),
        (
            Method.BORDA,
            ranks("a > - > b"),
            {"skipped": Skipped.EXHAUST_TWO},
            (3, 2, Fraction(1, 2), Fraction(1, 2)),
            VALID,
        ),
        (Method.BORDA, ranks("a > - > - > b"), {"skipped": Skipped.EXHAUST_TWO}, (3, 1, 1, 1), VALID),
        (Method.BORDA, ranks("a > b"), {"withdrawn": (0,)}, (0, 2, Fraction(1, 2), Fraction(1, 2)), VALID),
        (Method.COPELAND, ranks("a > b"), {}, (3, 2, Fraction(1, 2), Fraction(1, 2)), VALID),
        (
            Method.COPELAND,
            ranks("ab"),
            {},
            (Fraction(5, 2), Fraction(5, 2), Fraction(1, 2), Fraction(1, 2)),
            VALID,
        ),
        (Method.COPELAND, ranks("a > b"), {"rules": Rules.SNAPSHOT}, (0, 0, 0, 0), INVALID),
        (Method.WEIGHTED_SPLIT, Points({0: 1, 2: 3}), {}, (Fraction(1, 4), 0, Fraction(3, 4), 0), VALID),
        (Method.WEIGHTED_SPLIT, Points({0: 1, 2: 0}), {}, (1, 0, 0, 0), VALID),
        (Method.WEIGHTED_SPLIT, Points({0: 1, 2: 0}), {"rules": Rules.SNAPSHOT}, (0, 0, 0, 0), INVALID),
        (Method.WEIGHTED_SPLIT, Points({0: 1, 2: -1}), {}, (0, 0, 0, 0), INVALID),
        (Method.WEIGHTED_SPLIT, Points({}), {}, (0, 0, 0, 0), BLANK),
        (Method.WEIGHTED_SPLIT, Approval.of(0, 1), {}, (Fraction(1, 2), Fraction(1, 2), 0, 0), VALID),
        (Method.QUADRATIC, Points({0: 6, 1: 8}), {}, (6, 8, 0, 0), VALID),
        (Method.QUADRATIC, Points({0: 6, 1: 9}), {}, (0, 0, 0, 0), INVALID),
        (Method.QUADRATIC, Points({0: 6, 1: 9}), {"credits": 117}, (6, 9, 0, 0), VALID),
        (Method.QUADRATIC, Approval.of(1), {}, (0, 1, 0, 0), VALID),
        (Method.QUADRATIC, Spoilt(), {}, (0, 0, 0, 0), INVALID),
    ],
)
def test_one_ballot_counts_as_documented(
    method: Method,
    ballot: Ballot,
    rules: Mapping[str, Any],
    scores: tuple[Any, ...],
    papers: tuple[int, int, int],
) -> None:
    assert outcome(method, ballot, **rules) == (scores, papers)


def test_two_voters_weigh_more_than_one_of_twice_the_weight_in_quadratic_voting() -> None:
    two = count(Method.QUADRATIC, OPTIONS, [Weighted(Points({0: 1}), count=2)], quadratic=Quadratic.SHARED)
    one = count(Method.QUADRATIC, OPTIONS, [Weighted(Points({0: 1}), weight=2)], quadratic=Quadratic.SHARED)
    assert [two.scores[0].exact(), one.scores[0].exact()] == [4, 2]  # type: ignore[union-attr]


def test_an_overvote_splits_or_ends_the_ballot_in_a_runoff() -> None:
    ballots = [ranks("ab > c"), ranks("ab > c"), ranks("c"), ranks("d"), ranks("d"), ranks("d")]
    split = count(Method.RANKED_CHOICE, OPTIONS, [Weighted(each) for each in ballots])
    assert split.rounds[0].scores == (1, 1, 1, 3)
    ended = count(Method.RANKED_CHOICE, OPTIONS, [Weighted(each) for each in ballots], equal=Equal.EXHAUST)
    assert ended.rounds[0].scores == (0, 0, 1, 3)
    assert ended.rounds[0].exhausted == 2


LEVEL = [ranks(each) for each in ["a"] * 4 + ["b"] * 3 + ["c"] * 2 + ["d > c"]]
"""Round 1: 4, 3, 2, 1. Round 2: b and c level with 3, b ahead in round 1."""


@pytest.mark.parametrize(
    ("rule", "out"),
    [
        (TieRule.BACKWARD, (2,)),
        (TieRule.FORWARD, (2,)),
        (TieRule.FIRST_LISTED, (2,)),
        (TieRule.LAST_LISTED, (1,)),
        (TieRule.ALL, (1, 2)),
    ],
)
def test_a_tied_elimination_is_decided_by_the_rule(rule: TieRule, out: tuple[int, ...]) -> None:
    counted = count(
        Method.RANKED_CHOICE, OPTIONS, [Weighted(each) for each in LEVEL], elimination_tie_rule=rule
    )
    (tie,) = counted.ties
    assert (tie.purpose, tie.options, tie.rule, tie.chosen, tie.round_number) == (
        "elimination",
        (1, 2),
        rule,
        out,
        2,
    )


@pytest.mark.parametrize(("rule", "out"), [(TieRule.BACKWARD, 2), (TieRule.FORWARD, 1)])
def test_backward_and_forward_look_from_different_ends(rule: TieRule, out: int) -> None:
    """c leads b by 6 to 5 in round 1, b leads c by 8 to 6 in round 2; in round 3 both have 8."""
    papers = {"a": 10, "b": 5, "c": 6, "d > c": 2, "d > a": 2, "e > b": 3}
    letters = "abcde"
    ballots = [
        Weighted(Ranking.of(*(letters.index(each) for each in text.split(" > "))), count=times)
        for text, times in papers.items()
    ]
    (tie,) = count(Method.RANKED_CHOICE, letters, ballots, elimination_tie_rule=rule).ties
    assert (tie.round_number, tie.options, tie.rule, tie.chosen) == (3, (1, 2), rule, (out,))


def test_a_tied_elimination_that_changes_nothing_does_not_stop_the_count() -> None:
    ballots = [ranks(each) for each in ["a"] * 5 + ["b"] * 4 + ["c > a", "d > a"]]
    counted = count(Method.RANKED_CHOICE, OPTIONS, [Weighted(each) for each in ballots])
    assert counted.winners == (0,)
    assert counted.ties[0].rule == "immaterial"


def test_a_tied_elimination_that_decides_the_winner_stops_the_count() -> None:
    ballots = [ranks(each) for each in ["a"] * 3 + ["b > a"] * 2 + ["c > b"] * 2]
    counted = count(Method.RANKED_CHOICE, OPTIONS[:3], [Weighted(each) for each in ballots])
    assert counted.winners == ()
    assert counted.ties[-1].options == (1, 2)
    assert counted.ties[-1].chosen == ()
    drawn = count(
        Method.RANKED_CHOICE, OPTIONS[:3], [Weighted(each) for each in ballots], tie_rule=TieRule.FIRST_LISTED
    )
    assert drawn.winners == (1,)


def test_nobody_wins_without_votes_whatever_the_rule() -> None:
    for method in Method:
        assert count(method, OPTIONS, [], tie_rule=TieRule.FIRST_LISTED).winners == ()


def test_methods_have_aliases() -> None:
    names = {
        "irv": Method.RANKED_CHOICE,
        "Ranked-Choice": Method.RANKED_CHOICE,
        "single-choice": Method.PLURALITY,
    }
    names |= {"basic": Method.PLURALITY, "condorcet": Method.COPELAND, "weighted": Method.WEIGHTED_SPLIT}
    assert {name: method_named(name) for name in names} == names
    with pytest.raises(CountingError, match="there is no method 'stv'"):
        method_named("stv")


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("bad_options", {"options": ()}),
        ("bad_options", {"options": ("a",) * 1_001}),
        ("bad_options", {"withdrawn": (9,)}),
        ("bad_options", {"withdrawn": (0, 1, 2, 3)}),
        ("bad_tie_rule", {"tie_rule": TieRule.ALL}),
        ("bad_tie_rule", {"method": Method.BORDA, "tie_rule": TieRule.FORWARD}),
        ("bad_credits", {"credits": -1}),
        ("bad_credits", {"credits": 0.5}),
        ("unknown_option", {"ballots": [Weighted(Ranking.of(4))]}),
        ("unknown_option", {"ballots": [Weighted(Approval.of(-1))]}),
        ("method_mismatch", {"ballots": [Weighted(Points({0: 1}))]}),
        ("method_mismatch", {"method": Method.QUADRATIC, "ballots": [Weighted(Ranking.of(0))]}),
        ("bad_points", {"method": Method.QUADRATIC, "ballots": [Weighted(Points({0: 0.5}))]}),  # type: ignore[dict-item]
    ],
)
def test_what_makes_no_sense_is_refused(code: str, arguments: dict[str, Any]) -> None:
    given = {"method": Method.RANKED_CHOICE, "options": OPTIONS, "ballots": []} | arguments
    method, options, ballots = given.pop("method"), given.pop("options"), given.pop("ballots")
    with pytest.raises(CountingError) as caught:
        count(method, options, ballots, **given)
    assert caught.value.code == code


@pytest.mark.parametrize(
    "given", [{"weight": 0.5}, {"weight": -1}, {"weight": True}, {"count": -1}, {"count": 1.0}]
)
def test_floats_and_negative_numbers_are_no_weights(given: dict[str, Any]) -> None:
    with pytest.raises(CountingError):
        Weighted(Ranking.of(0), **given)
