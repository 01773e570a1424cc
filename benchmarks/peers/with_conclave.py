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
from typing import Final

from benchmarks.peers.side import CREDENTIALS, NATS_URL, Client, run, settings, witness
from conclave import Agent, Session, connect
from coordination.runtime.bus import Delivery

_STALLED_S: Final = 2.0
_END_S: Final = 30.0


def worker(agent_id: str) -> Agent:
    """An agent that does the task."""
    agent = Agent(agent_id, max_tasks=settings()["max_tasks"])

    @agent.task("noop")
    async def noop() -> list[int]:
        return witness()

    return agent


class ConclaveClient(Client[str]):
    """Submits as fast as `Session.tasks` can; hears of the ends by the notices that follow each commit."""

    def __init__(self, session: Session, stack: contextlib.AsyncExitStack) -> None:
        self._session = session
        self._stack = stack
        self._ended: set[str] = set()
        self._news = asyncio.Event()

    async def listen(self) -> None:
        """Hear which tasks have completed: one notice each, after it is durable."""
        subject = self._session.subjects.event("tasks", "completed", "*")
        subscription = await self._session.bus.subscribe(subject, self._hear)
        self._stack.push_async_callback(subscription.unsubscribe)
        await self._session.bus.flush()

    async def _hear(self, delivery: Delivery) -> None:
        self._ended.add(delivery.subject.rpartition(".")[2])
        self._news.set()

    async def submit(self, count: int) -> Sequence[str]:
        handles: list[str] = []
        left = count

        async def one_after_the_other() -> None:
            nonlocal left
            while left > 0:
                left -= 1
                handles.append((await self._session.tasks.submit("noop")).task_id)

        async with asyncio.TaskGroup() as group:
            for _ in range(min(count, settings()["submit_in_flight"])):
                group.create_task(one_after_the_other())
        return handles

    async def wait(self, handles: Sequence[str]) -> None:
        wanted = set(handles)
        while wanted := wanted - self._ended:
            self._news.clear()
            try:
                async with asyncio.timeout(_STALLED_S):
                    await self._news.wait()
            except TimeoutError:
                # Notices are sent at most once, so the last ones are asked for.
                for task_id in wanted:
                    record = await self._session.tasks.ended(task_id, timeout_s=_END_S)
                    assert record.state == "completed", record
                    self._ended.add(task_id)

    async def results(self, handles: Sequence[str]) -> list[list[int]]:
        found = []
        for task_id in handles:
            record = await self._session.tasks.get(task_id)
            assert record.state == "completed", record
            found.append(record.result["result"])
        return found

    async def once(self) -> list[int]:
        submitted = await self._session.tasks.submit("noop")
        await self.wait([submitted.task_id])
        return (await self.results([submitted.task_id]))[0]

    async def close(self) -> None:
        await self._stack.aclose()


async def connected() -> ConclaveClient:
    """The submitter, let in with its own credential."""
    stack = contextlib.AsyncExitStack()
    credentials = Path(os.environ[CREDENTIALS])
    session = await stack.enter_async_context(
        connect(os.environ[NATS_URL], agent="submitter", credentials=credentials)
    )
    client = ConclaveClient(session, stack)
    await client.listen()
    return client


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(worker(sys.argv[1]).run(os.environ[NATS_URL], credentials=Path(os.environ[CREDENTIALS])))
    else:
        run(connected)
