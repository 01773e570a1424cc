"""What ``conclave task list`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import click
from rich.console import Console

from conclave.commands import tables, taskview
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.queueview import find as find_queue
from conclave.commands.taskdesk import newest, tasks
from conclave.commands.taskoptions import STATES
from coordination.runtime.errors import RejectedError
from coordination.runtime.names import require_id
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import TaskSummary

OPEN: Final = tuple(state for state in STATES if state not in taskview.ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which tasks are asked for."""

    states: tuple[str, ...] = ()
    """``open`` is short for every state in which a task has not ended; none is any."""
    submitter: str | None = None
    capability: str | None = None
    queue: str | None = None
    parent: str | None = None
    dag: str | None = None
    limit: int = 50

    async def fetch(self, client: TasksClient) -> list[TaskSummary]:
        """The newest of them, the newest last."""
        filters: dict[str, Any] = {
            "submitter": self.submitter,
            "capability": self.capability,
            "queue": self.queue,
            "parent": self.parent,
            "dag": self.dag,
        }
        if not self.states:
            return await newest(client, self.limit, **filters)
        states = {each for state in self.states for each in (OPEN if state == "open" else (state,))}
        found = [
            each
            for state in sorted(states)
            for each in await newest(client, self.limit, state=state, **filters)
        ]
        # A task may have gone from one state to the next between two questions.
        latest = {each.sequence: each for each in found}
        return [latest[sequence] for sequence in sorted(latest)][-self.limit :]


async def list_tasks(access: Access, wanted: Wanted, *, as_json: bool) -> None:
    """Print the tasks that are `wanted`; errors as `conclave.commands.reach.calling`."""
    for name in (wanted.submitter, wanted.parent, wanted.dag):
        if name is not None:
            require_id(name, what="id")
    async with tasks(access) as (client, _):
        found = await wanted.fetch(client)
        nothing = "no tasks" if found or as_json else await _why_none(client, wanted)
    if as_json:
        print_json([each.model_dump(mode="json") for each in found])
        return
    show(found, nothing=nothing)
    if len(found) == wanted.limit:
        click.echo(f"the newest {wanted.limit}; --limit shows more", err=True)


async def _why_none(client: TasksClient, wanted: Wanted) -> str:
    """What is said of no tasks: with the name that nobody knows, which may be misspelt, if there is one."""
    try:
        if wanted.dag is not None:
            await client.dag(wanted.dag)
        if wanted.parent is not None:
            await client.get(wanted.parent)
        if wanted.queue is not None:
            await find_queue(client, wanted.queue)
    except RejectedError as error:
        return f"no tasks: {error.message}"
    return "no tasks"


def show(found: list[TaskSummary], *, nothing: str) -> None:
    """Print a table: for people on a terminal, plain columns elsewhere; of none, a line on standard error."""
    console = Console(highlight=False)
    if not found:
        click.echo(nothing, err=True)
    elif console.is_terminal:
        console.print(taskview.table(found, now_ms=now_ms(), width=console.width))
        console.print()
        console.print(taskview.summary(found))
    else:
        rows = [taskview.plain_row(each) for each in found]
        click.echo("\n".join(tables.columns([taskview.PLAIN_COLUMNS, *rows])))
