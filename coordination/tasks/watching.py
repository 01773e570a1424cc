"""Watches tasks and DAGs while things happen to them: by notices, and by a question after a silence."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from pydantic import ValidationError

from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import UnavailableError
from coordination.tasks import wire

SILENCE_S: Final = 2.0
"""After so long without a notice it is asked whether one was lost."""
LAST_SILENCE_S: Final = 16.0
"""The silence doubles up to this while nothing happens."""
MAX_WAITING: Final = 4096
"""Notices kept for a slow reader; then the oldest go."""
_STATES: Final[dict[str, wire.State]] = {"running": "running", "progress": "running", "failed": "failed"}


class _Heard:
    """What was heard and not yet taken."""

    def __init__(self) -> None:
        self._notices: deque[tuple[str, bytes]] = deque(maxlen=MAX_WAITING)
        self._changed = asyncio.Event()

    async def hear(self, delivery: Delivery) -> None:
        self._notices.append((delivery.subject.rsplit(".", 2)[1], delivery.payload))
        self._changed.set()

    async def next(self, timeout_s: float | None) -> tuple[str, bytes] | None:
        """Event and body of the next one; None if there is none for so long."""
        if not self._notices:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
        return self._notices.popleft() if self._notices else None


@contextlib.asynccontextmanager
async def _listening(caller: Caller, event: str, aggregate: str) -> AsyncIterator[_Heard]:
    heard = _Heard()
    subscription = await caller.bus.subscribe(caller.subjects.event("tasks", event, aggregate), heard.hear)
    try:
        with contextlib.suppress(UnavailableError):  # the question that follows waits for the server
            await caller.bus.flush()
        yield heard
    finally:
        await subscription.unsubscribe()


async def watch(caller: Caller, task_id: str) -> AsyncGenerator[wire.TaskNotice]:
    """See `TasksClient.watch`."""
    async with _listening(caller, "*", task_id) as heard:
        last = _notice_of(await _get(caller, task_id))
        yield last
        silence_s = SILENCE_S
        while last.finished_at_ms is None:
            said = await heard.next(silence_s)
            event = said[0] if said is not None else ""
            notice = _read(event, said[1]) if said is not None and event in _STATES else None
            if notice is not None:
                silence_s = SILENCE_S
                yield notice
                continue
            # An end, or nothing: the record says what is so now. It may have been brought back since.
            silence_s = SILENCE_S if event else min(silence_s * 2, LAST_SILENCE_S)
            now = _notice_of(await _get(caller, task_id))
            if now != last:
                last = now
                yield now


async def watch_all(caller: Caller) -> AsyncGenerator[tuple[str, wire.TaskNotice]]:
    """See `TasksClient.watch_all`."""
    async with _listening(caller, "*", "*") as heard:
        while True:
            said = await heard.next(None)
            if said is not None and said[0] != "dag" and (notice := _read(*said)) is not None:
                yield said[0], notice


async def dag_ended(caller: Caller, dag_id: str, *, timeout_s: float) -> wire.DagReply:
    """See `TasksClient.dag_ended`."""
    request = wire.DagRequest(dag_id=dag_id)
    try:
        async with asyncio.timeout(timeout_s), _listening(caller, "dag", dag_id) as heard:
            silence_s = SILENCE_S / 2
            while True:
                dag = await caller.query("tasks", "dag", request, wire.DagReply)
                if dag.finished_at_ms is not None:
                    return dag
                await heard.next(silence_s)
                silence_s = min(silence_s * 2, LAST_SILENCE_S)
    except TimeoutError:
        raise UnavailableError(f"DAG {dag_id} has not ended within {timeout_s:g} s") from None


async def _get(caller: Caller, task_id: str) -> wire.TaskRecord:
    return await caller.query("tasks", "get", wire.GetRequest(task_id=task_id), wire.TaskRecord)


def _read(event: str, body: bytes) -> wire.TaskNotice | None:
    try:
        notice = wire.TaskNotice.model_validate_json(body)
    except ValidationError:
        return None  # of a newer service, or of somebody who takes its place
    state = notice.state or _STATES.get(event)
    return notice if state == notice.state else notice.model_copy(update={"state": state})


def _notice_of(record: wire.TaskRecord) -> wire.TaskNotice:
    """How a task stands, in the form of a notice."""
    return wire.TaskNotice(
        task_id=record.task_id,
        state=record.state,
        share=record.share,
        note=record.note,
        reason=record.reason,
        attempt=len(record.attempts) or None,
        max_attempts=record.max_attempts,
        retry_at_ms=record.retry_at_ms,
        agent=record.holder.agent if record.holder is not None else "",
        attempts=len(record.attempts),
        fencing_token=record.fencing_token,
        finished_at_ms=record.finished_at_ms,
    )
