"""Canonical JSON and facts: one text per value, and back."""

from __future__ import annotations

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.canonical import Json, NotCanonicalError, canonical_json, parse_canonical
from knowledge.facts import Fact, Pattern, parse_fact, select

LEAVES = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES: st.SearchStrategy[Json] = st.recursive(
    LEAVES | FLOATS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30)
FACTS = st.builds(
    Fact.of,
    subject=NAMES,
    predicate=NAMES,
    object=LEAVES,
    source=st.sampled_from(["a", "b"]),
    asserted_at_ms=st.integers(0, 2**53 - 1),
)


def is_shallow(value: Json) -> bool:
    try:
        canonical_json(value)
    except NotCanonicalError:
        return False
    return True


@given(VALUES.filter(is_shallow))
@settings(deadline=None)
def test_a_value_comes_back_equal_from_its_one_text(value: Json) -> None:
    text = canonical_json(value)
    assert parse_canonical(text) == value
    assert json.loads(text, parse_int=float) == value
    assert canonical_json(parse_canonical(text)) == text


@given(FLOATS)
@settings(max_examples=300, deadline=None)
def test_a_float_keeps_every_bit_but_the_sign_of_zero(number: float) -> None:
    read = parse_canonical(canonical_json(number))
    assert isinstance(read, int | float)
    assert math.isclose(read, number, rel_tol=0, abs_tol=0)


@given(st.text(max_size=40))
@settings(deadline=None)
def test_any_text_is_canonical_or_refused(text: str) -> None:
    try:
        value = parse_canonical(text)
    except NotCanonicalError:
        return
    assert canonical_json(value) == text


@given(FACTS)
@settings(deadline=None)
def test_a_fact_comes_back_from_its_text_with_the_same_id(fact: Fact) -> None:
    read = parse_fact(fact.canonical)
    assert read == fact
    assert read.fact_id == fact.fact_id
    assert canonical_json(json.loads(fact.canonical)) == fact.canonical


@given(st.lists(FACTS, max_size=10), FACTS)
@settings(deadline=None)
def test_a_query_by_every_field_finds_the_fact_and_nothing_else(facts: list[Fact], wanted: Fact) -> None:
    pattern = Pattern(
        subject=wanted.subject,
        subject_prefix=wanted.subject[:1],
        predicate=wanted.predicate,
        object_json=wanted.object_json,
        source=wanted.source,
    )
    found = select([*facts, wanted], pattern)
    assert wanted in found
    assert all(fact in [*facts, wanted] and pattern.matches(fact) for fact in found)
