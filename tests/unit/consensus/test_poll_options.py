"""Votes that choose among options: what each protocol counts, ties, and from when on nothing changes it."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from consensus import choosing
from consensus.ballot import Ballot, ChoiceError, normalised
from consensus.poll import Poll
from consensus.rules import Level, Option, Protocol, Rules, Verdict

DRAWN = min(("x", "z"), key=lambda option: sha256(f"p\0{option}".encode()).hexdigest())
"""What the lot gives for the proposal p."""
OPTIONS = tuple(Option(option=name) for name in ("x", "y", "z"))


def rules_of(protocol: Protocol) -> Rules:
    return Rules(protocol=protocol, options=OPTIONS, quorum=Level(numerator=1), credits=9)


def poll_of(rules: Rules, ballots: list[tuple[Any, int]], *, absent_votes: int = 0) -> Poll:
    """A poll in which each ballot has been cast by a voter of that weight."""
    weights = {f"v{index}": weight for index, (_, weight) in enumerate(ballots)}
    poll = Poll(rules, weights | {"absent": absent_votes}, {}, "p")
    for index, (choice, _) in enumerate(ballots):
        poll.cast(Ballot(voter=f"v{index}", choice=normalised(rules, choice)))
    return poll


def won(option: str) -> Verdict:
    return Verdict(is_won=True, reason="majority", winner=option)


@pytest.mark.parametrize(
    ("protocol", "ballots", "scores", "winner"),
    [
        ("approval", [(["x", "y"], 2), (["y"], 1), ("abstain", 5)], ["2", "3", "0"], "y"),
        ("ranked_choice", [(["x"], 4), (["y", "z"], 3), (["z", "y"], 2)], ["4", "5", "0"], "y"),
        ("borda", [(["x", "y", "z"], 3), (["y", ["x", "z"]], 2)], ["7", "7", "1"], None),
        ("borda", [(["x", "y"], 1), (["z"], 1)], ["5/2", "3/2", "2"], "x"),
        ("copeland", [(["x", "y", "z"], 3), (["y", "z", "x"], 2), (["z", "x"], 2)], ["1", "1", "1"], None),
        ("copeland", [(["y", "x"], 2), (["z", "y"], 1), (["x", "y"], 2)], ["1", "2", "0"], "y"),
        ("quadratic", [({"x": 3}, 1), ({"x": 1, "y": 2}, 2)], ["5", "4", "0"], "x"),
        ("weighted_split", [({"x": 1, "y": 2}, 1), ({"y": 1}, 1)], ["1/3", "5/3", "0"], "y"),
    ],
)
def test_each_protocol_counts_in_its_own_way(
    protocol: Protocol, ballots: list[tuple[Any, int]], scores: list[str], winner: str | None
) -> None:
    poll = poll_of(rules_of(protocol), ballots)
    assert [score for _, score in poll.tally().scores] == scores
    assert poll.verdict() == (won(winner) if winner else Verdict(is_won=False, reason="tie"))


@pytest.mark.parametrize(("tie_rule", "winner"), [("fails", None), ("first_listed", "x"), ("lot", DRAWN)])
def test_options_that_are_level_are_told_apart_by_the_tie_rule(tie_rule: Any, winner: str | None) -> None:
    rules = replace(rules_of("approval"), tie_rule=tie_rule)
    poll = poll_of(rules, [(["x"], 2), (["y"], 1), (["z"], 2)])
    assert poll.verdict() == (won(winner) if winner else Verdict(is_won=False, reason="tie"))


def test_the_lot_depends_on_the_proposal() -> None:
    rules = replace(rules_of("approval"), tie_rule="lot")
    weights = {"a": 1}
    winners = set()
    for seed in ("p", "q", "r", "s", "t", "u"):
        poll = Poll(rules, weights, {}, seed)
        poll.cast(Ballot(voter="a", choice=(("x", "y", "z"),)))
        winners.add(poll.verdict().winner)
    assert winners == {"x", "y", "z"}


def test_without_a_choice_nobody_wins() -> None:
    poll = poll_of(rules_of("borda"), [("abstain", 3)])
    assert poll.tally().is_quorum_reached
    assert poll.verdict() == Verdict(is_won=False, reason="no_winner")


def test_without_a_quorum_nobody_wins() -> None:
    rules = replace(rules_of("borda"), quorum=Level(numerator=4), quorum_counts="for")
    poll = poll_of(rules, [(["x"], 3), ("abstain", 3)])
    assert poll.verdict() == Verdict(is_won=False, reason="no_quorum")
    assert poll.outlook() == Verdict(is_won=False, reason="no_quorum")


def test_an_owner_takes_its_weight_to_another_option() -> None:
    rules = rules_of("approval")
    poll = Poll(rules, {"a": 2, "b": 1}, {"a": "b"}, "p")
    poll.cast(Ballot(voter="b", choice=(("x",),)))
    assert poll.tally().scores == (("x", "3"), ("y", "0"), ("z", "0"))
    assert poll.outlook() is None
    poll.cast(Ballot(voter="a", choice=(("y",),), scope="own"))
    assert poll.tally().scores == (("x", "1"), ("y", "2"), ("z", "0"))
    assert poll.favours("b")
    assert poll.outlook() == won("y")


def test_a_fractional_vote_is_one_by_for_and_against_only() -> None:
    """Delegations stay overridable where there is no weight to split."""
    poll = Poll(replace(rules_of("approval"), is_fractional=True), {"a": 2, "b": 1}, {"a": "b"}, "p")
    poll.cast(Ballot(voter="b", choice=(("x",),)))
    assert poll.problem(Ballot(voter="a", choice=(("y",),))) is None


@pytest.mark.parametrize(
    ("protocol", "ballots", "certain_below"),
    [
        ("approval", [(["x"], 9), (["y"], 4)], 5),
        ("weighted_split", [({"x": 1}, 9), ({"y": 1}, 4)], 5),
        ("borda", [(["x", "y", "z"], 9), (["y", "x", "z"], 4)], 3),
        ("quadratic", [({"x": 3}, 9), ({"y": 3}, 4)], 5),
        ("ranked_choice", [(["x"], 9), (["y"], 4)], 5),
        ("copeland", [(["x", "y"], 9), (["y", "x"], 4)], 5),
    ],
)
def test_a_winner_is_certain_once_no_weight_that_is_left_can_reach_it(
    protocol: Protocol, ballots: list[tuple[Any, int]], certain_below: int
) -> None:
    for absent_votes in range(1, 12):
        outlook = poll_of(rules_of(protocol), ballots, absent_votes=absent_votes).outlook()
        assert outlook == (won("x") if absent_votes < certain_below else None)


def test_once_all_is_cast_the_count_is_certain_whatever_it_is() -> None:
    poll = poll_of(rules_of("borda"), [(["x"], 1), (["y"], 1)])
    assert poll.outlook() == poll.verdict() == Verdict(is_won=False, reason="tie")


def test_the_super_quorum_ends_a_choice_by_rule() -> None:
    rules = replace(rules_of("approval"), super_quorum=Level(numerator=3), is_early_decision=False)
    assert poll_of(rules, [(["x"], 2)], absent_votes=9).early_verdict() is None
    assert poll_of(rules, [(["x"], 3)], absent_votes=9).early_verdict() == won("x")
    assert poll_of(rules, [(["x"], 3), (["y"], 3)], absent_votes=9).early_verdict() is None


def test_looking_ahead_counts_about_as_often_as_the_number_of_voters_has_digits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = rules_of("borda")
    counts: list[int] = []
    count = choosing.count

    def counted(*args: Any) -> Any:
        counts.append(1)
        return count(*args)

    monkeypatch.setattr(choosing, "count", counted)
    poll = Poll(rules, {f"v{index}": 1 for index in range(1_000)}, {}, "p")
    for index in range(1_000):
        choice = (("x",), ("y",)) if index % 2 else (("y",), ("x",))
        poll.cast(Ballot(voter=f"v{index}", choice=choice))
        assert (poll.outlook() is None) == (index < 999)
    assert 3 <= len(counts) <= 20
    assert poll.verdict().reason == "tie"


def test_points_of_a_split_are_bounded_so_that_exact_scores_can_be_printed() -> None:
    rules = rules_of("weighted_split")
    with pytest.raises(ChoiceError, match="the points add up to 1001; a ballot has at most 1000"):
        normalised(rules, {"x": 1_000, "y": 1})
    poll = poll_of(rules, [({"x": 1, "y": points}, 2**40 - points) for points in range(1, 1_000)])
    assert max(len(score) for _, score in poll.tally().scores) < 1_000


def test_a_quorum_reached_by_a_delegate_is_not_certain_while_the_owner_may_abstain() -> None:
    rules = replace(rules_of("approval"), quorum=Level(numerator=8), quorum_counts="for")
    poll = Poll(rules, {"a": 6, "b": 0, "c": 2, "d": 2}, {"c": "b"}, "p")
    for voter in "ab":
        poll.cast(Ballot(voter=voter, choice=(("x",),)))
    assert poll.verdict() == won("x")
    assert poll.outlook() is None, "c may abstain, and d stay away"
    poll.cast(Ballot(voter="c", choice=(("y",),)))
    assert poll.outlook() == won("x")


def test_a_released_elector_may_come_back_and_choose() -> None:
    poll = Poll(replace(rules_of("approval"), offline_voters="release"), {"a": 3, "b": 2, "c": 2}, {}, "p")
    poll.cast(Ballot(voter="a", choice=(("x",),)))
    assert poll.release("b")
    assert poll.outlook() is None, "with c it may choose another option"
    assert poll.release("c")
    assert poll.outlook() is None
    poll.cast(Ballot(voter="c", choice=(("x",),)))
    assert poll.outlook() == won("x")


@pytest.mark.parametrize("protocol", ["approval", "ranked_choice", "borda", "copeland"])
@pytest.mark.parametrize("choice", [[[]], [[], []]])
def test_a_ballot_that_names_no_option_does_not_count_as_one_in_favour(
    protocol: Protocol, choice: list[list[str]]
) -> None:
    with pytest.raises(ChoiceError, match="no option is named; to take no side, abstain"):
        normalised(rules_of(protocol), choice)
