"""Reads rest on a confirmed lease, or on a record of their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from coordination.runtime.errors import UnavailableError
from coordination.runtime.host import Host
from coordination.runtime.lease import Lease
from coordination.runtime.memory_store import MemoryStream
from tests.support.clock import ManualClock
from tests.support.stores import HeldStore, usurp
from tests.support.toy import Add, Ledger, SetAlarm, labels_seen, ledger_host, send
from tests.support.waiting import settle, wait_until

LEASE = Lease()
BEYOND_MS = LEASE.length_ms + 1


class Stage:
    """A leader whose clock the test moves without waking it, as time passes for a paused process."""

    def __init__(self) -> None:
        self.stream = MemoryStream("ledger.0")
        self.store = HeldStore(self.stream)
        self.clock = ManualClock()
        self.host: Host[Ledger] = ledger_host(self.store, clock=self.clock)

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


async def test_within_its_lease_a_read_needs_no_record() -> None:
    async with Stage().leading() as stage:
        before = stage.stream.bounds.last
        stage.pause(LEASE.renew_ms - 1)
        assert await labels_seen(stage.host) == []
        assert stage.stream.bounds.last == before


async def test_a_read_after_the_lease_rests_on_a_record_of_its_own() -> None:
    async with Stage().leading() as stage:
        before = stage.stream.bounds.last
        stage.pause(BEYOND_MS)
        assert await labels_seen(stage.host) == []
        assert stage.stream.bounds.last == before + 1


async def test_a_leader_that_slept_while_another_one_took_over_answers_no_read() -> None:
    async with Stage().leading() as stage:
        stage.pause(BEYOND_MS)
        usurp(stage.stream)
        with pytest.raises(UnavailableError, match="another process leads now"):
            await labels_seen(stage.host)
        assert not stage.host.leading.is_set()


async def test_a_lease_counts_from_when_its_record_was_sent() -> None:
    """The acknowledgement may be old when it comes; somebody else may have claimed since."""
    async with Stage().leading() as stage:
        stage.store.hold()
        slow = asyncio.ensure_future(send(stage.host, Add(label="a")))
        await wait_until(lambda: stage.store.waiting == 1)
        stage.pause(BEYOND_MS)
        stage.store.release()
        assert await slow == {"total": 1}
        before = stage.stream.bounds.last
        usurp(stage.stream)
        with pytest.raises(UnavailableError):
            await labels_seen(stage.host)
        assert stage.stream.bounds.last == before + 1, "nothing but the usurper's record"


async def test_reads_are_refused_at_once_while_the_lease_cannot_be_confirmed() -> None:
    async with Stage().leading() as stage:
        stage.store.hold()
        stuck = asyncio.ensure_future(send(stage.host, Add(label="a")))
        await wait_until(lambda: stage.store.waiting == 1)
        stage.pause(BEYOND_MS)
        with pytest.raises(UnavailableError, match="does not confirm the leadership"):
            await labels_seen(stage.host)
        stage.store.release()
        assert await stuck == {"total": 1}


async def test_an_idle_leader_renews_its_lease_and_no_more_often_than_it_must() -> None:
    async with Stage().leading() as stage:
        before = stage.stream.bounds.last
        for _ in range(4):
            stage.clock.advance(LEASE.renew_ms)
            await settle(50)
        assert stage.stream.bounds.last == before + 4


async def test_a_read_does_not_wait_for_the_renewal_of_a_lease_that_holds() -> None:
    async with Stage().leading() as stage:
        stage.store.hold()
        stage.clock.advance(LEASE.renew_ms)
        await wait_until(lambda: stage.store.waiting == 1)
        assert await labels_seen(stage.host) == []
        assert stage.store.waiting == 1, "the renewal is still on its way"
        stage.store.release()


async def test_a_read_waits_while_time_has_work_for_the_model() -> None:
    async with Stage().leading() as stage:
        now_ms = stage.clock.now_ms()
        await send(stage.host, SetAlarm(label="ring", at_ms=now_ms + LEASE.renew_ms + 10))
        stage.store.hold()
        stage.clock.advance(LEASE.renew_ms)
        await wait_until(lambda: stage.store.waiting == 1)
        stage.pause(20)
        asked = asyncio.ensure_future(labels_seen(stage.host))
        await settle(50)
        assert not asked.done(), "it would show a past in which the alarm has not rung"
        stage.store.release()
        await asked


async def test_a_read_waits_for_what_it_shows_and_for_commands_before_it() -> None:
    async with Stage().leading() as stage:
        stage.store.hold()
        added = asyncio.ensure_future(send(stage.host, Add(label="a")))
        await wait_until(lambda: stage.store.waiting == 1)
        asked = asyncio.ensure_future(labels_seen(stage.host))
        await settle(50)
        assert not asked.done(), "it would show what a crash takes back"
        stage.store.release()
        assert await added == {"total": 1}
        assert await asked == ["a"]


async def test_a_read_behind_a_command_waits_with_it_while_the_lease_is_renewed() -> None:
    async with Stage().leading() as stage:
        stage.store.hold()
        stage.clock.advance(LEASE.renew_ms)
        await wait_until(lambda: stage.store.waiting == 1)
        added = asyncio.ensure_future(send(stage.host, Add(label="a")))
        await settle(5)
        asked = asyncio.ensure_future(labels_seen(stage.host))
        await settle(50)
        assert not asked.done()
        stage.store.release()
        assert await added == {"total": 1}
        assert await asked == ["a"]
