"""Tasks under faults: agents that submit, work, cancel, crash, hang and lie, and what must come of it."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from coordination.registry import service as registry
from coordination.runtime.client import Caller
from coordination.runtime.errors import ConclaveError
from coordination.runtime.lease import Lease
from coordination.simulation.cluster import Cluster, ClusterPlan, Parts, ServicePlan
from coordination.simulation.scenario import pause
from coordination.simulation.toy_scenario import SHORT_LEASE
from coordination.tasks import service as tasks
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import Policy
from tests.simulation.task_checks import broken_tasks
from tests.simulation.task_sightings import CAPABILITY, SLOTS, Sightings
from tests.simulation.task_worker import Worker

INTERVAL_MS: Final = 500
POLICY: Final = Policy(offer_timeout_ms=800, lease_ms=1_500, round_pause_ms=100, round_pause_last_ms=800)
_BACKOFF: Final = {"first_ms": 100, "factor": 2.0, "last_ms": 800}
_MAX_ACTS: Final = 18
_OPEN: Final = ("scheduled", "blocked", "queued", "announced", "offered", "running", "canceling", "failed")
_PATIENCE_S: Final = 6.0
"""After healing, until what still waits is canceled: clocks that are wrong may let time stand still."""


class TasksScenario:
    """Every client is an agent that submits tasks and works on those of others."""

    def __init__(self) -> None:
        self.clients = 4
        self.seen = Sightings()
        self._acting = 0
        """Clients that may still submit something new."""

    def plan(self, entropy: random.Random, parts: Parts) -> ClusterPlan:
        """See `Scenario.plan`."""
        self.clients = entropy.randint(3, len(SLOTS))
        return ClusterPlan(
            services=(
                ServicePlan(
                    name=registry.NAME, define=partial(registry.define, heartbeat_interval_ms=INTERVAL_MS)
                ),
                ServicePlan(name=tasks.NAME, define=partial(tasks.define, policy=POLICY)),
            ),
            nodes=entropy.choice((2, 2, 3)),
            lease=entropy.choice((Lease(), SHORT_LEASE)),
            snapshot_records=entropy.choice((3, 20, 1_000)),
            parts=parts,
        )

    async def work(self, caller: Caller, entropy: random.Random, stop: asyncio.Event) -> None:
        """See `Scenario.work`."""
        worker = Worker(caller, self.seen, random.Random(entropy.random()))
        submitter = _Submitter(caller, self.seen, entropy)
        living = asyncio.create_task(worker.live())
        self._acting += 1
        try:
            for _ in range(_MAX_ACTS):
                if stop.is_set():
                    break
                with contextlib.suppress(ConclaveError):
                    await submitter.act()
                await pause(stop, entropy.expovariate(3))
            await stop.wait()
            self._acting -= 1
            worker.is_calm = True
            await self._end(worker, submitter)
        finally:
            living.cancel()
            await asyncio.wait([living])

    async def _end(self, worker: Worker, submitter: _Submitter) -> None:
        """Let everything come to its end; what waits for a time is canceled."""
        loop = asyncio.get_running_loop()
        patient_until_s = loop.time() + _PATIENCE_S
        while not self.seen.is_over:
            await asyncio.sleep(0.5)
            with contextlib.suppress(ConclaveError):
                await worker.finish()
            with contextlib.suppress(ConclaveError):
                is_over = await submitter.is_over(cancels=loop.time() > patient_until_s)
                self.seen.is_over = is_over and self._acting == 0

    async def probe(self, caller: Caller) -> None:
        """See `Scenario.probe`."""
        client = TasksClient(caller)
        await client.submit("nobody-can", task_id="probe")
        await client.cancel("probe")
        self.seen.asked_to_cancel.add("probe")

    def violations(self, cluster: Cluster) -> Iterator[str]:
        """See `Scenario.violations`."""
        archive = cluster.stream(cluster.plan.services[1], 0).archive
        yield from broken_tasks(self.seen, [entry.payload for entry in archive])


class _Submitter:
    """One agent as somebody who wants things done."""

    def __init__(self, caller: Caller, seen: Sightings, entropy: random.Random) -> None:
        self._client = TasksClient(caller)
        self._agent = caller.agent
        self._seen = seen
        self._entropy = entropy
        self._number = 0
        self._asked: list[tuple[str, dict[str, Any]]] = []
        """What was submitted, answered or not."""

    async def act(self) -> None:
        """Do one thing."""
        self._number += 1
        await self._entropy.choices(
            (
                self._submit,
                self._submit_many,
                self._submit_dag,
                self._again,
                self._cancel,
                self._sweep,
                self._schedule,
            ),
            (8, 2, 3, 2, 3, 1, 1),
        )[0]()

    async def is_over(self, *, cancels: bool) -> bool:
        """Whether nothing is open any more; else what this agent has submitted may be canceled."""
        for schedule in await self._client.schedules(owner=self._agent):
            await self._client.remove_schedule(schedule.schedule_id)
        is_over = not await self._client.schedules()
        for state in _OPEN:
            for summary in await self._client.list(state=state, limit=1000):
                is_over = False
                if cancels and summary.submitter == self._agent and state != "canceling":
                    with contextlib.suppress(ConclaveError):
                        await self._cancel_one(summary.task_id)
        return is_over

    def _options(self) -> dict[str, Any]:
        entropy = self._entropy
        options: dict[str, Any] = {
            "priority": entropy.randrange(10),
            "max_attempts": entropy.randint(1, 4),
            "max_rounds": entropy.choice((2, 10)),
            "backoff": _BACKOFF,
            "strategy": entropy.choice((None, "round_robin", "best_match", "contract_net", "contract_net")),
        }
        if options["strategy"] == "contract_net":
            options["bidding"] = {"bid_ms": 300}
        if entropy.random() < 0.15:
            options["timeout_ms"] = 1_200
        if entropy.random() < 0.2 and self._seen.now_ms:
            name = entropy.choice(("deadline_ms", "start_by_ms", "run_at_ms"))
            options[name] = self._seen.now_ms + entropy.randint(300, 3_000)
        if entropy.random() < 0.1:
            options["placement"] = {
                "sticky_key": "s",
                "marks": ["m"],
                "near": [{"mark": "m", "is_apart": True}],
            }
        return options

    async def _submit(self) -> None:
        task_id = f"{self._agent}-{self._number}"
        options = self._options()
        known = sorted(self._seen.submitted)
        if known and self._entropy.random() < 0.2:
            policy = self._entropy.choice(("fail", "skip", "run"))
            options["after"] = [{"task_id": self._entropy.choice(known), "on_failure": policy}]
        self._asked.append((task_id, options))
        await self._client.submit(CAPABILITY, {"n": self._number}, task_id=task_id, **options)
        self._seen.submitted.add(task_id)

    async def _submit_many(self) -> None:
        ids = [f"{self._agent}-{self._number}-{each}" for each in range(self._entropy.randint(2, 5))]
        fields = [{"capability": CAPABILITY, "task_id": each, **self._options()} for each in ids]
        for answer in await self._client.submit_many(fields):
            if not hasattr(answer, "code"):
                self._seen.submitted.add(answer.task_id)

    async def _submit_dag(self) -> None:
        names = [f"s{each}" for each in range(self._entropy.randint(2, 4))]
        members = []
        for place, name in enumerate(names):
            before = [each for each in names[:place] if self._entropy.random() < 0.6]
            policies = self._entropy.choices(("fail", "skip", "run"), (6, 1, 1), k=len(before))
            members.append(
                {
                    "name": name,
                    "capability": CAPABILITY,
                    "after": [
                        {"name": each, "on_failure": how} for each, how in zip(before, policies, strict=True)
                    ],
                    "max_attempts": self._entropy.randint(1, 2),
                    "backoff": _BACKOFF,
                }
                | ({"compensation": {"requirement": CAPABILITY}} if self._entropy.random() < 0.7 else {})
            )
        reply = await self._client.submit_dag(members, dag_id=f"{self._agent}-dag-{self._number}")
        self._seen.met["dag"] += 1
        self._seen.dags.add(reply.dag_id)
        if self._entropy.random() < 0.15:
            self._seen.asked_to_cancel_dags.add(reply.dag_id)
            await self._client.cancel_dag(reply.dag_id)

    async def _again(self) -> None:
        """Submit under an id that was used before: the same, or something else, which must be refused."""
        if not self._asked:
            return
        task_id, options = self._entropy.choice(self._asked)
        is_known = task_id in self._seen.submitted
        more = 1_000 if is_known and self._entropy.random() < 0.5 else 0
        number = int(task_id.rsplit("-", 1)[1]) + more
        await self._client.submit(CAPABILITY, {"n": number}, task_id=task_id, **options)
        self._seen.submitted.add(task_id)
        if more:
            self._seen.replaced.add(task_id)

    async def _cancel(self) -> None:
        if self._asked:
            await self._cancel_one(self._entropy.choice(self._asked)[0])

    async def _cancel_one(self, task_id: str) -> None:
        self._seen.asked_to_cancel.add(task_id)
        await self._client.cancel(task_id, reason="no longer wanted")
        self._seen.cancels.add(task_id)

    async def _sweep(self) -> None:
        await self._client.redrive(everything=True, limit=2)
        if self._asked:
            await self._client.retry(self._entropy.choice(self._asked)[0])

    async def _schedule(self) -> None:
        await self._client.set_schedule(
            f"{self._agent}-every",
            CAPABILITY,
            every_ms=self._entropy.choice((300, 700)),
            max_count=3,
            overlap=self._entropy.choice(("skip", "allow", "cancel")),
            task={"max_attempts": 1},
        )
