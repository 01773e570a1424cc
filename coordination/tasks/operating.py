"""The part of the client that operators use: dead letters, queues, schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from coordination.requirements import Requirement
from coordination.runtime.asking import items, mapping, request
from coordination.runtime.client import Caller
from coordination.runtime.errors import UsageError
from coordination.tasks import wire
from coordination.tasks.asking import Given, part
from coordination.tasks.limits import MAX_BATCH, MAX_PAGE

R = TypeVar("R", bound=BaseModel)


class Operating:
    """Dead letters, queues and schedules; errors as in `coordination.runtime.client.Caller`."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    # --- dead letters

    async def deadletters(
        self,
        *,
        task_ids: Iterable[str] = (),
        submitter: str | None = None,
        capability: str | None = None,
        queue: str | None = None,
        reason: str = "",
        before_ms: int | None = None,
        after: str = "",
        limit: int = 100,
    ) -> wire.DeadLettersReply:
        """A page of dead letters for which all of this holds, the oldest first.

        Args:
            task_ids: Only these; at most 1000.
            submitter: Only of this one.
            capability: Only those that ask for this.
            queue: Only of this one.
            reason: Part of the reason.
            before_ms: Dead-lettered before then, since the Unix epoch.
            after: `next` of the previous page.
            limit: 1 to 1000.
        """
        which = _which(task_ids, submitter, capability, queue, reason, before_ms)
        body = request(wire.DeadLettersRequest, filter=which, after=after, limit=limit)
        return await self._query("deadletters", body, wire.DeadLettersReply)

    async def redrive(
        self,
        *,
        task_ids: Iterable[str] = (),
        submitter: str | None = None,
        capability: str | None = None,
        queue: str | None = None,
        reason: str = "",
        before_ms: int | None = None,
        everything: bool = False,
        limit: int = MAX_BATCH,
    ) -> wire.SweptReply:
        """Bring dead letters back that the caller submitted, the operator any; they have all attempts again.

        Args as of `deadletters`; at most 256 at a time: while the reply says ``more``, ask again. Whoever
        means all of them says `everything`.

        Raises:
            UsageError: Nothing says which, as when `task_ids` is empty, and it is not `everything` either.
        """
        which = _which(task_ids, submitter, capability, queue, reason, before_ms)
        body = _sweep(which, everything=everything, limit=limit)
        return await self._command("redrive", body, wire.SweptReply)

    async def purge(
        self,
        *,
        task_ids: Iterable[str] = (),
        submitter: str | None = None,
        capability: str | None = None,
        queue: str | None = None,
        reason: str = "",
        before_ms: int | None = None,
        everything: bool = False,
        limit: int = MAX_BATCH,
    ) -> wire.SweptReply:
        """Delete dead letters that the caller submitted, the operator any; they cannot be brought back.

        Args and errors as of `redrive`.
        """
        which = _which(task_ids, submitter, capability, queue, reason, before_ms)
        body = _sweep(which, everything=everything, limit=limit)
        return await self._command("purge", body, wire.SweptReply)

    # --- queues

    async def queues(self) -> tuple[wire.QueueView, ...]:
        """Every queue that was set up or has open tasks, ordered by name."""
        return (await self._query("queues", request(wire.QueuesRequest), wire.QueuesReply)).queues

    async def set_queue(self, queue: str, settings: Given | None) -> wire.QueueReply:
        """Set a queue up, or with None as if nobody had; `wire.QueueSettings` in place of those before.

        Raises:
            RejectedError: ``not_operator``; ``overloaded``: there are too many queues.
        """
        body = request(wire.SetQueueRequest, queue=queue, settings=part(settings))
        return await self._command("set_queue", body, wire.QueueReply)

    async def pause_queue(self, queue: str, *, reason: str = "") -> wire.QueueReply:
        """Offer nothing more of a queue; what is offered or runs goes on. Raises ``not_operator``."""
        body = request(wire.PauseQueueRequest, queue=queue, reason=reason)
        return await self._command("pause_queue", body, wire.QueueReply)

    async def resume_queue(self, queue: str) -> wire.QueueReply:
        """Offer tasks of a queue again. Raises ``not_operator``."""
        body = request(wire.ResumeQueueRequest, queue=queue)
        return await self._command("resume_queue", body, wire.QueueReply)

    # --- schedules

    async def schedules(self, *, owner: str | None = None) -> tuple[wire.ScheduleReply, ...]:
        """All schedules, or all of one owner, ordered by id."""
        found: list[wire.ScheduleReply] = []
        after = ""
        while True:
            body = request(wire.SchedulesRequest, owner=owner, after=after, limit=MAX_PAGE)
            page = await self._query("schedules", body, wire.SchedulesReply)
            found += page.schedules
            after = page.next
            if not after:
                return tuple(found)

    async def set_schedule(
        self,
        schedule_id: str,
        requirement: Requirement | str,
        payload: Mapping[str, Any] | None = None,
        *,
        every_ms: int | None = None,
        cron: str = "",
        time_zone: str = "UTC",
        start_ms: int | None = None,
        end_ms: int | None = None,
        max_count: int | None = None,
        deadline_after_ms: int | None = None,
        overlap: wire.Overlap = "skip",
        catch_up: wire.CatchUp = "one",
        task: Mapping[str, Any] | None = None,
    ) -> wire.ScheduleReply:
        """Set up or change a schedule: a task is submitted at each of its times.

        Args:
            schedule_id: Its id; a schedule of the caller's under the same id is changed.
            requirement: As of `TasksClient.submit`.
            payload: Of every task.
            every_ms: At every multiple of this interval; or
            cron: five fields, as in crontab(5), or six, with seconds first,
            time_zone: by the clock of an IANA time zone.
            start_ms: Not before then, since the Unix epoch; for intervals the first time.
            end_ms: Not after then.
            max_count: Tasks in all.
            deadline_after_ms: Deadline of each task, from its time on.
            overlap: When the task of an earlier time is still open: ``skip``, ``allow`` or ``cancel``.
            catch_up: About times that were missed: ``none``, ``one``, ``all``.
            task: More fields of `wire.TaskFields`: ``{"priority": 5, "queue": "nightly"}``.

        Raises:
            RejectedError: ``invalid_schedule``, ``not_owner``; ``overloaded``: there are too many.
        """
        recurrence = {
            "every_ms": every_ms,
            "cron": cron,
            "time_zone": time_zone,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "max_count": max_count,
        }
        fields = {**mapping("task", task), "requirement": requirement, "payload": mapping("payload", payload)}
        body = request(
            wire.SetScheduleRequest,
            schedule_id=schedule_id,
            task=fields,
            recurrence=recurrence,
            deadline_after_ms=deadline_after_ms,
            overlap=overlap,
            catch_up=catch_up,
        )
        return await self._command("set_schedule", body, wire.ScheduleReply)

    async def pause_schedule(self, schedule_id: str) -> wire.ScheduleReply:
        """Submit nothing more until it is resumed. Raises ``unknown_schedule`` or ``not_owner``."""
        body = request(wire.ScheduleRequest, schedule_id=schedule_id)
        return await self._command("pause_schedule", body, wire.ScheduleReply)

    async def resume_schedule(self, schedule_id: str) -> wire.ScheduleReply:
        """Go on; what was missed is dealt with as its ``catch_up`` says. Raises as `pause_schedule`."""
        body = request(wire.ScheduleRequest, schedule_id=schedule_id)
        return await self._command("resume_schedule", body, wire.ScheduleReply)

    async def remove_schedule(self, schedule_id: str) -> wire.ScheduleRemovedReply:
        """Forget a schedule; its tasks go on. Raises as `pause_schedule`."""
        body = request(wire.ScheduleRequest, schedule_id=schedule_id)
        return await self._command("remove_schedule", body, wire.ScheduleRemovedReply)

    # --- for all

    async def _command(self, verb: str, body: BaseModel | bytes, reply: type[R]) -> R:
        return await self._caller.command("tasks", verb, body, reply)

    async def _query(self, verb: str, body: BaseModel, reply: type[R]) -> R:
        return await self._caller.query("tasks", verb, body, reply)


def _sweep(which: wire.DeadLetterFilter, *, everything: bool, limit: int) -> wire.SweepRequest:
    if not everything and which == wire.DeadLetterFilter():
        raise UsageError("say which dead letters, for example task_ids=[...], or everything=True for all")
    return request(wire.SweepRequest, filter=which, all=everything, limit=limit)


def _which(
    task_ids: Iterable[str],
    submitter: str | None,
    capability: str | None,
    queue: str | None,
    reason: str,
    before_ms: int | None,
) -> wire.DeadLetterFilter:
    return request(
        wire.DeadLetterFilter,
        task_ids=items("task_ids", task_ids, of="task ids"),
        submitter=submitter,
        capability=capability,
        queue=queue,
        reason=reason,
        before_ms=before_ms,
    )
