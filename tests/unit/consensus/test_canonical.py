"""The one text of a value: RFC 8785 with whole numbers only."""

from __future__ import annotations

import json
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consensus.canonical import canonical, plain
from consensus.events import DeadlineExtended, ProposalCreated, VoteCast
from consensus.rules import ElectorateSpec, Level, Option, Rules

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (-(2**70), "-1180591620717411303424"),
        ("", '""'),
        ([], "[]"),
        ({}, "{}"),
        ((1, (2, "x")), '[1,[2,"x"]]'),
        ({"b": 1, "a": {"d": None, "c": False}}, '{"a":{"c":false,"d":null},"b":1}'),
        # RFC 8785, 3.2.2: what must be escaped is, in the one way that it says; nothing else is.
        ('\u20ac$\u000f\nA\'B"\\"/', '"\u20ac$\\u000f\\nA\'B\\"\\\\\\"/"'),
        ("\b\t\n\f\r\x00\x1f\x7f", '"\\b\\t\\n\\f\\r\\u0000\\u001f\x7f"'),
        ("\u2028\U0001f600", '"\u2028\U0001f600"'),
    ],
)
def test_each_value_has_one_text(value: Any, text: str) -> None:
    assert canonical(value) == text.encode()


def test_keys_are_in_the_order_of_the_example_in_rfc_8785() -> None:
    # RFC 8785, 3.2.3: a surrogate pair comes before U+FB33, although its code point is the greater one.
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    order = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical(dict.fromkeys(keys, 0)))) == order


@pytest.mark.parametrize("value", [1.0, {"a": [0.5]}, {1: "a"}, {None: 1}, b"x", {1, 2}, object()])
def test_what_json_does_not_write_in_one_way_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["\ud83d"]])
def test_half_of_a_surrogate_pair_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        canonical(value)


@given(VALUES)
def test_the_text_reads_back_as_the_value_and_is_written_the_same_again(value: Any) -> None:
    text = canonical(value)
    assert json.loads(text) == value
    assert canonical(json.loads(text)) == text


@given(st.dictionaries(TEXTS, st.integers()), st.randoms(use_true_random=False))
def test_the_order_in_which_a_mapping_was_made_is_not_seen(mapping: dict[str, int], lot: Any) -> None:
    items = list(mapping.items())
    lot.shuffle(items)
    assert canonical(MappingProxyType(dict(items))) == canonical(mapping)


def test_an_event_becomes_json_with_all_that_is_within_it() -> None:
    created = ProposalCreated(
        proposal_id="p",
        number=1,
        proposer="ada",
        title="T",
        kind="custom",
        description="",
        artifact_sha256="0" * 64,
        electorate=ElectorateSpec(agents=("ada", "bob"), weights="given", given=MappingProxyType({"bob": 2})),
        rules=Rules(
            protocol="approval",
            options=(Option(option="a"), Option(option="b")),
            super_quorum=Level(numerator=2),
        ),
        voting_delay_ms=0,
        voting_period_ms=1,
        conversation_id=None,
        created_at_ms=5,
        snapshot_ms=5,
    )
    body = plain(created)
    assert body["electorate"]["given"] == {"bob": 2}
    assert body["rules"]["options"][1] == {"option": "b", "title": "", "artifact_sha256": ""}
    assert body["rules"]["super_quorum"] == {"numerator": 2, "denominator": None}
    assert json.loads(canonical(body)) == body
    event = DeadlineExtended(proposal_id="p", deadline_ms=2, extended_at_ms=1)
    assert plain(event) == asdict(event)


@pytest.mark.parametrize(
    ("choice", "body"),
    [("for", "for"), ((("a",), ("b", "c")), [["a"], ["b", "c"]]), ({"a": 3}, {"a": 3})],
)
def test_every_form_of_a_choice_has_its_form_in_json(choice: Any, body: Any) -> None:
    vote = VoteCast(
        proposal_id="p",
        sequence=1,
        voter="ada",
        scope="all",
        choice=choice,
        weight=1,
        conditions=("tested",),
        rationale="",
        nonce="",
        public_key="",
        signature="",
        cast_at_ms=1,
    )
    assert plain(vote)["choice"] == body
    assert plain(vote)["conditions"] == ["tested"]


@pytest.mark.parametrize("value", [{"a": 1}, Level, "text", None])
def test_only_an_event_has_a_plain_form(value: Any) -> None:
    with pytest.raises(TypeError, match="an event is a dataclass"):
        plain(value)
