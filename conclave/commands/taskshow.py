"""What ``conclave task get`` prints: all that is known of one task, or its result alone."""

from __future__ import annotations

from typing import Any

import click
from rich.console import Console

from conclave.commands import tables, taskpage
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.taskdesk import find, tasks
from conclave.commands.taskview import WORDS
from conclave.work import large
from coordination.artifacts.client import ArtifactsClient
from coordination.runtime.client import Caller
from coordination.tasks.wire import TaskRecord


async def show_task(access: Access, reference: str, *, as_json: bool) -> None:
    """Print a task.

    Raises:
        RejectedError: ``unknown_task``.

    Further errors as `conclave.commands.reach.calling`.
    """
    async with tasks(access) as (client, _):
        task = await find(client, reference)
    if as_json:
        print_json(task.model_dump(mode="json"))
    else:
        show(task)


def show(task: TaskRecord) -> None:
    """Print a task: a page for people on a terminal, names and values elsewhere."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(taskpage.page(task, now_ms=now_ms(), width=console.width))
    else:
        click.echo("\n".join(tables.columns(list(taskpage.rows(task, now_ms=now_ms())))))


async def show_result(access: Access, reference: str) -> bool:
    """Print the result of a task, wherever it is; False if it has none. Errors as `show_task`."""
    async with tasks(access) as (client, caller):
        task = await find(client, reference)
        if task.state != "completed":
            click.echo(f"conclave: {no_result(task)}", err=True)
            return False
        result = await fetched(caller, task)
    print_json(result)
    return True


def no_result(task: TaskRecord) -> str:
    """Why there is no result, in one line."""
    reason = f": {tables.printable(task.reason)}" if task.reason else ""
    word = "has ended as " if task.finished_at_ms is not None else "has not ended, it is "
    return f"task {task.task_id} {word}{WORDS.get(task.state, task.state)}{reason}; no result"


async def fetched(caller: Caller, task: TaskRecord) -> Any:
    """The result of a completed task, from the artifact store if it is there.

    Raises:
        RejectedError: ``unknown_artifact``: it was deleted.
        PeerProtocolError: What is there is no JSON.
    """
    if task.result_reference is None:
        return task.result
    return await large.fetched(ArtifactsClient(caller), task.result_reference)
