"""What holds of methods whatever the ballots: anonymity, neutrality, monotonicity, and that input never
crashes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import isqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.counting import (
    Approval,
    Ballot,
    BallotFileError,
    Borda,
    Count,
    CountingError,
    Duplicates,
    Equal,
    Method,
    Points,
    Ranking,
    RootSum,
    Rules,
    Skipped,
    TieRule,
    Weighted,
    count,
)
from consensus.counting.election import Election
from consensus.counting.formats import read_election
from consensus.counting.snapshot import ballots as votes_as_ballots
from consensus.counting.snapshot import published

OPTIONS = ("Ada", "Bob", "Cleo", "Dan")
SIZE = len(OPTIONS)
RANKED = (Method.RANKED_CHOICE, Method.BORDA, Method.COPELAND)
POINTED = (Method.QUADRATIC, Method.WEIGHTED_SPLIT)

indexes = st.integers(0, SIZE - 1)
weights = st.one_of(st.integers(0, 5), st.fractions(0, 3, max_denominator=5))
rankings = st.builds(
    lambda order, kept: Ranking.of(*order[:kept]), st.permutations(range(SIZE)), st.integers(0, SIZE)
)
untidy_rankings = st.builds(
    lambda ranks: Ranking(tuple(map(frozenset, ranks))), st.lists(st.sets(indexes, max_size=3), max_size=6)
)
approvals = st.builds(lambda chosen: Approval(frozenset(chosen)), st.sets(indexes))
points = st.builds(Points, st.dictionaries(indexes, st.integers(0, 5)))


def ballots_for(method: Method) -> st.SearchStrategy[list[Weighted]]:
    kinds: dict[Method, st.SearchStrategy[Ballot]] = {Method.PLURALITY: approvals, Method.APPROVAL: approvals}
    kind = points if method in POINTED else kinds.get(method, untidy_rankings)
    return st.lists(st.builds(Weighted, kind, weights, st.integers(0, 3)), max_size=8)


cases = st.sampled_from(Method).flatmap(lambda method: st.tuples(st.just(method), ballots_for(method)))


@given(cases, st.randoms(use_true_random=False), st.sampled_from(Rules))
def test_ballots_may_come_in_any_order_and_joined_or_apart(
    case: tuple[Method, list[Weighted]], random: object, rules: Rules
) -> None:
    method, ballots = case
    apart = [replace(each, count=1) for each in ballots for _ in range(each.count)]
    random.shuffle(apart)  # type: ignore[attr-defined]
    assert count(method, OPTIONS, apart, rules=rules) == count(method, OPTIONS, ballots, rules=rules)


def renamed(ballot: Ballot, new: list[int]) -> Ballot:
    match ballot:
        case Ranking(ranks):
            return Ranking(tuple(frozenset(new[each] for each in rank) for rank in ranks))
        case Approval(chosen):
            return Approval(frozenset(new[each] for each in chosen))
        case Points(given_points):
            return Points({new[key]: value for key, value in given_points.items()})
        case _:
            return ballot


@given(cases, st.permutations(range(SIZE)), st.sampled_from((TieRule.FAILS, TieRule.LOT)))
def test_options_may_be_listed_in_any_order(
    case: tuple[Method, list[Weighted]], new: list[int], rule: TieRule
) -> None:
    method, ballots = case
    before = count(method, OPTIONS, ballots, tie_rule=rule)
    moved = [replace(each, ballot=renamed(each.ballot, new)) for each in ballots]
    names = [OPTIONS[new.index(position)] for position in range(SIZE)]
    after = count(method, names, moved, tie_rule=rule)
    assert [names[option] for option in after.winners] == [OPTIONS[option] for option in before.winners]
    if method is not Method.RANKED_CHOICE:  # there, the order of an immaterial elimination shows
        assert [after.scores[new[option]] for option in range(SIZE)] == list(before.scores)


def raised(ranking: Ranking, option: int) -> Ranking:
    """The ballot with `option` moved to the top and nothing else changed."""
    rest = tuple(rank - {option} for rank in ranking.ranks)
    return Ranking((frozenset((option,)), *(rank for rank in rest if rank)))


@given(
    st.sampled_from((Method.PLURALITY, Method.BORDA, Method.COPELAND)),
    st.lists(st.builds(Weighted, rankings, weights), min_size=1, max_size=8),
    st.data(),
)
def test_more_support_never_harms_the_winner_of_rankings(
    method: Method, ballots: list[Weighted], data: st.DataObject
) -> None:
    winner = won_alone(count(method, OPTIONS, ballots))
    if winner is None:
        return
    position = data.draw(st.integers(0, len(ballots) - 1))
    ballot = ballots[position].ballot
    assert isinstance(ballot, Ranking)
    ballots[position] = replace(ballots[position], ballot=raised(ballot, winner))
    assert won_alone(count(method, OPTIONS, ballots)) == winner


@given(cases, st.data())
def test_more_support_never_harms_the_winner_of_approvals_and_points(
    case: tuple[Method, list[Weighted]], data: st.DataObject
) -> None:
    method, ballots = case
    winner = won_alone(count(method, OPTIONS, ballots, credits=1_000))
    if winner is None or method in RANKED:
        return
    position = data.draw(st.integers(0, len(ballots) - 1))
    ballot = ballots[position].ballot
    if isinstance(ballot, Points):
        more: Ballot = Points({**ballot.points, winner: ballot.points.get(winner, 0) + 1})
    else:
        assert isinstance(ballot, Approval)
        chosen = {winner} if method is Method.PLURALITY else ballot.options | {winner}
        more = Approval(frozenset(chosen))
    ballots[position] = replace(ballots[position], ballot=more)
    assert won_alone(count(method, OPTIONS, ballots, credits=1_000)) == winner


def won_alone(counted: Count) -> int | None:
    return counted.winner if len(counted.ranking[0]) == 1 else None


def test_instant_runoff_is_not_monotone_and_this_is_how() -> None:
    """Said in the documentation, and shown here so that nobody adds it to the laws above."""
    left, middle, right = range(3)
    ballots = [
        Weighted(Ranking.of(left, middle, right), count=39),
        Weighted(Ranking.of(middle, left, right), count=16),
        Weighted(Ranking.of(middle, right, left), count=10),
        Weighted(Ranking.of(right, middle, left), count=25),
        Weighted(Ranking.of(right, left, middle), count=10),
    ]
    names = ("left", "middle", "right")
    assert count(Method.RANKED_CHOICE, names, ballots).winner == left
    more = [*ballots[:4], Weighted(Ranking.of(left, right, middle), count=10)]
    assert count(Method.RANKED_CHOICE, names, more).winner == middle


@given(st.lists(st.builds(Weighted, rankings, weights), max_size=8))
def test_a_majority_of_first_places_wins_a_runoff_and_every_pair(ballots: list[Weighted]) -> None:
    first = count(Method.PLURALITY, OPTIONS, ballots)
    for option, score in enumerate(first.scores):
        if 2 * score > first.papers.valid_weight:  # type: ignore[operator]
            assert count(Method.RANKED_CHOICE, OPTIONS, ballots).winners == (option,)
            assert count(Method.COPELAND, OPTIONS, ballots).winners == (option,)


@given(
    st.lists(st.builds(Weighted, untidy_rankings, weights), max_size=8),
    st.sampled_from(RANKED),
    st.sampled_from(Skipped),
    st.sampled_from(Duplicates),
    st.sampled_from(Equal),
    st.sampled_from(Borda),
    st.sets(indexes, max_size=SIZE - 1),
)
def test_every_paper_is_valid_blank_or_invalid_under_all_rules(
    ballots: list[Weighted],
    method: Method,
    skipped: Skipped,
    duplicates: Duplicates,
    equal: Equal,
    borda: Borda,
    withdrawn: set[int],
) -> None:
    counted = count(
        method,
        OPTIONS,
        ballots,
        skipped=skipped,
        duplicates=duplicates,
        equal=equal,
        borda=borda,
        withdrawn=withdrawn,
    )
    papers = counted.papers
    assert papers.valid_weight + papers.blank_weight + papers.invalid_weight == sum(
        each.weight * each.count for each in ballots
    )
    assert papers.valid_count + papers.blank_count + papers.invalid_count == sum(
        each.count for each in ballots
    )
    assert sorted(option for group in counted.ranking for option in group) == [
        option for option in range(SIZE) if option not in withdrawn
    ]
    assert not withdrawn & set(counted.winners)


@given(st.lists(st.tuples(st.integers(0, 200), st.fractions(-3, 3, max_denominator=6)), max_size=6))
def test_sums_of_roots_are_ordered_as_numbers_are(parts: list[tuple[int, Fraction]]) -> None:
    total = RootSum.of(parts)
    # 400 bits are far more than sums of six roots of numbers up to 200 need to be told from 0.
    scale = 1 << 400
    near = sum((each * isqrt(radicand * scale * scale) for radicand, each in parts), Fraction(0))
    sign = 0 if abs(near) < 1 << 200 else 1 if near > 0 else -1
    assert total.sign() == sign
    assert (total - total).sign() == 0
    assert total + RootSum() == total


@given(
    st.lists(st.tuples(st.integers(1, 10**40), st.fractions(0, 9)), min_size=1, max_size=4),
    st.integers(1, 10**9),
)
def test_a_sum_equals_itself_written_with_larger_roots(
    parts: list[tuple[int, Fraction]], factor: int
) -> None:
    large = (factor * 7919 * 104729) ** 2
    written = RootSum.of((radicand * large, coefficient / isqrt(large)) for radicand, coefficient in parts)
    assert written == RootSum.of(parts)
    assert not written < RootSum.of(parts)
    assert written != RootSum.of([*parts, (1, Fraction(1, 10**90))])


WORDS = [*'0123=()-#\n"', "-1", "1=2", "(a)", "1.5", "3/2", '"x"', "\n", " "]
LINES = ("# ALTERNATIVE NAME 1: a\n", "1: ", "{1,", "}", "1", ",", "\n")
NOISE = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join),
    st.lists(st.sampled_from(WORDS), max_size=30).map(lambda words: "3 1\n" + " ".join(words)),
    st.lists(st.sampled_from(LINES), max_size=20).map(lambda words: LINES[0] + "".join(words)),
    st.text(max_size=60),
)


@given(NOISE)
def test_text_is_read_or_refused_with_a_reason(text: str) -> None:
    election = read_or_refused(text.encode("utf-8", errors="replace"))
    if election is not None:
        assert len(count(Method.RANKED_CHOICE, election.options, election.ballots).scores)


def read_or_refused(content: bytes) -> Election | None:
    """None for a `BallotFileError`, which has a sentence to say; anything else is our fault."""
    try:
        return read_election(content)
    except BallotFileError as error:
        if not str(error):
            raise
        return None


scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 5), st.floats(), st.sampled_from(("a", "b", "1", ""))
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(("a", "1", "x")), inner)
    ),
    max_leaves=6,
)
keys = st.sampled_from(("ranking", "points", "approve", "choice", "weight", "count"))
votes = st.one_of(st.fixed_dictionaries({"choice": values, "balance": values}), values)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "options": st.one_of(st.just(["a", "b"]), values),
            "ballots": st.one_of(st.lists(st.dictionaries(keys, values)), values),
            "votes": st.lists(votes),
            "proposal": st.one_of(st.just({"choices": ["a", "b"]}), values),
            "scores": values,
            "scoresByStrategy": values,
            "method": values,
            "seats": values,
            "withdrawn": values,
        },
    )
)
def test_documents_are_read_or_refused_with_a_reason(document: dict[str, object]) -> None:
    election = read_or_refused(json.dumps(document).encode())
    if election is None or election.snapshot is None:
        return
    for method in Method:
        counted = count(method, election.options, votes_as_ballots(election, method), rules=Rules.SNAPSHOT)
        given_papers = counted.papers
        assert given_papers.valid_count + given_papers.blank_count + given_papers.invalid_count == len(
            election.snapshot.votes
        )
        if method is not Method.BORDA:
            assert len(published(election, counted).scores_by_strategy) == len(election.options)


def test_the_strategies_above_make_ties() -> None:
    """Two level options are what most of these laws are about."""
    level = [Weighted(Ranking.of(one, other)) for one, other in combinations(range(2), 2)]
    level += [Weighted(Ranking.of(1, 0))]
    assert count(Method.COPELAND, OPTIONS[:2], level).winners == ()
    with pytest.raises(CountingError, match="earlier rounds"):
        count(Method.COPELAND, OPTIONS[:2], level, tie_rule=TieRule.BACKWARD)
