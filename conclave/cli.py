"""The command line. Thin: it finds the command that is called and loads only that one."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from importlib.metadata import version
from typing import Final

import click

from conclave import log

COMMANDS: Final = {
    "agent": "conclave.commands.agent:agent_command",
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
    try:
        cli()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO):  # of a closed pipe click takes care itself
            raise
        # What is still buffered would raise again when the interpreter flushes it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        click.echo(f"conclave: the output could not be written: {error.strerror}", err=True)
        sys.exit(1)
