"""``conclave serve``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from conclave.commands.options import DEFAULT_STORE, credentials_option, prefix_option, run
from conclave.deployment import SERVICES, Deployment
from conclave.up import up
from coordination.runtime.names import Subjects


@click.command("serve", short_help="Run chosen services alone.", epilog=f"Services: {', '.join(SERVICES)}.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--nats",
    "url",
    metavar="URL",
    default="nats://127.0.0.1:4222",
    show_default=True,
    help="The nats-server to serve on.",
)
@credentials_option
@prefix_option
def serve_command(*, names: Sequence[str], url: str, credentials: Path | None, subjects: Subjects) -> None:
    """Run only the services NAME... in this process, on an existing nats-server.

    Each service can so be a process of its own, on a host of its own; there it needs the credential of
    its own service only.
    """

    def announce(found: str, deployment: Deployment) -> None:
        click.echo(f"serving {' '.join(deployment.names)} on {found}; stop with Ctrl-C")

    work = up(
        store=DEFAULT_STORE,
        port=0,
        url=url,
        names=names,
        subjects=subjects,
        announce=announce,
        credentials=credentials,
    )
    run(work)
