"""What ``conclave task tree`` and ``conclave task dag`` print: tasks below a task, and tasks after tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import click
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from conclave.commands import tables, taskpage, taskview
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.tables import printable
from conclave.commands.taskdesk import find, tasks
from conclave.commands.taskmoments import both, iso
from coordination.runtime.errors import RejectedError
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import DagMember, DagReply, TaskRecord, TaskSummary

TREE_COLUMNS: Final = ("DEPTH", "ID", "PARENT", "STATE", "AGENT", "PROGRESS", "BELOW", "UNITS", "REQUIREMENT")
DAG_COLUMNS: Final = ("NAME", "ID", "STATE", "UNDONE", "AFTER", "REASON")
DAG_STYLES: Final = {
    "running": "bold cyan",
    "completed": "green",
    "failed": "bold red",
    "compensating": "bold yellow",
    "compensated": "yellow",
    "compensation_failed": "bold red",
    "canceled": "magenta",
}
_AT_ONCE: Final = 16
MAX_RECORDS: Final = 128
"""Tasks of a tree of which all is asked; of others the summary is shown."""


async def show_tree(access: Access, reference: str, *, as_json: bool) -> None:
    """Print a task and all that was delegated from it; errors as `conclave.commands.taskdesk.find`."""
    async with tasks(access) as (client, _):
        root = await find(client, reference)
        children = await client.children(root.task_id)
        records = {} if as_json else await records_of(client, children)
    if as_json:
        below = [each.model_dump(mode="json") for each in children]
        print_json({"task": root.model_dump(mode="json"), "children": below})
        return
    members: list[TaskSummary] = [root, *(records.get(each.task_id, each) for each in children)]
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(tree(members, now_ms=now_ms()), no_wrap=True, overflow="ellipsis", crop=True)
    else:
        click.echo("\n".join(tables.columns([TREE_COLUMNS, *tree_rows(members)])))


async def records_of(client: TasksClient, members: Sequence[TaskSummary]) -> dict[str, TaskRecord]:
    """The records of the first `MAX_RECORDS` of them, by id; those forgotten meanwhile are left out."""
    places = asyncio.Semaphore(_AT_ONCE)

    async def ask(task_id: str) -> TaskRecord | None:
        async with places:
            try:
                return await client.get(task_id)
            except RejectedError:  # it is forgotten just now
                return None

    found = await asyncio.gather(*(ask(each.task_id) for each in members[:MAX_RECORDS]))
    return {each.task_id: each for each in found if each is not None}


def tree(members: Sequence[TaskSummary], *, now_ms: int) -> Tree:
    """A task and those below it, each under the one that it was delegated from; the root comes first."""
    root = members[0]
    branches: dict[str, Tree] = {root.task_id: Tree(_branch(root, now_ms), guide_style="dim")}
    for each in members[1:]:
        above = branches.get(each.chain[-1] if each.chain else "", branches[root.task_id])
        branches[each.task_id] = above.add(_branch(each, now_ms))
    return branches[root.task_id]


def _branch(task: TaskSummary, now_ms: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append_text(taskview.state_text(task.state)).append("  ")
    line.append(task.task_id, style="bold").append(f"  {taskview.what(task)}")
    if agent := taskview.agent_of(task):
        line.append(f"  {agent}", style="cyan")
    progress = taskview.progress_text(task, chars=8)
    if progress.plain and task.state != "completed":
        line.append("  ").append_text(progress)
    if isinstance(task, TaskRecord) and (task.budget is not None or task.used_cost):
        line.append(f"  [{taskpage.budget_text(task)}]", style="yellow")
    if words := taskview.said(task, now_ms=now_ms):
        line.append(f"  {words}", style="dim")
    return line


def tree_rows(members: Sequence[TaskSummary]) -> Iterator[tuple[str, ...]]:
    """The same for pipes."""
    base = len(members[0].chain)
    for each in members:
        below, units = taskpage.budget_cells(each) if isinstance(each, TaskRecord) else ("-", "-")
        yield (
            str(len(each.chain) - base),
            each.task_id,
            each.chain[-1] if each.chain else "-",
            each.state,
            taskview.agent_of(each) or "-",
            "-" if each.share is None else f"{each.share:.0%}",
            below,
            units,
            printable(each.requirement) or "-",
        )


async def show_dag(access: Access, dag_id: str, *, as_json: bool) -> None:
    """Print a DAG.

    Raises:
        RejectedError: ``unknown_dag``.

    Further errors as `conclave.commands.reach.calling`.
    """
    async with tasks(access) as (client, _):
        dag = await client.dag(dag_id)
        members = (
            {} if as_json else {each.task_id: each for each in await client.list(dag=dag_id, limit=1000)}
        )
    if as_json:
        print_json(dag.model_dump(mode="json"))
        return
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(dag_page(dag, members, now_ms=now_ms()))
    else:
        click.echo(
            f"{dag.dag_id}  {dag.state}  {iso(dag.submitted_at_ms)}  {dag.submitter}  {_said(dag) or '-'}"
        )
        click.echo("\n".join(tables.columns([DAG_COLUMNS, *map(_dag_row, dag.tasks)])))


def dag_page(dag: DagReply, members: Mapping[str, TaskSummary], *, now_ms: int) -> Group:
    """State and reason, and a table of the tasks in an order in which they can be done."""
    title = Text(f"{dag.dag_id}  ", style="bold cyan")
    title.append(dag.state.replace("_", " "), style=DAG_STYLES.get(dag.state, ""))
    title.append(f"  by {dag.submitter}, {both(dag.submitted_at_ms, now_ms)}", style="not bold dim")
    parts: list[RenderableType] = [title]
    if reason := _said(dag):
        parts.append(Text(reason, style=DAG_STYLES.get(dag.state, "")))
    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold dim")
    grid.add_column("NAME", no_wrap=True, overflow="ellipsis", style="bold", max_width=24)
    grid.add_column("STATE", no_wrap=True)
    grid.add_column("AFTER", overflow="fold", style="dim")
    grid.add_column("ID", no_wrap=True, overflow="ellipsis", style="dim")
    grid.add_column("", overflow="fold", ratio=1)
    for each in dag.tasks:
        task = members.get(each.task_id)
        state = Text("forgotten", style="dim") if each.state is None else taskview.state_text(each.state)
        words = Text(taskview.said(task, now_ms=now_ms) if task is not None else printable(each.reason))
        if task is not None and task.state == "running" and task.share is not None:
            words = taskview.progress_text(task, chars=8).append("  ").append_text(words)
        if each.is_compensated is not None:
            word = ("undone", "yellow") if each.is_compensated else ("not undone", "bold red")
            words = Text(*word).append(f"  {words.plain}" if words.plain else "", style="default")
        grid.add_row(each.name, state, _edges(dag, each), each.task_id, words)
    parts += [Text(), grid]
    return Group(*parts)


def _said(dag: DagReply) -> str:
    if dag.compensating:
        return printable(f"undoing, by {dag.compensating}: {dag.reason}")
    return printable(dag.reason)


def _edges(dag: DagReply, member: DagMember) -> str:
    names = {each.task_id: each.name for each in dag.tasks}
    return ", ".join(
        names.get(each.task_id, each.task_id) + ("" if each.on_failure == "fail" else f":{each.on_failure}")
        for each in member.after
    )


def _dag_row(member: DagMember) -> tuple[str, ...]:
    undone = {None: "-", True: "yes", False: "failed"}[member.is_compensated]
    after = ",".join(f"{each.task_id}:{each.on_failure}" for each in member.after)
    return (
        member.name,
        member.task_id,
        member.state or "forgotten",
        undone,
        after or "-",
        printable(member.reason) or "-",
    )
