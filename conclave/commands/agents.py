"""``conclave agents``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.options import json_option, refuse_together
from conclave.commands.requirement import read_requirement

if TYPE_CHECKING:
    from coordination.requirements import Requirement


def _read_labels(_: click.Context, __: click.Parameter, given: Sequence[str]) -> tuple[tuple[str, str], ...]:
    labels = []
    for each in given:
        name, separator, value = each.partition("=")
        if not (name and separator):
            raise click.BadParameter(f"{each[:80]!r} is not NAME=VALUE, for example region=eu")
        labels.append((name, value))
    return tuple(labels)


@click.command("agents", short_help="List the agents, or watch them live.")
@click.argument("requirement", required=False, callback=read_requirement)
@click.option("-w", "--watch", is_flag=True, help="Go on showing them as they change, until Ctrl-C.")
@click.option(
    "-l",
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_read_labels,
    help="Only agents with this label; may be repeated.",
)
@click.option("-a", "--all", "is_all", is_flag=True, help="Show those that are offline, too.")
@click.option("--offline", is_flag=True, help="Show only those that are offline.")
@json_option
@asks
def agents_command(
    *,
    requirement: Requirement | None,
    watch: bool,
    labels: tuple[tuple[str, str], ...],
    is_all: bool,
    offline: bool,
    as_json: bool,
    access: Access,
) -> None:
    """Show who is here: status, load and abilities of every agent, by name.

    With REQUIREMENT only the agents that meet it, for example 'python>=3.11, region in [eu, us]'. Agents that
    are offline are left out, unless they go offline while you watch.

    The exit status is 1 if there is a REQUIREMENT and nobody to show.

    --json prints an array of agents as in docs/wire.md; with --watch it prints one object per line and event,
    whatever the status.
    """
    refuse_together("--all", "--offline", both=is_all and offline)
    from conclave.commands.listing import Selection, Statuses, list_agents  # noqa: PLC0415 - not for --help

    statuses: Statuses = "offline" if offline else "all" if is_all else "live"
    selection = Selection(statuses=statuses, labels=labels, requirement=requirement)
    if watch:
        from conclave.commands.watching import watch_agents  # noqa: PLC0415

        ask(watch_agents(access, selection, as_json=as_json))
    else:
        is_anybody = ask(list_agents(access, selection, as_json=as_json))
        if requirement is not None and not is_anybody:
            sys.exit(1)
