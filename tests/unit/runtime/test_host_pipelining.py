"""When a record is sent while another one is in flight: by the number of what waits, and by its weight."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from coordination.runtime.host import Host
from coordination.runtime.limits import MIN_PIPELINED_BYTES, MIN_PIPELINED_COMMANDS
from coordination.runtime.memory_store import MemoryStream
from coordination.runtime.requests import FutureRequest
from tests.support.stores import HeldStore
from tests.support.toy import ANYTHING, Add, Ledger, ledger_host
from tests.support.waiting import settle


class Heavy(FutureRequest):
    """A command with a body of `weight_bytes`."""

    weight_bytes = 0

    @property
    def size_bytes(self) -> int:
        return self.weight_bytes


def submit(host: Host[Ledger], label: str, weight_bytes: int = 0) -> Heavy:
    command = Add(label=label)
    request = Heavy(lambda model, now_ms: model.decide(command, now_ms), reply_type=ANYTHING)
    request.weight_bytes = weight_bytes
    host.submit(request)
    return request


@contextlib.asynccontextmanager
async def with_a_record_in_flight() -> AsyncIterator[tuple[Host[Ledger], HeldStore, list[Heavy]]]:
    store = HeldStore(MemoryStream())
    host = ledger_host(store)
    serving = asyncio.create_task(host.run())
    await settle(100)
    store.hold()
    requests = [submit(host, "first")]
    await settle()
    assert store.waiting == 1
    try:
        yield host, store, requests
        store.release()
        await asyncio.gather(*(request.result for request in requests))
        assert host.model.state.total == len(requests)
    finally:
        serving.cancel()
        await asyncio.wait([serving])


@pytest.mark.parametrize(
    ("weights", "in_flight"),
    [
        ([0], 1),
        ([0] * (MIN_PIPELINED_COMMANDS - 1), 1),
        ([0] * MIN_PIPELINED_COMMANDS, 2),
        ([MIN_PIPELINED_BYTES - 1], 1),
        ([MIN_PIPELINED_BYTES], 2),
        ([MIN_PIPELINED_BYTES // 2] * 2, 2),
        ([1_000_000] * 3, 2),
    ],
)
async def test_what_waits_is_sent_ahead_when_it_is_much(weights: list[int], in_flight: int) -> None:
    async with with_a_record_in_flight() as (host, store, requests):
        requests += [submit(host, f"next {index}", weight) for index, weight in enumerate(weights)]
        await settle()
        assert store.waiting == in_flight


async def test_what_was_heavy_weighs_nothing_once_it_is_taken() -> None:
    async with with_a_record_in_flight() as (host, store, requests):
        requests.append(submit(host, "heavy", MIN_PIPELINED_BYTES))
        await settle()
        assert store.waiting == 2
        store.release()
        await asyncio.gather(*(request.result for request in requests))
        store.hold()
        requests.append(submit(host, "in flight"))
        await settle()
        requests.append(submit(host, "light"))
        await settle()
        assert store.waiting == 1


async def test_no_more_than_two_records_are_in_flight() -> None:
    async with with_a_record_in_flight() as (host, store, requests):
        for index in range(5):
            requests.append(submit(host, f"heavy {index}", MIN_PIPELINED_BYTES))
            await settle()
        assert store.waiting == 2
