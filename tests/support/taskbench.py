"""A secured server with a task service, and agents that do what a test says: for commands of tasks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from conclave.address import LOCAL_STORE
from conclave.deployment import deployed
from conclave.identity import find_credentials
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import TaskRecord, TaskSummary
from tests.support.cli import Finished, Here, environment, registry_here
from tests.support.waiting import DEADLINE_S

_POLL_S = 0.02
_PATIENCE_S = 60.0
_LINE_BYTES = 2**20


class Bench:
    """The services that tasks need, agents that do what a test says, and an operator."""

    def __init__(self, here: Here, operator: TasksClient, loop: asyncio.subprocess.Process) -> None:
        self.here = here
        self.operator = operator
        self._loop = loop
        self._turn = asyncio.Lock()
        self._hands: dict[str, TasksClient] = {}

    async def hand(self, name: str) -> TasksClient:
        """What an agent asks of the task service."""
        if name not in self._hands:
            self._hands[name] = await client_of(self.here, name)
        return self._hands[name]

    async def seen(self, task_id: str, *states: str) -> TaskRecord:
        """The task, as soon as it is there and in one of these states."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                with contextlib.suppress(RejectedError):  # it is about to be submitted
                    task = await self.operator.get(task_id)
                    if task.state in states:
                        return task
                await asyncio.sleep(_POLL_S)

    async def some_task(self) -> TaskSummary:
        """The first task, as soon as there is one."""
        async with asyncio.timeout(DEADLINE_S):
            while not (tasks := await self.operator.list(limit=1)):  # noqa: ASYNC110 - it is asked
                await asyncio.sleep(_POLL_S)
        return tasks[0]

    async def taken(self, task_id: str) -> tuple[TasksClient, int]:
        """Have whoever was offered the task take it; its client, and the fencing token."""
        task = await self.seen(task_id, "offered")
        assert task.holder is not None
        hand = await self.hand(task.holder.agent)
        await hand.accept(task_id, task.fencing_token)
        return hand, task.fencing_token

    async def run(self, *arguments: str) -> Finished:
        """Run a command after the one before; those that wait for something run `aside`."""
        assert self._loop.stdin is not None
        assert self._loop.stdout is not None
        async with self._turn, asyncio.timeout(_PATIENCE_S):
            self._loop.stdin.write(json.dumps(arguments).encode() + b"\n")
            return Finished(**json.loads(await self._loop.stdout.readline()))

    async def aside(self, *arguments: str, **variables: str) -> Finished:
        """Run a command in a process of its own."""
        return await self.here.run(*arguments, **variables)

    async def read(self, *arguments: str) -> Any:
        """What a command prints with ``--json``."""
        done = await self.run(*arguments, "--json")
        assert (done.status, done.err) == (0, ""), done
        return json.loads(done.out)


async def client_of(here: Here, name: str) -> TasksClient:
    """A client in the name of an agent."""
    credentials = (await here.server.identities.ensure(name))[name]
    return TasksClient(Caller(await here.bus(name, credentials), agent=name))


@contextlib.asynccontextmanager
async def bench(cwd: Path, *agents: str) -> AsyncIterator[Bench]:
    """A place to work at; each of `agents` can do ``ocr``, two things at a time."""
    async with (
        registry_here(cwd) as here,
        deployed(here.server.url, names=("tasks", "artifacts"), credentials=here.server.credentials),
    ):
        for name in agents:
            await here.join(name, "ocr@1.0.0", max_tasks=2)
        credentials = find_credentials("operator", cwd / LOCAL_STORE / "credentials")
        assert credentials is not None
        bus = await here.bus("operator", credentials)
        async with _commands(cwd) as loop:
            yield Bench(here, TasksClient(Caller(bus, agent="operator")), loop)


@contextlib.asynccontextmanager
async def _commands(cwd: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that runs commands in `cwd`, for the length of the block."""
    root = str(Path(__file__).parents[2])
    loop = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.commandloop"),
        cwd=cwd,
        env=environment(PYTHONPATH=root),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LINE_BYTES,
    )
    assert loop.stdin is not None
    try:
        yield loop
    finally:
        loop.stdin.close()
        await loop.wait()
