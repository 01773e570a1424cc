"""Tasks of Conclave beside those of its peers: the same empty task, durable on all sides, in one run.

    make bench-tasks [ARGS="--tasks 2000 --rounds 1"]

Celery, Dramatiq, Taskiq and arq over Redis (``appendfsync always``), Taskiq over NATS and Conclave over
JetStream (``sync_interval: always``); acknowledged after the work on all sides, results kept. Target: at
least 3 times the completed tasks per second of the best peer, and the lowest p50 from submission to result.
What is measured and how each is set up: docs/tasks-benchmark.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.peers import references, report
from benchmarks.peers.running import Running, SystemFailedError, python_of, running
from benchmarks.peers.systems import OURS, VARIANTS, Environment, Variant

DEFAULT_SAVE: Final = Path("out/tasks-benchmark")
_WARM_UP_S: Final = 60.0
_SETTLE_S: Final = 0.5
"""Between the throughput of a system and its being frozen: time to become idle."""
UNMEASURED: Final = 30
"""Tasks after each thaw that do not count: the first takes up to seconds (a blocking read has to run out),
the next ten up to half as long again as later ones."""
PEERS_CODE: Final = Path(__file__).resolve().parent / "peers"
_PACKAGES: Final = (
    *("arq", "celery", "dramatiq", "hiredis", "kombu", "nats-py"),
    *("redis", "taskiq", "taskiq-nats", "taskiq-redis", "uvloop"),
)
_VERSIONS: Final = """\
import importlib.metadata, json, sys
names = {each.metadata["Name"].lower(): each.version for each in importlib.metadata.distributions()}
print(json.dumps({name: names[name] for name in sys.argv[1:] if name in names}))
"""


@dataclass(slots=True)
class Contender:
    """A variant in a round, and what is known of it so far."""

    throughput: report.Throughput
    system: Running
    turn_sizes: list[int] = field(default_factory=list)
    done_ms: list[float] = field(default_factory=list)
    began_ms: list[float] = field(default_factory=list)
    failure: str = ""

    async def take_turn(self, tasks: int) -> None:
        """Run a few tasks, one at a time, on the system that is frozen before and after."""
        self.system.thaw()
        try:
            latency = await self.system.order("latency", tasks=UNMEASURED + tasks)
        finally:
            await self.system.freeze()
        self.turn_sizes.append(tasks)
        self.done_ms += (round(each, 3) for each in latency["done_ms"][UNMEASURED:])
        self.began_ms += (round(each, 3) for each in latency["began_ms"][UNMEASURED:])

    def measurement(self) -> report.Measurement:
        """What came of it in the end."""
        return report.Measurement(
            **self.throughput.model_dump(),
            turn_sizes=tuple(self.turn_sizes),
            done_ms=tuple(self.done_ms),
            began_ms=tuple(self.began_ms),
        )


@contextlib.asynccontextmanager
async def contending(variant: Variant, options: report.Options) -> AsyncIterator[Contender]:
    """A variant whose throughput is known, frozen; it is stopped at the end of the block.

    Raises:
        SystemFailedError: It did not come up, or failed half way.
    """
    with tempfile.TemporaryDirectory() as folder:
        async with running(variant, workers=options.workers, folder=Path(folder)) as system:
            await system.order("warm_up", workers=options.workers, limit_s=_WARM_UP_S)
            spin_ms = references.spin_ms()
            before_s = system.cpu_s()
            done = await system.order("throughput", tasks=options.tasks)
            after_s = system.cpu_s()
            await asyncio.sleep(_SETTLE_S)
            await system.freeze()
            throughput = report.Throughput(
                variant=variant.key,
                tasks=options.tasks,
                cpu_s={role: round(after_s[role] - before_s[role], 2) for role in after_s},
                spin_ms=spin_ms,
                **done,
            )
            yield Contender(throughput, system)


async def measure_round(number: int, variants: tuple[Variant, ...], options: report.Options) -> report.Round:
    """The throughput of one variant after the other, then their latency in turns.

    Each round begins with another variant.
    """
    print(f"\nround {number + 1} of {options.rounds}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        seen = await references.measure(Path(folder))
    print("  " + ", ".join(f"{report.REFERENCES[name]} {value:.2f} ms" for name, value in seen.items()))
    contenders, failures = [], []
    first = number * len(variants) // max(1, options.rounds)
    async with contextlib.AsyncExitStack() as stack:
        for variant in report.rotated(variants, first):
            try:
                contender = await stack.enter_async_context(contending(variant, options))
            except SystemFailedError as error:
                failures.append(report.Failure(variant=variant.key, reason=str(error)))
                print(f"  {variant.key}: FAILED, {error}", flush=True)
                continue
            contenders.append(contender)
            print(f"  {report.throughput_line(contender.throughput)}", flush=True)
        await measure_latency(contenders, options.latency_tasks)
        failures += [
            report.Failure(variant=each.throughput.variant, reason=each.failure)
            for each in contenders
            if each.failure
        ]
    measurements = tuple(each.measurement() for each in contenders if not each.failure)
    for each in measurements:
        print(f"  {report.latency_line(each)}", flush=True)
    return report.Round(references=seen, measurements=measurements, failures=tuple(failures))


async def measure_latency(contenders: Sequence[Contender], tasks: int) -> None:
    """All in turns, so that a machine that becomes slow is slow for all; those that fail are left out.

    Each turn begins with another one.
    """
    for number, share in enumerate(report.turn_sizes(tasks)):
        for contender in report.rotated(contenders, number):
            if contender.failure:
                continue
            try:
                await contender.take_turn(share)
            except SystemFailedError as error:
                contender.failure = str(error)
                print(f"  {contender.throughput.variant}: FAILED, {error}", flush=True)


async def measure_all(
    variants: tuple[Variant, ...], options: report.Options, keep: Callable[[report.Run], None]
) -> report.Run:
    """Every round, and what is needed to judge and repeat them; `keep` gets what there is after each."""
    facts, versions = machine.facts(), peer_versions(variants)
    rounds: list[report.Round] = []
    while True:
        rounds.append(await measure_round(len(rounds), variants, options))
        run = report.Run(
            made_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
            machine=facts,
            versions=versions,
            options=options,
            setups=tuple(setup(each, options) for each in variants),
            rounds=tuple(rounds),
        )
        keep(run)
        if len(rounds) >= options.rounds:
            return run


def setup(variant: Variant, options: report.Options) -> report.Setup:
    """How a variant is run, for the file."""
    return report.Setup(
        key=variant.key,
        system=variant.system,
        worker=tuple(variant.command(workers=options.workers, copy=0)),
        copies=options.workers if variant.is_per_worker else 1,
        settings=dict(variant.settings),
        variables=dict(variant.variables),
    )


def peer_versions(variants: tuple[Variant, ...]) -> dict[str, str]:
    """Of the packages in the peers' environments, and of redis-server."""
    found: dict[str, str] = {}
    environments: set[Environment] = {each.environment for each in variants} - {"own"}
    for environment in sorted(environments):
        answer: dict[str, Any] = json.loads(_output(python_of(environment), "-c", _VERSIONS, *_PACKAGES))
        found |= {f"{name} ({environment})": version for name, version in answer.items()}
    if (redis := shutil.which("redis-server")) is not None:
        found["redis-server"] = _output(redis, "--version").partition("v=")[2].split()[0]
    return found


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def missing(variants: tuple[Variant, ...]) -> str:
    """What to install before this can run; empty if nothing."""
    if shutil.which("redis-server") is None:
        return "there is no redis-server on PATH; on Debian: apt-get install redis-server"
    for variant in variants:
        python = python_of(variant.environment)
        if not Path(python).is_file():
            return f"there is no {python}; run this as: make bench-tasks"
    return ""


def save(run: report.Run, place: Path) -> None:
    """`place`.json with everything, `place`.txt with the tables."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.with_suffix(".json").write_text(run.model_dump_json(indent=1) + "\n", encoding="utf-8")
    place.with_suffix(".txt").write_text("\n".join(lines_of(run)) + "\n", encoding="utf-8")


def draw(run: report.Run, place: Path) -> bool:
    """`place`.svg, by matplotlib in the peers' environment; False if it could not."""
    summary = json.dumps([each.model_dump() for each in report.summarize(run)])
    command = [python_of("main"), str(PEERS_CODE / "plot.py"), str(place.with_suffix(".svg")), OURS]
    return subprocess.run(command, input=summary, text=True, check=False).returncode == 0


def lines_of(run: report.Run) -> list[str]:
    """Everything that people read of a run."""
    seen, options = run.machine, run.options
    versions = {**seen["versions"], **run.versions}
    where = f"{seen['processor']}, {seen['cores']} cores, load {seen['load']} before"
    what = (
        f"{options.tasks:,} tasks, {options.workers} workers, {len(run.rounds)} of {options.rounds} rounds, "
        f"{options.latency_tasks} tasks one at a time; medians of the rounds, times in ms"
    )
    head = [
        f"{where}, commit {seen['commit']}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
        what,
    ]
    verdict = report.judge(run, ours=OURS)
    judged = report.sentences(verdict) if verdict is not None else []
    failed = [f"FAILED: {each.variant}" for round_ in run.rounds for each in round_.failures]
    return [*head, "", *report.table(run), "", *report.references(run), "", *judged, *failed]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", type=_positive, default=10_000, help="submitted at once")
    parser.add_argument("--latency-tasks", type=_positive, default=600, help="one at a time")
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--workers", type=_positive, default=2, help="worker processes of each system")
    parser.add_argument("--only", metavar="TEXT", nargs="+", help="systems whose name holds one of these")
    parser.add_argument("--save", type=Path, default=DEFAULT_SAVE, help="without suffix")
    chosen = parser.parse_args()
    variants = tuple(
        each
        for each in VARIANTS
        if not chosen.only or any(text.lower() in each.key.lower() for text in chosen.only)
    )
    if not variants:
        parser.error("--only leaves nothing; there are: " + "; ".join(each.key for each in VARIANTS))
    if lack := missing(variants):
        print(f"bench-tasks: {lack}", file=sys.stderr)
        sys.exit(2)
    options = report.Options(
        tasks=chosen.tasks,
        latency_tasks=chosen.latency_tasks,
        rounds=chosen.rounds,
        workers=chosen.workers,
    )
    # As Ctrl-C does it: what was started is stopped.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        run = asyncio.run(measure_all(variants, options, lambda so_far: save(so_far, chosen.save)))
    except KeyboardInterrupt:
        print("bench-tasks: stopped; complete rounds are saved", file=sys.stderr)
        sys.exit(130)
    print("\n" + "\n".join(lines_of(run)))
    is_drawn = draw(run, chosen.save)
    print(f"\nsaved {chosen.save}.json, .txt" + (", .svg" if is_drawn else "; the plot FAILED"))
    sys.exit(any(round_.failures for round_ in run.rounds) or not is_drawn)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    main()
