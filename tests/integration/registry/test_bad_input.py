"""Whatever is sent to the registry, it answers with a typed refusal, and goes on answering."""

from __future__ import annotations

import json
from typing import Any

import nats
import pytest

from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner
from coordination.runtime.wire import ErrorBody
from tests.support.nats_server import RealServer


def nested(levels: int, *, kind: str = "[") -> str:
    """JSON with as many objects or arrays within each other."""
    return "[" * levels + "]" * levels if kind == "[" else '{"a":' * levels + "1" + "}" * levels


def capabilities(count: int) -> str:
    return json.dumps({"capabilities": [{"name": f"c{index}"} for index in range(count)]})


def field(path: str, value: str) -> str:
    """JSON text that holds `value`, itself JSON text, at the end of `path`."""
    for name in reversed(path.split(".")):
        value = f'{{"{name}": {value}}}'
    return value


def attribute(value: str) -> str:
    return f'{{"capabilities": [{{"name": "gpu", "attributes": {{"x": {value}}}}}]}}'


REGISTRATIONS: dict[str, tuple[str, str, str]] = {
    "10,000 capabilities": (capabilities(10_000), "invalid_request", "at most 64"),
    "65 capabilities": (capabilities(65), "invalid_request", "at most 64"),
    "a megabyte of metadata": (json.dumps({"metadata": {"a": "x" * 1_000_000}}), "too_large", "262144"),
    "17 KiB of metadata": (json.dumps({"metadata": {"a": "x" * 17_000}}), "metadata_too_large", "16384"),
    "1000 levels of arrays": (field("metadata.a", nested(1_000)), "invalid_request", "too deep"),
    "1000 levels of objects": (field("metadata", nested(1_000, kind="{")), "invalid_request", "too deep"),
    "100 levels": (field("metadata.a", nested(100)), "metadata_too_large", "8 levels"),
    "9 levels": (field("metadata.a", nested(8)), "metadata_too_large", "8 levels"),
    "levels elsewhere": (field("labels", nested(150)), "invalid_request", "labels"),
    "NaN in metadata": ('{"metadata": {"a": [{"b": NaN}]}}', "invalid_request", "NaN"),
    "an infinity in metadata": ('{"metadata": {"a": -Infinity}}', "invalid_request", "infinity"),
    "a huge number in metadata": (field("metadata.a", "9" * 100), "invalid_request", "64 bits"),
    "a number that no reader takes": (field("metadata.a", "9" * 5_000), "invalid_request", "number"),
    "NaN as attribute": (attribute("NaN"), "invalid_request", "finite"),
    "1e999 as attribute": (attribute("1e999"), "invalid_request", "finite"),
    "a huge attribute": (attribute("1" + "0" * 30), "invalid_request", "9223372036854775807"),
    "an object as attribute": (
        attribute("{}"),
        "invalid_request",
        "attributes.x: must be true or false, a whole number, a number or a text",
    ),
    "a long attribute": (
        attribute(json.dumps("x" * 257)),
        "invalid_request",
        "attributes.x: must have at most 256",
    ),
    "no semantic version": (
        '{"capabilities": [{"name": "python", "version": "3.11"}]}',
        "invalid_request",
        "version: a full semantic version of at most 64 characters is needed, such as 1.0.0",
    ),
    "an invalid capability name": (
        '{"capabilities": [{"name": "Py thon"}]}',
        "invalid_request",
        "0.name: use 1 to 63 of",
    ),
    "a capability twice": (
        '{"capabilities": [{"name": "a"}, {"name": "a", "version": "2.0.0"}]}',
        "duplicate_capability",
        "a is named twice",
    ),
    "a negative number of slots": ('{"max_tasks": -1}', "invalid_request", "max_tasks"),
    "an unknown field": (
        '{"capabilitys": []}',
        "invalid_request",
        "field capabilitys: there is no such field; did you mean capabilities? there are: ",
    ),
    "an unknown field of a capability": (
        '{"capabilities": [{"name": "a", "vers": "1.0.0"}]}',
        "invalid_request",
        "0.vers",
    ),
    "a list": ("[]", "invalid_request", "the body"),
    "no JSON": ("{", "invalid_request", "JSON"),
    "no UTF-8": ('{"description": "\udcff"}', "invalid_request", "JSON"),
    "half a character": ('{"description": "\\ud800"}', "invalid_request", "JSON"),
    "too much of everything": (
        json.dumps(
            {
                "capabilities": [
                    {"name": f"c{index}", "attributes": {f"a{each}": "x" * 256 for each in range(8)}}
                    for index in range(64)
                ]
            }
        ),
        "registration_too_large",
        "65536",
    ),
}
QUESTIONS: dict[str, tuple[str, str, str, str]] = {
    "a malformed requirement": (
        "find",
        '{"requirement": "python >= "}',
        "invalid_request",
        "character 10, at the end",
    ),
    "an unknown operator": (
        "find",
        '{"requirement": {"hard": [{"name": "a", "op": "=>"}]}}',
        "invalid_request",
        "hard[0].op",
    ),
    "an empty requirement": ("find", '{"requirement": ""}', "invalid_request", "requirement"),
    "two requirements": ("find", '{"requirement": "a", "capability": "b"}', "invalid_request", "not both"),
    "too large a page": ("find", '{"requirement": "a", "limit": 1001}', "invalid_request", "1000"),
    "a deep requirement": ("find", field("requirement", nested(150)), "invalid_request", "requirement"),
    "an invalid id": ("get", '{"agent": "Ada Lovelace"}', "invalid_request", "agent"),
    "nobody": ("get", '{"agent": "nobody"}', "unknown_agent", "nobody"),
    "an update of nobody": ("update", '{"incarnation": 1}', "unknown_agent", "mallory"),
    "an update of no incarnation": ("update", '{"incarnation": true}', "invalid_request", "incarnation"),
    "a departure of nobody": ("deregister", "{}", "unknown_agent", "mallory"),
    "a revision that is not there yet": ("changes", '{"after_revision": 7}', "revision_compacted", "watch"),
    "a negative revision": ("changes", '{"after_revision": -1}', "invalid_request", "after_revision"),
    "a long page mark": ("watch", json.dumps({"after": "x" * 64}), "invalid_request", "after"),
}
CASES = {name: ("register", *case) for name, case in REGISTRATIONS.items()} | QUESTIONS


@pytest.fixture
async def mallory(nats_server: RealServer) -> Any:
    connection = await nats.connect(nats_server.url, inbox_prefix="_INBOX_mallory")
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", CASES)
async def test_bad_input_is_refused_with_code_and_place_and_harms_nothing(
    registry: Runner, client: RegistryClient, mallory: Any, subjects: Subjects, name: str
) -> None:
    verb, body, code, mentioned = CASES[name]
    subject = subjects.call("registry", verb, "mallory")
    payload = body.encode("utf-8", "surrogateescape")
    answer = await mallory.request(subject, payload, timeout=10)
    refusal = ErrorBody.model_validate_json(answer.data)
    assert (refusal.code, answer.headers["Nats-Service-Error-Code"]) == (code, code)
    assert mentioned in refusal.message, refusal.message
    assert len(answer.data) < 4_000
    assert "Traceback" not in refusal.message
    assert [agent.agent for agent in await client.list()] == []
    await client.register(["python"])
    assert [agent.agent for agent in await client.find("python")] == ["ada"]
    assert registry.hosts[0].epoch == 1


async def test_the_largest_registration_that_is_allowed_is_kept_and_found(
    registry: Runner, client: RegistryClient, ada: NatsBus
) -> None:
    deep: Any = "leaf"
    for _ in range(7):
        deep = {"a": deep}
    metadata = {"a": deep, "b": "x" * 16_000, "c": [1.5, -(2**63) + 1, None, True]}
    await client.register(
        [f"c{index}" for index in range(64)], metadata=metadata, labels={"l": "x" * 256}, max_tasks=1_000
    )
    record = await client.get("ada")
    assert record.metadata == metadata
    assert len(record.capabilities) == 64
    (found,) = await client.find("c63, label:l, agent.max_tasks>=1000")
    assert found.score == 1.0
