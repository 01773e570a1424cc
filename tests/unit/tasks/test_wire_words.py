"""What the task service says of a body that is wrong: the contract's words, none of its own insides."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from coordination.runtime.envelope import parse_body
from coordination.runtime.errors import RejectedError, UsageError
from coordination.runtime.wire import to_json
from coordination.tasks import wire
from coordination.tasks.asking import submission
from coordination.tasks.client import TasksClient
from coordination.tasks.standing import not_submitter
from tests.support.taskroom import Worker, a_room

DO = "accept, refuse, progress, complete, fail, confirm, propose"


def problem(kind: type[BaseModel], body: Any) -> str:
    """What the service says of it."""
    with pytest.raises(RejectedError) as caught:
        parse_body(TypeAdapter(kind), to_json(body))
    assert caught.value.code == "invalid_request"
    return caught.value.message


def test_an_unknown_field_is_answered_with_the_nearest_one_and_all_that_there_are() -> None:
    said = problem(wire.SubmitRequest, {"capability": "x", "deadline": 1})
    there_are = ", ".join(wire.SubmitRequest.model_fields)
    assert said == f"field deadline: there is no such field; did you mean deadline_ms? there are: {there_are}"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"placement": {"near": ["m"]}},
            "field placement.near.0: must be an object with mark and perhaps is_apart, is_required",
        ),
        (
            {"placement": {"near": [{"mark": "m", "apart": True}]}},
            "field placement.near.0.apart: there is no such field; did you mean is_apart? there are: mark",
        ),
        ({"after": [1]}, "field after.0: must be an object with task_id and perhaps on_failure"),
        ({"budget": 7}, "field budget: must be an object with tasks, cost"),
        ({"after": {}}, "field after: must be a list"),
        ({"payload": []}, "field payload: must be an object"),
        (
            {"payload_reference": {"sha256": "A" * 64, "size_bytes": 1}},
            "field payload_reference.sha256: must be 64 hexadecimal digits, the letters in lower case",
        ),
        (
            {"task_id": "No Id"},
            "field task_id: use 1 to 63 of a-z, 0-9, '_' and '-', beginning with a letter or digit",
        ),
        ({"after": ["a"] * 2000}, "field after: must have at most "),
    ],
)
def test_what_is_wrong_in_a_task_is_said_in_the_words_of_the_contract(
    fields: dict[str, Any], said: str
) -> None:
    assert problem(wire.SubmitRequest, {"capability": "x", **fields}).startswith(said)


@pytest.mark.parametrize(
    ("kind", "body", "said"),
    [
        (wire.ReportRequest, {"items": [{"do": "foo"}]}, f"field items.0: do must be one of {DO}"),
        (wire.ReportRequest, {"items": [{}]}, f"field items.0: do must be one of {DO}"),
        (wire.ReportRequest, {"items": [3]}, "field items.0: must be an object"),
        (wire.ReportRequest, {"items": []}, "field items: must have at least 1 item, here 0"),
        (
            wire.SetQueueRequest,
            {"queue": "q", "settings": {"rate_limits": {"ocr": {"counts": 1}}}},
            "field settings.rate_limits.ocr.count: is missing",
        ),
        (
            wire.DeadLettersRequest,
            {"after": "soon"},
            "field after: does not have the form that the contract gives it",
        ),
    ],
)
def test_what_is_wrong_in_another_request_is_said_in_the_words_of_the_contract(
    kind: type[BaseModel], body: Any, said: str
) -> None:
    assert problem(kind, body) == said


def test_a_list_that_is_short_only_because_its_entry_is_wrong_is_not_told_of() -> None:
    with pytest.raises(RejectedError) as caught:
        parse_body(TypeAdapter(wire.ReportRequest), b'{"items": [{"do": "foo"}]}')
    assert [each["field"] for each in caught.value.details["problems"]] == ["items.0"]


def test_a_client_hears_the_same_words_as_whoever_writes_json() -> None:
    with pytest.raises(UsageError, match="must be an object with mark and perhaps is_apart, is_required"):
        submission("python", placement={"near": ["m"]})


@pytest.mark.parametrize("body", [b"", b"{}", b'{"filter": {}}', b'{"filter": {"task_ids": []}}'])
def test_a_sweep_that_does_not_say_which_is_refused_on_the_wire(body: bytes) -> None:
    with pytest.raises(RejectedError, match='with a filter, or "all": true for every one'):
        parse_body(TypeAdapter(wire.SweepRequest), body)


@pytest.mark.parametrize(
    "body", [b'{"all": true}', b'{"filter": {"queue": "q"}}', b'{"filter": {"before_ms": 0}}']
)
def test_a_sweep_that_says_which_is_taken(body: bytes) -> None:
    assert isinstance(parse_body(TypeAdapter(wire.SweepRequest), body), wire.SweepRequest)


async def test_a_list_of_ids_that_came_out_empty_deletes_nothing() -> None:
    async with a_room() as room:
        worker = await Worker(room.caller("bob")).start("python")
        client = TasksClient(room.caller("ada"))
        await client.submit("python", task_id="t")
        offer = await worker.next_offer()
        await worker.tasks.fail(offer.task_id, offer.fencing_token, reason="broken", retryable=False)
        for sweep in (client.purge, client.redrive):
            with pytest.raises(UsageError, match="everything=True"):
                await sweep(task_ids=[])
        assert (await client.deadletters()).count == 1
        assert (await client.purge(everything=True)).task_ids == ("t",)


@pytest.mark.parametrize(
    ("submitter", "or_whom", "said"),
    [
        ("ada", "", "only ada, who submitted task t, or the operator may cancel it"),
        ("ada", "its holder", "only ada, who submitted task t, its holder, or the operator may cancel it"),
        ("operator", "", "only the operator, who submitted task t, may cancel it"),
        ("operator", "its holder", "only the operator, who submitted task t, or its holder may cancel it"),
    ],
)
def test_who_may_do_it_is_said_once_each(submitter: str, or_whom: str, said: str) -> None:
    assert not_submitter(submitter, "task t", "cancel", or_whom=or_whom).message == said
