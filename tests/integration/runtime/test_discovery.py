"""`$SRV` on the real server, as `nats micro ls|info|stats` asks."""

from __future__ import annotations

import json
from typing import Any

import pytest
from nats.micro.service import ServiceInfo, ServicePing, ServiceStats

from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner


async def ask(bus: NatsBus, subject: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((await bus.request(subject, b"", timeout_s=10)).payload)
    return body


async def test_nats_own_types_read_what_we_answer(registry: Runner, ada: NatsBus, subjects: Subjects) -> None:
    name = f"{subjects.prefix}-registry"
    ping = ServicePing.from_dict(await ask(ada, f"$SRV.PING.{name}"))
    info = ServiceInfo.from_dict(await ask(ada, f"$SRV.INFO.{name}.{ping.id}"))
    measured = await ask(ada, f"$SRV.STATS.{name}.{ping.id}")
    for each in measured["endpoints"]:
        each["data"] = {}  # optional in ADR-32; nats-py insists
    stats = ServiceStats.from_dict(measured)
    assert {ping.name, info.name, stats.name} == {name}
    assert {ping.id, info.id, stats.id} == {ping.id}
    assert info.description
    verbs = {"register", "update", "deregister", "get", "find", "list", "watch", "changes"}
    assert {endpoint.name for endpoint in info.endpoints} == verbs
    assert {endpoint.name for endpoint in stats.endpoints} == verbs
    for endpoint in info.endpoints:
        assert endpoint.subject == f"{subjects.prefix}.call.registry.{endpoint.name}.*"
        assert endpoint.metadata is not None
        assert json.loads(endpoint.metadata["request_schema"])["type"] == "object"


async def test_stats_count_what_was_served_and_refused(
    registry: Runner, ada: NatsBus, subjects: Subjects, client: RegistryClient
) -> None:
    await client.register()
    with pytest.raises(RejectedError):
        await client.get("nobody")
    await client.get("ada")
    stats = await ask(ada, f"$SRV.STATS.{subjects.prefix}-registry")
    by_name = {endpoint["name"]: endpoint for endpoint in stats["endpoints"]}
    assert (by_name["get"]["num_requests"], by_name["get"]["num_errors"]) == (2, 1)
    assert by_name["register"]["processing_time"] > 0
    assert by_name["list"]["num_requests"] == 0
