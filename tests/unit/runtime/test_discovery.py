"""`$SRV` bodies are what ADR-32 says and what `nats micro` reads."""

from __future__ import annotations

import json
import random
import re
from typing import Any

import pytest

from coordination.runtime.bus import Delivery
from coordination.runtime.discovery import Discovery
from coordination.runtime.limits import MAX_REQUEST_BYTES
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.runtime.names import Subjects
from coordination.runtime.service import Action, ServiceDefinition
from coordination.runtime.wire import Body


class Ping(Body):
    text: str = ""


async def _echo(_: Any, request: Ping) -> Ping:
    return request


ECHO = ServiceDefinition(
    name="echo",
    version="1.2.3",
    description="Says it again.",
    endpoints=(
        Action(verb="say", description="Say it.", request=Ping, reply=Ping, act=_echo, max_in_flight=7),
    ),
)


class Asker:
    """A discovery under test, and somebody who asks it."""

    def __init__(self) -> None:
        exchange = MemoryExchange()
        self.discovery = Discovery(
            ECHO,
            bus=MemoryBus(exchange, agent="echo"),
            subjects=Subjects(prefix="blue"),
            entropy=random.Random(1),
        )
        self.bus = MemoryBus(exchange, agent="ops")

    async def ask(self, subject: str) -> dict[str, Any]:
        answer = await self.bus.request(subject, b"", timeout_s=5)
        body: dict[str, Any] = json.loads(answer.payload)
        return body


@pytest.fixture
async def asker() -> Asker:
    asker = Asker()
    await asker.discovery.start()
    return asker


@pytest.mark.parametrize("kind", ["ping", "info", "stats"])
async def test_every_kind_is_answered_on_all_three_subjects(asker: Asker, kind: str) -> None:
    service_id = (await asker.ask("$SRV.PING"))["id"]
    for tail in ("", ".blue-echo", f".blue-echo.{service_id}"):
        body = await asker.ask(f"$SRV.{kind.upper()}{tail}")
        assert body["type"] == f"io.nats.micro.v1.{kind}_response"
        assert (body["name"], body["id"], body["version"]) == ("blue-echo", service_id, "1.2.3")
        assert re.fullmatch(r"[a-zA-Z0-9_-]+", body["name"])
        assert body["metadata"] == {}


async def test_info_describes_each_endpoint_with_its_schemas(asker: Asker) -> None:
    info = await asker.ask("$SRV.INFO.blue-echo")
    assert info["description"] == "Says it again."
    (endpoint,) = info["endpoints"]
    assert endpoint["name"] == "say"
    assert endpoint["subject"] == "blue.call.echo.say.*"
    assert endpoint["queue_group"] == "conclave-echo"
    assert all(isinstance(value, str) for value in endpoint["metadata"].values()), "ADR-32: strings only"
    assert json.loads(endpoint["metadata"]["request_schema"])["properties"]["text"]["type"] == "string"
    assert endpoint["metadata"]["description"] == "Say it."


async def test_info_says_what_kind_an_endpoint_is_and_how_much_it_takes(asker: Asker) -> None:
    (endpoint,) = (await asker.ask("$SRV.INFO.blue-echo"))["endpoints"]
    assert endpoint["metadata"]["kind"] == "action"
    assert endpoint["metadata"]["max_in_flight"] == "7"
    assert int(endpoint["metadata"]["max_request_bytes"]) == MAX_REQUEST_BYTES


async def test_stats_count_requests_errors_and_time(asker: Asker) -> None:
    asker.discovery.count("say", elapsed_s=0.5, code="")
    asker.discovery.count("say", elapsed_s=0.25, code="overloaded")
    asker.discovery.count("made-up-by-a-caller", elapsed_s=1, code="unknown_verb")
    stats = await asker.ask("$SRV.STATS.blue-echo")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", stats["started"])
    (endpoint,) = stats["endpoints"]
    assert (endpoint["num_requests"], endpoint["num_errors"]) == (2, 1)
    assert endpoint["processing_time"] == 750_000_000
    assert endpoint["average_processing_time"] == 375_000_000


async def test_the_last_error_is_the_code_of_the_last_refusal(asker: Asker) -> None:
    async def last_error() -> str:
        (endpoint,) = (await asker.ask("$SRV.STATS.blue-echo"))["endpoints"]
        return str(endpoint["last_error"])

    assert await last_error() == ""
    asker.discovery.count("say", elapsed_s=0, code="overloaded")
    asker.discovery.count("say", elapsed_s=0, code="invalid_request")
    asker.discovery.count("say", elapsed_s=0, code="")
    assert await last_error() == "invalid_request"


async def test_nothing_is_answered_outside_of_inboxes(asker: Asker) -> None:
    heard: list[Delivery] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery)

    await asker.bus.subscribe("blue.>", hear)
    await asker.bus.publish("$SRV.PING", b"", reply_to="blue.call.registry.deregister.ada")
    await asker.bus.publish("$SRV.PING", b"")
    await asker.ask("$SRV.PING")
    assert heard == []


async def test_a_stopped_service_is_not_found(asker: Asker) -> None:
    await asker.discovery.stop()
    with pytest.raises(Exception, match="nobody serves"):
        await asker.ask("$SRV.PING")
