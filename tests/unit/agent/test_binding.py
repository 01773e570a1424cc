"""Which arguments a handler gets from the payload of a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, field_validator
from typing_extensions import TypedDict

from conclave import Context, MessageContext, Session, TaskContext, UsageError
from conclave.agent.binding import Binding, ContentError, read_signature

CONTEXT: Any = object()
"""Stands for a `TaskContext`; binding only hands it on."""


class Order(BaseModel):
    """A payload."""

    model_config = ConfigDict(extra="forbid", strict=True)

    item: str
    count: int = Field(default=1, ge=1)
    due: date | None = None

    @field_validator("item")
    @classmethod
    def is_sold(cls, item: str) -> str:
        if item == "nothing":
            raise ValueError("is not sold here")
        return item


@dataclasses.dataclass
class Point:
    """A payload."""

    x: int
    y: int


class Movie(TypedDict):
    """A payload."""

    title: str


def bound(function: Callable[..., Any], payload: Mapping[str, Any], **namespace: Any) -> dict[str, Any]:
    """The arguments that `function` would get."""
    signature = read_signature(function, context=TaskContext, namespace=namespace)
    return Binding(signature).arguments(payload, CONTEXT)


def test_keys_go_to_parameters_of_the_same_name() -> None:
    def handler(name: str, times: int, *, loud: bool = False) -> None: ...

    assert bound(handler, {"name": "Ada", "times": 2}) == {"name": "Ada", "times": 2, "loud": False}


def test_a_parameter_annotated_with_a_context_gets_it_wherever_it_stands() -> None:
    def first(context: TaskContext, name: str) -> None: ...
    def last(name: str, whatever: Context) -> None: ...
    def optional(name: str, context: TaskContext | None = None) -> None: ...
    def annotated(name: str, context: Annotated[TaskContext, "doc"]) -> None: ...

    assert bound(first, {"name": "Ada"}) == {"name": "Ada", "context": CONTEXT}
    assert bound(last, {"name": "Ada"}) == {"name": "Ada", "whatever": CONTEXT}
    assert bound(optional, {"name": "Ada"}) == {"name": "Ada", "context": CONTEXT}
    assert bound(annotated, {"name": "Ada"}) == {"name": "Ada", "context": CONTEXT}


def test_one_model_dataclass_typed_dict_or_mapping_gets_the_whole_payload() -> None:
    def model(order: Order) -> None: ...
    def data(point: Point, context: TaskContext) -> None: ...
    def typed(movie: Movie) -> None: ...
    def plain(payload: dict[str, Any]) -> None: ...
    def bare(payload: dict) -> None: ...  # type: ignore[type-arg]
    def mapping(payload: Mapping[str, int]) -> None: ...
    def either(payload: Order | Point) -> None: ...

    order = {"item": "tea", "count": 2, "due": "2026-11-21"}
    assert bound(model, order) == {"order": Order(item="tea", count=2, due=date(2026, 11, 21))}
    assert bound(data, {"x": 1, "y": 2}) == {"point": Point(1, 2), "context": CONTEXT}
    assert bound(typed, {"title": "M"}) == {"movie": {"title": "M"}}
    assert bound(plain, {"a": [1]}) == {"payload": {"a": [1]}}
    assert bound(bare, {"a": 1}) == {"payload": {"a": 1}}
    assert bound(mapping, {"a": 1}) == {"payload": {"a": 1}}
    assert bound(either, {"x": 1, "y": 2}) == {"payload": Point(1, 2)}


def test_several_models_get_one_key_each() -> None:
    def handler(order: Order, point: Point) -> None: ...

    payload = {"order": {"item": "tea"}, "point": {"x": 1, "y": 2}}
    assert bound(handler, payload) == {"order": Order(item="tea"), "point": Point(1, 2)}


def test_parameters_may_be_called_whatever_a_model_has_for_itself() -> None:
    def handler(copy: int, model_fields: int, json: int, _private: int, p0: int = 9) -> None: ...

    payload = {"copy": 1, "model_fields": 2, "json": 3, "_private": 4}
    assert bound(handler, payload) == {**payload, "p0": 9}


def test_unannotated_parameters_take_any_json() -> None:
    def handler(name, extra=None):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        del name, extra

    assert bound(handler, {"name": {"deep": [1]}}) == {"name": {"deep": [1]}, "extra": None}


def test_further_keys_go_to_double_star_parameters_and_nowhere_else() -> None:
    def handler(name: str, context: TaskContext, **rest: int) -> None: ...

    assert bound(handler, {"name": "Ada", "a": 1}) == {"name": "Ada", "context": CONTEXT, "a": 1}
    with pytest.raises(ContentError, match=r"^a: Input should be a valid integer"):
        bound(handler, {"name": "Ada", "a": "much"})
    with pytest.raises(ContentError, match=r"^context: this name is taken"):
        bound(handler, {"name": "Ada", "context": 1})


def test_constraints_count_wherever_they_are_written() -> None:
    def handler(a: Annotated[int, Field(ge=2)], b: int = Field(3, le=5)) -> None: ...

    assert bound(handler, {"a": 2}) == {"a": 2, "b": 3}
    with pytest.raises(ContentError, match=r"^a: "):
        bound(handler, {"a": 1})
    with pytest.raises(ContentError, match=r"^b: "):
        bound(handler, {"a": 2, "b": 6})


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ({}, "^name: Field required"),
        ({"name": 7}, "^name: Input should be a valid string"),
        ({"name": "Ada", "nmae": "Bob"}, "^nmae: no such field; there are: name, times"),
        ({"name": "Ada", "times": "often"}, "^times: Input should be a valid integer"),
        ({"name": "Ada", "x" * 5000: 1}, "^x{100}…: no such field"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_with_the_name_of_the_field(
    payload: dict[str, Any], problem: str
) -> None:
    def handler(name: str, times: int = 1) -> None: ...

    with pytest.raises(ContentError, match=problem) as caught:
        bound(handler, payload)
    assert len(str(caught.value)) < 300


def test_problems_deep_in_a_model_are_named_with_their_place() -> None:
    def handler(order: Order) -> None: ...

    with pytest.raises(ContentError, match=r"^count: Input should be greater than or equal to 1"):
        bound(handler, {"item": "tea", "count": 0})
    with pytest.raises(ContentError, match=r"^item: Value error, is not sold here"):
        bound(handler, {"item": "nothing"})


def test_a_handler_that_takes_nothing_gets_only_empty_payloads() -> None:
    def handler() -> None: ...

    assert bound(handler, {}) == {}
    with pytest.raises(ContentError, match=r"^a: no such field; none is taken"):
        bound(handler, {"a": 1})


def test_methods_partials_and_callable_objects_are_handlers_too() -> None:
    class Greeter:
        def greet(self, name: str) -> None: ...
        def __call__(self, name: str, context: TaskContext) -> None: ...

    assert bound(Greeter().greet, {"name": "Ada"}) == {"name": "Ada"}
    assert bound(Greeter(), {"name": "Ada"}) == {"name": "Ada", "context": CONTEXT}


def test_annotations_may_name_what_is_local_to_where_the_handler_is_defined() -> None:
    class Local(BaseModel):
        a: int

    def handler(payload: Local) -> None: ...

    assert bound(handler, {"a": 1}, Local=Local) == {"payload": Local(a=1)}
    with pytest.raises(UsageError, match="an annotation names 'Local', which is not defined"):
        bound(handler, {"a": 1})


def by_position(*names: str) -> None: ...
def positional_only(name: str, /) -> None: ...
def wrong_context(context: MessageContext) -> None: ...
def hidden_wrong_context(context: MessageContext | None) -> None: ...
def session(session: Session) -> None: ...
def function(call: type[Callable]) -> None: ...  # type: ignore[type-arg]


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (by_position, "parameter 'names' is passed by position"),
        (positional_only, "parameter 'name' is passed by position"),
        (wrong_context, "'context' is a MessageContext, but handlers of this kind get a TaskContext"),
        (hidden_wrong_context, "is a MessageContext, but"),
        (session, "parameter 'session' is a Session, which cannot come from JSON; .* context"),
    ],
)
def test_an_impossible_signature_is_refused_at_once(handler: Callable[..., Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        Binding(read_signature(handler, context=TaskContext))


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(payload=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=8), JSON, max_size=5))
def test_a_dict_gets_exactly_the_payload_and_nothing_ends_in_another_error(payload: dict[str, Any]) -> None:
    def whole(payload: dict[str, Any]) -> None: ...
    def strict(name: str, order: Order) -> None: ...

    assert bound(whole, payload) == {"payload": payload}
    try:
        arguments = bound(strict, payload)
    except ContentError:
        return
    assert set(arguments) == {"name", "order"}
