"""What ``conclave agent add|remove|list`` do: the agents' credentials in one store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from conclave.commands.output import print_json
from conclave.commands.tables import columns
from conclave.identity import Identities
from conclave.store import exists
from coordination.runtime.errors import UsageError


async def add(
    store: Path, names: Sequence[str], *, out: Path | None, rotate: bool, foreign: bool, as_json: bool
) -> None:
    """Mint credentials and print where they are; errors as `Identities.add`."""
    identities = Identities(store)
    paths = await identities.add(*names, out=out, rotate=rotate, foreign=foreign)
    if as_json:
        keys = {agent.name: agent.public_key for agent in identities.agents()}
        print_json(
            [
                {"name": name, "public_key": keys[name], "path": str(path)}
                for name, path in zip(names, paths, strict=True)
            ]
        )
        return
    for path in paths:
        click.echo(str(path))


async def remove(store: Path, name: str, *, as_json: bool) -> None:
    """Take a credential back; errors as `Identities.remove`."""
    await Identities(store).remove(name)
    if as_json:
        print_json({"name": name, "removed": True})
    else:
        click.echo(f"removed {name}")


async def show_all(store: Path, *, as_json: bool) -> None:
    """Print the agents and foreign clients with their public keys.

    Raises:
        UsageError: There is no such store.
        UsersFileError: Its users file is damaged.
    """
    if not exists(store):
        raise UsageError(
            f"there is no store at {store}; `conclave up` or `conclave agent add` makes one, "
            "or give another with --store DIRECTORY"
        )
    agents = Identities(store).agents()
    if as_json:
        print_json(
            [{"name": agent.name, "role": agent.role, "public_key": agent.public_key} for agent in agents]
        )
    elif agents:
        click.echo("\n".join(columns([(agent.name, agent.role, agent.public_key) for agent in agents])))
    else:
        click.echo("no agents yet; add one with: conclave agent add NAME", err=True)
