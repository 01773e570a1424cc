"""What a durable command costs, beside raw NATS in the same run.

    .venv/bin/python benchmarks/round_trip.py [--calls N]

Machines are shared and noisy: only the ratios mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path

from nats.aio.msg import Msg

from conclave.deployment import deployed
from conclave.embedded import embedded_server
from conclave.session import connect
from coordination.runtime.bus import NatsBus

IN_FLIGHT = 256


async def measure(call: Callable[[], Awaitable[object]], calls: int) -> list[float]:
    """Milliseconds of each of `calls` calls, one after another, after a warm-up."""
    for _ in range(calls // 10):
        await call()
    samples = []
    for _ in range(calls):
        started = time.perf_counter()
        await call()
        samples.append((time.perf_counter() - started) * 1000)
    return samples


async def rate(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Calls per second with `IN_FLIGHT` at a time."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))
    return calls / (time.perf_counter() - started)


def show(name: str, samples: list[float], baseline: float) -> None:
    p50 = statistics.median(samples)
    p99 = statistics.quantiles(samples, n=100)[98]
    print(f"{name:<34} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {p50 / baseline:5.1f}x")


async def run(calls: int, store: Path) -> None:
    async with embedded_server(store) as server, deployed(server.url, names=["registry"]):
        raw = await NatsBus.connect(server.url, agent="raw")
        echo = await NatsBus.connect(server.url, agent="echo")

        async def answer(message: Msg) -> None:
            await message.respond(message.data)

        await echo.client.subscribe("raw.echo", cb=answer)
        await echo.client.flush()
        js = raw.client.jetstream()
        await js.add_stream(name="raw", subjects=["raw.append"])
        async with connect(server.url, agent="bench") as session:

            async def command() -> object:
                return await session.registry.register(["bench"])

            async def query() -> object:
                return await session.registry.get("bench")

            body = b"x" * 128
            request = await measure(lambda: raw.client.request("raw.echo", body), calls)
            append = await measure(lambda: js.publish("raw.append", body), calls)
            floor = statistics.median(request)
            show("raw request/reply", request, floor)
            show("raw JetStream append (fsync)", append, floor)
            show("command (durable)", await measure(command, calls), floor)
            show("query", await measure(query, calls), floor)
            print(f"{'command, 256 in flight':<34} {await rate(command, calls * 10):8.0f}/s")
        await raw.close()
        await echo.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    calls = parser.parse_args().calls
    print(f"{platform.machine()}, Python {platform.python_version()}, nats-py {version('nats-py')}")
    with tempfile.TemporaryDirectory() as store:
        asyncio.run(run(calls, Path(store)))


if __name__ == "__main__":
    main()
