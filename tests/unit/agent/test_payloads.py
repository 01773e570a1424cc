"""What is given to be done is JSON, or is refused with the place of what is not: in memory."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from conclave import UsageError
from conclave.testing import MemoryMesh
from conclave.work.jsonvalues import require_json


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
