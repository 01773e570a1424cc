"""What the machine can do at the moment: raw calls with nothing around them, measured beside every round."""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import nats
from nats.js.api import StorageType, StreamConfig

from benchmarks import echo
from benchmarks.child import child
from benchmarks.peers.running import redis_server
from conclave.embedded import embedded_server

_CALLS: Final = 300
_WARM_UP_CALLS: Final = 30
_BODY: Final = b"x" * 128
_RECORD: Final = b"x" * 400
_SPINS: Final = 200_000


def spin_ms() -> float:
    """How long a fixed piece of Python takes, the quickest of five: how fast a core is just now."""
    taken_ms = []
    for _ in range(5):
        begun_s = time.perf_counter()
        total = 0
        for number in range(_SPINS):
            total += number
        taken_ms.append((time.perf_counter() - begun_s) * 1000)
    return min(taken_ms)


async def measure(folder: Path) -> dict[str, float]:
    """The p50 of each reference, in milliseconds, over the empty `folder`."""
    found = {"spin_ms": spin_ms(), "fdatasync_ms": _fdatasync_ms(folder)}
    async with embedded_server(folder / "nats") as server, child("echo", server.url):
        client = await nats.connect(server.url)
        try:
            js = client.jetstream()
            await js.add_stream(StreamConfig(name="raw", subjects=["raw.append"], storage=StorageType.FILE))
            found["nats_request_ms"] = await _p50_ms(lambda: client.request(echo.SUBJECT, _BODY))
            found["jetstream_append_ms"] = await _p50_ms(lambda: js.publish("raw.append", _RECORD))
        finally:
            await client.close()
    async with redis_server(folder) as (port, _):
        found["redis_set_ms"] = await _redis_set_ms(port)
    return found


async def _p50_ms(call: Callable[[], Awaitable[object]]) -> float:
    for _ in range(_WARM_UP_CALLS):
        await call()
    taken_ms = []
    for _ in range(_CALLS):
        begun_s = time.perf_counter()
        await call()
        taken_ms.append((time.perf_counter() - begun_s) * 1000)
    return statistics.median(taken_ms)


async def _redis_set_ms(port: int) -> float:
    """In Redis's own protocol, which takes two lines here and a dependency elsewhere."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$%d\r\n%s\r\n" % (len(_RECORD), _RECORD)

    async def set_once() -> None:
        writer.write(command)
        answer = await reader.readline()
        assert answer == b"+OK\r\n", answer

    try:
        return await _p50_ms(set_once)
    finally:
        writer.close()


def _fdatasync_ms(folder: Path) -> float:
    taken_ms = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(_CALLS):
            begun_s = time.perf_counter()
            file.write(_RECORD)
            os.fdatasync(file.fileno())
            taken_ms.append((time.perf_counter() - begun_s) * 1000)
    return statistics.median(taken_ms)
