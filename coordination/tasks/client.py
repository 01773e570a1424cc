"""Typed client of the task service."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from coordination.approvals.wire import presented
from coordination.requirements import Requirement, parse
from coordination.runtime.asking import items, mapping, read, request
from coordination.runtime.bus import Delivery
from coordination.runtime.client import Caller
from coordination.runtime.errors import UnavailableError
from coordination.tasks import wire
from coordination.tasks.limits import DEFAULT_ATTEMPTS

_ENDS: Final = ("completed", "dead_lettered", "canceled", "expired")
"""Notices of a task that has ended."""
_POLL_S: Final = 1.0
"""A notice may be lost; asking again bounds what that costs."""


class TasksClient:
    """What submitters and workers ask; errors as in `coordination.runtime.client.Caller`.

    Every worker's call carries the fencing token of its offer. Refusal codes: ``unknown_task``;
    ``stale_token``: the offer or lease is over, drop the work; ``not_holder``; ``wrong_state``.
    """

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def submit(
        self,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None = None,
        *,
        priority: int = 0,
        deadline_ms: int | None = None,
        max_attempts: int = DEFAULT_ATTEMPTS,
        task_id: str | None = None,
        approval: BaseModel | Mapping[str, Any] | None = None,
        conditions_met: Iterable[str] = (),
    ) -> wire.SubmitReply:
        """Queue a task for an agent that meets `requirement`; it is durable on return.

        Args:
            requirement: What the worker must be and should be: the name of a capability, or
                ``python>=3.11, region in [eu, us], prefer region=eu``.
            payload: A JSON object of at most 128 KiB.
            priority: 0 to 9, higher goes first.
            deadline_ms: When it expires, since the Unix epoch.
            max_attempts: 1 to 20.
            task_id: Makes submitting the same task again harmless; by default the service chooses.
            approval: Of a proposal that approved exactly this task (`task_artifact`): ``proposal.approval``.
                The same task may be submitted with it again, any other is refused.
            conditions_met: Every condition of the approval; whoever submits confirms that they are met.

        Raises:
            UsageError: The text is no requirement, whose place the message shows, or an argument
                cannot be right.
            RejectedError: The approval is not good for this task (`coordination.approvals.redeeming.redeem`).
        """
        body = request(
            wire.SubmitRequest,
            requirement=read("requirement", requirement, Requirement, parse),
            payload=mapping("payload", payload),
            priority=priority,
            deadline_ms=deadline_ms,
            max_attempts=max_attempts,
            task_id=task_id,
            approval=presented(approval),
            conditions_met=items("conditions_met", conditions_met, of="texts"),
        )
        return await self._caller.command("tasks", "submit", body, wire.SubmitReply)

    async def accept(self, task_id: str, fencing_token: int) -> wire.StandingReply:
        """Take an offered task; the lease runs from now."""
        return await self._command(
            "accept", request(wire.AcceptRequest, task_id=task_id, fencing_token=fencing_token)
        )

    async def refuse(self, task_id: str, fencing_token: int, *, reason: str = "") -> wire.StandingReply:
        """Pass on an offered task; others are asked first before it comes again."""
        body = request(wire.RefuseRequest, task_id=task_id, fencing_token=fencing_token, reason=reason)
        return await self._command("refuse", body)

    async def progress(
        self, task_id: str, fencing_token: int, *, share: float | None = None, note: str = ""
    ) -> wire.StandingReply:
        """Extend the lease; `share` of the work is done, 0 to 1."""
        body = request(
            wire.ProgressRequest, task_id=task_id, fencing_token=fencing_token, share=share, note=note
        )
        return await self._command("progress", body)

    async def complete(self, task_id: str, fencing_token: int, result: Any = None) -> wire.StandingReply:
        """Hand in the result, any JSON value of at most 128 KiB."""
        body = request(wire.CompleteRequest, task_id=task_id, fencing_token=fencing_token, result=result)
        return await self._command("complete", body)

    async def fail(
        self, task_id: str, fencing_token: int, *, reason: str, retryable: bool = True
    ) -> wire.StandingReply:
        """Give up this attempt; the reply says whether another follows."""
        body = request(
            wire.FailRequest, task_id=task_id, fencing_token=fencing_token, reason=reason, retryable=retryable
        )
        return await self._command("fail", body)

    async def cancel(self, task_id: str, *, reason: str = "") -> wire.StandingReply:
        """Stop a task of the caller's own; its worker is told."""
        return await self._command("cancel", request(wire.CancelRequest, task_id=task_id, reason=reason))

    async def get(self, task_id: str) -> wire.TaskRecord:
        """One task with payload, result and history."""
        body = request(wire.GetRequest, task_id=task_id)
        return await self._caller.query("tasks", "get", body, wire.TaskRecord)

    async def list(
        self,
        *,
        state: wire.State | None = None,
        submitter: str | None = None,
        capability: str | None = None,
        after: int = 0,
        limit: int = 100,
    ) -> tuple[wire.TaskSummary, ...]:
        """A page of tasks in order of submission, after the one with sequence `after`."""
        body = request(
            wire.ListRequest,
            state=state,
            submitter=submitter,
            capability=capability,
            after=after,
            limit=limit,
        )
        return (await self._caller.query("tasks", "list", body, wire.ListReply)).tasks

    async def ended(self, task_id: str, *, timeout_s: float) -> wire.TaskRecord:
        """Wait until a task has ended, in whatever way; returns it with its result, or the reason for none.

        Raises:
            UnavailableError: It has not ended within `timeout_s`, or the service is away.
            RejectedError: There is no such task.
        """
        noticed = asyncio.Event()

        async def notice(_: Delivery) -> None:
            noticed.set()

        caller = self._caller
        async with contextlib.AsyncExitStack() as stack:
            for event in _ENDS:
                subject = caller.subjects.event("tasks", event, task_id)
                stack.push_async_callback((await caller.bus.subscribe(subject, notice)).unsubscribe)
            await caller.bus.flush()
            try:
                async with asyncio.timeout(timeout_s):
                    while (record := await self.get(task_id)).finished_at_ms is None:
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(_POLL_S):
                                await noticed.wait()
                        noticed.clear()
                    return record
            except TimeoutError:
                raise UnavailableError(f"task {task_id} has not ended within {timeout_s:g} s") from None

    async def _command(self, verb: str, body: BaseModel) -> wire.StandingReply:
        return await self._caller.command("tasks", verb, body, wire.StandingReply)
