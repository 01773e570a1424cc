"""What docs/wire.md and docs/tasks.md show of tasks is what the contract takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from pydantic import BaseModel, TypeAdapter
from pydantic_core import PydanticUndefined

from coordination.registry.wire import RegisterRequest
from coordination.runtime.envelope import parse_body
from coordination.tasks import terms, wire
from coordination.tasks.wire import TaskOffer

DOCS = Path(__file__).resolve().parents[2] / "docs"
WIRE = (DOCS / "wire.md").read_text(encoding="utf-8")
TASKS = (DOCS / "tasks.md").read_text(encoding="utf-8")
REQUESTS = re.findall(r"^\$ bob req conclave\.call\.(\w+\.\w+)\.bob '(.*)'$", WIRE, re.MULTILINE)
OPERATIONS = re.findall(
    r"^\$ (?:ada|operator) req conclave\.call\.tasks\.(\w+)\.\w+ '(.*)'$", WIRE, re.MULTILINE
)
KINDS: dict[str, type[BaseModel]] = {
    "registry.register": RegisterRequest,
    "tasks.accept": wire.AcceptRequest,
    "tasks.progress": wire.ProgressRequest,
    "tasks.complete": wire.CompleteRequest,
    "tasks.refuse": wire.RefuseRequest,
    "tasks.fail": wire.FailRequest,
}


def test_the_worker_without_an_sdk_sends_one_of_each_that_a_worker_may() -> None:
    assert sorted(verb for verb, _ in REQUESTS) == sorted(KINDS)


@pytest.mark.parametrize(("verb", "body"), REQUESTS, ids=lambda value: value[:20])
def test_each_request_of_the_worker_without_an_sdk_is_taken(verb: str, body: str) -> None:
    assert parse_body(TypeAdapter(KINDS[verb]), body.encode())


def test_the_schedule_and_the_settings_that_are_shown_are_taken() -> None:
    kinds = {"set_schedule": wire.SetScheduleRequest, "set_queue": wire.SetQueueRequest}
    assert [verb for verb, body in OPERATIONS if parse_body(TypeAdapter(kinds[verb]), body.encode())] == list(
        kinds
    )


def test_the_worker_without_an_sdk_listens_before_it_registers() -> None:
    assert (
        0 < WIRE.index("$ bob sub 'conclave.inbox.bob.>'") < WIRE.index("$ bob req conclave.call.registry.")
    )


def test_the_offer_that_is_shown_is_one() -> None:
    (shown,) = [
        block for block in re.findall(r"```json\n(.*?)```", WIRE, re.DOTALL) if "offer_expires_ms" in block
    ]
    offer = json.loads(shown)
    assert set(offer) <= set(TaskOffer.model_fields)
    assert {name for name, field in TaskOffer.model_fields.items() if field.is_required()} <= set(offer)
    token = TaskOffer.model_validate(offer).fencing_token
    assert all(json.loads(body)["fencing_token"] == token for verb, body in REQUESTS if "tasks" in verb)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [
        ("`backoff`, ", terms.Backoff),
        ("`placement`, ", terms.Placement),
        ("Each of `near`:", terms.Nearness),
        ("`bidding`, ", terms.Bidding),
        ("`budget`, ", terms.Budget),
        ("`compensation`, ", terms.Compensation),
    ],
)
def test_each_object_of_a_task_has_its_fields_and_defaults_in_the_guide(
    heading: str, kind: type[BaseModel]
) -> None:
    section = TASKS.partition("## What a task may say\n")[2].partition(f"\n{heading}")[2]
    table = section.partition("|---|---|---|---|\n")[2].partition("\n\n")[0]
    rows = [[cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    shown = {name: json.loads(default) if default else PydanticUndefined for name, _, default, _ in rows}
    defaults = {
        name: field.get_default(call_default_factory=True) for name, field in kind.model_fields.items()
    }
    assert shown == {name: list(each) if each == () else each for name, each in defaults.items()}


def test_the_task_that_says_everything_is_taken() -> None:
    blocks = re.findall(r"```json\n(.*?)```", TASKS, re.DOTALL)
    (shown,) = [block for block in blocks if '"is_apart"' in block]
    task = wire.DagTask.model_validate_json(shown)
    assert task.placement is not None
    assert [each.is_required for each in task.placement.near] == [True, False]
