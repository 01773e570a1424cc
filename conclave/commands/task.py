"""``conclave task``: tasks submitted, shown, watched, explained, stopped."""

from __future__ import annotations

import sys
from typing import Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.options import json_option, refuse_together
from conclave.commands.taskoptions import STATES, complete_queue, complete_task, task_argument
from conclave.commands.tasksubmit import submit_command, submit_dag_command

_tasks: Final = click.argument("tasks", nargs=-1, metavar="TASK...", shell_complete=complete_task)
_dag: Final = click.option("--dag", metavar="ID", help="All tasks of this DAG.")


@click.group("task", short_help="Have work done: submit, watch, explain, cancel.")
def task_command() -> None:
    """Have agents do something, and see what becomes of it.

    TASK is the id of a task, or a beginning of it, 4 characters or more.
    """


task_command.add_command(submit_command)
task_command.add_command(submit_dag_command)


@task_command.command("get", short_help="Show one task, or its result alone.")
@task_argument
@click.option("--result", "only_result", is_flag=True, help="Print the result as JSON and nothing else.")
@json_option
@asks
def get_command(*, task: str, only_result: bool, as_json: bool, access: Access) -> None:
    """Show all that is known of a task: state, holder, attempts, refusals, payload, result.

    With --result the exit status is 1 if there is none.
    """
    refuse_together("--result", "--json", both=only_result and as_json)
    from conclave.commands.taskshow import show_result, show_task  # noqa: PLC0415 - not for --help

    if only_result:
        if not ask(show_result(access, task)):
            sys.exit(1)
    else:
        ask(show_task(access, task, as_json=as_json))


@task_command.command("list", short_help="List tasks.")
@click.option(
    "-s",
    "--state",
    "states",
    multiple=True,
    type=click.Choice(("open", *STATES)),
    metavar="STATE",
    help=f"Only those that are open, or {', '.join(STATES)}; may be repeated.",
)
@click.option("--mine", is_flag=True, help="Only those that the agent of --as has submitted.")
@click.option("--submitter", metavar="NAME", help="Only those that NAME has submitted.")
@click.option("--capability", metavar="NAME", help="Only those about this capability.")
@click.option(
    "-q", "--queue", metavar="NAME", shell_complete=complete_queue, help="Only those of this queue."
)
@click.option(
    "--parent", metavar="TASK", shell_complete=complete_task, help="Only those delegated from TASK."
)
@click.option("--dag", metavar="ID", help="Only those of this DAG.")
@click.option(
    "--limit", type=click.IntRange(1, 5000), default=50, show_default=True, help="The newest so many."
)
@json_option
@asks
def list_command(
    *,
    states: tuple[str, ...],
    mine: bool,
    submitter: str | None,
    capability: str | None,
    queue: str | None,
    parent: str | None,
    dag: str | None,
    limit: int,
    as_json: bool,
    access: Access,
) -> None:
    """Show tasks: state, agent, progress, age; the newest last.

    --json prints an array of tasks as `list` answers in the wire contract.
    """
    refuse_together("--mine", "--submitter", both=mine and submitter is not None)
    from conclave.commands.tasklist import Wanted, list_tasks  # noqa: PLC0415 - not for --help

    wanted = Wanted(
        states=states,
        submitter=access.agent if mine else submitter,
        capability=capability,
        queue=queue,
        parent=parent,
        dag=dag,
        limit=limit,
    )
    ask(list_tasks(access, wanted, as_json=as_json))


@task_command.command("watch", short_help="Show tasks live until they end.")
@_tasks
@click.option(
    "--all", "-a", "watches_all", is_flag=True, help="All tasks, those that come as well, until Ctrl-C."
)
@_dag
@click.option(
    "-q", "--queue", metavar="NAME", shell_complete=complete_queue, help="With --all: of this queue."
)
@json_option
@asks
def watch_command(
    *,
    tasks: tuple[str, ...],
    watches_all: bool,
    dag: str | None,
    queue: str | None,
    as_json: bool,
    access: Access,
) -> None:
    """Show tasks live until all have ended; the exit status is 0 if all completed and 1 otherwise.

    In a pipe it prints a line for each change: time, task, state, agent, progress, note. --json prints an
    object per line, the task as `list` answers, for each task and again whenever it has changed.
    """
    if (bool(tasks) + watches_all + (dag is not None)) != 1:
        raise click.UsageError("say what to watch, in one way: TASK... or --all or --dag ID")
    if queue is not None and not watches_all:
        raise click.UsageError("--queue is for --all")
    from conclave.commands import taskwatch  # noqa: PLC0415 - not for --help

    if watches_all:
        ask(taskwatch.watch_all(access, queue=queue, as_json=as_json))
    elif not ask(taskwatch.watch_tasks(access, tasks, dag=dag, as_json=as_json)):
        sys.exit(1)


@task_command.command("cancel", short_help="Stop tasks, and all below them.")
@_tasks
@_dag
@click.option("--reason", default="", metavar="TEXT", help="Why.")
@click.option("--wait", "-w", is_flag=True, help="Wait until every agent has confirmed, and show each.")
@json_option
@asks
def cancel_command(
    *, tasks: tuple[str, ...], dag: str | None, reason: str, wait: bool, as_json: bool, access: Access
) -> None:
    """Stop tasks, and what was delegated from them.

    One that runs is canceling until its agent says that it has stopped, or its lease is over. With --wait
    the exit status is 1 if an agent has not confirmed.
    """
    if bool(tasks) is (dag is not None):
        raise click.UsageError("say what to cancel: TASK... or --dag ID")
    from conclave.commands import taskcancel  # noqa: PLC0415 - not for --help

    if dag is not None:
        done = ask(taskcancel.cancel_dag(access, dag, reason, wait=wait, as_json=as_json))
    else:
        done = ask(taskcancel.cancel_tasks(access, tasks, reason, wait=wait, as_json=as_json))
    if not done:
        sys.exit(1)


@task_command.command("retry", short_help="Do not wait for the next attempt.")
@_tasks
@json_option
@asks
def retry_command(*, tasks: tuple[str, ...], as_json: bool, access: Access) -> None:
    """Do not wait any longer: end the pause after a failed attempt, or bring a dead letter back."""
    if not tasks:
        raise click.UsageError("say what to retry: TASK...")
    from conclave.commands.taskcancel import retry_tasks  # noqa: PLC0415 - not for --help

    if not ask(retry_tasks(access, tasks, as_json=as_json)):
        sys.exit(1)


@task_command.command("explain", short_help="Say why a task waits, agent by agent.")
@task_argument
@json_option
@asks
def explain_command(*, task: str, as_json: bool, access: Access) -> None:
    """Say what a task waits for now, and of each agent why it has it, could get it, or cannot."""
    from conclave.commands.taskexplain import explain_task  # noqa: PLC0415 - not for --help

    ask(explain_task(access, task, as_json=as_json))


@task_command.command("tree", short_help="Show what was delegated from a task.")
@task_argument
@json_option
@asks
def tree_command(*, task: str, as_json: bool, access: Access) -> None:
    """Show what was delegated from a task, as a tree: states, agents, and how much of each budget is used."""
    from conclave.commands.tasktree import show_tree  # noqa: PLC0415 - not for --help

    ask(show_tree(access, task, as_json=as_json))


@task_command.command("dag", short_help="Show tasks that wait for one another.")
@click.argument("dag")
@json_option
@asks
def dag_command(*, dag: str, as_json: bool, access: Access) -> None:
    """Show a DAG: where each of its tasks stands, what it waits for, and what was undone."""
    from conclave.commands.tasktree import show_dag  # noqa: PLC0415 - not for --help

    ask(show_dag(access, dag, as_json=as_json))
