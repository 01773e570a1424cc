"""What ``conclave task submit`` and ``conclave task submit-dag`` do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from conclave.address import find_url
from conclave.commands import tables, taskview
from conclave.commands.access import Access
from conclave.commands.listing import now_ms
from conclave.commands.output import print_json
from conclave.commands.taskdag import read_dag
from conclave.commands.taskdesk import tasks
from conclave.commands.taskfields import fields_of
from conclave.commands.tasklines import PlainLines, Screen, Shown
from conclave.commands.taskpayloads import read_bytes, read_payload
from conclave.commands.taskshow import fetched, no_result
from conclave.commands.taskwatch import follow, follow_dag
from conclave.work.large import placed
from coordination.artifacts.client import ArtifactsClient
from coordination.runtime.client import Caller
from coordination.runtime.errors import RejectedError
from coordination.tasks.client import TasksClient
from coordination.tasks.wire import SubmitDagReply, SubmitReply, TaskRecord

PLAIN_COLUMNS: Final = ("NAME", "ID", "STATE")


@dataclass(frozen=True, slots=True)
class Leave:
    """The proposal that approves a task, and what is known of its conditions."""

    reference: str
    conditions_met: tuple[str, ...]
    are_all_met: bool

    async def fields(self, access: Access) -> dict[str, Any]:
        """``approval`` and ``conditions_met`` of the task.

        Raises:
            RejectedError: ``unknown_proposal``; ``not_approved``: it has not succeeded.
            UsageError: A condition that was named is none of the proposal.
        """
        from conclave.commands.booth import consensus, find  # noqa: PLC0415 - most tasks need no vote
        from conclave.commands.confirming import confirmed  # noqa: PLC0415

        async with consensus(access) as (client, _):
            proposal = await find(client, self.reference)
        if proposal.approval is None:
            raise RejectedError(
                "not_approved",
                f"proposal #{proposal.number} is {proposal.status}; one that has succeeded approves a task",
            )
        met = confirmed(proposal, self.conditions_met, are_all_met=self.are_all_met)
        return {"approval": proposal.approval, "conditions_met": met}


async def submit(
    access: Access,
    requirement: str,
    payload: str | None,
    given: Mapping[str, Any],
    *,
    leave: Leave | None,
    wait: bool,
    shows_progress: bool,
    as_json: bool,
) -> bool:
    """Submit a task; with `wait` print its result. False if it ended without one.

    Args:
        access: Whom to ask.
        requirement: What the agent must be and should be.
        payload: As `conclave.commands.taskpayloads.read_payload` takes it.
        given: Values of the options, by the names in `conclave.commands.tasksubmit`.
        leave: By what it is approved.
        wait: Whether to wait for its end.
        shows_progress: Whether to show meanwhile, on standard error, how far it is.
        as_json: Whether to print JSON.

    Raises:
        UsageError: Something that was given has no form that the contract knows.
        RejectedError: The service refuses the task.
    """
    content = read_payload(payload)
    fields = fields_of(given)
    async with tasks(access) as (client, caller):
        if leave is not None:
            fields |= await leave.fields(access)
        reply = await client.submit(requirement, **await stored(caller, content), **fields)
        if not wait:
            _show_submitted(reply, as_json=as_json)
            return True
        if not as_json:
            click.echo(f"task {reply.task_id}", err=True)
        return await _await_result(
            client, caller, reply, access, shows_progress=shows_progress, as_json=as_json
        )


async def stored(caller: Caller, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload as an argument of `TasksClient.submit`; stored first, if it is too large for a record."""
    reference = await placed(ArtifactsClient(caller), payload)
    return {"payload": payload} if reference is None else {"payload_reference": reference}


async def _await_result(
    client: TasksClient,
    caller: Caller,
    reply: SubmitReply,
    access: Access,
    *,
    shows_progress: bool,
    as_json: bool,
) -> bool:
    await follow(client, caller, [reply.task_id], _meanwhile(access, shows_progress=shows_progress))
    task = await client.get(reply.task_id)
    if as_json:
        print_json(await _with_result(caller, task))
    elif task.state == "completed":
        print_json(await fetched(caller, task))
    else:
        click.echo(f"conclave: {no_result(task)}", err=True)
    return task.state == "completed"


async def _with_result(caller: Caller, task: TaskRecord) -> dict[str, Any]:
    """A task for programs; a result from the artifact store is in it, too."""
    shown = task.model_dump(mode="json")
    if task.result_reference is not None:
        shown["result"] = await fetched(caller, task)
    return shown


def _meanwhile(access: Access, *, shows_progress: bool) -> Shown:
    if not shows_progress:
        return Shown()
    console = Console(highlight=False, stderr=True)
    return Screen(console, where=find_url(access.url)) if console.is_terminal else PlainLines(on_error=True)


def _show_submitted(reply: SubmitReply, *, as_json: bool) -> None:
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    again = "  (submitted before)" if reply.duplicate else ""
    click.echo(f"{reply.task_id}  {reply.state}{again}")


async def submit_dag(
    access: Access, file: Path, dag_id: str | None, *, wait: bool, shows_progress: bool, as_json: bool
) -> bool:
    """Submit the tasks in `file`; with `wait` until nothing more happens. False if they did not complete.

    Raises:
        UsageError: The file cannot be read, or says something that the contract does not know.
        RejectedError: ``invalid_dag``, or the service refuses one of the tasks.
    """
    listed, own_id = read_dag(read_bytes(file), str(file), now_ms=now_ms())
    async with tasks(access) as (client, caller):
        placed = [{**each, **await stored(caller, each.get("payload", {}))} for each in listed]
        reply = await client.submit_dag(placed, dag_id=dag_id or own_id)
        if not wait:
            _show_dag(reply, as_json=as_json)
            return True
        if not as_json:
            click.echo(f"dag {reply.dag_id}", err=True)
        is_done = await follow_dag(
            client, caller, reply.dag_id, _meanwhile(access, shows_progress=shows_progress)
        )
        dag = await client.dag(reply.dag_id)
    if as_json:
        print_json(dag.model_dump(mode="json"))
    else:
        reason = f": {tables.printable(dag.reason)}" if dag.reason else ""
        click.echo(f"{dag.dag_id}  {dag.state}{reason}")
    return is_done


def _show_dag(reply: SubmitDagReply, *, as_json: bool) -> None:
    if as_json:
        print_json(reply.model_dump(mode="json"))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        rows = [(each.name, each.task_id, each.state) for each in reply.tasks]
        click.echo(f"dag  {reply.dag_id}")
        click.echo("\n".join(tables.columns([PLAIN_COLUMNS, *rows])))
        return
    console.print(f"dag [bold cyan]{reply.dag_id}[/]")
    for each in reply.tasks:
        line = taskview.state_text(each.state)
        console.print(
            line.append(f"  {each.name}", style="bold").append(f"  {each.task_id}", style="not bold dim")
        )
