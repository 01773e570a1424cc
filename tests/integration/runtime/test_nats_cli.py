"""The real `nats` CLI finds, measures and calls our services: plain tools work (docs/wire.md).

It checks every discovery reply against the JSON Schemas of NATS, and shows none that fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from conclave.deployment import deployed
from coordination.runtime.names import Subjects
from tests.support.nats_cli import NatsCli, Said
from tests.support.nats_server import RealServer

OPS = "_INBOX_ops"


@pytest.fixture
async def prefix(nats_server: RealServer, subjects: Subjects) -> AsyncIterator[str]:
    """Subject prefix of a running registry and task service."""
    async with deployed(nats_server.url, names=["registry", "tasks"], subjects=subjects):
        yield subjects.prefix


@pytest.fixture
def nats(nats_cli: Path, nats_server: RealServer, tmp_path: Path) -> NatsCli:
    return NatsCli(nats_cli, url=nats_server.url, home=tmp_path)


async def shown(nats: NatsCli, *arguments: str) -> Any:
    """What a `nats micro` command says as JSON."""
    said = await nats("micro", *arguments, "--json")
    assert said.status == 0, said.output
    return json.loads(said.output)


async def measured(nats: NatsCli, prefix: str, verb: str) -> dict[str, Any]:
    (instance,) = await shown(nats, "stats", f"{prefix}-registry")
    by_name: dict[str, dict[str, Any]] = {each["name"]: each for each in instance["endpoints"]}
    return by_name[verb]


def refused(said: Said, code: str) -> str:
    """The message of the refusal that was printed, which is the same in its headers and its body."""
    assert said.headers["Nats-Service-Error-Code"] == code, said.output
    assert said.body["code"] == code
    assert said.body["retryable"] is False
    message: str = said.body["message"]
    assert said.headers["Nats-Service-Error"] == message[:200]
    assert not re.search(r"Traceback|Error\(|site-packages|\.py\b", said.output), "internals leaked"
    return message


async def test_micro_ls_lists_our_services(nats: NatsCli, prefix: str) -> None:
    said = await nats("micro", "ls")
    assert said.status == 0, said.output
    row = re.search(rf"{prefix}-registry.*", said.output)
    assert row is not None, said.output
    assert "Who is here, what they can do, and whether they are alive." in row.group()
    assert f"{prefix}-tasks" in said.output


async def test_micro_info_shows_descriptions_and_schemas(nats: NatsCli, prefix: str) -> None:
    text = (await nats("micro", "info", f"{prefix}-registry")).output
    assert "Who is here" in text
    assert "The agents that meet a requirement, best first" in text
    info = (await shown(nats, "info", f"{prefix}-registry"))["info"]
    endpoints = {each["name"]: each for each in info["endpoints"]}
    assert {"register", "deregister", "get", "find", "list"} <= set(endpoints)
    find = endpoints["find"]
    assert find["subject"] == f"{prefix}.call.registry.find.*"
    assert find["metadata"]["kind"] == "query"
    assert endpoints["register"]["metadata"]["kind"] == "command"
    request = json.loads(find["metadata"]["request_schema"])
    assert request["properties"]["limit"]["maximum"] == 1000
    assert json.loads(find["metadata"]["reply_schema"])["properties"]["agents"]["type"] == "array"


async def test_micro_stats_move_with_the_requests(nats: NatsCli, prefix: str) -> None:
    before = await measured(nats, prefix, "get")
    assert (before["num_requests"], before["num_errors"], before["last_error"]) == (0, 0, "")
    await nats("req", f"{prefix}.call.registry.register.ops", "{}", inbox=OPS)
    await nats("req", f"{prefix}.call.registry.get.ops", '{"agent": "ops"}', inbox=OPS)
    await nats("req", f"{prefix}.call.registry.get.ops", '{"agent": "nobody"}', inbox=OPS)
    after = await measured(nats, prefix, "get")
    assert (after["num_requests"], after["num_errors"]) == (2, 1)
    assert after["last_error"] == "unknown_agent"
    assert after["processing_time"] > 0
    table = (await nats("micro", "stats", f"{prefix}-registry")).output
    assert re.search(r"get\s.*\b2\b.*conclave-registry.*\b1\b", table), table


async def test_micro_ping_hears_every_service(nats: NatsCli, prefix: str) -> None:
    said = await nats("micro", "ping", patience="1s")
    assert re.search(rf"{prefix}-registry \w+ +rtt=", said.output), said.output
    assert f"{prefix}-tasks" in said.output


async def test_a_query_is_answered_with_json(nats: NatsCli, prefix: str) -> None:
    announced = '{"capabilities": [{"name": "python"}], "description": "ops by hand"}'
    said = await nats("req", f"{prefix}.call.registry.register.ops", announced, inbox=OPS)
    assert said.body["incarnation"] == 1
    said = await nats("req", f"{prefix}.call.registry.find.ops", '{"capability": "python"}', inbox=OPS)
    (agent,) = said.body["agents"]
    assert (agent["agent"], agent["description"]) == ("ops", "ops by hand")


async def test_a_command_sent_twice_with_one_id_takes_effect_once(nats: NatsCli, prefix: str) -> None:
    for _ in range(2):
        subject = f"{prefix}.call.registry.register.ops"
        said = await nats("req", subject, "{}", "--header", "Nats-Msg-Id:by-hand-1", inbox=OPS)
        assert said.body["incarnation"] == 1


@pytest.mark.parametrize(
    ("body", "named"),
    [
        pytest.param("{not json", "the body", id="no JSON"),
        pytest.param('{"capability": 7}', "field capability", id="wrong type"),
        pytest.param('{"capability": "python", "limt": 1}', "field limt", id="misspelt field"),
        pytest.param("[]", "the body", id="no object"),
    ],
)
async def test_a_malformed_body_gets_a_clear_json_error(
    nats: NatsCli, prefix: str, body: str, named: str
) -> None:
    said = await nats("req", f"{prefix}.call.registry.find.ops", body, inbox=OPS)
    assert named in refused(said, "invalid_request")
    assert said.body["details"]["problems"]


async def test_an_unknown_verb_is_told_which_there_are(nats: NatsCli, prefix: str) -> None:
    said = await nats("req", f"{prefix}.call.registry.remove.ops", "{}", inbox=OPS)
    assert "it has: changes, deregister, find, get, list, register, update, watch" in refused(
        said, "unknown_verb"
    )


async def test_a_caller_that_is_no_agent_id_is_told_so(nats: NatsCli, prefix: str) -> None:
    said = await nats("req", f"{prefix}.call.registry.list.Ops", "{}")
    assert "your agent id" in refused(said, "invalid_caller")


async def test_a_caller_with_the_default_inbox_is_told_how_to_be_answered(nats: NatsCli, prefix: str) -> None:
    said = await nats("req", f"{prefix}.call.registry.list.ops", "{}")
    assert f"--inbox-prefix {OPS}" in refused(said, "foreign_reply_subject")


async def test_a_caller_under_another_ones_name_is_not_served(nats: NatsCli, prefix: str) -> None:
    said = await nats("req", f"{prefix}.call.registry.register.ada", "{}", inbox=OPS, patience="300ms")
    assert "{" not in said.output, "ada's answers go to ada, and refusals are no way to speak to others"
    said = await nats("req", f"{prefix}.call.registry.get.ops", '{"agent": "ada"}', inbox=OPS)
    assert "ada is not registered" in refused(said, "unknown_agent")
