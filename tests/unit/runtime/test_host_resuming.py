"""The model is told that nobody could be heard, before time passes for it, and once for each such stretch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from coordination.runtime.host import Host
from coordination.runtime.lease import Lease
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.model import Outcome
from tests.support.clock import ManualClock
from tests.support.stores import HeldStore
from tests.support.toy import Add, Added, AlarmRang, Ledger, SetAlarm, labels_seen, ledger_host, send
from tests.support.waiting import settle, wait_until

LEASE = Lease()
BEYOND_MS = LEASE.length_ms + 1


class Attentive(Ledger):
    """A ledger that writes down when it is told, and which alarms rang."""

    def resume(self, now_ms: int) -> Outcome:
        return Outcome(events=(Added(label="resumed", amount=now_ms),))

    def apply(self, event: Any) -> None:
        super().apply(event)
        if isinstance(event, AlarmRang):
            self.state.labels.append(f"{event.label} rang")


class Stage:
    """A leader over a store that can be held, and a clock that the test moves."""

    def __init__(self) -> None:
        self.store = HeldStore(MemoryStream("ledger.0"))
        self.clock = ManualClock()
        self.host: Host[Ledger] = ledger_host(self.store, clock=self.clock, make_model=Attentive)

    @contextlib.asynccontextmanager
    async def leading(self) -> AsyncIterator[Stage]:
        serving = asyncio.create_task(self.host.run())
        await wait_until(self.host.leading.is_set)
        await settle(50)
        try:
            yield self
        finally:
            serving.cancel()
            await asyncio.wait([serving])

    def pause(self, by_ms: int) -> None:
        """Let time pass of which the leader knows nothing until somebody asks it."""
        self.clock._now_ms += by_ms
        self.clock._elapsed_ms += by_ms

    async def resumptions(self) -> int:
        return (await labels_seen(self.host)).count("resumed")


async def test_whoever_begins_to_lead_has_heard_nobody_before() -> None:
    async with Stage().leading() as stage:
        await send(stage.host, Add(label="a"))
        assert await labels_seen(stage.host) == ["resumed", "a"]


async def test_a_leader_that_is_awake_all_the_time_is_told_nothing_more() -> None:
    async with Stage().leading() as stage:
        for number in range(5):
            stage.pause(LEASE.renew_ms)
            await send(stage.host, Add(label=f"{number}"))
        assert await stage.resumptions() == 1


async def test_a_leader_that_stood_still_hears_of_it_before_its_alarms_ring() -> None:
    async with Stage().leading() as stage:
        await send(stage.host, SetAlarm(label="alarm", at_ms=stage.clock.now_ms() + 100))
        stage.pause(BEYOND_MS)
        await send(stage.host, Add(label="a"))
        assert await labels_seen(stage.host) == ["resumed", "resumed", "alarm rang", "a"]


async def test_a_leader_whose_store_was_away_has_heard_nobody_meanwhile() -> None:
    async with Stage().leading() as stage:
        await send(stage.host, Add(label="a"))
        stage.store.hold()
        slow = asyncio.ensure_future(send(stage.host, Add(label="b")))
        await wait_until(lambda: stage.store.waiting == 1)
        stage.pause(BEYOND_MS)
        stage.store.release()
        await slow
        await send(stage.host, Add(label="c"))
        assert await stage.resumptions() == 2
