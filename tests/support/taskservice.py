"""The registry and the task service as real processes, the latter with a standby; and what a client sees."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from conclave import Session, connect
from conclave.work import TaskHandle
from coordination.runtime.names import Subjects
from coordination.tasks.wire import TaskRecord
from tests.support.processes import conclave_process

PATIENCE_S = 60.0
_POLL_S = 0.02


class TaskService:
    """Processes that serve tasks: the first one leads.

    Args:
        processes: Leader and standby.
    """

    def __init__(self, processes: list[asyncio.subprocess.Process]) -> None:
        self._processes = processes

    async def kill_leader(self) -> None:
        """``kill -9`` of the leader, so that the standby must take over."""
        leader = self._processes.pop(0)
        leader.kill()
        await leader.wait()


@contextlib.asynccontextmanager
async def task_service(
    url: str, subjects: Subjects, *, credentials: Path | None = None, standbys: int = 1
) -> AsyncIterator[TaskService]:
    """Registry, leader and standbys for the length of the block."""
    arguments = ["--nats", url, "--prefix", subjects.prefix]
    if credentials is not None:
        arguments += ["--credentials", str(credentials)]
    async with contextlib.AsyncExitStack() as stack:

        async def serve(name: str) -> asyncio.subprocess.Process:
            process, _ = await stack.enter_async_context(conclave_process("serve", name, *arguments))
            return process

        _, leader = await asyncio.gather(serve("registry"), serve("tasks"))
        yield TaskService([leader, *[await serve("tasks") for _ in range(standbys)]])


@contextlib.asynccontextmanager
async def client(
    url: str, subjects: Subjects, agent: str = "ada", *, credentials: Path | None = None
) -> AsyncIterator[Session]:
    """Somebody who outlasts every failover."""
    async with connect(
        url, agent=agent, credentials=credentials, prefix=subjects.prefix, patience_s=PATIENCE_S
    ) as session:
        yield session


async def record_when(handle: TaskHandle, condition: Callable[[TaskRecord], object]) -> TaskRecord:
    """The record of a task, once `condition` holds; looked at again and again."""
    record = await handle.record()
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition(record):
                await asyncio.sleep(_POLL_S)
                record = await handle.record()
    except TimeoutError:
        raise AssertionError(f"it never came true of {record}") from None
    return record
