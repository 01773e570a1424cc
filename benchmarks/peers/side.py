"""One side of the comparison: the process that submits tasks to one system, told what to do by the driver.

Runs in the virtual environment of the system it submits to, so it needs nothing but the standard library.
The driver (`benchmarks.tasks`) writes one JSON line per order to its standard input and reads one per answer:

    {"do": "warm_up", "workers": 2, "limit_s": 60}    {"workers": 2}
    {"do": "throughput", "tasks": 10000}              {"submit_s": ..., "complete_s": ..., "workers": 2}
    {"do": "latency", "tasks": 300}                   {"done_ms": [...], "began_ms": [...]}

Every task of every system returns the same: the process id of its worker, and ``CLOCK_MONOTONIC`` when it
began (one clock for all processes of a machine), so that a result proves that the task ran, where and when.
"""

from __future__ import annotations

import abc
import asyncio
import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Generic, TypeVar

SETTINGS: Final = "BENCH_SETTINGS"
"""Environment variable: the settings of this system as a JSON object, for its workers and its submitter."""
REDIS_URL: Final = "BENCH_REDIS_URL"
NATS_URL: Final = "BENCH_NATS_URL"
CREDENTIALS: Final = "BENCH_CREDENTIALS"
"""Environment variable: the directory of the agents' credentials, for Conclave."""
_WARM_UP_TASKS: Final = 100
_CHECKED_RESULTS: Final = 200
"""How many results of a throughput round are read back and looked at, after the clock has stopped."""
_WAIT_S: Final = 600.0
GIVE_UP_S: Final = 10
"""For how long a client waits for the result of one task."""
Handle = TypeVar("Handle")


def settings() -> dict[str, Any]:
    """What the driver has chosen for this system."""
    chosen: dict[str, Any] = json.loads(os.environ.get(SETTINGS, "{}"))
    return chosen


def witness() -> list[int]:
    """What every task returns: who ran it, and when it began, in nanoseconds."""
    return [os.getpid(), time.monotonic_ns()]


class Client(abc.ABC, Generic[Handle]):
    """Submits tasks to one system, as its own documentation recommends."""

    @abc.abstractmethod
    async def submit(self, count: int) -> Sequence[Handle]:
        """Submit `count` tasks as fast as the system's client can; returns when all are durable."""

    @abc.abstractmethod
    async def wait(self, handles: Sequence[Handle]) -> None:
        """Return when the results of all are durable, disturbing the system as little as possible."""

    @abc.abstractmethod
    async def results(self, handles: Sequence[Handle]) -> list[list[int]]:
        """The results of finished tasks."""

    @abc.abstractmethod
    async def once(self) -> list[int]:
        """Submit one task, and return its result as soon as the system's API can have it."""

    @abc.abstractmethod
    async def close(self) -> None:
        """Disconnect."""


async def _warm_up(client: Client[Any], *, workers: int, limit_s: float) -> dict[str, Any]:
    """Run tasks until so many worker processes have answered."""
    seen: set[int] = set()
    give_up_s = time.monotonic() + limit_s
    while len(seen) < workers:
        assert time.monotonic() < give_up_s, f"only {len(seen)} of {workers} workers answered"
        handles = await client.submit(_WARM_UP_TASKS)
        await client.wait(handles)
        seen.update(pid for pid, _ in await client.results(handles))
    await client.once()
    return {"workers": len(seen)}


async def _throughput(client: Client[Any], *, tasks: int) -> dict[str, Any]:
    begun_ns = time.monotonic_ns()
    handles = await client.submit(tasks)
    submitted_ns = time.monotonic_ns()
    await client.wait(handles)
    done_ns = time.monotonic_ns()
    assert len(handles) == tasks
    step = max(1, tasks // _CHECKED_RESULTS)
    results = await client.results(handles[::step])
    assert all(begun_ns < started_ns < done_ns for _, started_ns in results), "a result of another task"
    return {
        "submit_s": (submitted_ns - begun_ns) / 1e9,
        "complete_s": (done_ns - begun_ns) / 1e9,
        "workers": len({pid for pid, _ in results}),
    }


async def _latency(client: Client[Any], *, tasks: int) -> dict[str, Any]:
    done_ms, began_ms = [], []
    for _ in range(tasks):
        begun_ns = time.monotonic_ns()
        _, started_ns = await client.once()
        done_ms.append((time.monotonic_ns() - begun_ns) / 1e6)
        began_ms.append((started_ns - begun_ns) / 1e6)
    return {"done_ms": done_ms, "began_ms": began_ms}


_ORDERS: Final[dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]]] = {
    "warm_up": _warm_up,
    "throughput": _throughput,
    "latency": _latency,
}


async def serve(connect: Callable[[], Coroutine[Any, Any, Client[Any]]]) -> None:
    """Do what the driver says until it closes our standard input."""
    client = await connect()
    loop = asyncio.get_running_loop()
    try:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            order = json.loads(line)
            async with asyncio.timeout(_WAIT_S):
                answer = await _ORDERS[order.pop("do")](client, **order)
            print(json.dumps(answer), flush=True)
    finally:
        await client.close()


def run(connect: Callable[[], Coroutine[Any, Any, Client[Any]]]) -> None:
    """The main function of a submitting process, on the event loop that its settings name."""
    loop: Any = importlib.import_module(settings().get("loop", "uvloop"))
    with asyncio.Runner(loop_factory=loop.new_event_loop) as runner:
        runner.run(serve(connect))
