"""A requirement and its forms are the same thing, and no input does anything but read or be refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordination.requirements import (
    Requirement,
    RequirementFormError,
    RequirementSyntaxError,
    from_json,
    parse,
    to_json,
)
from coordination.requirements.terms import MAX_TEXT_CHARS
from tests.support.requirements import requirements

FRAGMENTS = st.sampled_from(
    [
        *(
            "a",
            "python",
            "a.b",
            "label:a",
            "capability:",
            "prefer",
            "weight",
            "not",
            "in",
            "exists",
            "semver",
        ),
        *(
            "pep440",
            "=",
            "==",
            "!=",
            "<",
            "<=",
            ">",
            ">=",
            "~=",
            "^",
            "~",
            "[",
            "]",
            ",",
            '"',
            "\\",
            " ",
            "\n",
        ),
        *(
            "1",
            "3.11",
            "1.2.3-rc.1",
            "true",
            ">=1.2 <2 || 3.x",
            '">=1.2"',
            "1e999",
            "\\u00",
            "\ud800",
            "é",
            "*",
        ),
    ]
)
LIKE_TEXT = st.lists(FRAGMENTS, max_size=60).map("".join)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | LIKE_TEXT
    | st.sampled_from(["=", ">=", "in", "exists", "semver"]),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["hard", "preferred", "name", "op", "value", "weight"]) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(requirements())
def test_the_canonical_text_reads_back_as_the_same_requirement(requirement: Requirement) -> None:
    text = str(requirement)
    again = parse(text)
    assert again == requirement
    assert hash(again) == hash(requirement)
    assert str(again) == text


@given(requirements(), requirements())
def test_equal_requirements_and_only_they_have_the_same_text(one: Requirement, other: Requirement) -> None:
    assert (one == other) is (str(one) == str(other))


@given(requirements())
def test_the_object_reads_back_as_the_same_requirement(requirement: Requirement) -> None:
    form = json.loads(json.dumps(to_json(requirement)))
    again = from_json(form)
    assert again == requirement
    assert json.loads(json.dumps(to_json(again))) == form


@given(st.text(max_size=3000) | LIKE_TEXT)
@example('"' * 3000)
@example("[" * 2048)
@example("a in [" * 300)
@example("not " * 512)
@example("a," * 1024)
@example("\\" * 2048)
@example('"' + "\\u0041" * 340 + '"')
@example('a semver "' + "1 || " * 48 + '1"')
@example('a semver "' + " " * 255 + '"')
@example('a pep440 "' + ">=1," * 60 + '"')
@example("a>=" + "9" * 250)
@example("a~=1." + "9" * 250)
@example("a=" + "1" * 2000)
def test_any_text_is_a_requirement_or_a_syntax_error(text: str) -> None:
    try:
        requirement = parse(text)
    except RequirementSyntaxError as error:
        refused = error
    else:
        assert len(str(requirement)) <= MAX_TEXT_CHARS
        assert parse(str(requirement)) == requirement
        return
    assert 0 <= refused.offset <= len(text)
    assert len(str(refused).splitlines()) == 3
    assert 0 < len(refused.message) < 300


@given(JSON)
def test_any_json_is_a_requirement_or_a_form_error(form: Any) -> None:
    try:
        requirement = from_json(form)
    except RequirementFormError as error:
        refused = error
    else:
        assert parse(str(requirement)) == requirement
        return
    assert 0 < len(str(refused)) < 400


def test_deep_data_is_refused_without_descending_into_it() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for form in (deep, {"hard": deep}, {"hard": [{"name": "a", "op": "in", "value": deep}]}):
        with pytest.raises(RequirementFormError):
            from_json(form)
    while deep:  # Taken apart by hand: freeing it would recurse just as deep.
        deep = deep[0]
