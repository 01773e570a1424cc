"""``conclave agent``: one agent as the registry knows it, and who is let into the embedded server."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from conclave.commands.access import Access, ask, asks
from conclave.commands.options import json_option, run, store_option


def _complete_registered(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from conclave.commands.candidates import registered  # noqa: PLC0415

    return registered(ctx, incomplete)


def _complete_credentialed(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    from conclave.commands.candidates import credentialed  # noqa: PLC0415

    return credentialed(ctx.params.get("store"), incomplete)


@click.group("agent", short_help="Show one agent; give and take credentials.")
def agent_command() -> None:
    """Show an agent, and decide which agents the embedded server lets in.

    Each agent has a credential of its own, with which it can speak, vote and be reached under its own id
    and no other.
    """


@agent_command.command("show")
@click.argument("name", shell_complete=_complete_registered)
@store_option
@json_option
@asks
def show_command(*, name: str, store: Path, as_json: bool, access: Access) -> None:
    """Show all that is known of agent NAME: abilities, presence, metadata, and whether it has a credential.

    The exit status is 1 if it is not registered.
    """
    from conclave.commands.portrait import show_agent  # noqa: PLC0415 - not for --help

    if not ask(show_agent(access, name, store=store, as_json=as_json)):
        sys.exit(1)


@agent_command.command("add")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@store_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the secret seed, with one NAME.  [default: credentials/NAME.nk in the store]",
)
@click.option(
    "--rotate", is_flag=True, help="Replace the credential of an agent that has one; ends its connections."
)
@click.option(
    "--foreign",
    is_flag=True,
    help="For clients of the Synadia Agent Protocol: they may find and prompt agents, and nothing else.",
)
@json_option
def add_command(
    *, names: Sequence[str], store: Path, out: Path | None, rotate: bool, foreign: bool, as_json: bool
) -> None:
    """Mint a credential for each agent NAME.

    A running server takes it up at once and drops nobody. The file holds a secret: whoever can read it
    can act as the agent.
    """
    from conclave.commands import credentials  # noqa: PLC0415

    run(credentials.add(store, names, out=out, rotate=rotate, foreign=foreign, as_json=as_json))


@agent_command.command("remove")
@click.argument("name", shell_complete=_complete_credentialed)
@store_option
@json_option
def remove_command(*, name: str, store: Path, as_json: bool) -> None:
    """Take the credential of agent NAME back; its connections end at once.

    The registry shows the agent as offline 3 heartbeat intervals later, and forgets it after a day: only the
    agent itself can leave the registry in good order.
    """
    from conclave.commands import credentials  # noqa: PLC0415

    run(credentials.remove(store, name, as_json=as_json))


@agent_command.command("list")
@store_option
@json_option
def list_command(*, store: Path, as_json: bool) -> None:
    """List the agents and foreign clients that have a credential, with their public keys."""
    from conclave.commands import credentials  # noqa: PLC0415

    run(credentials.show_all(store, as_json=as_json))
