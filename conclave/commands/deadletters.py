"""``conclave deadletters``: tasks that were given up, shown, brought back, deleted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.electing import read_duration
from conclave.commands.options import json_option
from conclave.commands.taskoptions import complete_dead, complete_queue

_letters: Final = click.argument("tasks", nargs=-1, metavar="TASK...", shell_complete=complete_dead)
_FILTERS: Final = (
    click.option("--submitter", metavar="NAME", help="Only those that NAME has submitted."),
    click.option("--capability", metavar="NAME", help="Only those about this capability."),
    click.option(
        "-q", "--queue", metavar="NAME", shell_complete=complete_queue, help="Only those of this queue."
    ),
    click.option("--reason", metavar="TEXT", help="Only those whose reason has TEXT in it."),
    click.option(
        "--older-than", metavar="TIME", callback=read_duration, help="Only those given up so long ago."
    ),
)
_SWEEPS: Final = (
    click.option(
        "--all", "-a", "sweeps_all", is_flag=True, help="All of them, or all that the filters leave."
    ),
    click.option("--yes", "-y", "is_sure", is_flag=True, help="Do not ask whether that is meant."),
)
_limit: Final = click.option(
    "--limit", type=click.IntRange(1, 50_000), default=100, show_default=True, help="The oldest so many."
)


def _with(*options: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@click.group("deadletters", short_help="See what was given up; bring it back, or delete it.")
def deadletters_command() -> None:
    """Tasks that were given up: attempts used up, refused by all, or a failure that no retry would mend.

    None is ever forgotten: it stays until it is brought back or deleted.
    """


@deadletters_command.command("list", short_help="List dead letters with their reasons.")
@_with(*_FILTERS)
@_limit
@json_option
@asks
def list_command(*, limit: int, as_json: bool, access: Access, **filters: Any) -> None:
    """Show the dead letters with their reasons, the oldest first.

    --json prints an array of tasks as `deadletters` answers in the wire contract.
    """
    from conclave.commands.deadletterssweep import list_letters  # noqa: PLC0415 - not for --help

    ask(list_letters(access, filters, limit=limit, as_json=as_json))


@deadletters_command.command("show", short_help="Show one dead letter.")
@click.argument("task", shell_complete=complete_dead)
@json_option
@asks
def show_command(*, task: str, as_json: bool, access: Access) -> None:
    """Show one dead letter: the reason, every attempt, the tasks above it, the payload."""
    from conclave.commands.deadletterssweep import show_letter  # noqa: PLC0415

    if not ask(show_letter(access, task, as_json=as_json)):
        sys.exit(1)


@deadletters_command.command("redrive", short_help="Bring dead letters back.")
@_letters
@_with(*_FILTERS, *_SWEEPS)
@json_option
@asks
def redrive_command(
    *, tasks: tuple[str, ...], sweeps_all: bool, is_sure: bool, as_json: bool, access: Access, **filters: Any
) -> None:
    """Bring dead letters back: each has all its attempts again, and keeps its history.

    \b
    conclave deadletters redrive 4f1c2e 77aa01
    conclave deadletters redrive --all --capability ocr --reason timeout --yes

    Tasks that were given up because they waited for one of them are not brought back with it: name them, too.
    """  # noqa: D301 - \b is click's: do not wrap
    _sweep("redrive", tasks, filters, sweeps_all=sweeps_all, is_sure=is_sure, as_json=as_json, access=access)


@deadletters_command.command("purge")
@_letters
@_with(*_FILTERS, *_SWEEPS)
@json_option
@asks
def purge_command(
    *, tasks: tuple[str, ...], sweeps_all: bool, is_sure: bool, as_json: bool, access: Access, **filters: Any
) -> None:
    """Delete dead letters, for good.

    \b
    conclave deadletters purge 4f1c2e
    conclave deadletters purge --all --older-than 30d
    """  # noqa: D301
    _sweep("purge", tasks, filters, sweeps_all=sweeps_all, is_sure=is_sure, as_json=as_json, access=access)


def _sweep(
    verb: str,
    tasks: tuple[str, ...],
    filters: dict[str, Any],
    *,
    sweeps_all: bool,
    is_sure: bool,
    as_json: bool,
    access: Access,
) -> None:
    has_filters = any(value is not None for value in filters.values())
    if tasks and (sweeps_all or has_filters):
        raise click.UsageError("name the tasks, or choose them with --all and filters, not both")
    if has_filters and not sweeps_all:
        raise click.UsageError(f"to {verb} all that the filters leave, give --all, too")
    if not tasks and not sweeps_all:
        raise click.UsageError(f"say what to {verb}: TASK..., or --all")
    from conclave.commands import deadletterssweep  # noqa: PLC0415 - not for --help

    sweep = deadletterssweep.redrive if verb == "redrive" else deadletterssweep.purge
    if not ask(sweep(access, tasks, filters, is_sure=is_sure, as_json=as_json)):
        sys.exit(1)
