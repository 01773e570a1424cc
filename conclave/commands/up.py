"""``conclave up``."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.console import Console

from conclave.commands.options import DEFAULT_STORE, nats_option, prefix_option, run
from conclave.deployment import Deployment
from conclave.up import up
from coordination.runtime.names import Subjects


@click.command("up", short_help="Start nats-server and all services.")
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
@nats_option
@prefix_option
def up_command(*, port: int, store: Path, url: str | None, subjects: Subjects) -> None:
    """Start nats-server and all services in this process; stop with Ctrl-C."""
    started_s = time.monotonic()

    def announce(found: str, deployment: Deployment) -> None:
        _greet(found, deployment, None if url else store, subjects.prefix, time.monotonic() - started_s)

    run(up(store=store, port=port, url=url, names=(), subjects=subjects, announce=announce))


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
