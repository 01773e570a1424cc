"""Agents and registries in processes of their own, to be killed; and what the registry makes of it.

As a program: ``python -m tests.support.members registry URL PREFIX INTERVAL_MS`` or ``... member URL PREFIX
AGENT``. Either says ``ready``. A line ``block SECONDS`` on its standard input stops the loop of a member.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable

import structlog

from coordination.registry import wire
from coordination.registry.client import RegistryClient
from coordination.registry.membership import Membership
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.delivery import Delivery
from coordination.runtime.names import Subjects
from tests.support.registry import registry_runner
from tests.support.waiting import wait_until

PATIENCE_S = 60.0
_START_TIMEOUT_S = 30.0


# --- processes


@contextlib.asynccontextmanager
async def child(
    kind: str, url: str, subjects: Subjects, what: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that has said it is ready; killed at the end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.members", kind, url, subjects.prefix, what),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_TIMEOUT_S):
            assert (await process.stdout.readline()).strip() == b"ready"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def block(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Have the loop of a member stand still."""
    assert process.stdin is not None
    process.stdin.write(b"block %g\n" % seconds)
    await process.stdin.drain()


async def _serve_registry(url: str, subjects: Subjects, interval_ms: int) -> None:
    bus = await NatsBus.connect(url, agent="registry")
    runner = registry_runner(bus, subjects, heartbeat_interval_ms=interval_ms)
    async with asyncio.TaskGroup() as group:
        group.create_task(runner.run())
        await runner.ready.wait()
        sys.stdout.write("ready\n")
        sys.stdout.flush()


async def _be_member(url: str, subjects: Subjects, agent: str) -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    bus = await NatsBus.connect(url, agent=agent)
    caller = Caller(bus, agent=agent, subjects=subjects)
    async with Membership(caller, wire.RegisterRequest()):
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while line := await lines.readline():
            time.sleep(float(line.split()[1]))  # noqa: ASYNC251 - just that is to be shown
    await bus.close()


# --- what is known


class Watcher:
    """Reads what the registry knows, and hears its notices."""

    def __init__(self, bus: NatsBus, subjects: Subjects) -> None:
        self.bus = bus
        self.caller = Caller(bus, agent="watcher", subjects=subjects, patience_s=PATIENCE_S)
        self.client = RegistryClient(self.caller)
        self.heard: list[wire.Change] = []
        self.beats: dict[str, int] = {}
        """How many heartbeats of each agent came by."""

    async def begin(self) -> Watcher:
        """Listen from now on."""
        await self.bus.subscribe(self.caller.subjects.event("registry", "*", "*"), self._hear)
        await self.bus.subscribe(self.caller.subjects.presence("*"), self._hear_beat)
        await self.bus.flush()
        return self

    async def _hear(self, delivery: Delivery) -> None:
        self.heard.append(wire.Change.model_validate_json(delivery.payload))

    async def _hear_beat(self, delivery: Delivery) -> None:
        agent = delivery.subject.rpartition(".")[2]
        self.beats[agent] = self.beats.get(agent, 0) + 1

    def kinds(self, agent: str) -> list[str]:
        """What was announced of `agent`, in order."""
        return [each.kind for each in self.heard if each.agent == agent]

    async def announced(self, kind: str, agent: str, *, incarnation: int = 1) -> wire.Change:
        """The first such notice, once it has come."""
        found: list[wire.Change] = []

        def has_come() -> bool:
            wanted = (kind, agent, incarnation)
            found[:] = [each for each in self.heard if (each.kind, each.agent, each.incarnation) == wanted]
            return bool(found)

        await wait_until(has_come)
        return found[0]

    async def beats_more(self, agent: str, times: int) -> None:
        """Return when `agent` has beaten so often again: that is how time passes here."""
        before = self.beats.get(agent, 0)
        await wait_until(lambda: self.beats.get(agent, 0) >= before + times)

    async def agents(self) -> list[wire.Agent]:
        """Everybody, as the registry says now."""
        return [each async for each in self.client.iterate()]

    async def agents_when(self, condition: Callable[[list[wire.Agent]], bool]) -> list[wire.Agent]:
        """Everybody, once `condition` holds."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if condition(agents := await self.agents()):
                    return agents

    async def changes(self) -> list[wire.Change]:
        """Every change from the first one, as the registry keeps it: notices may get lost."""
        found: list[wire.Change] = []
        while True:
            after = found[-1].revision if found else 0
            request = wire.ChangesRequest(after_revision=after)
            reply = await self.caller.query("registry", "changes", request, wire.ChangesReply)
            found += reply.changes
            if not reply.changes or reply.changes[-1].revision == reply.revision:
                return found


class Fleet:
    """Many agents, each with a connection of its own."""

    def __init__(self, url: str, subjects: Subjects, *, size: int) -> None:
        self.names = [f"agent-{number}" for number in range(size)]
        self.buses: list[NatsBus] = []
        self._url = url
        self._subjects = subjects

    @contextlib.asynccontextmanager
    async def living(self) -> AsyncIterator[Fleet]:
        """All registered, and heard until the end of the block; then they leave."""
        async with contextlib.AsyncExitStack() as stack:
            for name in self.names:
                bus = await NatsBus.connect(self._url, agent=name)
                stack.push_async_callback(bus.close)
                self.buses.append(bus)
            async with asyncio.TaskGroup() as group:
                memberships = [
                    self._membership(name, bus) for name, bus in zip(self.names, self.buses, strict=True)
                ]
                ready = [asyncio.Event() for _ in memberships]
                for membership, event in zip(memberships, ready, strict=True):
                    group.create_task(membership.run(event))
                for event in ready:
                    await event.wait()
                yield self
                for membership in memberships:
                    group.create_task(membership.leave())

    def _membership(self, name: str, bus: NatsBus) -> Membership:
        caller = Caller(bus, agent=name, subjects=self._subjects, patience_s=PATIENCE_S)
        return Membership(caller, wire.RegisterRequest())


async def _main(kind: str, url: str, prefix: str, what: str) -> None:
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    subjects = Subjects(prefix)
    if kind == "registry":
        await _serve_registry(url, subjects, int(what))
    else:
        await _be_member(url, subjects, what)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
