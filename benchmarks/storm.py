"""A hundred agents, fifty thousand tasks, and processes that are killed all the time: what is lost?

    make storm [ARGS="--agents 10 --tasks 2000"]

Registry, task service with a standby, and agents (ten to a process) run as processes of their own on a
secured nats-server with ``sync_interval: always``. While the tasks flow, at moments drawn by ``--seed``,
crews of agents are killed (``kill -9``) and started again, or paused (SIGSTOP) until what they held was taken
from them; the leader of the task service is killed, and the nats-server. When every task has ended, the
journal, archived while it was written, is judged event by event by code that shares nothing with the task
service (`benchmarks.storming.ledger`), beside what the submitter was told, what handlers began, and the
records that are still kept. Ends with status 1 if anything is lost, or counted twice, or was accepted from
somebody who had no right to say it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import machine
from benchmarks.storming.crew import CAPABILITY
from benchmarks.storming.faults import Fault, Weather, plan
from benchmarks.storming.ledger import Ledger
from benchmarks.storming.place import Place, place
from conclave import Session, connect, log
from conclave.work import TaskHandle
from coordination.runtime.bus import NatsBus
from coordination.runtime.errors import ConclaveError, RejectedError
from coordination.runtime.jetstream import JetStreamStore
from coordination.runtime.journal import Journal
from coordination.runtime.names import Subjects

AGENTS_OF_A_CREW: Final = 10
BATCH: Final = 250
"""Tasks submitted with one call."""
MAX_ATTEMPTS: Final = 20
_PATIENCE_S: Final = 120.0
_FOLLOW_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked for."""

    agents: int = 100
    tasks: int = 50_000
    seed: int = 7
    work_ms: float = 20.0
    lease_ms: int = 5_000
    crew_kills: int = 20
    pauses: int = 5
    leader_kills: int = 3
    server_kills: int = 1

    @property
    def crews(self) -> tuple[tuple[str, ...], ...]:
        """Names of the agents of each process, at least three."""
        size = min(AGENTS_OF_A_CREW, max(1, self.agents // 3))
        names = [f"agent-{number}" for number in range(self.agents)]
        return tuple(tuple(names[first : first + size]) for first in range(0, len(names), size))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What goes wrong, and when."""
        return plan(
            self.seed,
            tasks=self.tasks,
            crews=len(self.crews),
            crew_kills=self.crew_kills,
            pauses=self.pauses,
            leader_kills=self.leader_kills,
            server_kills=self.server_kills,
        )


@dataclass(slots=True)
class Report:
    """What a storm came to."""

    options: Options
    problems: list[str] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)


async def archive(bus: NatsBus, ledger: Ledger) -> None:
    """Read the journal as it is written, for ever: snapshots let old records be removed."""
    journal = Journal(JetStreamStore(bus, subjects=Subjects(), service="tasks"))
    sequence = 0
    while True:
        for entry in await journal.follow(sequence, timeout_s=_FOLLOW_S):
            record = json.loads(entry.payload)
            for event in record["events"]:
                ledger.hear(event["type"], event["data"], record["at_ms"])
            sequence = entry.sequence


class Submitter:
    """Hands the tasks out, and hears how they end.

    Args:
        session: Its own.
        count: How many tasks.
        lease_ms: Of each.
    """

    def __init__(self, session: Session, count: int, *, lease_ms: int) -> None:
        self.acknowledged: set[str] = set()
        self.told: dict[str, Any] = {}
        """Results by task."""
        self.unheard: Counter[str] = Counter()
        """Tasks whose result it was not told, by why."""
        self._session = session
        self._count = count
        self._lease_ms = lease_ms

    async def work(self) -> None:
        """Submit everything, a batch at a time, and wait for every result."""
        waiting: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for first in range(0, self._count, BATCH):
                numbers = range(first, min(first + BATCH, self._count))
                handles = await self._session.submit_many([_task(each, self._lease_ms) for each in numbers])
                self.acknowledged.update(handle.task_id for handle in handles)
                waiting += [group.create_task(self._wait(handle)) for handle in handles]

    async def _wait(self, handle: TaskHandle) -> None:
        try:
            self.told[handle.task_id] = await handle.result()
        except RejectedError as error:
            self.unheard[error.code] += 1
        except ConclaveError as error:
            self.unheard[type(error).__name__] += 1


def _task(number: int, lease_ms: int) -> dict[str, Any]:
    return {
        "requirement": CAPABILITY,
        "payload": {"n": number},
        "task_id": f"t-{number}",
        "lease_ms": lease_ms,
        "max_attempts": MAX_ATTEMPTS,
        "max_rounds": 1000,
        "backoff": {"first_ms": 50, "last_ms": 500},
    }


async def storm(options: Options, folder: Path, *, say: Callable[[str], None]) -> Report:
    """One storm over an empty folder; `say` is told how it goes.

    Raises:
        AssertionError: Something did not start, or nothing goes on.
    """
    report, ledger, crews = Report(options), Ledger(), options.crews
    async with place(folder, crews, work_ms=options.work_ms) as here:
        keys, url = here.server, here.server.url
        bus = await NatsBus.connect(url, agent="tasks", credentials=keys.credentials_of("tasks"))
        mine = keys.credentials_of("submitter")
        async with connect(url, agent="submitter", credentials=mine, patience_s=_PATIENCE_S) as session:
            submitter = Submitter(session, options.tasks, lease_ms=options.lease_ms)
            say("everything is there")
            started_s = time.monotonic()
            beside = [asyncio.create_task(archive(bus, ledger)), asyncio.create_task(submitter.work())]

            def check() -> None:
                for each in beside:
                    if each.done():
                        each.result()

            def is_over() -> bool:
                return len(submitter.acknowledged) == options.tasks == ledger.ended

            weather = Weather(here, ledger, crews, say=say, check=check, is_over=is_over)
            try:
                await weather.rage(options.faults)
                await weather.until(is_over)
                elapsed_s = time.monotonic() - started_s
                await beside[1]
                kept = await judge_records(session, ledger, report)
            finally:
                for each in beside:
                    each.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
        await bus.close()
        begun, refused = judge_logs(here, ledger, report)
    report.problems += ledger.judge(submitter.acknowledged)
    judge_told(submitter, ledger, report)
    report.figures |= {
        "tasks": f"{len(submitter.acknowledged):,} acknowledged, {ledger.ended:,} ended, "
        f"{len(submitter.told):,} results told, in {elapsed_s:.1f} s: {options.tasks / elapsed_s:,.0f}/s",
        "faults": _listed(weather.happened),
        "more than one attempt": f"{ledger.retried:,} tasks",
        "handlers begun": f"{begun:,}",
        "in the journal": _listed(ledger.counts),
        "refused to agents": _listed(refused),
        "not told in time to be kept": _listed(submitter.unheard),
        "longest task": f"{ledger.longest_ms / 1000:.1f} s from submission to end",
        "next result after a kill of the leader": _seconds(weather.recovery_s["leader killed"]),
        "next result after a kill of nats-server": _seconds(weather.recovery_s["server killed"]),
        "records still kept": f"{kept:,}, all as in the journal",
    }
    return report


async def judge_records(session: Session, ledger: Ledger, report: Report) -> int:
    """Compare the records that are still kept with the journal; returns how many there are."""
    kept = after = 0
    while page := await session.tasks.list(after=after, limit=1000):
        kept, after = kept + len(page), page[-1].sequence
        for summary in page:
            life = ledger.lives.get(summary.task_id)
            said = summary.state, summary.fencing_token, summary.attempt_count
            if life is None or said != ("completed", life.winner, life.attempts):
                found = f"{summary.task_id} is on record as {said}, and in the journal as {life}"
                report.problems.append(found)
    letters = await session.tasks.deadletters(limit=1)
    if letters.count:
        report.problems.append(f"there are {letters.count} dead letters, such as {letters.tasks[:1]}")
    return kept


def judge_logs(here: Place, ledger: Ledger, report: Report) -> tuple[int, Counter[str]]:
    """Compare what handlers began with the journal; returns how often they did, and what was refused."""
    begun: Counter[tuple[str, int]] = Counter()
    refused: Counter[str] = Counter()
    for path in here.crew_logs:
        for line in path.read_text(encoding="utf-8").splitlines():
            what, *words = line.split()
            if what == "start":
                begun[words[0], int(words[1])] += 1
            else:
                refused[" ".join(words)] += 1
    report.problems += [f"{task} was begun {times} times under one token {token}"
                        for (task, token), times in begun.items() if times > 1]  # fmt: skip
    report.problems += [
        f"{task_id} was completed under token {life.winner}, under which no handler began"
        for task_id, life in ledger.lives.items()
        if life.end == "TaskCompleted" and not begun[task_id, life.winner]
    ]
    return begun.total(), refused


def judge_told(submitter: Submitter, ledger: Ledger, report: Report) -> None:
    """Compare what the submitter was told with the journal."""
    for task_id, result in submitter.told.items():
        life = ledger.lives.get(task_id)
        if life is None or life.result != result:
            report.problems.append(f"{task_id} was told as {result}, and in the journal it is {life}")
    others = sum(count for why, count in submitter.unheard.items() if why != "unknown_task")
    if others:
        report.problems.append(f"{others} results were not told: {_listed(submitter.unheard)}")


def _listed(counts: dict[str, int] | Counter[str]) -> str:
    return ", ".join(f"{what} {count:,}" for what, count in sorted(counts.items())) or "nothing"


def _seconds(taken_s: list[float]) -> str:
    return ", ".join(f"{each:.2f} s" for each in taken_s) or "none"


def lines_of(report: Report) -> list[str]:
    """Everything that people read of a storm."""
    options = report.options
    crews = f"{options.agents} agents in {len(options.crews)} processes"
    head = f"{crews}, {options.tasks:,} tasks, seed {options.seed}"
    lost = f"{len(report.problems)} problems" if report.problems else "0 lost, 0 double results"
    width = max(map(len, report.figures))
    figures = [f"  {name:<{width}}  {value}" for name, value in report.figures.items()]
    return [head, *figures, lost, *report.problems[:20]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    standard = Options()
    parser.add_argument("--agents", type=int, default=standard.agents)
    parser.add_argument("--tasks", type=int, default=standard.tasks)
    parser.add_argument("--seed", type=int, default=standard.seed, help="of the moments of the faults")
    parser.add_argument("--work-ms", type=float, default=standard.work_ms, help="of a task, on average")
    parser.add_argument("--lease-ms", type=int, default=standard.lease_ms, help="of a task")
    parser.add_argument("--crew-kills", type=int, default=standard.crew_kills)
    parser.add_argument("--pauses", type=int, default=standard.pauses)
    parser.add_argument("--leader-kills", type=int, default=standard.leader_kills)
    parser.add_argument("--server-kills", type=int, default=standard.server_kills)
    options = Options(**vars(parser.parse_args()))
    log.configure(verbose=False, quiet=True)
    print(machine.describe(), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(storm(options, Path(folder), say=lambda line: print(f"  {line}", flush=True)))
    print("\n".join(lines_of(report)))
    sys.exit(1 if report.problems else 0)


if __name__ == "__main__":
    main()
