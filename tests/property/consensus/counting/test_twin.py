"""Every method agrees with its naive twin: scores, winners, rounds, with ties and equal ranks."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from consensus.counting import (
    Approval,
    Borda,
    Count,
    Method,
    Points,
    Quadratic,
    QuadraticScore,
    Ranking,
    TieRule,
    Weighted,
    count,
)
from consensus.counting.exported import decimal
from tests.support import naive_counting as naive

NAMES = ["Ada", "Bob", "Cleo", "Dan", "Eve"]

weights = st.one_of(st.integers(0, 4), st.fractions(min_value=0, max_value=3, max_denominator=6))
"""Few and small, so that ties abound."""


@st.composite
def rankings(draw: st.DrawFn) -> tuple[tuple[int, ...], ...]:
    """Ranks with equals; some options left out."""
    order = draw(st.permutations(range(len(NAMES))))
    kept = draw(st.integers(0, len(NAMES)))
    ranks: list[tuple[int, ...]] = []
    position = 0
    while position < kept:
        size = draw(st.sampled_from((1, 1, 1, 2, 3)))
        ranks.append(tuple(order[position : min(position + size, kept)]))
        position += size
    return tuple(ranks)


ranked_papers = st.lists(st.tuples(rankings(), weights), max_size=9)
pointed_papers = st.lists(
    st.tuples(
        st.dictionaries(
            st.integers(0, len(NAMES) - 1),
            st.one_of(st.integers(0, 5), st.fractions(0, 2, max_denominator=4)),
        ),
        weights,
    ),
    max_size=7,
)


def as_ballots(papers: list[tuple[tuple[tuple[int, ...], ...], int | Fraction]]) -> list[Weighted]:
    return [Weighted(Ranking(tuple(map(frozenset, ranks))), weight) for ranks, weight in papers]


def as_papers(papers: list[tuple[tuple[tuple[int, ...], ...], int | Fraction]]) -> list[naive.Paper]:
    return [
        ([[NAMES[each] for each in rank] for rank in ranks], Fraction(weight)) for ranks, weight in papers
    ]


def as_points(papers: list[tuple[dict[int, int | Fraction], int | Fraction]]) -> list[Weighted]:
    return [Weighted(Points(points), weight) for points, weight in papers]


def as_named(
    papers: list[tuple[dict[int, int | Fraction], int | Fraction]],
) -> list[tuple[dict[str, Fraction], Fraction]]:
    return [
        ({NAMES[key]: Fraction(each) for key, each in points.items()}, Fraction(weight))
        for points, weight in papers
    ]


def names_of(options: tuple[int, ...]) -> set[str]:
    return {NAMES[option] for option in options}


def assert_same(counted: Count, scores: dict[str, Fraction]) -> None:
    assert dict(zip(NAMES, counted.scores, strict=True)) == scores
    level = naive.winners_by_score(scores)
    if counted.papers.valid_weight == 0:
        assert counted.winners == ()
    elif len(level) == 1:
        assert names_of(counted.winners) == level
    else:
        assert counted.winners == ()
        assert names_of(counted.ties[-1].options) == level
    assert [{scores[NAMES[option]] for option in group} for group in counted.ranking] == [
        {score} for score in sorted(set(scores.values()), reverse=True)
    ]


@given(st.lists(st.tuples(st.integers(0, len(NAMES) - 1), weights), max_size=9))
def test_plurality_is_as_the_twin_says(papers: list[tuple[int, int | Fraction]]) -> None:
    counted = count(Method.PLURALITY, NAMES, [Weighted(Approval.of(each), weight) for each, weight in papers])
    assert_same(counted, naive.plurality(NAMES, [(NAMES[each], Fraction(weight)) for each, weight in papers]))


@given(st.lists(st.tuples(st.sets(st.integers(0, len(NAMES) - 1)), weights), max_size=9))
def test_approval_is_as_the_twin_says(papers: list[tuple[set[int], int | Fraction]]) -> None:
    counted = count(Method.APPROVAL, NAMES, [Weighted(Approval.of(*each), weight) for each, weight in papers])
    named = [({NAMES[option] for option in each}, Fraction(weight)) for each, weight in papers]
    assert_same(counted, naive.approval(NAMES, named))


@given(pointed_papers)
def test_weighted_split_is_as_the_twin_says(
    papers: list[tuple[dict[int, int | Fraction], int | Fraction]],
) -> None:
    assert_same(
        count(Method.WEIGHTED_SPLIT, NAMES, as_points(papers)), naive.weighted_split(NAMES, as_named(papers))
    )


@given(pointed_papers, st.integers(0, 30))
def test_bought_votes_are_as_the_twin_says(
    papers: list[tuple[dict[int, int | Fraction], int | Fraction]], credits_each: int
) -> None:
    counted = count(Method.QUADRATIC, NAMES, as_points(papers), credits=credits_each)
    assert_same(counted, naive.quadratic_bought(NAMES, as_named(papers), Fraction(credits_each)))


@given(pointed_papers)
@example([({0: 2, 1: 18}, 1), ({0: 8, 1: 2}, 1), ({0: 18, 1: 8}, 1)])
def test_shared_votes_are_as_the_twin_says(
    papers: list[tuple[dict[int, int | Fraction], int | Fraction]],
) -> None:
    counted = count(Method.QUADRATIC, NAMES, as_points(papers), quadratic=Quadratic.SHARED)
    scores = naive.quadratic_shared(NAMES, as_named(papers))
    for name, score in zip(NAMES, counted.scores, strict=True):
        assert isinstance(score, QuadraticScore)
        assert abs(Decimal(decimal(score, 30)) - scores[name]) < Decimal(10) ** -29
    for group in counted.ranking:
        assert all(abs(scores[NAMES[each]] - scores[NAMES[group[0]]]) < naive.NEARLY for each in group)
    heads = [scores[NAMES[group[0]]] for group in counted.ranking]
    assert all(above > below + naive.NEARLY for above, below in pairwise(heads))


@given(ranked_papers, st.sampled_from(Borda))
def test_borda_is_as_the_twin_says(
    papers: list[tuple[tuple[tuple[int, ...], ...], int | Fraction]], form: Borda
) -> None:
    assert_same(
        count(Method.BORDA, NAMES, as_ballots(papers), borda=form),
        naive.borda(NAMES, [paper for paper in as_papers(papers) if paper[0]], form),
    )


@given(ranked_papers)
def test_copeland_is_as_the_twin_says(
    papers: list[tuple[tuple[tuple[int, ...], ...], int | Fraction]],
) -> None:
    counted = count(Method.COPELAND, NAMES, as_ballots(papers))
    assert_same(counted, naive.copeland(NAMES, as_papers(papers)))
    assert counted.pairwise is not None
    for (one, other), weight in naive.pairwise(NAMES, as_papers(papers)).items():
        assert counted.pairwise[NAMES.index(one)][NAMES.index(other)] == weight


@given(
    ranked_papers,
    st.sampled_from(TieRule),
    st.sampled_from([rule for rule in TieRule if rule is not TieRule.ALL]),
    st.sampled_from(("", "seed")),
)
def test_instant_runoff_is_as_the_twin_says(
    papers: list[tuple[tuple[tuple[int, ...], ...], int | Fraction]],
    elimination: TieRule,
    rule: TieRule,
    seed: str,
) -> None:
    counted = count(
        Method.RANKED_CHOICE,
        NAMES,
        as_ballots(papers),
        tie_rule=rule,
        elimination_tie_rule=elimination,
        seed=seed,
    )
    ran = naive.instant_runoff(NAMES, as_papers(papers), elimination, rule, seed)
    ours = [
        {name: score for name, score in zip(NAMES, each.scores, strict=True) if score is not None}
        for each in counted.rounds
    ]
    assert ours == ran.rounds
    assert [names_of(each.eliminated) for each in counted.rounds if each.eliminated] == ran.eliminated
    if len(ran.leaders) == 1:
        assert names_of(counted.winners) == (ran.leaders if counted.papers.valid_weight else set())
    elif not ran.leaders or not counted.papers.valid_weight:
        assert counted.winners == ()
    else:
        assert names_of(counted.ties[-1].options) == ran.leaders
    total = sum((Fraction(weight) for ranks, weight in papers if ranks), Fraction(0))
    for each in counted.rounds:
        assert sum(score for score in each.scores if score is not None) + each.exhausted == total
