"""The command line. Thin: it finds the command that is called and loads only that one."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from dataclasses import dataclass
from typing import Final

import click
from click.shell_completion import CompletionItem

PROGRAM: Final = "conclave"
UNREAD: Final = 141
"""Exit status when nobody reads on: 128 and the number of SIGPIPE, as of any other program in a pipe."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is, and what it does in a few words: known without loading it."""

    module: str
    name: str
    summary: str


COMMANDS: Final = {
    "agent": Place("conclave.commands.agent", "agent_command", "Show one agent; give and take credentials."),
    "agents": Place("conclave.commands.agents", "agents_command", "List the agents, or watch them live."),
    "audit": Place(
        "conclave.commands.audit",
        "audit_command",
        "Export what a proposal leaves behind, and check it anywhere.",
    ),
    "charter": Place("conclave.commands.charter", "charter_command", "Say who must vote, and by what rules."),
    "completion": Place(
        "conclave.commands.completion", "completion_command", "Complete words in your shell."
    ),
    "deadletters": Place(
        "conclave.commands.deadletters",
        "deadletters_command",
        "See what was given up; bring it back, or delete it.",
    ),
    "delegate": Place(
        "conclave.commands.delegate", "delegate_command", "Choose who votes for you when you do not."
    ),
    "demo": Place("conclave.commands.demo", "demo_command", "Review, vote on and build a deployment graph."),
    "find": Place("conclave.commands.find", "find_command", "Find the agents that can do something."),
    "nix": Place("conclave.commands.nix.group", "nix_command", "From a deployment graph to a NixOS flake."),
    "proposal": Place(
        "conclave.commands.proposal",
        "proposal_command",
        "Show, watch, amend, stop or execute one proposal.",
    ),
    "proposals": Place(
        "conclave.commands.proposals", "proposals_command", "List the proposals, or watch them live."
    ),
    "propose": Place("conclave.commands.propose", "propose_command", "Put something to the vote."),
    "queue": Place(
        "conclave.commands.queues", "queue_command", "See and set how tasks are allocated; pause a queue."
    ),
    "schedule": Place("conclave.commands.schedules", "schedule_command", "Submit tasks again and again."),
    "serve": Place("conclave.commands.serve", "serve_command", "Run chosen services alone."),
    "task": Place(
        "conclave.commands.task", "task_command", "Have work done: submit, watch, explain, cancel."
    ),
    "up": Place("conclave.commands.up", "up_command", "Start nats-server and all services."),
    "vote": Place("conclave.commands.vote", "vote_command", "Vote on a proposal."),
}
"""Every command. Loaded when called: services start without the translator's libraries."""


class LazyGroup(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command `cmd_name`, imported now; None if there is none."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        command: click.Command = getattr(importlib.import_module(place.module), place.name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; when nobody reads its output any more, end as other programs do."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            _discard_output()
            ctx.exit(UNREAD)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands for ``--help`` without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the commands without loading any."""
        commands = [
            CompletionItem(name, help=COMMANDS[name].summary)
            for name in self.list_commands(ctx)
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="conclave", prog_name=PROGRAM)
@click.option("-v", "--verbose", is_flag=True, help="Log what happens inside, on standard error.")
@click.pass_context
def cli(ctx: click.Context, *, verbose: bool) -> None:
    """Let many agents work as one body over NATS."""
    ctx.obj = verbose


def main() -> None:
    """Entry point of the ``conclave`` command."""
    try:
        status = cli.main(prog_name=PROGRAM, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except click.Abort:  # what click makes of Ctrl-C while a command is being read
        status = 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EIO, errno.EPIPE):
            raise
        _discard_output()
        if error.errno == errno.EPIPE:
            sys.exit(UNREAD)
        click.echo(f"{PROGRAM}: the output could not be written: {error.strerror}", err=True)
        status = 1
    sys.exit(status)


def _discard_output() -> None:
    """What is still buffered would raise again when the interpreter flushes it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
