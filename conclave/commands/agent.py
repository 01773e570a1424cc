"""``conclave agent``: who is let into the embedded server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from conclave.commands.options import DEFAULT_STORE, run
from conclave.identity import Identities
from conclave.identity.users import User

_store_option: Final = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="Directory of the embedded server, running or not.",
)


@click.group("agent", short_help="Mint and take back credentials of agents.")
def agent_command() -> None:
    """Decide which agents the embedded server lets in.

    Each agent has a credential of its own, with which it can speak, vote and be reached under its own id
    and no other.
    """


@agent_command.command("add")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@_store_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the secret seed, with one NAME.  [default: credentials/NAME.nk in the store]",
)
@click.option(
    "--rotate", is_flag=True, help="Replace the credential of an agent that has one; ends its connections."
)
def add_command(*, names: Sequence[str], store: Path, out: Path | None, rotate: bool) -> None:
    """Mint a credential for each agent NAME.

    A running server takes it up at once and drops nobody. The file holds a secret: whoever can read it
    can act as the agent.
    """
    for path in run(Identities(store).add(*names, out=out, rotate=rotate)):
        click.echo(str(path))


@agent_command.command("remove")
@click.argument("name")
@_store_option
def remove_command(*, name: str, store: Path) -> None:
    """Take the credential of agent NAME back; its connections end at once."""
    run(Identities(store).remove(name))
    click.echo(f"removed {name}")


async def _read(store: Path) -> tuple[User, ...]:
    return Identities(store).agents()


@agent_command.command("list")
@_store_option
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
def list_command(*, store: Path, as_json: bool) -> None:
    """Show the agents and their public keys."""
    agents = run(_read(store))
    if as_json:
        rows = [{"name": agent.name, "public_key": agent.public_key} for agent in agents]
        click.echo(json.dumps(rows, indent=2))
        return
    width = max((len(agent.name) for agent in agents), default=0)
    for agent in agents:
        click.echo(f"{agent.name:{width}}  {agent.public_key}")
    if not agents:
        click.echo("no agents yet; add one with: conclave agent add NAME", err=True)
