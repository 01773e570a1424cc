"""Registry and tasks on the real nats-server, and somebody who speaks nothing but JSON to them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from conclave.deployment import deployed
from coordination.runtime.bus import Delivery, NatsBus
from coordination.runtime.names import Subjects
from tests.support.fixtures import Connect
from tests.support.nats_server import RealServer

WAIT_S = 20.0


class Plain:
    """A client that knows subjects and JSON, and no types of ours."""

    def __init__(self, bus: NatsBus, agent: str, subjects: Subjects) -> None:
        self.agent = agent
        self.headers: dict[str, str] = {}
        """Of its requests."""
        self._bus = bus
        self._subjects = subjects
        self._pushes: dict[str, asyncio.Queue[Any]] = {}

    async def ask(
        self, verb: str, body: object = None, *, service: str = "tasks"
    ) -> tuple[str, dict[str, Any]]:
        """The code of the refusal, or nothing; and the body of the answer."""
        payload = b"" if body is None else json.dumps(body).encode()
        subject = self._subjects.call(service, verb, self.agent)
        answer = await self._bus.request(subject, payload, timeout_s=WAIT_S, headers=self.headers)
        return answer.headers.get("Nats-Service-Error-Code", ""), json.loads(answer.payload)

    async def do(self, verb: str, body: object = None, *, service: str = "tasks") -> dict[str, Any]:
        """The answer, which must be no refusal."""
        code, answer = await self.ask(verb, body, service=service)
        assert not code, answer
        return answer

    async def listen(self, *kinds: str) -> None:
        """Keep what is pushed of these kinds."""
        for kind in kinds:
            self._pushes[kind] = asyncio.Queue()
            await self._bus.subscribe(self._subjects.inbox(self.agent, kind), self._take)
        await self._bus.flush()

    async def pushed(self, kind: str) -> Any:
        """The next push: an object, or an array of them if that is what was asked for."""
        async with asyncio.timeout(WAIT_S):
            return await self._pushes[kind].get()

    async def _take(self, delivery: Delivery) -> None:
        self._pushes[delivery.subject.rpartition(".")[2]].put_nowait(json.loads(delivery.payload))


Speak = Callable[[str], Awaitable[Plain]]


@pytest.fixture
async def speak(nats_server: RealServer, subjects: Subjects, connect: Connect) -> AsyncIterator[Speak]:
    """(agent id) -> a plain client of the running services."""

    async def plain(agent: str) -> Plain:
        return Plain(await connect(agent), agent, subjects)

    async with deployed(nats_server.url, names=["registry", "tasks"], subjects=subjects):
        yield plain
