"""Gateways, agents that answer prompts by the wire contract alone, and foreign clients."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import nats
from nats.aio.client import Client
from synadia_ai.agents import Agent as ForeignAgent
from synadia_ai.agents import Agents, DiscoverFilter, Query, ResponseChunk, StatusChunk

from coordination.gateway.client import GatewayClient
from coordination.gateway.limits import Timing
from coordination.gateway.service import define
from coordination.gateway.wire import PROTOCOL, Chunk, PromptPush
from coordination.registry.client import RegistryClient
from coordination.runtime.bus import NatsBus
from coordination.runtime.client import Caller
from coordination.runtime.names import Subjects
from coordination.runtime.runner import Runner, Shell
from tests.support.waiting import DEADLINE_S

QUICK = Timing(
    heartbeat_ms=1000,
    accept_ms=10_000,
    silence_ms=20_000,
    keepalive_ms=10_000,
    total_ms=60_000,
    roster_ms=500,
)
"""Heartbeats as fast as the protocol allows; nobody is called silent because the machine is busy."""
STALL_S = 0.1
"""How long a client waits for a further agent to be found; all of ours answer at once."""


def gateway_runner(bus: NatsBus, subjects: Subjects, *, timing: Timing = QUICK) -> Runner:
    """A gateway, not yet running."""
    shell = Shell.of(bus, service="gateway", subjects=subjects)
    return Runner(define(shell, timing=timing), shell=shell)


class Answering:
    """How an agent without the SDK answers one prompt."""

    def __init__(self, client: GatewayClient, push: PromptPush) -> None:
        self.push = push
        self.client = client
        self.sequence = 0
        """Of the last chunk sent."""

    async def send(self, *chunks: Chunk) -> None:
        """Send the next chunks."""
        for chunk in chunks:
            self.sequence += 1
            await self.client.respond(self.push, self.sequence, chunk)

    async def answer(self, sequence: int = 0) -> tuple[str, str]:
        """State and text of the answer to a question, by default the last chunk, when it is over."""
        while True:
            reply = await self.client.answer(self.push, sequence or self.sequence)
            if reply.state != "waiting":
                return reply.state, reply.text


Script = Callable[[Answering], Awaitable[None]]


class Scripted:
    """Agents that are registered, beat, and answer prompts as their scripts say."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects
        self.errors: list[BaseException] = []
        """What ended scripts."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._hearts: dict[str, asyncio.Task[None]] = {}

    async def join(
        self, bus: NatsBus, agent: str, script: Script, *, protocols: tuple[str, ...] = (PROTOCOL,)
    ) -> RegistryClient:
        """Register `agent`, which runs `script` for each prompt."""
        caller = Caller(bus, agent=agent, subjects=self._subjects)
        client = GatewayClient(caller)

        async def take(push: PromptPush) -> None:
            self._start(self._run(script, Answering(client, push)))

        await client.on_prompt(take)
        await bus.flush()
        registry = RegistryClient(caller)
        registered = await registry.register(
            ["answers"], description=f"{agent} answers.", max_tasks=2, protocols=protocols
        )
        interval_s = registered.heartbeat_interval_ms / 3000
        self._hearts[agent] = self._start(_beat(registry, registered.incarnation, interval_s))
        return registry

    def stop_heart(self, agent: str) -> None:
        """Let the agent be heard no more."""
        self._hearts.pop(agent).cancel()

    async def close(self) -> None:
        """End scripts and heartbeats."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, script: Script, answering: Answering) -> None:
        try:
            await script(answering)
        except Exception as error:  # noqa: BLE001 - tests look at them
            self.errors.append(error)

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _beat(registry: RegistryClient, incarnation: int, interval_s: float) -> None:
    while True:
        await registry.heartbeat(incarnation=incarnation, load=0.25)
        await asyncio.sleep(interval_s)


class Foreigner:
    """A program that knows nothing of Conclave: the protocol's own client library over plain nats-py."""

    def __init__(self, client: Client, owner: str) -> None:
        self.client = client
        self.agents = Agents(nc=client)
        self._owner = owner

    async def find_all(self) -> dict[str, ForeignAgent]:
        """The agents of our deployment, by session."""
        found = await self.agents.discover(stall=STALL_S, filter=DiscoverFilter(owner=self._owner))
        return {each.session_name: each for each in found}

    async def find(self, session: str) -> ForeignAgent:
        """One of them, as soon as the gateway knows of it."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + DEADLINE_S
        while session not in (found := await self.find_all()):
            assert loop.time() < give_up_s, f"{session} was not found"
        return found[session]


async def read(stream: AsyncIterator[Any], *, answer: str = "") -> list[str]:
    """What a prompt was answered, as words; questions are answered with `answer`."""
    heard: list[str] = []
    async for message in stream:
        match message:
            case ResponseChunk():
                heard.append(message.text)
            case StatusChunk():
                heard.append(f"<{message.status}>")
            case Query():
                heard.append(f"{message.prompt}?")
                await message.reply(answer)
    return heard


@contextlib.asynccontextmanager
async def foreigner(url: str, owner: str, **options: Any) -> AsyncIterator[Foreigner]:
    """A foreign program's connection for the length of the block."""
    client = await nats.connect(url, **options)
    foreign = Foreigner(client, owner)
    try:
        yield foreign
    finally:
        await foreign.agents.close()
        await client.close()
