"""What an outbox sends, on both buses: bundles to whoever takes them, and no push stops another."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from coordination.runtime.bus import Delivery
from coordination.runtime.limits import MAX_BUNDLE_PUSHES
from coordination.runtime.model import Notice, Push
from coordination.runtime.names import Subjects
from coordination.runtime.outbox import Outbox
from tests.contract.conftest import OpenBus

WAIT_S = 10.0


class Listener:
    """What an agent hears, message by message."""

    def __init__(self) -> None:
        self._heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()

    async def hear(self, delivery: Delivery) -> None:
        self._heard.put_nowait((delivery.subject, json.loads(delivery.payload)))

    async def next(self) -> tuple[str, Any]:
        async with asyncio.timeout(WAIT_S):
            return await self._heard.get()


async def listening(open_bus: OpenBus, agent: str, *subjects: str) -> Listener:
    bus, listener = await open_bus(agent), Listener()
    for subject in subjects:
        await bus.subscribe(subject, listener.hear)
    await bus.flush()
    return listener


async def an_outbox(open_bus: OpenBus, subjects: Subjects) -> Outbox:
    bus = await open_bus("tasks")
    return Outbox("tasks", bus=bus, subjects=subjects, compact_kinds=frozenset({"task"}))


async def test_whoever_takes_every_form_gets_one_message_and_everybody_else_gets_each_push(
    open_bus: OpenBus, subjects: Subjects
) -> None:
    outbox = await an_outbox(open_bus, subjects)
    offered = {agent: subjects.inbox(agent, "task") for agent in ("ada", "bob")}
    ada = await listening(open_bus, "ada", offered["ada"])
    bob = await listening(open_bus, "bob", offered["bob"])
    outbox.takers.note("ada", takes=True)
    for count in (3, 1):
        agents = ("ada", "bob")
        pushes = [Push(agent=each, kind="task", body={"n": n}) for n in range(count) for each in agents]
        await outbox.send(outbox.prepared(pushes))
    assert await ada.next() == (offered["ada"], [{"n": 0}, {"n": 1}, {"n": 2}])
    assert await ada.next() == (offered["ada"], {"n": 0}), "one alone is an object"
    assert [await bob.next() for _ in range(4)] == [(offered["bob"], {"n": n}) for n in (0, 1, 2, 0)]


async def test_as_many_pushes_as_there_may_be_arrive_in_order(open_bus: OpenBus, subjects: Subjects) -> None:
    outbox = await an_outbox(open_bus, subjects)
    ada = await listening(open_bus, "ada", subjects.inbox("ada", "task"))
    outbox.takers.note("ada", takes=True)
    count = 2 * MAX_BUNDLE_PUSHES + 1
    body = {"text": "x" * 300}
    pushes = [Push(agent="ada", kind="task", body={"n": n, **body}) for n in range(count)]
    await outbox.send(outbox.prepared(pushes))
    heard: list[int] = []
    while len(heard) < count:
        _, bodies = await ada.next()
        heard += [each["n"] for each in (bodies if isinstance(bodies, list) else [bodies])]
    assert heard == list(range(count))


async def test_a_message_that_cannot_be_sent_stops_no_other(open_bus: OpenBus, subjects: Subjects) -> None:
    outbox = await an_outbox(open_bus, subjects)
    ended = subjects.event("tasks", "completed", "t")
    ada = await listening(open_bus, "ada", subjects.inbox("ada", "*"), ended)
    outbox.takers.note("ada", takes=True)
    prepared = outbox.prepared(
        [
            Push(agent="ada", kind="task", body={"n": object()}),
            Push(agent="ada", kind="task", body={"n": 1}),
            Push(agent="no id. at all", kind="task", body={}),
            Push(agent="ada", kind="cancel", body={"n": object()}),
            Notice(event="completed", aggregate="t", body={"n": object()}),
            Push(agent="ada", kind="task", body={"n": 2}),
            Push(agent="ada", kind="task", body={"n": 3}),
            Notice(event="completed", aggregate="t", body={}),
        ]
    )
    await outbox.send(prepared)
    offered = subjects.inbox("ada", "task")
    assert [await ada.next() for _ in range(3)] == [
        (offered, {"n": 1}),
        (offered, [{"n": 2}, {"n": 3}]),
        (ended, {}),
    ]
