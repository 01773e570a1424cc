"""``conclave delegate``."""

from __future__ import annotations

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.electing import complete_agent
from conclave.commands.options import json_option
from conclave.commands.propose import KINDS


@click.command("delegate", short_help="Choose who votes for you when you do not.")
@click.argument("delegate", metavar="[AGENT]", required=False, shell_complete=complete_agent)
@click.option("--none", "is_none", is_flag=True, help="Take the delegation back.")
@click.option("--list", "is_list", is_flag=True, help="Show to whom AGENT has delegated, and who to it.")
@click.option("--kind", type=click.Choice(KINDS), metavar="KIND", help="For proposals of this kind only.")
@json_option
@asks
def delegate_command(
    *, delegate: str | None, is_none: bool, is_list: bool, kind: str | None, as_json: bool, access: Access
) -> None:
    """Let AGENT vote with the weight of the agent of --as, in votes that open from now on.

    It passes on: whom AGENT has chosen votes with it if AGENT does not. Who votes in person takes its own
    weight back. A delegation for one kind of proposal goes before the one for all.
    """
    from conclave.commands import voting  # noqa: PLC0415 - not for --help

    if is_list:
        if is_none or kind:
            raise click.UsageError("--list goes with an AGENT at most")
        ask(voting.show_delegations(access, delegate, as_json=as_json))
        return
    if (delegate is None) == (not is_none):
        raise click.UsageError("say who stands in for you, AGENT, or --none, or --list to see")
    ask(voting.delegate(access, delegate, kind=kind or "", as_json=as_json))
