"""``conclave charter``: what the operator asks of every new proposal of a kind."""

from __future__ import annotations

from typing import Any

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.electing import read_duration, read_level, read_names, read_weights
from conclave.commands.options import json_option, refuse_together
from conclave.commands.propose import KINDS, PROTOCOLS

_KIND = click.argument("kind", type=click.Choice(KINDS), metavar="KIND")


@click.group("charter", short_help="Say who must vote, and by what rules.")
def charter_command() -> None:
    """Set, remove and list what every new proposal of a kind must satisfy.

    Set and remove are the operator's. Proposals that were made before keep their rules.
    """


@charter_command.command("set", short_help="Set the charter of KIND in place of the one before.")
@_KIND
@click.option(
    "-e",
    "--electorate",
    "agents",
    multiple=True,
    metavar="A,B,C",
    callback=read_names,
    help="Exactly these vote; may be repeated.",
)
@click.option("--requirement", metavar="TEXT", help="... or exactly who meets it when voting opens.")
@click.option("--role", metavar="NAME", help="... or exactly whose label role is NAME then.")
@click.option(
    "--weight",
    "given",
    multiple=True,
    metavar="AGENT=N",
    callback=read_weights,
    help="Weight of an elector; 1 for the others. May be repeated.",
)
@click.option("--trust", "trust_topic", metavar="TOPIC", help="Electors weigh what others say of them there.")
@click.option(
    "--protocol",
    "protocols",
    multiple=True,
    type=click.Choice(PROTOCOLS),
    metavar="NAME",
    help="May be chosen; may be repeated.  [default: all]",
)
@click.option("--quorum", metavar="SHARE", callback=read_level, help="At least this: 2/3 or 5.")
@click.option(
    "--veto-holder",
    "veto_holders",
    multiple=True,
    metavar="AGENT",
    callback=read_names,
    help="Must hold a veto; may be repeated.",
)
@click.option(
    "--minimum-electorate", metavar="N", type=click.IntRange(1), default=1, help="At least so many."
)
@click.option(
    "--minimum-period", metavar="TIME", callback=read_duration, default="0", help="Votes are taken so long."
)
@click.option(
    "--timelock",
    metavar="TIME",
    callback=read_duration,
    default="0",
    help="Time between success and execution, at least.",
)
@click.option(
    "--signatures",
    type=click.Choice(("required", "optional")),
    default="required",
    show_default=True,
    help="Whether votes must be signed.",
)
@json_option
@asks
def set_command(*, kind: str, as_json: bool, access: Access, **given: Any) -> None:
    """Refuse every new proposal of KIND that does not satisfy this.

    \b
    conclave charter set infrastructure_change -e ada,bob,carol --quorum 2/3 --timelock 10m

    What is not given is not asked for, except that votes are signed.
    """  # noqa: D301 - \b is click's: do not wrap
    ways = sum(bool(given[each]) for each in ("agents", "requirement", "role"))
    if ways > 1:
        raise click.UsageError(
            "say who votes in one way: --electorate a,b,c, --requirement TEXT or --role NAME"
        )
    if not ways and (given["given"] or given["trust_topic"]):
        raise click.UsageError("weights are those of an electorate; name it too: --electorate a,b,c")
    refuse_together("--weight", "--trust", both=bool(given["given"] and given["trust_topic"]))
    from conclave.commands.chartering import set_charter  # noqa: PLC0415 - not for --help

    ask(set_charter(access, kind, given, as_json=as_json))


@charter_command.command("remove", short_help="Ask nothing of proposals of KIND any more.")
@_KIND
@json_option
@asks
def remove_command(*, kind: str, as_json: bool, access: Access) -> None:
    """Ask nothing of new proposals of KIND any more."""
    from conclave.commands.chartering import remove_charter  # noqa: PLC0415 - not for --help

    ask(remove_charter(access, kind, as_json=as_json))


@charter_command.command("list", short_help="Show the charters that hold.")
@json_option
@asks
def list_command(*, as_json: bool, access: Access) -> None:
    """Show what new proposals must satisfy, by kind. A kind that is not listed has no charter."""
    from conclave.commands.chartering import list_charters  # noqa: PLC0415 - not for --help

    ask(list_charters(access, as_json=as_json))
