"""What one durable command costs when nothing else goes on, beside raw NATS in the same run.

    python -m benchmarks.round_trip [--calls 1000]

The target: the p50 of a command is at most that of a raw request and reply, plus 1.5 times that of a raw
JetStream append. Echo and services run in processes of their own, the caller in this one. What is
compared is measured in turns of a few calls, so that the noise of the machine hits all. Machines are
shared and noisy: only the ratios mean something.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import nats
from nats.js.api import StorageType, StreamConfig

from benchmarks import echo
from benchmarks.child import available_loops, child
from benchmarks.machine import describe
from benchmarks.tally import AddRequest, TallyReply, TotalRequest
from conclave.embedded import embedded_server
from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller

APPENDS: Final = 1.5
"""How many raw appends a command may cost beyond a raw request and reply."""
_TURN_CALLS: Final = 20
_WARM_UP_CALLS: Final = 50
_BODY: Final = b"x" * 128
_RECORD: Final = b"x" * 400
"""About as long as the record of one command."""
Call = Callable[[], Awaitable[object]]


async def measure(calls: dict[str, Call], count: int) -> dict[str, list[float]]:
    """Milliseconds of `count` calls of each, one after another, in turns, after a warm-up."""
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        for _ in range(_WARM_UP_CALLS):
            await call()
    for _ in range(-(-count // _TURN_CALLS)):
        for name, call in calls.items():
            for _ in range(_TURN_CALLS):
                started_s = time.perf_counter()
                await call()
                samples[name].append((time.perf_counter() - started_s) * 1000)
    return samples


def show(samples: dict[str, list[float]], baseline: str) -> None:
    """One line each, with the ratio to the baseline."""
    floor = statistics.median(samples[baseline])
    for name, each in samples.items():
        p50, p99 = statistics.median(each), statistics.quantiles(each, n=100)[98]
        print(f"  {name:<34} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {p50 / floor:5.2f}x   n {len(each)}")


async def compare(loop: str, calls: int, folder: Path) -> None:
    """Measure all, print the table, and say whether the target is met."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded_server(folder / f"store-{loop}"))
        for module in ("echo", "served_tally", "served_registry"):
            await stack.enter_async_context(child(module, server.url, loop=loop))
        raw = await nats.connect(server.url)
        stack.push_async_callback(raw.close)
        js = raw.jetstream()
        await js.add_stream(StreamConfig(name="raw", subjects=["raw.append"], storage=StorageType.FILE))
        bus = await NatsBus.connect(server.url, agent="bench")
        stack.push_async_callback(bus.close)
        caller = Caller(bus, agent="bench")
        registry = RegistryClient(caller)
        add = AddRequest(label="bench", amount=1)
        request, append, command = "raw request/reply", "raw JetStream append (fsync)", "tally.add (durable)"
        samples = await measure(
            {
                request: lambda: raw.request(echo.SUBJECT, _BODY),
                append: lambda: js.publish("raw.append", _RECORD),
                command: lambda: caller.command("tally", "add", add, TallyReply),
                "registry.register (durable)": lambda: registry.register(["bench"]),
                "tally.total (query)": lambda: caller.query("tally", "total", TotalRequest(), TallyReply),
                "registry.get (query)": lambda: registry.get("bench"),
            },
            calls,
        )
    print(f"\none call at a time, {loop} in the services")
    show(samples, request)
    p50 = {name: statistics.median(each) for name, each in samples.items()}
    allowed = p50[request] + APPENDS * p50[append]
    beyond = (p50[command] - p50[request]) / p50[append]
    print(
        f"  tally.add costs a raw request/reply and {beyond:.2f} raw appends, target {APPENDS}: "
        f"{p50[command]:.2f} of {allowed:.2f} ms, {'met' if p50[command] <= allowed else 'MISSED'}"
    )


async def run(calls: int, loops: tuple[str, ...]) -> None:
    """Everything, for each event loop."""
    with tempfile.TemporaryDirectory() as folder:
        for loop in loops:
            await compare(loop, calls, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--loop", choices=available_loops(), help="only under this event loop")
    chosen = parser.parse_args()
    print(describe())
    asyncio.run(run(chosen.calls, (chosen.loop,) if chosen.loop else available_loops()))


if __name__ == "__main__":
    main()
