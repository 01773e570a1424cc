"""What the commands of queues do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conclave.commands import tables, taskpage
from conclave.commands.access import Access
from conclave.commands.durations import duration_text
from conclave.commands.output import print_json
from conclave.commands.queues import NONE, rate_text
from conclave.commands.tables import printable
from conclave.commands.taskdesk import nearest, tasks
from coordination.runtime.errors import RejectedError
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import QueueReply, QueueView, SettingsView

PLAIN_COLUMNS: Final = ("QUEUE", "WAITING", "HELD", "PAUSED", "STRATEGY", "SET-UP", "LIMITS")


async def list_queues(access: Access, *, as_json: bool) -> None:
    """Print every queue; errors as `conclave.commands.reach.calling`."""
    async with tasks(access) as (client, _):
        found = await client.queues()
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    console = Console(highlight=False)
    if not found:
        click.echo("no queue was set up, and none has tasks", err=True)
    elif console.is_terminal:
        console.print(queues_table(found))
    else:
        click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *map(_row, found)])))


def queues_table(found: tuple[QueueView, ...]) -> Table:
    """The table for people."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    grid.add_column("QUEUE", no_wrap=True, overflow="ellipsis", style="bold", max_width=24)
    grid.add_column("WAITING", no_wrap=True, justify="right")
    grid.add_column("HELD", no_wrap=True, justify="right")
    grid.add_column("STRATEGY", no_wrap=True)
    grid.add_column("LIMITS", overflow="fold", ratio=1, style="dim")
    for each in found:
        limits = Text(_limits(each.settings))
        if each.settings.is_paused:
            why = f": {printable(each.settings.pause_reason)}" if each.settings.pause_reason else ""
            limits = Text(f"paused{why}", style="bold yellow not dim").append(
                f"  {limits.plain}", style="dim"
            )
        grid.add_row(each.queue, str(each.waiting), str(each.held), each.settings.strategy, limits)
    return grid


def _limits(settings: SettingsView) -> str:
    parts = [f"{name} {rate_text(rate.model_dump())}" for name, rate in settings.rate_limits.items()]
    if settings.agent_rate_limit is not None:
        parts.append(f"each agent {rate_text(settings.agent_rate_limit.model_dump())}")
    if settings.max_held is not None:
        parts.append(f"at most {settings.max_held} held")
    if settings.max_held_per_agent is not None:
        parts.append(f"at most {settings.max_held_per_agent} by one agent")
    parts += [f"{key} weighs {weight}" for key, weight in settings.weights.items()]
    return printable(", ".join(parts))


def _row(each: QueueView) -> tuple[str, ...]:
    return (
        each.queue,
        str(each.waiting),
        str(each.held),
        "yes" if each.settings.is_paused else "no",
        each.settings.strategy,
        "yes" if each.is_configured else "no",
        _limits(each.settings) or "-",
    )


async def find(client: TasksClient, queue: str) -> QueueView:
    """The queue of this name.

    Raises:
        RejectedError: ``unknown_queue``: nobody set it up, and it has no tasks.
    """
    found = {each.queue: each for each in await client.queues()}
    if queue not in found:
        near = nearest(queue, found)
        hint = f"did you mean {near}?" if near else "see: conclave queue list"
        raise RejectedError(
            "unknown_queue", f"nobody has set up a queue {queue[:80]!r}, and no task is in it; {hint}"
        )
    return found[queue]


async def show_queue(access: Access, queue: str, *, as_json: bool) -> None:
    """Print one queue; errors as `find`."""
    async with tasks(access) as (client, _):
        found = await find(client, queue)
    _show(found, as_json=as_json)


async def set_queue(access: Access, queue: str, changes: Mapping[str, Any], *, as_json: bool) -> None:
    """Change settings of a queue; what is not in `changes` stays.

    Raises:
        UsageError: A value cannot be right.
        RejectedError: ``not_operator``.
    """
    async with tasks(access) as (client, _):
        now = next((each.settings for each in await client.queues() if each.queue == queue), None)
        settings = changed({} if now is None else now.model_dump(), changes)
        reply = await client.set_queue(queue, settings)
    _show(reply, as_json=as_json)


def changed(settings: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`settings` as they are after `changes`, by the names of the options of ``conclave queue set``."""
    after = dict(settings)
    for option, field in (("weights", "weights"), ("rates", "rate_limits")):
        merged = {**(after.get(field) or {}), **changes.get(option, {})}
        after[field] = {name: value for name, value in merged.items() if value is not None}
    plain = {
        "strategy": "strategy",
        "aging": "aging_ms",
        "agent_rate": "agent_rate_limit",
        "max_held": "max_held",
        "max_held_per_agent": "max_held_per_agent",
    }
    for option, field in plain.items():
        if option in changes:
            after[field] = None if changes[option] == NONE else changes[option]
    return after


async def reset_queue(access: Access, queue: str, *, as_json: bool) -> None:
    """As if nobody had ever set it up; errors as `find` and `set_queue`."""
    async with tasks(access) as (client, _):
        await find(client, queue)
        reply = await client.set_queue(queue, None)
    _show(reply, as_json=as_json)


async def pause_queue(access: Access, queue: str, reason: str, *, as_json: bool) -> None:
    """Offer nothing more of it. Any name will do: a queue may be paused before its first task.

    Says on standard error that nobody knows the queue, because it may be misspelt.
    """
    async with tasks(access) as (client, _):
        known = [each.queue for each in await client.queues()]
        reply = await client.pause_queue(queue, reason=reason)
    _show(reply, as_json=as_json)
    if queue not in known:
        near = nearest(queue, known)
        hint = f"; did you mean {near}? Undo this with: conclave queue set {queue} --reset" if near else ""
        click.echo(f"nobody had set up queue {queue}, and no task is in it; it is paused now{hint}", err=True)


async def resume_queue(access: Access, queue: str, *, as_json: bool) -> None:
    """Offer its tasks again; errors as `find`."""
    async with tasks(access) as (client, _):
        await find(client, queue)
        reply = await client.resume_queue(queue)
    _show(reply, as_json=as_json)


def _show(queue: QueueReply, *, as_json: bool) -> None:
    if as_json:
        print_json(queue.model_dump(mode="json"))
        return
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(taskpage.named((name, Text(value)) for name, value in queue_rows(queue)))
    else:
        rows = [(f"{name.replace(' ', '-')}:", value) for name, value in queue_rows(queue)]
        click.echo("\n".join(tables.columns(rows)))


def queue_rows(queue: QueueReply) -> Iterator[tuple[str, str]]:
    """A queue as names and values."""
    settings = queue.settings
    yield "queue", queue.queue + ("" if queue.is_configured else "  (as by default)")
    if isinstance(queue, QueueView):
        yield "waiting", str(queue.waiting)
        yield "held", str(queue.held)
    why = f": {printable(settings.pause_reason)}" if settings.pause_reason else ""
    yield "paused", f"yes{why}" if settings.is_paused else "no"
    yield "strategy", settings.strategy
    yield "aging", duration_text(settings.aging_ms) if settings.aging_ms else NONE
    for name, rate in settings.rate_limits.items():
        yield "rate", f"{name}={rate_text(rate.model_dump())}"
    agent_rate = settings.agent_rate_limit
    yield "agent rate", rate_text(None if agent_rate is None else agent_rate.model_dump())
    yield "max held", NONE if settings.max_held is None else str(settings.max_held)
    per_agent = settings.max_held_per_agent
    yield "max held per agent", NONE if per_agent is None else str(per_agent)
    for key, weight in settings.weights.items():
        yield "weight", f"{printable(key)}={weight}"
