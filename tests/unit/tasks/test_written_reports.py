"""Reports that are JSON already: what was refused of them, and answers that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from coordination.runtime.client import Caller
from coordination.runtime.delivery import Delivery
from coordination.runtime.errors import PeerProtocolError
from coordination.runtime.memory import MemoryBus, MemoryExchange
from coordination.tasks.client import TasksClient

ITEMS = (
    b'{"do":"accept","task_id":"a","fencing_token":1}',
    b'{"do":"confirm","task_id":"b","fencing_token":2}',
)
STANDING = {"task_id": "a", "state": "running", "fencing_token": 1, "lease_expires_ms": 7}
REFUSED = {"task_id": "b", "code": "stale_token", "message": "no", "details": {"state": "queued"}, "new": 1}


async def told(answer: dict[str, Any]) -> tuple[Any, Any]:
    """What the client makes of `answer`, and what it had sent."""
    exchange = MemoryExchange()
    service = MemoryBus(exchange, agent="tasks")
    heard: list[Any] = []

    async def serve(delivery: Delivery) -> None:
        heard.append(json.loads(delivery.payload))
        await service.publish(delivery.reply_to, json.dumps(answer).encode())

    await service.subscribe("conclave.call.tasks.report.worker", serve)
    bus = MemoryBus(exchange, agent="worker")
    try:
        return await TasksClient(Caller(bus, agent="worker")).report_written(ITEMS), heard
    finally:
        await bus.close()
        await service.close()


async def test_what_is_taken_down_says_nothing_and_what_is_refused_says_why() -> None:
    (first, second), heard = await told({"results": [STANDING, REFUSED]})
    assert first is None
    assert (second.task_id, second.code, second.retryable, second.details) == (
        "b",
        "stale_token",
        False,
        {"state": "queued"},
    )
    assert heard == [{"items": [json.loads(item) for item in ITEMS]}]


@pytest.mark.parametrize(
    "answer",
    [
        {"results": [STANDING]},
        {"results": [STANDING] * 3},
        {"results": [STANDING, {"code": 7}]},
        {"results": [STANDING, None]},
        {"results": 7},
        {},
    ],
)
async def test_an_answer_that_does_not_answer_every_report_is_refused(answer: dict[str, Any]) -> None:
    with pytest.raises(PeerProtocolError):
        await told(answer)
