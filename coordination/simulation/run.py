"""One run: a safety phase under faults, then healing, liveness, and all checkers.

The seed decides everything. The same seed and commit give the same trace hash.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from coordination.runtime.errors import ConclaveError
from coordination.simulation.checks.journal import broken_leadership, gaps, uncovered
from coordination.simulation.checks.replicas import unequal_replicas
from coordination.simulation.cluster import Cluster, Parts
from coordination.simulation.faults import FaultPlan, Nemesis, draw_plan
from coordination.simulation.loop import DeadlockError, LivelockError, VirtualLoop, run_virtual
from coordination.simulation.scenario import Scenario
from coordination.simulation.trace import Trace

LIVENESS_S: Final = 30.0
"""After healing: until every shard has one leader, and every client its last answer."""
PROBE_PATIENCE_S: Final = 5.0
_POLL_S: Final = 0.02
_SETTLE_S: Final = 5.0


@dataclass(slots=True)
class Report:
    """What came of one run."""

    seed: int
    faults: FaultPlan
    trace_hash: str = ""
    events: int = 0
    virtual_s: float = 0.0
    violations: list[str] = field(default_factory=list)
    """What was wrong, each with its checker; empty for a good run."""


def simulate(
    seed: int,
    make_scenario: Callable[[], Scenario],
    *,
    parts: Parts | None = None,
    write: Callable[[str], object] | None = None,
) -> Report:
    """Run one seed.

    Args:
        seed: Decides everything.
        make_scenario: Makes what is simulated.
        parts: What the nodes are made of.
        write: Takes the lines of the readable trace.
    """
    report = Report(seed, draw_plan(random.Random(f"{seed}/faults")))

    async def main(loop: VirtualLoop) -> None:
        trace = Trace(loop.time, write=write)
        run = _Run(report, make_scenario(), parts or Parts(), trace)
        try:
            await run.play()
        finally:
            report.virtual_s = loop.time()
            report.trace_hash, report.events = trace.digest, trace.events
        report.violations += [f"unhandled: {problem}" for problem in dict.fromkeys(loop.problems)]

    with _quiet_logs():
        try:
            run_virtual(main)
        except (DeadlockError, LivelockError) as error:
            report.violations.append(f"liveness: {type(error).__name__}: {error}")
    return report


class _Run:
    def __init__(self, report: Report, scenario: Scenario, parts: Parts, trace: Trace) -> None:
        seed = str(report.seed)
        self._report = report
        self._scenario = scenario
        self._entropy = random.Random(f"{seed}/run")
        self._seed = seed
        self._trace = trace
        trace.note("seed", seed, report.faults)
        plan = scenario.plan(self._entropy, parts)
        self._cluster = Cluster(plan, seed=seed, trace=trace)
        self._nemesis = Nemesis(report.faults, self._cluster, random.Random(f"{seed}/nemesis"))

    async def play(self) -> None:
        """All phases."""
        self._nemesis.set_clocks()
        stop = asyncio.Event()
        async with _background(self._cluster.run()), asyncio.TaskGroup() as group:
            patience_s = self._entropy.uniform(3.0, 12.0)
            working = [
                group.create_task(self._work(f"c{number}", patience_s, stop))
                for number in range(1, self._scenario.clients + 1)
            ]
            await asyncio.sleep(0)
            async with _background(self._nemesis.run()):
                await asyncio.sleep(self._entropy.uniform(4.0, 12.0))
            self._nemesis.heal()
            stop.set()
            is_settled = await self._becomes_live(working) and await self._settles()
            self._check(with_replicas=is_settled)
            for task in working:
                task.cancel()

    async def _work(self, name: str, patience_s: float, stop: asyncio.Event) -> None:
        caller = self._cluster.caller(name, patience_s=patience_s)
        await self._scenario.work(caller, random.Random(f"{self._seed}/{name}/work"), stop)

    async def _becomes_live(self, working: list[asyncio.Task[None]]) -> bool:
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + LIVENESS_S
        _, late = await asyncio.wait(working, timeout=LIVENESS_S)
        if late:
            self._fail("liveness", f"{len(late)} clients have waited {LIVENESS_S} s for their last answer")
            return False
        while not all(len(self._cluster.leaders(*shard)) == 1 for shard in self._cluster.shards()):
            if loop.time() > give_up_s:
                self._fail("liveness", f"not every shard has one leader {LIVENESS_S} s after healing")
                return False
            await asyncio.sleep(_POLL_S)
        try:
            await self._scenario.probe(self._cluster.caller("probe", patience_s=PROBE_PATIENCE_S))
        except ConclaveError as error:
            self._fail("liveness", f"a new operation fails after healing: {error}")
            return False
        return True

    async def _settles(self) -> bool:
        """Return at a moment at which every host has read, and stored, everything; False if none comes."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + _SETTLE_S
        while not self._is_settled():
            if loop.time() > give_up_s:
                self._fail("liveness", "a standby does not catch up with the journal")
                return False
            await asyncio.sleep(_POLL_S)
        return True

    def _is_settled(self) -> bool:
        cluster = self._cluster
        return all(
            len(hosts) == len(cluster.nodes)
            and all(host.sequence == len(cluster.stream(*shard).archive) for host in hosts)
            and not any(host.is_ahead for host in hosts)
            for shard in cluster.shards()
            for hosts in [cluster.hosts(*shard)]
        )

    def _check(self, *, with_replicas: bool) -> None:
        cluster = self._cluster
        for failure in cluster.failures:
            self._fail("processes", failure)
        for service, shard in cluster.shards():
            stream = cluster.stream(service, shard)
            payloads = [entry.payload for entry in stream.archive]
            checks: dict[str, Iterator[str]] = {
                "gaps": gaps([entry.sequence for entry in stream.archive]),
                "leadership": broken_leadership(payloads),
                "coverage": uncovered(
                    [entry.sequence for entry in stream.records],
                    [ref.sequence for ref in stream.pointer.snapshots],
                ),
            }
            if with_replicas:
                checks["replicas"] = self._unequal(service.name, stream.name, shard)
            for checker, problems in checks.items():
                for problem in problems:
                    self._fail(checker, f"{stream.name}: {problem}")
        for problem in self._scenario.violations(cluster):
            self._fail("promises", problem)

    def _unequal(self, service: str, stream_name: str, shard: int) -> Iterator[str]:
        cluster = self._cluster
        runners = [node.life.runners[service] for node in cluster.nodes if node.life is not None]
        make_model = runners[0].definition.model
        assert make_model is not None
        stream = cluster.storage.streams[stream_name]
        return unequal_replicas(
            f"{service}.{shard}",
            make_model,
            stream.archive,
            hosts=[runner.hosts[shard] for runner in runners],
            pointer=stream.pointer,
            snapshots=stream.snapshots,
        )

    def _fail(self, checker: str, problem: str) -> None:
        self._report.violations.append(f"{checker}: {problem}")


@contextlib.asynccontextmanager
async def _background(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a coroutine beside the block, and end it with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


@contextlib.contextmanager
def _quiet_logs() -> Iterator[None]:
    """Say nothing: faults are what a run is about."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL), cache_logger_on_first_use=False
    )
    try:
        yield
    finally:
        structlog.configure(**before)
