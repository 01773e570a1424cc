"""What follows at once from the commands of a batch goes into the same record, within its bounds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

import pytest

from coordination.runtime.host import Host
from coordination.runtime.limits import MAX_BATCH_TICKS, MAX_RECORD_BYTES
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.model import NOTHING, Notice, Outcome, Push
from tests.support.toy import Add, Added, Ledger, ledger_host, send, stored_events
from tests.support.waiting import settle


class Falling(Ledger):
    """Each amount above 1 is followed by one less, one a tick, whatever the time."""

    padding = ""

    def __init__(self) -> None:
        super().__init__()
        self.height = 0
        self.ticks = 0
        self.is_held = False
        """Set from outside; no part of the state."""

    def apply(self, event: object) -> None:
        super().apply(event)
        assert isinstance(event, Added)
        self.height = event.amount - 1

    def next_deadline_ms(self) -> int | None:
        return 0 if self.height > 0 and not self.is_held else None

    def tick(self, now_ms: int) -> Outcome:  # noqa: ARG002
        self.ticks += 1
        if self.next_deadline_ms() is None:
            return NOTHING
        event = Added(label=f"after {self.height + 1}", amount=self.height, padding=self.padding)
        return Outcome(events=(event,), messages=(Notice(event="fell", aggregate=event.label, body={}),))


class Wide(Falling):
    padding = "x" * 200_000


@contextlib.asynccontextmanager
async def leading(host: Host[Ledger]) -> AsyncIterator[asyncio.Task[None]]:
    serving = asyncio.create_task(host.run())
    await settle(100)
    try:
        yield serving
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def amounts(payload: bytes) -> list[int]:
    return [event["amount"] for event in stored_events([payload])]


async def test_what_follows_from_a_command_is_in_its_record() -> None:
    store, sent = MemoryStream(), list[Push | Notice]()

    async def deliver(messages: Sequence[Push | Notice]) -> None:
        sent.extend(messages)

    host = ledger_host(store, make_model=Falling, deliver=deliver)
    async with leading(host):
        assert await send(host, Add(label="a", amount=4)) == {"total": 4}
        assert [amounts(payload) for payload in store.payloads] == [[], [4, 3, 2, 1]]
        assert [each.event for each in sent if isinstance(each, Notice)] == ["added", *["fell"] * 3]


async def test_what_follows_without_end_is_spread_over_records() -> None:
    store = MemoryStream()
    host = ledger_host(store, make_model=Falling)
    async with leading(host):
        await send(host, Add(label="a", amount=30))
        await settle(200)
        records = [amounts(payload) for payload in store.payloads][1:]
    assert [amount for record in records for amount in record] == list(range(30, 0, -1))
    assert len(records[0]) == 1 + MAX_BATCH_TICKS
    assert all(len(record) <= 1 + MAX_BATCH_TICKS for record in records)


async def test_what_has_no_room_in_the_record_any_more_goes_into_the_next_one() -> None:
    store = MemoryStream()
    host = ledger_host(store, make_model=Wide)
    async with leading(host):
        await send(host, Add(label="a", amount=9, padding="x" * 240_000))
        await settle(200)
        records = [amounts(payload) for payload in store.payloads][1:]
    assert [amount for record in records for amount in record] == list(range(9, 0, -1))
    assert max(map(len, store.payloads)) <= MAX_RECORD_BYTES + 256, "and what frames it"
    assert len(records[0]) == 2, "the record is full then, so that the largest command would not fit"


async def test_a_tick_that_would_not_fit_is_left_for_the_next_record() -> None:
    class Wider(Falling):
        padding = "x" * (MAX_RECORD_BYTES - 100_000)

    store = MemoryStream()
    host = ledger_host(store, make_model=Wider)
    async with leading(host):
        await send(host, Add(label="a", amount=3, padding="x" * 150_000))
        await settle(200)
        records = [amounts(payload) for payload in store.payloads][1:]
    assert records == [[3], [2], [1]]


async def test_a_tick_that_no_record_can_hold_is_a_fault_of_ours() -> None:
    class TooWide(Falling):
        padding = "x" * MAX_RECORD_BYTES

    host = ledger_host(MemoryStream(), make_model=TooWide)
    async with leading(host) as serving:
        await send(host, Add(label="a", amount=2))
        with pytest.raises(AssertionError, match="tick stores more than a record can hold"):
            await serving


async def test_a_host_that_is_woken_looks_at_its_deadlines_at_once() -> None:
    store = MemoryStream()
    host = ledger_host(store, make_model=Falling)
    async with leading(host):
        model = host.model
        assert isinstance(model, Falling)
        model.is_held = True
        await send(host, Add(label="a", amount=2))
        await settle(100)
        model.is_held = False
        await settle(100)
        assert stored_events(store.payloads)[1:] == [], "nobody said so"
        host.wake()
        await settle(100)
        assert [event["amount"] for event in stored_events(store.payloads)] == [2, 1]


async def test_a_model_without_deadlines_is_never_ticked() -> None:
    host = ledger_host(MemoryStream(), make_model=Falling)
    async with leading(host):
        for label in "abc":
            await send(host, Add(label=label))
        assert isinstance(host.model, Falling)
        assert host.model.ticks == 0
