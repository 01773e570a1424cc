"""Registry and tasks over the in-memory bus and journal, and agents that talk to them through clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from coordination.registry import service as registry
from coordination.registry.client import RegistryClient
from coordination.registry.wire import Capability
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.journal import Journal
from coordination.runtime.memory import DirectTransmission, MemoryBus, MemoryExchange
from coordination.runtime.memory_store import MemoryStore, MemoryStream
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from coordination.tasks import service as tasks
from coordination.tasks import wire
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import Policy
from tests.support.clock import ManualClock
from tests.support.waiting import wait_until

WAIT_S = 10.0
POLICY = Policy()
BACKOFF_MS = 1_000
"""The first pause after a failed attempt, unless its task says otherwise."""


class Worker:
    """An agent with a queue of the offers it received."""

    def __init__(self, caller: Caller) -> None:
        self.agent = caller.agent
        self.tasks = TasksClient(caller)
        self.registry = RegistryClient(caller)
        self._caller = caller
        self._offers: asyncio.Queue[wire.TaskOffer] = asyncio.Queue()

    async def start(
        self,
        capability: str | Capability,
        *,
        max_tasks: int = 1,
        labels: Mapping[str, str] | None = None,
    ) -> Worker:
        async def take(delivery: Delivery) -> None:
            self._offers.put_nowait(wire.TaskOffer.model_validate_json(delivery.payload))

        inbox = self._caller.subjects.inbox(self.agent, "task")
        await self._caller.bus.subscribe(inbox, take)
        await self.registry.register([capability], max_tasks=max_tasks, labels=labels)
        return self

    async def next_offer(self) -> wire.TaskOffer:
        async with asyncio.timeout(WAIT_S):
            return await self._offers.get()

    async def work(self, count: int, done: list[str]) -> None:
        """Accept and complete `count` offers."""
        for _ in range(count):
            offer = await self.next_offer()
            await self.tasks.accept(offer.task_id, offer.fencing_token)
            await self.tasks.progress(offer.task_id, offer.fencing_token, share=0.5, note="half")
            result = {"by": self.agent, "doubled": offer.payload["n"] * 2}
            done.append(offer.task_id)
            await self.tasks.complete(offer.task_id, offer.fencing_token, result)


class LosingTransmission(DirectTransmission):
    """Loses the registry's notices while it is deaf."""

    def __init__(self) -> None:
        super().__init__()
        self.is_deaf = False

    def carry(self, source: str, target: str, delivery: Delivery, arrive: Callable[[Delivery], None]) -> None:
        if not (self.is_deaf and ".event.registry." in delivery.subject):
            super().carry(source, target, delivery, arrive)


class Room:
    """Services on one exchange, started one by one."""

    def __init__(self, group: asyncio.TaskGroup) -> None:
        self._transmission = LosingTransmission()
        self.exchange = MemoryExchange(self._transmission)
        self.clock = ManualClock()
        self._group = group
        self._running: list[Runner] = []
        self._buses: list[MemoryBus] = []

    def caller(self, agent: str) -> Caller:
        """A new connection of `agent`."""
        bus = MemoryBus(self.exchange, agent=agent)
        self._buses.append(bus)
        return Caller(bus, agent=agent, patience_s=2.0)

    def deafen(self) -> None:
        """Lose all notices of the registry from now on."""
        self._transmission.is_deaf = True

    def shell(self, service: str) -> Shell:
        """The outside world of a service."""
        bus = MemoryBus(self.exchange, agent=service)
        return Shell.of(bus, service=service, subjects=Subjects(), clock=self.clock)

    async def serve_registry(self) -> None:
        bus = MemoryBus(self.exchange, agent=registry.NAME)
        shell = Shell.of(bus, service=registry.NAME, subjects=Subjects())
        journals = [Journal(MemoryStore(MemoryStream()))]
        await self._start(Runner(registry.define(shell), shell=shell, journals=journals))

    async def serve_tasks(self, journal: MemoryStream | None = None) -> Runner:
        """Serve tasks in a process of their own."""
        return await self._start(self._tasks(journal or MemoryStream()))

    async def stand_by(self, journal: MemoryStream) -> Runner:
        """Serve tasks in a second process, which follows the first one."""
        runner = self._tasks(journal)
        self._begin(runner)
        await self.pass_until(runner.ready.is_set)
        return runner

    async def pass_until(self, condition: Callable[[], bool]) -> None:
        """Let time pass until something is so."""

        def is_so() -> bool:
            self.clock.advance(100)
            return condition()

        await wait_until(is_so)

    async def results(self, submitter: Caller) -> asyncio.Queue[wire.TaskResult]:
        queue: asyncio.Queue[wire.TaskResult] = asyncio.Queue()

        async def take(delivery: Delivery) -> None:
            queue.put_nowait(wire.TaskResult.model_validate_json(delivery.payload))

        await submitter.bus.subscribe(submitter.subjects.inbox(submitter.agent, "result"), take)
        return queue

    async def stop(self) -> None:
        for bus in self._buses:
            await bus.close()
        for runner in self._running:
            runner.stop()

    def _tasks(self, journal: MemoryStream) -> Runner:
        shell = self.shell(tasks.NAME)
        definition = tasks.define(shell, policy=POLICY)
        return Runner(definition, shell=shell, journals=[Journal(MemoryStore(journal))])

    def _begin(self, runner: Runner) -> None:
        self._running.append(runner)
        self._group.create_task(runner.run())

    async def _start(self, runner: Runner) -> Runner:
        self._begin(runner)
        async with asyncio.timeout(WAIT_S):
            await runner.ready.wait()
        return runner


@contextlib.asynccontextmanager
async def a_room(journal: MemoryStream | None = None) -> AsyncIterator[Room]:
    """Registry and tasks, both running."""
    async with asyncio.TaskGroup() as group:
        room = Room(group)
        await room.serve_registry()
        await room.serve_tasks(journal)
        try:
            yield room
        finally:
            await room.stop()
