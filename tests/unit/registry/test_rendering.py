"""Agents in replies of many: written once, and never out of date."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from coordination.registry import wire
from coordination.registry.record import Capability, Record, record_body
from coordination.registry.rendering import Rendering

ADA = Record(
    agent="ada",
    incarnation=3,
    capabilities=(Capability(name="gpu", version="1.0.0", attributes={"memory_gb": 24, "ecc": True}),),
    labels={"motto": 'quotes " and \\ and ü'},
    max_tasks=2,
    description="}",
    registered_at_ms=1_000,
    protocols=("agents",),
    revision=7,
)


def told(record: Record) -> dict[str, Any]:
    capabilities = [
        wire.AgentCapability.model_validate(each, from_attributes=True) for each in record.capabilities
    ]
    return record_body(record) | {"capabilities": capabilities}


class Room:
    def __init__(self, **limits: int) -> None:
        self.rendering = Rendering(**limits)
        self.written = 0

    def render(self, record: Record, **volatile: float) -> dict[str, Any]:
        def body() -> dict[str, Any]:
            self.written += 1
            return told(record)

        rendered: dict[str, Any] = json.loads(self.rendering.agent(record, body, **volatile))
        return rendered


def test_an_agent_is_all_that_the_wire_says_of_it() -> None:
    rendered = Room().render(ADA, load=1e-7, last_heard_ms=2_000, score=1 / 3)
    found = wire.FoundAgent.model_validate(
        {**told(ADA), "load": 1e-7, "last_heard_ms": 2_000, "score": 1 / 3}
    )
    assert rendered == json.loads(found.model_dump_json())


def test_an_agent_is_written_once_and_its_load_is_always_the_present_one() -> None:
    room = Room()
    assert room.render(ADA, load=0.0)["load"] == 0.0
    assert room.render(ADA, load=1.0)["load"] == 1.0
    assert room.written == 1


def test_an_agent_that_changed_is_written_anew() -> None:
    room = Room()
    room.render(ADA)
    assert room.render(replace(ADA, status="suspect"))["status"] == "suspect"
    assert room.render(ADA)["status"] == "online"
    assert room.written == 3


def test_what_is_kept_is_bounded_and_counted_rightly() -> None:
    alone = Room()
    alone.render(ADA)
    size = alone.rendering.kept_chars
    alone.render(replace(ADA, revision=8))
    assert alone.rendering.kept_chars == size, "it has taken the place of the one before"
    room = Room(max_chars=3 * size)
    for number in range(50):
        record = replace(ADA, agent=f"a{number:02}")
        assert room.render(record)["agent"] == record.agent
        assert room.rendering.kept_chars <= 3 * size
