"""The command line. Thin: it finds the command that is called and loads only that one."""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import Final

import click

from conclave import log

COMMANDS: Final = {
    "demo": "conclave.commands.demo:demo_command",
    "serve": "conclave.commands.serve:serve_command",
    "up": "conclave.commands.up:up_command",
}
"""Command -> module and object. Loaded when needed: services start without the translator's libraries."""


class LazyGroup(click.Group):
    """A group that imports a command when it is called, or when all are listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command `cmd_name`, imported now; None if there is none."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("conclave"), prog_name="conclave")
@click.option("-v", "--verbose", is_flag=True, help="Log what the services do, on standard error.")
def cli(*, verbose: bool) -> None:
    """Let many agents work as one body over NATS."""
    log.configure(verbose=verbose)


def main() -> None:
    """Entry point of the ``conclave`` command."""
    cli()
