"""What the commands of dead letters do."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conclave.commands import tables, taskview
from conclave.commands.access import Access
from conclave.commands.durations import moment_text
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.tables import printable
from conclave.commands.taskdesk import find, tasks
from conclave.commands.taskmoments import iso
from conclave.commands.taskshow import show
from coordination.runtime.errors import RejectedError, UsageError
from coordination.tasks.client import TasksClient
from coordination.tasks.limits import MAX_BATCH, MAX_PAGE
from coordination.tasks.wire import TaskSummary

PLAIN_COLUMNS: Final = ("ID", "GIVEN-UP", "ATTEMPTS", "CAPABILITY", "QUEUE", "SUBMITTER", "REASON")
_DEAD: Final = "dead_lettered"


def which(filters: Mapping[str, Any]) -> dict[str, Any]:
    """The filters of the command line as those of `TasksClient.deadletters`."""
    chosen = {name: value for name, value in filters.items() if value is not None and name != "older_than"}
    if filters.get("older_than") is not None:
        chosen["before_ms"] = now_ms() - filters["older_than"]
    return chosen


async def list_letters(access: Access, filters: Mapping[str, Any], *, limit: int, as_json: bool) -> None:
    """Print the dead letters that the filters leave; errors as `conclave.commands.reach.calling`."""
    async with tasks(access) as (client, _):
        found, total, is_cut = await _letters(client, which(filters), limit)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    console = Console(highlight=False)
    if not found:
        click.echo("no dead letters" if not total else f"none of {total} dead letters fits", err=True)
    elif console.is_terminal:
        console.print(letters_table(found, now_ms=now_ms(), width=console.width))
    else:
        click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *map(letter_row, found)])))
    if is_cut:
        click.echo(f"the oldest {len(found)} of {total} in all; --limit shows more", err=True)


async def _letters(
    client: TasksClient, chosen: Mapping[str, Any], limit: int
) -> tuple[list[TaskSummary], int, bool]:
    """The oldest `limit` of them; how many dead letters there are in all; whether more fit."""
    found: list[TaskSummary] = []
    after = ""
    while True:
        page = await client.deadletters(after=after, limit=min(limit - len(found), MAX_PAGE), **chosen)
        found += page.tasks
        after = page.next
        if not after or len(found) >= limit:
            return found, page.count, bool(after)


def letters_table(found: Sequence[TaskSummary], *, now_ms: int, width: int) -> Table:
    """The table for people: the reason has the room that is left, and as many lines as it needs."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    is_medium = width >= tables.MEDIUM_COLUMNS
    grid.add_column(
        "ID",
        no_wrap=True,
        overflow="crop",
        style="bold",
        max_width=20 if is_medium else taskview.SHORT_ID_CHARS,
    )
    grid.add_column("GIVEN UP", no_wrap=True, justify="right", style="dim")
    if is_medium:
        grid.add_column("TASK", no_wrap=True, overflow="ellipsis", max_width=20)
        grid.add_column("TRIES", no_wrap=True, justify="right")
    grid.add_column("REASON", overflow="fold", ratio=1, style="red")
    for each in found:
        cells = [each.task_id, _when(each, now_ms)]
        if is_medium:
            cells += [taskview.what(each), str(each.attempt_count)]
        grid.add_row(*map(Text, cells), Text(printable(each.reason)))
    return grid


def _when(task: TaskSummary, now_ms: int) -> str:
    return "-" if task.finished_at_ms is None else moment_text(task.finished_at_ms, now_ms)


def letter_row(task: TaskSummary) -> tuple[str, ...]:
    """A dead letter in one line for pipes."""
    return (
        task.task_id,
        iso(task.finished_at_ms),
        taskview.tries(task),
        task.capability or "-",
        task.queue,
        task.submitter,
        printable(task.reason) or "-",
    )


async def show_letter(access: Access, reference: str, *, as_json: bool) -> bool:
    """Print a dead letter; False if the task is none. Errors as `conclave.commands.taskshow.show_task`."""
    async with tasks(access) as (client, _):
        task = await find(client, reference)
    if task.state != _DEAD:
        click.echo(
            f"conclave: task {task.task_id} is no dead letter, it is {task.state}; "
            f"see: conclave task get {task.task_id}",
            err=True,
        )
        return False
    if as_json:
        print_json(task.model_dump(mode="json"))
    else:
        show(task)
    return True


async def redrive(
    access: Access, references: Sequence[str], filters: Mapping[str, Any], *, is_sure: bool, as_json: bool
) -> bool:
    """Bring dead letters back; False if one that was named could not be, or nobody was sure."""
    return await _sweep(access, "redrive", references, filters, is_sure=is_sure, as_json=as_json)


async def purge(
    access: Access, references: Sequence[str], filters: Mapping[str, Any], *, is_sure: bool, as_json: bool
) -> bool:
    """Delete dead letters; results as `redrive`."""
    return await _sweep(access, "purge", references, filters, is_sure=is_sure, as_json=as_json)


async def _sweep(
    access: Access,
    verb: str,
    references: Sequence[str],
    filters: Mapping[str, Any],
    *,
    is_sure: bool,
    as_json: bool,
) -> bool:
    async with tasks(access) as (client, _):
        if references:
            named = await _named(client, references)
            chosen: dict[str, Any] = {"task_ids": named}
        else:
            named = []
            chosen = which(filters)
            if not is_sure and not await _confirmed(client, verb, chosen):
                return False
        swept = await _swept(client, verb, chosen)
    for each in named:
        if each not in swept:
            click.echo(
                f"conclave: {each} is no dead letter of {access.agent}; nothing was done to it", err=True
            )
    _show(verb, swept, as_json=as_json)
    return not set(named) - set(swept)


async def _named(client: TasksClient, references: Sequence[str]) -> list[str]:
    named = []
    for reference in references:
        task = await find(client, reference)
        if task.state != _DEAD:
            raise RejectedError(
                "wrong_state", f"task {task.task_id} is no dead letter, it is {task.state}; nothing was done"
            )
        named.append(task.task_id)
    return list(dict.fromkeys(named))


async def _confirmed(client: TasksClient, verb: str, chosen: Mapping[str, Any]) -> bool:
    """Say what it is about, and ask whether that is meant.

    Raises:
        UsageError: There is nobody to ask.
    """
    found, total, is_cut = await _letters(client, chosen, MAX_PAGE)
    if not found:
        return True
    if not sys.stdin.isatty():
        raise UsageError(f"to {verb} several dead letters without being asked, give --yes")
    count = f"more than {len(found)}" if is_cut else str(len(found))
    what = "bring back" if verb == "redrive" else "delete for good"
    question = f"{what} {count} of {total} dead letters, the first of them {found[0].task_id}?"
    return click.confirm(question, err=True)


async def _swept(client: TasksClient, verb: str, chosen: Mapping[str, Any]) -> list[str]:
    """Do it in steps that one command can take, until nothing is left that was there when it began."""
    sweep = client.redrive if verb == "redrive" else client.purge
    # What is given up again meanwhile is not swept again: this ends.
    bound = {"before_ms": now_ms(), **chosen} if not chosen.get("task_ids") else dict(chosen)
    swept: list[str] = []
    ids: list[str] = bound.pop("task_ids", [])
    batches = [ids[start : start + MAX_BATCH] for start in range(0, len(ids), MAX_BATCH)] or [[]]
    for batch in batches:
        more = True
        while more:
            reply = await sweep(task_ids=batch, everything=not batch, **bound)
            swept += reply.task_ids
            more = reply.more and bool(reply.task_ids) and not batch
    return swept


def _show(verb: str, swept: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"task_ids": list(swept)})
        return
    for each in swept:
        click.echo(each)
    word = "brought back" if verb == "redrive" else "deleted"
    click.echo(f"{len(swept)} dead letter{'' if len(swept) == 1 else 's'} {word}", err=True)
