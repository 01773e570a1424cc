"""What is given to be done is JSON, or is refused with the place of what is not: in memory."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic_core import to_json

from conclave import RejectedError, UsageError
from conclave.testing import MemoryMesh
from conclave.work.jsonvalues import is_plain, require_json
from coordination.tasks.limits import MAX_PAYLOAD_BYTES


class Book(BaseModel):
    title: str


@dataclass
class Page:
    number: int


ITSELF: dict[str, Any] = {}
ITSELF["self"] = ITSELF

NOT_JSON: list[tuple[dict[Any, Any], str]] = [
    ({"a": {1, 2}}, "payload.a: JSON has no set; write a list"),
    ({"a": [0, {"b": frozenset()}]}, "payload.a.1.b: JSON has no frozenset; write a list"),
    ({"a": b"x"}, "payload.a: JSON has no bytes; write text, such as base64"),
    (
        {"a": dt.datetime.now(dt.UTC)},
        r"payload.a: JSON has no datetime; write text: its isoformat\(\)",
    ),
    ({"a": object()}, "payload.a: JSON has no object; "),
    ({"a": [math.nan]}, "payload.a.0: JSON has no NaN and no infinity; write None"),
    (
        {"a": Book(title="x"), "b": {(1, 2): 3}},
        "payload.b: the names in a JSON object are text, not of type tuple",
    ),
    (ITSELF, "payload.self: it holds itself"),
]


@pytest.mark.parametrize(("payload", "said"), NOT_JSON)
async def test_a_payload_that_is_no_json_is_refused_with_the_place(
    memory_mesh: MemoryMesh, payload: dict[Any, Any], said: str
) -> None:
    async with memory_mesh.connect("boss") as boss:
        with pytest.raises(UsageError, match=f"^{said}"):
            await boss.submit("read", payload)
        with pytest.raises(UsageError, match=f"^tasks.0.{said}"):
            await boss.submit_many([{"requirement": "read", "payload": payload}])
        with pytest.raises(UsageError, match=f"^tasks.first.{said}"):
            await boss.submit_dag({"first": {"requirement": "read", "payload": payload}})
        assert await boss.tasks.list() == ()


@pytest.mark.parametrize("size", [1, MAX_PAYLOAD_BYTES])
async def test_a_payload_that_is_nested_too_deep_is_told_so_whatever_its_size(
    memory_mesh: MemoryMesh, size: int
) -> None:
    deep: Any = "x" * size
    for _ in range(220):
        deep = [deep]
    async with memory_mesh.connect("boss") as boss:
        with pytest.raises((UsageError, RejectedError), match="nested too deep"):
            await boss.submit("read", {"a": deep})
        with pytest.raises(UsageError, match=r"^payload\.a\.0.*half a surrogate pair"):
            await boss.submit("read", {"a": ["\ud800" * size]})


def test_models_dataclasses_and_tuples_stand_for_what_they_hold() -> None:
    require_json("payload", {"book": Book(title="x"), "page": Page(3), "both": (1, 2.5, None, True)})


WRONG_TASKS: list[tuple[Any, str]] = [
    ({}, "tasks is empty; a DAG has at least one task"),
    (None, "tasks is empty"),
    ([], "tasks is a JSON object"),
    ({"a": 5}, "tasks.a is a int"),
    ({"ok": {"requirement": "x"}, "a": {"requirement": "x", "priority": 77}}, "tasks.a: priority: "),
    ({"ok": {"requirement": "x"}, "a": {}}, "tasks.a: give either a requirement or a capability"),
    ({"a b": {"requirement": "x"}}, "tasks.a b: name: "),
    ({"a": {"requirement": "x", "colour": 1}}, "tasks.a: a task has no field 'colour'"),
    (
        {"a": {"requirement": "x", "compensation": {"requirement": "y", "payload": {"b": {1}}}}},
        "tasks.a.compensation.payload.b: JSON has no set",
    ),
]


@pytest.mark.parametrize(("tasks", "said"), WRONG_TASKS)
async def test_what_is_wrong_with_a_dag_is_told_by_the_names_in_it(
    memory_mesh: MemoryMesh, tasks: Any, said: str
) -> None:
    async with memory_mesh.connect("boss") as boss:
        with pytest.raises(UsageError, match=f"^{said}"):
            await boss.submit_dag(tasks)


SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300) | st.binary(max_size=2)
)


@given(st.dictionaries(st.text(max_size=260), SCALARS | st.lists(SCALARS, max_size=2), max_size=20))
def test_what_is_plain_at_a_glance_is_json(payload: dict[str, Any]) -> None:
    if is_plain(payload):
        require_json("payload", payload)


def test_what_is_plain_at_a_glance_fits_into_the_record_of_a_task() -> None:
    longest = {f"{place:x}".rjust(256, "\x01"): "\x02" * 256 for place in range(16)}
    assert is_plain(longest)
    assert len(to_json(longest)) <= MAX_PAYLOAD_BYTES
    numbers = {f"{place:x}".rjust(256, "\x01"): -(10**4299) for place in range(16)}
    assert is_plain(numbers)
    assert len(to_json(numbers)) <= MAX_PAYLOAD_BYTES
    for more in ({"x" * 257: 1}, {"x": "y" * 257}, {str(n): n for n in range(17)}, {"x": [1]}, {1: 1}):
        assert not is_plain(more)
