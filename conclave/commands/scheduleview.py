"""What the commands of schedules do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conclave.commands import tables, taskpage
from conclave.commands.access import Access
from conclave.commands.durations import duration_text, moment_text
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.tables import printable
from conclave.commands.taskdesk import nearest, tasks
from conclave.commands.taskfields import fields_of
from conclave.commands.taskmoments import both, iso
from conclave.commands.taskpayloads import read_payload
from conclave.commands.tasksubmitting import stored
from coordination.runtime.errors import RejectedError
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import RecurrenceView, ScheduleReply

PLAIN_COLUMNS: Final = ("SCHEDULE", "NEXT", "PAUSED", "COUNT", "SKIPPED", "LAST", "OWNER", "WHEN")
_ONCE_MS: Final = 60_000
"""Interval of a schedule with one time: it never comes to a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """When a schedule submits: by exactly one of the first three."""

    every_ms: int | None = None
    cron: str | None = None
    at_ms: int | None = None
    time_zone: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    max_count: int | None = None

    def fields(self) -> dict[str, Any]:
        """The same as arguments of `TasksClient.set_schedule`."""
        if self.at_ms is not None:
            return {"every_ms": _ONCE_MS, "start_ms": self.at_ms, "max_count": 1}
        given = {
            "every_ms": self.every_ms,
            "cron": self.cron,
            "time_zone": self.time_zone,
            "start_ms": self.start_ms,
            "end_ms": self.end_ms,
            "max_count": self.max_count,
        }
        return {name: value for name, value in given.items() if value is not None}


async def list_schedules(access: Access, *, as_json: bool) -> None:
    """Print every schedule; errors as `conclave.commands.reach.calling`."""
    async with tasks(access) as (client, _):
        found = await client.schedules()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    console = Console(highlight=False)
    if not found:
        click.echo("no schedules", err=True)
    elif console.is_terminal:
        console.print(schedules_table(found, now_ms=now_ms()))
    else:
        click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *map(_row, found)])))


def schedules_table(found: Sequence[ScheduleReply], *, now_ms: int) -> Table:
    """The table for people."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    grid.add_column("SCHEDULE", no_wrap=True, overflow="ellipsis", style="bold", max_width=24)
    grid.add_column("WHEN", no_wrap=True, overflow="ellipsis")
    grid.add_column("NEXT", no_wrap=True)
    grid.add_column("TASK", no_wrap=True, overflow="ellipsis", max_width=24)
    grid.add_column("COUNT", no_wrap=True, justify="right")
    grid.add_column("LAST", no_wrap=True, style="dim")
    for each in found:
        last = "-" if each.last_ms is None else moment_text(each.last_ms, now_ms)
        grid.add_row(
            each.schedule_id,
            Text(when_text(each.recurrence)),
            _next_text(each, now_ms),
            Text(printable(each.requirement)),
            str(each.count),
            last,
        )
    return grid


def _next_text(schedule: ScheduleReply, now_ms: int) -> Text:
    if schedule.is_paused:
        return Text("paused", style="bold yellow")
    if schedule.next_ms is None:
        return Text("never again", style="dim")
    return Text(moment_text(schedule.next_ms, now_ms), style="cyan")


def when_text(recurrence: RecurrenceView) -> str:
    """When it submits, in words: ``every 5m``, ``0 3 * * * Europe/Berlin``, ``once 2026-11-22 06:00:00Z``."""
    if recurrence.max_count == 1 and recurrence.start_ms is not None and recurrence.every_ms is not None:
        return f"once {iso(recurrence.start_ms)[:19].replace('T', ' ')}Z"
    if recurrence.every_ms is not None:
        return f"every {duration_text(recurrence.every_ms)}"
    return printable(f"{recurrence.cron} {recurrence.time_zone}")


def _row(each: ScheduleReply) -> tuple[str, ...]:
    return (
        each.schedule_id,
        iso(each.next_ms),
        "yes" if each.is_paused else "no",
        str(each.count),
        str(each.skipped),
        each.last_task_id or "-",
        each.owner,
        when_text(each.recurrence),
    )


async def show_schedule(access: Access, schedule: str, *, as_json: bool) -> None:
    """Print one schedule; errors as `find`."""
    async with tasks(access) as (client, _):
        found = await find(client, schedule)
    _show(found, as_json=as_json)


async def find(client: TasksClient, schedule: str) -> ScheduleReply:
    """The schedule of this name.

    Raises:
        RejectedError: ``unknown_schedule``; names the one that was meant, perhaps.
    """
    found = {each.schedule_id: each for each in await client.schedules()}
    if schedule not in found:
        near = nearest(schedule, found)
        hint = f"did you mean {near}?" if near else "see: conclave schedule list"
        raise RejectedError("unknown_schedule", f"there is no schedule {schedule[:80]!r}; {hint}")
    return found[schedule]


async def set_schedule(
    access: Access,
    schedule: str,
    requirement: str,
    payload: str | None,
    when: When,
    given: Mapping[str, Any],
    *,
    as_json: bool,
) -> None:
    """Set a schedule up, or in the place of the one before.

    Raises:
        UsageError: Something that was given cannot be right.
        RejectedError: ``invalid_schedule``, ``not_owner``.
    """
    content = read_payload(payload)
    async with tasks(access) as (client, caller):
        fields = fields_of(given)
        placed = await stored(caller, content)
        if "payload_reference" in placed:
            fields |= placed
            content = {}
        reply = await client.set_schedule(
            schedule,
            requirement,
            content,
            deadline_after_ms=given["deadline_after"],
            overlap=given["overlap"],
            catch_up=given["catch_up"],
            task=fields,
            **when.fields(),
        )
    _show(reply, as_json=as_json)


async def pause_schedule(access: Access, schedule: str, *, is_paused: bool, as_json: bool) -> None:
    """Submit nothing more of it, or go on; errors as `find`, and ``not_owner``."""
    async with tasks(access) as (client, _):
        found = await find(client, schedule)
        change = client.pause_schedule if is_paused else client.resume_schedule
        reply = await change(found.schedule_id)
    _show(reply, as_json=as_json)


async def remove_schedule(access: Access, schedule: str, *, as_json: bool) -> None:
    """Forget it; errors as `find`, and ``not_owner``."""
    async with tasks(access) as (client, _):
        found = await find(client, schedule)
        reply = await client.remove_schedule(found.schedule_id)
    if as_json:
        print_json(reply.model_dump(mode="json"))
    else:
        click.echo(f"removed {reply.schedule_id}")


def _show(schedule: ScheduleReply, *, as_json: bool) -> None:
    if as_json:
        print_json(schedule.model_dump(mode="json"))
        return
    console = Console(highlight=False)
    rows = list(schedule_rows(schedule, now_ms=now_ms()))
    if console.is_terminal:
        console.print(taskpage.named((name, Text(value)) for name, value in rows))
    else:
        click.echo("\n".join(tables.columns([(f"{name.replace(' ', '-')}:", value) for name, value in rows])))


def schedule_rows(schedule: ScheduleReply, *, now_ms: int) -> Iterator[tuple[str, str]]:
    """A schedule as names and values."""
    recurrence = schedule.recurrence
    yield "schedule", schedule.schedule_id
    yield "owner", schedule.owner
    yield "when", when_text(recurrence)
    if recurrence.end_ms is not None:
        yield "until", both(recurrence.end_ms, now_ms)
    if recurrence.max_count is not None:
        yield "at most", f"{recurrence.max_count} task{'' if recurrence.max_count == 1 else 's'}"
    if schedule.is_paused:
        yield "next", "paused"
    else:
        yield "next", "never again" if schedule.next_ms is None else both(schedule.next_ms, now_ms)
    last = "-" if schedule.last_ms is None else f"{schedule.last_task_id}, {both(schedule.last_ms, now_ms)}"
    yield "last", last
    yield "submitted", f"{schedule.count}, and {schedule.skipped} skipped"
    yield "overlap", schedule.overlap
    yield "catch up", schedule.catch_up
    yield "requirement", printable(schedule.requirement)
    yield "queue", f"{schedule.queue}  priority {schedule.priority}"
    if schedule.deadline_after_ms is not None:
        yield "deadline", f"{duration_text(schedule.deadline_after_ms)} after each time"
    if schedule.payload:
        yield "payload", printable(json.dumps(schedule.payload, ensure_ascii=False, separators=(",", ":")))
