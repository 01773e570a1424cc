"""A request of bare tasks is read in a shorter way, to the same effect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from coordination.runtime.adapters import adapter_of
from coordination.runtime.envelope import parse_body
from coordination.runtime.errors import RejectedError
from coordination.runtime.service import Call
from coordination.tasks import forms, wire
from coordination.tasks.submissions import BareTask, BareTasksRequest

FULL = adapter_of(wire.SubmitManyRequest)
BARE = adapter_of(BareTasksRequest)
TAKEN: list[list[dict[str, Any]]] = [
    [{"requirement": "python>=3.11, prefer region=eu"}],
    [
        {"capability": "ocr", "payload": {"n": 1.5, "deep": [{}, None]}, "task_id": "t-1"},
        {"capability": "ocr"},
    ],
    [{"requirement": "ocr", "capability": None, "task_id": None, "payload": {}}],
]
REFUSED: list[Any] = [
    [],
    [{}],
    [{"requirement": "ocr", "capability": "ocr"}],
    [{"capability": "ocr", "task_id": "t"}, {"capability": "web", "task_id": "t"}],
    [{"capability": "o c r"}],
    [{"capability": "ocr", "payload": []}],
    [{"capability": "ocr", "task_id": "No id"}],
    [{"capability": "ocr", "nobody": 1}, {"capability": 3}],
    [{"capability": "ocr"}] * 257,
    {"capability": "ocr"},
]


def _call() -> Call:
    numbers = iter(range(1, 1000))
    return Call(caller="ada", draw_id=lambda: f"{next(numbers):016x}")


def _body(tasks: Any) -> bytes:
    return json.dumps({"tasks": tasks}).encode()


@pytest.mark.parametrize("tasks", TAKEN)
def test_bare_tasks_become_the_same_command_either_way(tasks: list[dict[str, Any]]) -> None:
    short = parse_body(FULL, _body(tasks), BARE)
    assert isinstance(short, BareTasksRequest)
    assert forms.submissions(_call(), short) == forms.submissions(_call(), parse_body(FULL, _body(tasks)))


@pytest.mark.parametrize("tasks", REFUSED)
def test_what_is_wrong_is_said_as_without_the_shorter_way(tasks: Any) -> None:
    with pytest.raises(ValidationError):
        BARE.validate_json(_body(tasks))
    with pytest.raises(RejectedError) as short:
        parse_body(FULL, _body(tasks), BARE)
    with pytest.raises(RejectedError) as full:
        parse_body(FULL, _body(tasks))
    assert (short.value.message, short.value.details) == (full.value.message, full.value.details)


def test_tasks_that_say_more_are_read_in_full() -> None:
    tasks = [{"capability": "ocr"}, {"capability": "ocr", "priority": 3}]
    request = parse_body(FULL, _body(tasks), BARE)
    assert isinstance(request, wire.SubmitManyRequest)
    assert [each.priority for each in request.tasks] == [0, 3]


def test_a_bare_task_has_the_fields_of_a_submission() -> None:
    full = wire.SubmitRequest.model_fields
    for name, field in BareTask.model_fields.items():
        assert (field.annotation, field.metadata) == (full[name].annotation, full[name].metadata)
        assert field.get_default(call_default_factory=True) == full[name].get_default(
            call_default_factory=True
        )
