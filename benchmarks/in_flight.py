"""256 durable commands in flight: our kernel beside a bare loop without any of its features.

    python -m benchmarks.in_flight [--rounds 3] [--seconds 3] [--generator nats-py|socket] [--profile]

The target is at least 0.75 of the rate of the bare loop (`benchmarks.bare_loop`). Like for like is the
tally (`benchmarks.tally`), which does as little in its model as the bare loop does; the registry is what
users call. Two more say what a part costs: the bare loop when its requests carry the headers of a command
(which it ignores), and the tally when they carry none, so that nothing is remembered for a retry.

Bare loop and ours run in turns in one run, each in its own process, under the same event loop
and the same load, so that the noise of the machine hits both; each round of ours is compared with the
rounds of the bare loop beside it. Machines are shared and noisy: only the ratios mean something.

The generator matters, because it shares the machine: a client written with nats-py uses more CPU for a
request than any of the services. ``socket`` speaks the bare protocol at a tenth of that, so that almost
the whole machine is left to what is compared: the harder test, and shown as well.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from benchmarks import bare_loop, sampling
from benchmarks.child import Child, available_loops, child
from benchmarks.load import IN_FLIGHT, Ask, Load, NatsPyLoad, Round, SocketLoad
from benchmarks.machine import cpu_s, describe
from conclave.embedded import embedded_server

TARGET: Final = 0.75
GENERATORS: Final[dict[str, Callable[[str], Awaitable[Load]]]] = {
    "nats-py": NatsPyLoad.connect,
    "socket": SocketLoad.connect,
}
_WARM_UP_S: Final = 1.0
_SHOWN_FUNCTIONS: Final = 40
_BODY: Final = b'{"label":"bench","amount":1}'
_BARE: Final = Ask(subject=bare_loop.SUBJECT, body=_BODY, is_command=False)
TALLY: Final = Ask(subject="conclave.call.tally.add.bench", body=_BODY, is_command=True)
REGISTRY: Final = Ask(
    subject="conclave.call.registry.register.bench",
    body=b'{"capabilities":[{"name":"bench"}]}',
    is_command=True,
)
_QUERY: Final = Ask(subject="conclave.call.tally.total.bench", body=b"{}", is_command=False)


@dataclass(slots=True)
class Measured:
    """All rounds of one thing."""

    name: str
    ask: Ask
    service: Child
    rounds: list[Round] = field(default_factory=list)
    service_cpu_s: float = 0.0
    server_cpu_s: float = 0.0
    load_cpu_s: float = 0.0

    @property
    def count(self) -> int:
        return sum(each.count for each in self.rounds)

    @property
    def rate(self) -> float:
        """Median of the rounds."""
        return statistics.median(each.rate for each in self.rounds)

    def ratio(self, bare: Measured) -> float:
        """Median, over the rounds, of this rate to that of the bare loop at the same time."""
        each_s = len(bare.rounds) // len(self.rounds)
        beside = [
            statistics.mean(each.rate for each in bare.rounds[at : at + each_s])
            for at in range(0, len(bare.rounds), each_s)
        ]
        return statistics.median(ours.rate / theirs for ours, theirs in zip(self.rounds, beside, strict=True))

    async def take(self, load: Load, server_pid: int, seconds: float) -> None:
        """One round more."""
        before = self.service.cpu_s, cpu_s(server_pid), time.process_time()
        self.rounds.append(await load.run(self.ask, seconds=seconds))
        self.service_cpu_s += self.service.cpu_s - before[0]
        self.server_cpu_s += cpu_s(server_pid) - before[1]
        self.load_cpu_s += time.process_time() - before[2]

    def show(self, bare: Measured) -> None:
        """One line of the table, and one of its rounds."""
        latencies = sorted(ms for each in self.rounds for ms in each.latencies_ms)
        p50, p99 = latencies[len(latencies) // 2], latencies[len(latencies) * 99 // 100]
        ours_us, server_us, load_us = (
            1e6 * each / self.count for each in (self.service_cpu_s, self.server_cpu_s, self.load_cpu_s)
        )
        bare_us = 1e6 * bare.service_cpu_s / bare.count
        print(
            f"  {self.name:<18} {self.rate:7.0f}/s  {self.ratio(bare):5.2f}x   {p50:6.1f} {p99:6.1f} ms"
            f"   {ours_us:6.1f} us {bare_us / ours_us:5.2f}x   {server_us:5.1f} us   {load_us:5.1f} us"
            f"   {self.count}"
        )
        print(f"  {'':<18} rounds: {' '.join(f'{each.rate:.0f}' for each in self.rounds)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to run."""

    rounds: int
    seconds: float
    loops: tuple[str, ...]
    generators: tuple[str, ...]


async def compare(loop: str, generator: str, plan: Plan, folder: Path) -> None:
    """Run bare loop and ours in turns, and print the table."""
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded_server(folder / f"{loop}-{generator}"))
        started = [
            await stack.enter_async_context(child(module, server.url, loop=loop))
            for module in ("bare_loop", "served_tally", "served_registry")
        ]
        load: Load = await GENERATORS[generator](server.url)
        stack.push_async_callback(load.close)
        bare, tally, *others = things = [
            Measured("bare loop", _BARE, started[0]),
            Measured("tally.add", TALLY, started[1]),
            Measured("registry.register", REGISTRY, started[2]),
            Measured("tally.total, query", _QUERY, started[1]),
            Measured("bare, headers", replace(_BARE, is_command=True), started[0]),
            Measured("tally.add, no id", replace(TALLY, is_command=False), started[1]),
        ]
        for each in things:
            await load.run(each.ask, seconds=_WARM_UP_S)
        for _ in range(plan.rounds):
            for each in (bare, tally, bare, *others):
                await each.take(load, server.pid, plan.seconds)
        print(
            f"\n{IN_FLIGHT} in flight, {loop} in the services, generator {generator}, "
            f"rounds of {plan.seconds:g} s"
        )
        print(
            f"  {'':<18} {'rate':>9}  {'/bare':>6}   {'p50':>6} {'p99':>6}   "
            f"   {'service CPU':>9} {'bare/':>6}   {'nats CPU':>8}   {'load CPU':>8}   n"
        )
        for each in things:
            each.show(bare)
        ratio = tally.ratio(bare)
        print(
            f"  tally.add / bare loop {ratio:.2f}, target {TARGET}: {'met' if ratio >= TARGET else 'MISSED'}"
        )


async def profile(loop: str, plan: Plan, folder: Path) -> None:
    """Print where the CPU time of each service process goes."""
    for module, ask in (("served_tally", TALLY), ("served_registry", REGISTRY), ("bare_loop", _BARE)):
        file = folder / f"{loop}-{module}.json"
        async with (
            embedded_server(folder / f"{loop}-{module}") as server,
            child(module, server.url, loop=loop, profile=file) as process,
        ):
            load = await SocketLoad.connect(server.url)
            before_s = process.cpu_s
            count = (await load.run(ask, seconds=plan.rounds * plan.seconds)).count
            us_per_command = 1e6 * (process.cpu_s - before_s) / count
            await load.close()
        print(f"\n{module}, {loop}, {count} commands; by the CPU time in the function itself")
        sampling.show(file, us_per_command=us_per_command, count=_SHOWN_FUNCTIONS)


async def run(plan: Plan, *, is_profile: bool) -> None:
    """Everything, for each event loop."""
    with tempfile.TemporaryDirectory() as folder:
        for loop in plan.loops:
            if is_profile:
                await profile(loop, plan, Path(folder))
                continue
            for generator in plan.generators:
                await compare(loop, generator, plan, Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a round")
    parser.add_argument("--generator", choices=GENERATORS, help="only with this one")
    parser.add_argument("--loop", choices=available_loops(), help="only under this event loop")
    parser.add_argument("--profile", action="store_true", help="print the dearest functions instead")
    chosen = parser.parse_args()
    plan = Plan(
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        loops=(chosen.loop,) if chosen.loop else available_loops(),
        generators=(chosen.generator,) if chosen.generator else tuple(GENERATORS),
    )
    print(describe())
    asyncio.run(run(plan, is_profile=chosen.profile))


if __name__ == "__main__":
    main()
