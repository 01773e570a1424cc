"""Frozen dataclasses made fast are the same frozen dataclasses."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from coordination.runtime.fast_init import fast_init, maker


@fast_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Fast:
    """One of each kind of field."""

    name: str
    count: int = 3
    things: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """The same, as `dataclasses` makes it."""

    name: str
    count: int = 3
    things: dict[str, Any] = field(default_factory=dict)


def test_defaults_are_filled_in_and_made_anew_for_each() -> None:
    one, other = Fast(name="a"), Fast(name="a")
    assert (one.name, one.count, one.things) == ("a", 3, {})
    assert one == other
    assert one.things is not other.things
    assert Fast(name="b", count=0, things={"x": 1}).things == {"x": 1}


def test_an_instance_is_of_its_class_and_frozen() -> None:
    fast = Fast(name="a")
    assert type(fast) is Fast
    with pytest.raises(FrozenInstanceError):
        fast.name = "b"  # type: ignore[misc]
    assert replace(fast, name="b") == Fast(name="b")


@pytest.mark.parametrize("given", [{}, {"name": "a", "nobody": 1}])
def test_missing_and_unknown_fields_are_refused_as_ever(given: dict[str, Any]) -> None:
    for kind in (Fast, Plain):
        with pytest.raises(TypeError, match=rf"{kind.__name__}\.__init__\(\)"):
            kind(**given)


def test_the_parameters_are_the_same_ones() -> None:
    fast, plain = (inspect.signature(kind).parameters for kind in (Fast, Plain))
    assert list(fast) == list(plain)
    assert {each.kind for each in fast.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_it_is_copied_pickled_and_validated_like_any_other() -> None:
    fast = Fast(name="a", things={"x": [1]})
    assert copy.deepcopy(fast) == fast
    assert pickle.loads(pickle.dumps(fast)) == fast
    adapter = TypeAdapter(Fast)
    assert adapter.validate_json(adapter.dump_json(fast)) == fast


def test_a_maker_makes_what_the_class_would() -> None:
    make = maker(Fast)
    made = make(name="a", things={"x": [1]})
    assert type(made) is Fast
    assert made == Fast(name="a", things={"x": [1]})
    assert make(things={}, name="b", count=0) == Fast(name="b", count=0)
    assert make(name="a").things is not make(name="a").things
    with pytest.raises(FrozenInstanceError):
        made.name = "b"  # type: ignore[misc]
    assert copy.deepcopy(made) == made
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("given", [{}, {"name": "a", "nobody": 1}])
def test_a_maker_refuses_missing_and_unknown_fields(given: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"make_Fast\(\)"):
        maker(Fast)(**given)


def test_classes_that_it_would_break_are_refused() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Checked:
        name: str

        def __post_init__(self) -> None:
            assert self.name

    @dataclass(frozen=True, slots=True)
    class Positional:
        name: str

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Derived(Plain):
        more: int = 0

    for kind, why in ((Checked, "__post_init__"), (Positional, "positional"), (Derived, "bases")):
        with pytest.raises(AssertionError, match=why):
            fast_init(kind)
        with pytest.raises(AssertionError, match=why):
            maker(kind)
