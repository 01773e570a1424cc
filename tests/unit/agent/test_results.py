"""What handlers return, as others get it."""

from __future__ import annotations

import dataclasses
from datetime import date
from enum import StrEnum
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel, field_serializer
from pydantic_core import from_json

from conclave.agent.results import ResultError, message_content, task_result
from coordination.artifacts.limits import MAX_ARTIFACT_BYTES


class Colour(StrEnum):
    """A value."""

    RED = "red"


class Answer(BaseModel):
    """A result with a name of its own on the wire."""

    model_config = ConfigDict(populate_by_name=True)

    total_count: int = Field(serialization_alias="totalCount")
    day: date


@dataclasses.dataclass
class Point:
    """A result."""

    x: int


class Leaky(BaseModel):
    """A model whose serializer fails with a secret."""

    value: int

    @field_serializer("value")
    def fail(self, value: int) -> int:
        raise RuntimeError(f"the password is hunter{value}")


ITSELF: list[Any] = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("returned", "result"),
    [
        (None, {}),
        ({}, {}),
        ({"a": (1, Colour.RED)}, {"a": [1, "red"]}),
        (Answer(total_count=1, day=date(2026, 11, 21)), {"totalCount": 1, "day": "2026-11-21"}),
        (Point(1), {"x": 1}),
        ([Point(1)], {"result": [{"x": 1}]}),
        (RootModel[list[int]]([1]), {"result": [1]}),
        ("text", {"result": "text"}),
        (0, {"result": 0}),
        (False, {"result": False}),
        (date(2026, 11, 21), {"result": "2026-11-21"}),
    ],
)
def test_what_a_task_handler_returns_becomes_the_result(returned: Any, result: dict[str, Any]) -> None:
    assert from_json(task_result(returned)) == result


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        (object(), "not JSON: Unable to serialize unknown type: <class 'object'>"),
        ({"a": {"b": lambda: 1}}, "Unable to serialize unknown type"),
        (float("nan"), "NaN or infinity"),
        ({"a": [float("inf")]}, "NaN or infinity"),
        (ITSELF, "nested too deep, or in itself"),
        ("\ud800", "not JSON: it holds half a surrogate pair, which cannot be sent as text"),
        (Point("\ud800"), "it holds half a surrogate pair"),  # type: ignore[arg-type]
        ({"a": {"\ud800": 1}}, "it holds half a surrogate pair"),
        (b"\xff", "not JSON"),
        ("x" * MAX_ARTIFACT_BYTES, r"has 16777218 bytes of JSON.*at most 16777216; put the parts into art"),
    ],
)
def test_what_is_not_json_or_too_large_is_refused(returned: Any, problem: str) -> None:
    with pytest.raises(ResultError, match=problem):
        task_result(returned)


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "a NaN and an Infinity"])
def test_a_text_that_names_what_json_has_no_numbers_for_is_a_text(text: str) -> None:
    assert from_json(task_result({"a": [text]})) == {"a": [text]}


def test_the_text_of_an_error_in_a_serializer_stays_here() -> None:
    with pytest.raises(ResultError, match="a serializer failed") as caught:
        task_result(Leaky(value=2))
    assert "hunter" not in str(caught.value)


def test_an_answer_is_text_as_it_is_and_json_otherwise() -> None:
    assert message_content("plain", max_bytes=5) == "plain"
    assert message_content({"a": [1]}, max_bytes=100) == '{"a":[1]}'
    assert message_content(Point(1), max_bytes=100) == '{"x":1}'
    with pytest.raises(ResultError, match="the answer has 6 bytes, a message has at most 5"):
        message_content("ümläuts"[:4], max_bytes=5)
    with pytest.raises(ResultError, match="NaN"):
        message_content([float("nan")], max_bytes=100)
