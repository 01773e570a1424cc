"""What ``conclave task cancel`` and ``conclave task retry`` do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from conclave.commands import tables, taskview
from conclave.commands.access import Access
from conclave.commands.output import print_json
from conclave.commands.taskdesk import find, tasks
from conclave.commands.tasktree import records_of
from coordination.runtime.errors import RejectedError
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import StandingReply, TaskRecord, TaskSummary

_LOOK_S: Final = 0.3
"""How often it looks whether the agents have stopped."""
PLAIN_COLUMNS: Final = ("ID", "STATE", "AGENT", "STOPPED")


async def cancel_tasks(
    access: Access, references: Sequence[str], reason: str, *, wait: bool, as_json: bool
) -> bool:
    """Cancel tasks; with `wait` until nobody works on them or below them any more.

    Returns:
        False if one could not be canceled, or with `wait` if an agent has not confirmed that it stopped.
    """
    async with tasks(access) as (client, _):
        done = await _each(client, references, lambda task_id: client.cancel(task_id, reason=reason))
        if not wait:
            _show_standings(done, as_json=as_json)
            return len(done) == len(references)
        trees = [await _stopped_tree(client, each.task_id) for each in done]
    members = [each for tree in trees for each in tree]
    _show_stopped(members, as_json=as_json)
    return len(done) == len(references) and all(has_stopped(each) for each in members)


async def cancel_dag(access: Access, dag_id: str, reason: str, *, wait: bool, as_json: bool) -> bool:
    """Cancel what is open of a DAG, and have undone what completed; results as `cancel_tasks`."""
    async with tasks(access) as (client, _):
        standing = await client.cancel_dag(dag_id, reason=reason)
        if not wait:
            if as_json:
                print_json(standing.model_dump(mode="json"))
            else:
                click.echo(f"{standing.dag_id}  {standing.state}")
            return True
        dag = await client.dag(dag_id)
        trees = [await _stopped_tree(client, each.task_id) for each in dag.tasks if each.state is not None]
    members = [each for tree in trees for each in tree]
    _show_stopped(members, as_json=as_json)
    return all(has_stopped(each) for each in members)


async def retry_tasks(access: Access, references: Sequence[str], *, as_json: bool) -> bool:
    """Have tasks tried again now; False if one could not be."""
    async with tasks(access) as (client, _):
        done = await _each(client, references, client.retry)
    _show_standings(done, as_json=as_json)
    return len(done) == len(references)


async def _each(
    client: TasksClient, references: Sequence[str], do: Callable[[str], Awaitable[StandingReply]]
) -> list[StandingReply]:
    """Do it to each of the tasks. What is refused of one of several is a line on standard error."""
    done = []
    for reference in references:
        try:
            done.append(await do((await find(client, reference)).task_id))
        except RejectedError as error:
            if len(references) == 1:
                raise
            click.echo(f"conclave: {reference}: {error}", err=True)
    return done


async def _stopped_tree(client: TasksClient, task_id: str) -> list[TaskSummary]:
    """A task and all below it, as soon as nobody works on any of them."""
    while True:
        tree: list[TaskSummary] = [await client.get(task_id), *await client.children(task_id)]
        if all(each.state in taskview.ENDED for each in tree):
            records = await records_of(client, tree)
            return [records.get(each.task_id, each) for each in tree]
        await asyncio.sleep(_LOOK_S)


def has_stopped(task: TaskSummary) -> bool:
    """Whether nobody works on an ended task for certain: its agent said so, or it had none."""
    return task.state != "canceled" or task.is_confirmed or not last_agent(task)


def last_agent(task: TaskSummary) -> str:
    """Who worked on it last, as far as that is known; empty for nobody."""
    if isinstance(task, TaskRecord) and task.attempts:
        return task.attempts[-1].agent
    if task.holder is not None:
        return task.holder.agent
    return "an agent" if task.attempt_count else ""


def stopped_text(task: TaskSummary) -> Text:
    """What is known of whether its agent has stopped."""
    if task.state != "canceled":
        return Text("had ended before", style="dim")
    if task.is_confirmed:
        return Text("confirmed by its agent", style="green")
    if last_agent(task):
        return Text("not confirmed: its lease ended", style="yellow")
    return Text("nobody had begun it", style="dim")


def stopped_table(members: Sequence[TaskSummary]) -> Table:
    """Each task of what was canceled, and whether its agent has stopped."""
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    grid.add_column("ID", no_wrap=True, overflow="ellipsis", style="bold")
    grid.add_column("STATE", no_wrap=True)
    grid.add_column("AGENT", no_wrap=True, overflow="ellipsis")
    grid.add_column("STOPPED", overflow="fold")
    for each in members:
        indent = "  " * len(each.chain[len(members[0].chain) :])
        grid.add_row(
            Text(indent + each.task_id),
            taskview.state_text(each.state),
            Text(last_agent(each) or "-"),
            stopped_text(each),
        )
    return grid


def _show_stopped(members: Sequence[TaskSummary], *, as_json: bool) -> None:
    if as_json:
        print_json([each.model_dump(mode="json") for each in members])
        return
    console = Console(highlight=False)
    if not members:
        return
    if console.is_terminal:
        console.print(stopped_table(members))
        return
    rows = [
        (each.task_id, each.state, last_agent(each).replace(" ", "-") or "-", stopped_text(each).plain)
        for each in members
    ]
    click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *rows])))


def _show_standings(done: Sequence[StandingReply], *, as_json: bool) -> None:
    if as_json:
        print_json([each.model_dump(mode="json") for each in done])
        return
    console = Console(highlight=False)
    for each in done:
        line = Text(f"{each.task_id}  ", style="bold")
        line.append_text(taskview.state_text(each.state))
        console.print(line) if console.is_terminal else click.echo(f"{each.task_id}  {each.state}")
