"""What is wrong with a body, in words."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, Field, StrictBool, StrictInt, TypeAdapter, ValidationError

from coordination.runtime.problems import problems_of
from coordination.runtime.wire import Body


def odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError("an odd number is needed")
    return value


class Inner(Body):
    number: Annotated[int, AfterValidator(odd)] = Field(default=1, alias="int")


class Outer(Body):
    inner: Inner
    labels: dict[str, str] = Field(default_factory=dict)
    either: dict[str, StrictBool | StrictInt] = Field(default_factory=dict)


OUTER = TypeAdapter(Outer)


def said(value: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        OUTER.validate_python(value)
    return [str(problem) for problem in problems_of(caught.value, most=5, body=OUTER)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({}, ["inner: is missing"]),
        ({"inner": {}, "x": 1}, ["x: there is no such field; there are: inner, labels, either"]),
        ({"inner": {"x": 1}}, ["inner.x: there is no such field; there are: int"]),
        ({"inner": {"int": 2}}, ["inner.int: an odd number is needed"]),
        ({"inner": {"int": []}}, ["inner.int: must be a valid integer"]),
        (
            {"inner": {}, "labels": {"str": 1, "int": 2}},
            ["labels.str: must be a valid string", "labels.int: must be a valid string"],
        ),
        (
            {"inner": {}, "either": {"a": [], "int": []}},
            [
                "either.a: must be true or false or a whole number",
                "either.int: must be true or false or a whole number",
            ],
        ),
    ],
)
def test_each_problem_is_one_sentence_without_words_of_pydantics(value: Any, expected: list[str]) -> None:
    assert said(value) == expected


def test_a_text_that_is_nested_too_deep_is_told_so() -> None:
    with pytest.raises(ValidationError) as refused:
        Body.model_validate_json("[" * 1000)
    assert [each.text for each in problems_of(refused.value, most=1)] == ["is nested too deep; flatten it"]
