"""``conclave proposals``."""

from __future__ import annotations

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.options import json_option
from conclave.commands.propose import KINDS

STATUSES = (
    "pending",
    "active",
    "succeeded",
    "defeated",
    "queued",
    "executed",
    "expired",
    "canceled",
    "vetoed",
)


@click.command("proposals", short_help="List the proposals, or watch them live.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing them as they change, until Ctrl-C.")
@click.option(
    "-s",
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice(STATUSES),
    metavar="STATUS",
    help=f"Only those that are {', '.join(STATUSES)}; may be repeated.",
)
@click.option(
    "--kind", type=click.Choice(KINDS), metavar="KIND", help=f"Only those of a kind: {', '.join(KINDS)}."
)
@click.option("--mine", is_flag=True, help="Only those that the agent of --as has made.")
@click.option("--to-vote", is_flag=True, help="Only those that wait for the vote of the agent of --as.")
@click.option(
    "--limit", type=click.IntRange(1, 5000), default=50, show_default=True, help="The newest so many."
)
@json_option
@asks
def proposals_command(
    *,
    watch: bool,
    statuses: tuple[str, ...],
    kind: str | None,
    mine: bool,
    to_vote: bool,
    limit: int,
    as_json: bool,
    access: Access,
) -> None:
    """Show what was put to the vote: status, turnout, and until when votes count; the newest last.

    --json prints an array of proposals as in docs/wire.md; with --watch it prints one object per line, for
    each proposal and again whenever something about it has changed.
    """
    from conclave.commands.proposallist import Wanted, list_proposals, watch_proposals  # noqa: PLC0415

    wanted = Wanted(
        statuses=statuses,
        kind=kind,
        proposer=access.agent if mine else None,
        to_vote=to_vote,
        limit=limit,
    )
    if watch:
        ask(watch_proposals(access, wanted, as_json=as_json))
    else:
        ask(list_proposals(access, wanted, as_json=as_json))
