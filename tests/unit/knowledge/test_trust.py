"""How ratings of agents become weights: a table, and the laws that hold for all ratings."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.canonical import Json
from knowledge.facts import Fact
from knowledge.limits import MAX_TRUST_EVIDENCE
from knowledge.trust import Evidence, ignored, trust

AGENTS = ("ada", "bob", "cyd")


def rating(source: str, subject: str, value: Json, *, at_ms: int = 1, predicate: str = "trust") -> Fact:
    return Fact.of(subject=subject, predicate=predicate, object=value, source=source, asserted_at_ms=at_ms)


def said(positive: int, negative: int) -> Json:
    return {"positive": positive, "negative": negative}


counts = st.integers(0, MAX_TRUST_EVIDENCE)
ratings = st.lists(
    st.builds(
        lambda source, subject, positive, negative, at_ms: rating(
            source, subject, said(positive, negative), at_ms=at_ms
        ),
        st.sampled_from(AGENTS),
        st.sampled_from(AGENTS),
        counts,
        counts,
        st.integers(0, 3),
    ),
    max_size=12,
)


@pytest.mark.parametrize(
    ("positive", "negative", "expectation", "weight"),
    [
        (0, 0, Fraction(1, 2), 500),
        (1, 0, Fraction(2, 3), 666),
        (0, 1, Fraction(1, 3), 333),
        (8, 0, Fraction(9, 10), 900),
        (8, 8, Fraction(1, 2), 500),
        (998, 0, Fraction(999, 1000), 999),
        (MAX_TRUST_EVIDENCE, 0, Fraction(1_000_001, 1_000_002), 999),
        (0, MAX_TRUST_EVIDENCE, Fraction(1, 1_000_002), 0),
    ],
)
def test_evidence_becomes_the_expected_probability_and_its_thousandths(
    positive: int, negative: int, expectation: Fraction, weight: int
) -> None:
    evidence = Evidence(positive, negative)
    assert evidence.expectation == expectation
    assert evidence.weight == weight


def test_the_ratings_of_several_agents_add_up() -> None:
    facts = [rating("ada", "cyd", said(3, 1)), rating("bob", "cyd", said(5, 0))]
    assert trust(facts, ["cyd"]) == {"cyd": Evidence(8, 1)}


def test_an_agent_that_nobody_rated_has_no_evidence_and_each_is_asked_for_once() -> None:
    assert trust([], ["ada", "bob", "ada"]) == {"ada": Evidence(), "bob": Evidence()}


def test_the_latest_rating_of_a_rater_takes_the_place_of_the_earlier_ones() -> None:
    facts = [rating("ada", "cyd", said(9, 0), at_ms=5), rating("ada", "cyd", said(0, 4), at_ms=6)]
    assert trust(facts, ["cyd"]) == {"cyd": Evidence(0, 4)}
    assert trust(facts[::-1], ["cyd"]) == {"cyd": Evidence(0, 4)}


@pytest.mark.parametrize(
    "value",
    [
        {"positive": 1},
        {"positive": 1, "negative": 0, "note": "x"},
        {"positive": -1, "negative": 0},
        {"positive": MAX_TRUST_EVIDENCE + 1, "negative": 0},
        {"positive": 1.5, "negative": 0},
        {"positive": True, "negative": 0},
        {"positive": "1", "negative": 0},
        [1, 0],
        "good",
        None,
    ],
)
def test_what_is_no_rating_says_nothing_and_leaves_the_rating_before_it(value: Json) -> None:
    before = rating("ada", "cyd", said(2, 0), at_ms=1)
    assert trust([before, rating("ada", "cyd", value, at_ms=2)], ["cyd"]) == {"cyd": Evidence(2, 0)}


def test_malformed_ratings_are_counted_by_rater_until_a_proper_one_follows() -> None:
    facts = [
        rating("bob", "cyd", 0.9, at_ms=1),
        rating("bob", "ada", "good", at_ms=2),
        rating("ada", "cyd", 1, at_ms=3),
        rating("dora", "cyd", 1, at_ms=4),
        rating("dora", "cyd", said(1, 0), at_ms=5),
        rating("eve", "cyd", said(1, 0), at_ms=6),
        rating("eve", "cyd", 1, at_ms=7),
        rating("cyd", "cyd", 1, at_ms=8),
        rating("ada", "zoe", 1, at_ms=9),
        rating("ada", "cyd", 1, at_ms=10, predicate="likes"),
    ]
    assert list(ignored(facts, ["cyd", "ada"]).items()) == [("bob", 2), ("ada", 1), ("eve", 1)]
    assert ignored(facts[::-1], ["cyd", "ada"]) == {"bob": 2, "ada": 1, "eve": 1}


def test_other_predicates_and_other_agents_do_not_count() -> None:
    facts = [rating("ada", "cyd", said(2, 0), predicate="likes"), rating("ada", "bob", said(2, 0))]
    assert trust(facts, ["cyd"]) == {"cyd": Evidence()}


@given(facts=ratings, data=st.data())
def test_the_order_of_the_facts_does_not_matter(facts: list[Fact], data: st.DataObject) -> None:
    assert trust(data.draw(st.permutations(facts)), AGENTS) == trust(facts, AGENTS)


@given(facts=ratings, agent=st.sampled_from(AGENTS), positive=counts, at_ms=st.integers(0, 9))
def test_nobody_rates_itself(facts: list[Fact], agent: str, positive: int, at_ms: int) -> None:
    own = rating(agent, agent, said(positive, 0), at_ms=at_ms)
    assert trust([*facts, own], AGENTS) == trust(facts, AGENTS)


@given(facts=ratings, positive=st.integers(0, 1000), negative=counts, more=st.integers(0, 1000))
def test_more_that_speaks_for_an_agent_never_lowers_its_weight(
    facts: list[Fact], positive: int, negative: int, more: int
) -> None:
    less = rating("dora", "cyd", said(positive, negative), at_ms=9)
    better = rating("dora", "cyd", said(positive + more, negative), at_ms=9)
    before, after = trust([*facts, less], AGENTS), trust([*facts, better], AGENTS)
    assert after["cyd"].weight >= before["cyd"].weight
    assert {agent: after[agent] for agent in ("ada", "bob")} == {a: before[a] for a in ("ada", "bob")}


@given(facts=ratings)
def test_weights_are_thousandths_below_full_trust(facts: list[Fact]) -> None:
    assert all(0 <= evidence.weight < 1000 for evidence in trust(facts, AGENTS).values())
