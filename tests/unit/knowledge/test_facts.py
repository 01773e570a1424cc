"""Facts: their identity, their bounds, and patterns that find them."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest

from coordination.runtime.errors import RejectedError
from knowledge.canonical import Json
from knowledge.facts import Fact, Pattern, object_text, parse_fact, require_topic, select

FACT = Fact.of(subject="host-a", predicate="runs", object="postgres", source="agent-a", asserted_at_ms=5)


def other(**changes: Any) -> Fact:
    if "object" in changes:
        changes["object_json"] = object_text(changes.pop("object"))
    return dataclasses.replace(FACT, **changes)


def test_the_canonical_text_of_a_fact_is_pinned_for_ever() -> None:
    text = '{"asserted_at_ms":5,"object":"postgres","predicate":"runs","source":"agent-a","subject":"host-a"}'
    assert FACT.canonical == text
    assert FACT.fact_id == hashlib.sha256(text.encode()).hexdigest()
    assert parse_fact(text) == FACT


@pytest.mark.parametrize("value", [None, True, 0, -3, 2.5, 1e300, "text", "", [1, [2]], {"a": {"b": None}}])
def test_an_object_comes_back_as_it_went_in(value: Json) -> None:
    fact = parse_fact(other(object=value).canonical)
    assert fact.object == value
    assert type(fact.object) is type(value)


def test_an_integral_float_is_the_integer_but_true_is_not_one() -> None:
    assert other(object=1) == other(object=1.0)
    assert other(object=1).fact_id != other(object=True).fact_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", ""),
        ("subject", "x" * 513),
        ("subject", "\u00fc" * 257),
        ("subject", "line\nbreak"),
        ("subject", "\ud800"),
        ("subject", 7),
        ("predicate", ""),
        ("predicate", "x" * 129),
        ("predicate", None),
        ("source", "Agent A"),
        ("source", "a.b"),
        ("source", None),
        ("asserted_at_ms", -1),
        ("asserted_at_ms", 2**53),
        ("asserted_at_ms", True),
        ("asserted_at_ms", 1.0),
        ("object_json", "1.0"),
        ("object_json", '"\ud800"'),
        ("object_json", '"' + "x" * 8191 + '"'),
    ],
)
def test_a_field_out_of_its_limits_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(RejectedError) as refusal:
        other(**{field: value})
    assert refusal.value.code == "invalid_fact"
    assert refusal.value.details == {"field": field.removesuffix("_json")}


def test_the_largest_fact_is_allowed_and_reads_back() -> None:
    fact = Fact.of(
        subject="\u00fc" * 256,
        predicate='"' * 128,
        object="\\" * 4095,
        source="a" * 63,
        asserted_at_ms=2**53 - 1,
    )
    assert parse_fact(fact.canonical) == fact


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        FACT.canonical + " ",
        FACT.canonical.replace('"host-a"', "7"),
        FACT.canonical.replace("5", "5.5"),
        FACT.canonical.replace("subject", "topic"),
        FACT.canonical.replace("}", ',"zone":1}'),
        "x" * 20_000,
    ],
)
def test_a_text_that_is_no_fact_is_refused(text: str) -> None:
    with pytest.raises(RejectedError, match="invalid_fact"):
        parse_fact(text)


@pytest.mark.parametrize("value", [float("nan"), 2**60, {1, 2}, object()])
def test_an_object_that_is_no_json_is_refused(value: Any) -> None:
    with pytest.raises(RejectedError, match="invalid_fact"):
        object_text(value)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (Pattern(), True),
        (Pattern(subject="host-a"), True),
        (Pattern(subject="host"), False),
        (Pattern(subject_prefix="host"), True),
        (Pattern(subject_prefix="ost"), False),
        (Pattern(predicate="runs"), True),
        (Pattern(predicate="ran"), False),
        (Pattern(object_json='"postgres"'), True),
        (Pattern(object_json="null"), False),
        (Pattern(source="agent-a"), True),
        (Pattern(source="agent-b"), False),
        (Pattern(subject="host-a", predicate="runs", source="agent-b"), False),
    ],
)
def test_a_pattern_matches_only_if_all_its_parts_do(pattern: Pattern, *, matches: bool) -> None:
    assert pattern.matches(FACT) is matches


def test_a_null_object_can_be_asked_for() -> None:
    null = other(object=None)
    assert select([FACT, null], Pattern(object_json=object_text(None))) == [null]


def test_facts_are_selected_oldest_first_and_equally_everywhere() -> None:
    facts = [other(asserted_at_ms=at, object=value) for at in (3, 1, 2) for value in ("x", "y")]
    ordered = select(facts, Pattern())
    assert ordered == select(reversed(facts), Pattern())
    assert [fact.asserted_at_ms for fact in ordered] == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize("name", ["a", "deployments", "0-a_b", "a" * 63])
def test_a_topic_name_is_one_subject_token(name: str) -> None:
    assert require_topic(name) == name


@pytest.mark.parametrize("name", ["", "-a", "_a", "A", "a.b", "a*", "a>", "a b", "a\n", "\u00e4", "a" * 64])
def test_a_topic_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(RejectedError, match="invalid_topic"):
        require_topic(name)
