"""Follows tasks until they have ended, for however many wait: by notices, with few questions in between."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from coordination.runtime.client import Caller
from coordination.tasks import wire


class Watching:
    """What one client waits for."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def result(self, task_id: str, *, timeout_s: float) -> wire.TaskResult:
        """See `TasksClient.result`."""
        raise NotImplementedError(task_id, timeout_s)

    async def dag(self, dag_id: str, *, timeout_s: float) -> wire.DagReply:
        """See `TasksClient.dag_ended`."""
        raise NotImplementedError(dag_id, timeout_s)

    async def watch(self, task_id: str) -> AsyncGenerator[wire.TaskNotice]:
        """See `TasksClient.watch`."""
        raise NotImplementedError(task_id)
        yield

    async def watch_all(self) -> AsyncGenerator[tuple[str, wire.TaskNotice]]:
        """See `TasksClient.watch_all`."""
        raise NotImplementedError
        yield
