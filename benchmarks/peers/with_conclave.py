"""Conclave: agents of the SDK as workers, and a session of the SDK as submitter.

python -m benchmarks.peers.with_conclave [AGENT]
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.side import CREDENTIALS, GIVE_UP_S, NATS_URL, Client, run, settings, witness
from conclave import Agent, Session, connect
from conclave.garbage import collecting_rarely
from conclave.work import TaskHandle, gather


def worker(agent_id: str) -> Agent:
    """An agent that does the task."""
    agent = Agent(agent_id, max_tasks=settings()["max_tasks"])

    @agent.task("noop", eager=settings()["eager"])
    async def noop() -> list[int]:
        return witness()

    return agent


class ConclaveClient(Client[TaskHandle]):
    """Submits in batches, some at a time; the ends of its tasks are pushed to it when they are durable."""

    def __init__(self, session: Session, stack: contextlib.AsyncExitStack) -> None:
        self._session = session
        self._stack = stack

    async def submit(self, count: int) -> Sequence[TaskHandle]:
        batch, handles = settings()["submit_batch"], list[TaskHandle]()
        shares = iter([min(batch, count - at) for at in range(0, count, batch)])

        async def one_after_the_other() -> None:
            for share in shares:
                handles.extend(await self._session.submit_many([{"requirement": "noop"}] * share))

        async with asyncio.TaskGroup() as group:
            for _ in range(settings()["submit_in_flight"]):
                group.create_task(one_after_the_other())
        return handles

    async def wait(self, handles: Sequence[TaskHandle]) -> None:
        await gather(*handles)

    async def results(self, handles: Sequence[TaskHandle]) -> list[list[int]]:
        return [_value(each) for each in await gather(*handles)]

    async def once(self) -> list[int]:
        return _value(await (await self._session.submit("noop")).result(timeout_s=GIVE_UP_S))

    async def close(self) -> None:
        await self._stack.aclose()


def _value(result: Any) -> list[int]:
    """What the handler returned, from the JSON object that Conclave makes of it."""
    value: list[int] = result["result"]
    return value


async def connected() -> ConclaveClient:
    """The submitter, let in with its own credential."""
    stack = contextlib.AsyncExitStack()
    session = await stack.enter_async_context(
        connect(os.environ[NATS_URL], agent="submitter", credentials=Path(os.environ[CREDENTIALS]))
    )
    return ConclaveClient(session, stack)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        agent = worker(sys.argv[1])
        agent.serve(os.environ[NATS_URL], credentials=Path(os.environ[CREDENTIALS]))
    else:
        with collecting_rarely():
            run(connected)
