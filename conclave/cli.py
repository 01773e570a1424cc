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
from conclave.demo import Silent, Terminal, default_graph, demo
from conclave.deployment import SERVICES, Deployment
from conclave.up import up
from coordination.runtime.errors import ConclaveError, UsageError
from coordination.runtime.names import Subjects
from nix_gen import GraphFileError, OutputError

DEFAULT_STORE: Final = Path(".conclave/local")
DEMO_STORE: Final = Path(".conclave/demo")


def _read_prefix(_: click.Context, __: click.Parameter, prefix: str) -> Subjects:
    try:
        return Subjects(prefix)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


_NATS_OPTION: Final = click.option("--nats", "url", metavar="URL", help="Use the nats-server at URL.")
_PREFIX_OPTION: Final = click.option(
    "--prefix",
    "subjects",
    default="conclave",
    show_default=True,
    metavar="TOKEN",
    callback=_read_prefix,
    help="First token of every subject.",
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
def up_command(*, port: int, store: Path, url: str | None, subjects: Subjects) -> None:
    """Start nats-server and all services in this process; stop with Ctrl-C."""
    started_s = time.monotonic()

    def announce(found: str, deployment: Deployment) -> None:
        _greet(found, deployment, None if url else store, subjects.prefix, time.monotonic() - started_s)

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
def serve_command(*, names: Sequence[str], url: str, subjects: Subjects) -> None:
    """Run only the services NAME... in this process, on an existing nats-server.

    Each service can so be a process of its own, on a host of its own.
    """

    def announce(found: str, deployment: Deployment) -> None:
        click.echo(f"serving {' '.join(deployment.names)} on {found}; stop with Ctrl-C")

    _run(up(store=DEFAULT_STORE, port=0, url=url, names=names, subjects=subjects, announce=announce))


serve_command.epilog = f"Services: {', '.join(SERVICES)}."


@cli.command("demo")
@click.argument("graph", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("out"),
    show_default=True,
    help="Directory for the flake.",
)
@click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=DEMO_STORE,
    show_default=True,
    help="Directory of the embedded server; run again on it and the history is still there.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON report and nothing else.")
@_NATS_OPTION
@_PREFIX_OPTION
def demo_command(
    *, graph: Path | None, out: Path, store: Path, as_json: bool, url: str | None, subjects: Subjects
) -> None:
    """Have five agents review, vote on and build GRAPH: a compose file or a graph file.

    Without GRAPH the project's own example is taken. The exit status is 0 if the graph was approved,
    built and passed every check; 1 if it was rejected or a check failed; 2 if GRAPH cannot be read.
    """
    path = graph or default_graph()
    terminal = Terminal(Console(highlight=False))
    screen = Silent() if as_json else terminal
    report = _run(demo(path, out=out, store=store, url=url, prefix=subjects.prefix, screen=screen))
    if as_json:
        click.echo(report.model_dump_json(indent=2))
    else:
        terminal.verdict(good=report.exit_status == 0, reason=report.reason)
    sys.exit(report.exit_status)


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
    except (ConclaveError, GraphFileError, OutputError, BaseExceptionGroup) as raised:
        error: BaseException = raised
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if not isinstance(error, ConclaveError | GraphFileError | OutputError):
            raise
        impossible = isinstance(error, UsageError | GraphFileError | OutputError)
        click.echo(f"conclave: {error}", err=True)
        sys.exit(2 if impossible else 1)


def main() -> None:
    """Entry point of the ``conclave`` command."""
    cli()
