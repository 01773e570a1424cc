"""States written in parts read as pydantic's own JSON, and are what they were when the writing began."""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from coordination.runtime import jsonwalk
from coordination.runtime.jsonwalk import JsonWalk
from coordination.runtime.stateform import StateForm, is_fixed


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Pair(NamedTuple):
    name: str
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fixed:
    name: str
    colour: Colour = Colour.RED
    shares: tuple[float, ...] = ()
    body: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Changing:
    count: int = 0


@dataclass(slots=True)
class Whole:
    things: dict[str, Fixed] = field(default_factory=dict)
    ordered: OrderedDict[str, None] = field(default_factory=OrderedDict)
    finished: OrderedDict[str, Fixed] = field(default_factory=OrderedDict)
    pairs: list[Pair] = field(default_factory=list)
    trails: dict[str, list[Fixed]] = field(default_factory=dict)
    groups: list[dict[str, int]] = field(default_factory=list)
    changing: dict[str, Changing] = field(default_factory=dict)
    inner: Changing = field(default_factory=Changing)
    queue: deque[int] = field(default_factory=deque)
    numbers: dict[int, str] = field(default_factory=dict)
    note: str = ""


FORM = StateForm(Whole)
PYDANTIC = TypeAdapter(Whole)
names = st.text(max_size=20)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
finite = st.floats(allow_nan=False, allow_infinity=False)
bodies = st.dictionaries(names, st.text(max_size=50) | st.integers(), max_size=3)
fixed = st.builds(
    Fixed, name=names, colour=st.sampled_from(Colour), shares=st.tuples(finite, finite), body=bodies
)
wholes = st.builds(
    Whole,
    things=st.dictionaries(names, fixed, max_size=60),
    ordered=st.dictionaries(names, st.none(), max_size=40).map(OrderedDict),
    finished=st.dictionaries(names, fixed, max_size=20).map(OrderedDict),
    pairs=st.lists(st.builds(Pair, names, st.integers()), max_size=40),
    trails=st.dictionaries(names, st.lists(fixed, max_size=3), max_size=3),
    groups=st.lists(st.dictionaries(names, st.integers(), max_size=2), max_size=3),
    changing=st.dictionaries(names, st.builds(Changing, st.integers()), max_size=3),
    inner=st.builds(Changing, st.integers()),
    queue=st.lists(st.integers(), max_size=3).map(deque),
    numbers=st.dictionaries(st.integers(), names, max_size=3),
    note=names,
)


def read(payload: bytes, form: StateForm = FORM) -> Any:
    walk = JsonWalk(payload)
    reading = form.read(walk)
    while True:
        try:
            next(reading)
        except StopIteration as stopped:
            walk.end()
            return stopped.value


@settings(max_examples=40)
@given(wholes)
def test_the_parts_are_the_json_that_pydantic_writes_and_read_as_the_same_state(state: Whole) -> None:
    payload = b"".join(FORM.parts(state))
    assert payload == PYDANTIC.dump_json(state)
    again = read(payload)
    assert again == state == PYDANTIC.validate_json(payload)
    assert type(again.ordered) is OrderedDict
    assert list(again.things) == list(state.things)


@settings(max_examples=40)
@given(wholes, fixed)
def test_what_changes_while_the_parts_are_taken_is_not_in_them(state: Whole, other: Fixed) -> None:
    before = PYDANTIC.dump_json(state)
    parts = FORM.parts(state)
    taken = [next(parts)]
    state.things = {**state.things, "other": other}
    state.things.pop(next(iter(state.things)))
    state.ordered["other"] = None
    state.pairs.append(Pair("other", 1))
    for trail in state.trails.values():
        trail.append(other)
    for group in state.groups:
        group["other"] = 1
    for each in (*state.changing.values(), state.inner):
        each.count += 1
    state.queue.append(1)
    state.numbers.clear()
    state.note += "!"
    assert b"".join([*taken, *parts]) == before


@given(plain, st.sampled_from([None, 1, 2]), st.integers(1, 9))
def test_values_read_the_same_whatever_the_window(value: Any, indent: int | None, window: int) -> None:
    text = json.dumps({"first": value, "second": [value, 12]}, indent=indent, ensure_ascii=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonwalk, "_WINDOW_BYTES", window)
        walk = JsonWalk(text.encode())
        found: dict[str, Any] = {}
        for name in walk.members():
            found[name] = [walk.value() for _ in walk.items()] if name == "second" else walk.value()
        walk.end()
    assert found == {"first": value, "second": [value, 12]}


@settings(max_examples=40)
@given(wholes, st.data())
def test_a_text_that_is_cut_is_refused_and_nothing_worse(state: Whole, data: st.DataObject) -> None:
    payload = b"".join(FORM.parts(state))
    cut = payload[: data.draw(st.integers(0, len(payload) - 1))]
    with pytest.raises(ValueError, match=r"near byte|unexpected end|invalid"):
        read(cut)


def test_many_entries_are_written_and_read_in_many_parts() -> None:
    state = Whole(things={f"t{index}": Fixed(name="x" * 1_000) for index in range(2_000)})
    parts = list(FORM.parts(state))
    assert len(parts) > 20
    assert max(map(len, parts)) < 200_000
    walk = JsonWalk(b"".join(parts))
    assert sum(1 for _ in FORM.read(walk)) > 20


def test_fields_that_are_not_known_are_left_out_and_missing_ones_have_their_defaults() -> None:
    state = read(b'{"things":{"a":{"name":"b"}},"later":{"x":[1,{"y":2}]},"note":"n"}')
    assert state == Whole(things={"a": Fixed(name="b")}, note="n")


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b'{"things":{"a":{"name":5}}}', r"things\.a\.name: "),
        (b'{"pairs":[["a","b"]]}', r"pairs\.0\.1: "),
        (b'{"note":[]}', "note: "),
        (b'{"things":[]}', "{ expected near byte 10"),
        (b'{"note":"a"} x', "something follows near byte"),
        (b'{"note":"a" "b"}', ", expected near byte"),
        (b'{1:"a"}', "a name is no string"),
        (b'{"note":' + b"[" * 100_000, "not JSON near byte"),
    ],
)
def test_what_is_no_state_says_where(payload: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read(payload)


def test_a_state_whose_field_is_missing_is_refused() -> None:
    with pytest.raises(ValueError, match="missing 1 required keyword-only argument: 'name'"):
        read(b"{}", StateForm(Fixed))


def test_what_its_types_do_not_allow_is_not_written() -> None:
    state = Whole(pairs=[Pair("a", "b")])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Expected `int`"):
        b"".join(FORM.parts(state))


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, True),
        (Colour, True),
        (None | str, True),
        (Literal["a", 1], True),
        (Annotated[str, "x"], True),
        (Annotated[Changing, "x"], False),
        (tuple[str, ...], True),
        (tuple[str, list[int]], False),
        (Pair, True),
        (Fixed, True),
        (Changing, False),
        (Fixed | Changing, False),
        (list[int], False),
        (dict, False),
        (Any, False),
    ],
)
def test_types_whose_values_never_change_are_told_from_the_others(hint: Any, *, expected: bool) -> None:
    assert is_fixed(hint) is expected
