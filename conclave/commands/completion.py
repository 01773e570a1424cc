"""``conclave completion``."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from conclave.cli import PROGRAM, cli

SHELLS = ("bash", "fish", "zsh")
_VARIABLE = "_CONCLAVE_COMPLETE"
"""How the shell's script asks the program; click derives the same from the program's name."""


@click.command("completion", short_help="Complete words in your shell.")
@click.argument("shell", type=click.Choice(SHELLS))
def completion_command(*, shell: str) -> None:
    """Print a script that has SHELL complete commands, options, and names of agents and services.

    \b
    bash   eval "$(conclave completion bash)"       in ~/.bashrc
    zsh    eval "$(conclave completion zsh)"        in ~/.zshrc
    fish   conclave completion fish | source        in ~/.config/fish/config.fish

    Names of agents come from the running registry; if it does not answer at once, none are offered.
    """  # noqa: D301 - click wants the character, which keeps the lines apart
    found = get_completion_class(shell)
    assert found is not None, "click knows every shell in SHELLS"
    click.echo(found(cli, {}, PROGRAM, _VARIABLE).source())
