"""The command line. Thin: it reads arguments, calls, prints, and turns errors into one line.

Exit status: 0 done; 1 it ran and the answer is no (a rejected vote, a failed check, a lost server);
2 it was asked for something impossible (bad arguments, bad input).
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import click
from rich.console import Console

from conclave import log
from conclave.deployment import SERVICES, Deployment
from conclave.up import up
from coordination.runtime.errors import ConclaveError, UsageError
from coordination.runtime.names import Subjects
from nix_gen import GraphFileError

DEFAULT_STORE: Final = Path(".conclave/local")
DEMO_STORE: Final = Path(".conclave/demo")
_NATS_OPTION: Final = click.option("--nats", "url", metavar="URL", help="Use the nats-server at URL.")
_PREFIX_OPTION: Final = click.option(
    "--prefix", default="conclave", show_default=True, metavar="TOKEN", help="First token of every subject."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("conclave"), prog_name="conclave")
@click.option("-v", "--verbose", is_flag=True, help="Log what the services do, on standard error.")
def cli(*, verbose: bool) -> None:
    """Let many agents work as one body over NATS."""
    log.configure(verbose=verbose)


@cli.command("up")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Port of the embedded server on loopback.  [default: 4222 if free, else any]",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEFAULT_STORE,
    show_default=True,
    help="Directory of the embedded server.",
)
@_NATS_OPTION
@_PREFIX_OPTION
def up_command(*, port: int, store: Path, url: str | None, prefix: str) -> None:
    """Start nats-server and all services in this process; stop with Ctrl-C."""
    started_s = time.monotonic()

    def announce(found: str, deployment: Deployment) -> None:
        _greet(found, deployment, None if url else store, prefix, time.monotonic() - started_s)

    subjects = Subjects(prefix)
    _run(up(store=store, port=port, url=url, names=(), subjects=subjects, announce=announce))


@cli.command("serve")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--nats",
    "url",
    metavar="URL",
    default="nats://127.0.0.1:4222",
    show_default=True,
    help="The nats-server to serve on.",
)
@_PREFIX_OPTION
def serve_command(*, names: Sequence[str], url: str, prefix: str) -> None:
    """Run only the services NAME... in this process, on an existing nats-server.

    Each service can so be a process of its own, on a host of its own.
    """

    def announce(found: str, deployment: Deployment) -> None:
        click.echo(f"serving {' '.join(deployment.names)} on {found}; stop with Ctrl-C")

    subjects = Subjects(prefix)
    _run(up(store=DEFAULT_STORE, port=0, url=url, names=names, subjects=subjects, announce=announce))


serve_command.epilog = f"Services: {', '.join(SERVICES)}."


def _greet(url: str, deployment: Deployment, store: Path | None, prefix: str, elapsed_s: float) -> None:
    """Say where Conclave is and what to try next."""
    console = Console(highlight=False, soft_wrap=True)
    where = f" (store {store})" if store is not None else ""
    console.print(f"[bold]Conclave is up[/] at [cyan]{url}[/]{where}, ready in {elapsed_s:.1f} s")
    console.print(f"services: {' '.join(deployment.names)}")
    if store is not None:
        console.print("[yellow]No authentication:[/] loopback only; any program on this machine may connect.")
    console.print("\nTry, in another terminal:")
    ask = f"nats --server {url} --inbox-prefix _INBOX_ops req {prefix}.call.registry.list.ops '{{}}'"
    for command, why in (
        (f"conclave demo --nats {url}", "five agents review, vote on and build a deployment graph"),
        (ask, "ask the registry, with the plain nats CLI"),
        (f"nats --server {url} micro ls", "the services, as NATS sees them"),
    ):
        console.print(f"  [green]{command}[/]\n      {why}", markup=True)
    console.print("\nStop with Ctrl-C.")


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run `work` to its end; expected errors become one line and an exit status."""
    try:
        return asyncio.run(work)
    except (ConclaveError, GraphFileError, BaseExceptionGroup) as raised:
        error: BaseException = raised
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, ConclaveError | GraphFileError):
            raise
        impossible = isinstance(error, UsageError | GraphFileError)
        raise _Failure(str(error), status=2 if impossible else 1) from None


class _Failure(click.ClickException):
    """One line on standard error and an exit status."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.exit_code = status

    def show(self, file: Any = None) -> None:
        click.echo(f"conclave: {self.message}", file=file or sys.stderr, err=True)


def main() -> None:
    """Entry point of the ``conclave`` command."""
    cli()
